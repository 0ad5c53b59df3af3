/*
 * A door on 127.0.0.1 with a fixed port, behind which a test changes the server: connections are passed on to
 * the target of the moment. A failure here ends the test (ck_abort).
 */
#ifndef PGOUTBOX_TESTS_RELAY_H
#define PGOUTBOX_TESTS_RELAY_H

struct relay;

struct relay *relay_new(int target_port);
void relay_free(struct relay *relay); /* NULL is allowed */
int relay_port(const struct relay *relay);

/* From now on connections go there; those that were open are closed when it returns. */
void relay_turn(struct relay *relay, int target_port);

#endif
