/* A Postgres of a test's own, with settings that the common one does not have. A failure here ends the test.
 */
#ifndef PGOUTBOX_TESTS_SERVER_H
#define PGOUTBOX_TESTS_SERVER_H

/* Makes and starts it, and has pg.h use it from now on, in this process and in those that it starts.
 * settings: "NAME=VALUE", ends with NULL. To be called before the tests fork: in an unchecked fixture. */
void server_start(const char *const settings[]);

/* Stops it at once and removes it. */
void server_stop(void);

#endif
