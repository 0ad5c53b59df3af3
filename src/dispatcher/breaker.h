/*
 * Circuit breaker of one provider: stops sending when the provider itself fails, asks again after a while,
 * and lets the requests come back slowly. Pure: time (steady clock) and randomness are arguments.
 *
 *   CLOSED   normal work. OPEN follows 5 bad answers in a row, or 10 bad ones among the last 20.
 *   OPEN     nothing is sent until the wait is over; what is still answered meanwhile does not count.
 *   PROBING  one request, then one more in the air with each good answer, so twice as many per round trip. 20
 *            good answers close it; a bad one opens it again, for longer.
 *
 * Requests sent before it opened count like probes when they end while it is probing. Who does not want that
 * calls breaker_probe only when they have ended.
 */
#ifndef PGOUTBOX_DISPATCHER_BREAKER_H
#define PGOUTBOX_DISPATCHER_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct breaker {
    enum breaker_state state;
    uint32_t recent;  /* one bit for each of the last answers, the newest lowest; 1 = bad */
    size_t allowed;   /* in the air; SIZE_MAX until it first opens */
    int openings;     /* in one stretch of trouble */
    int64_t until_ms; /* end of the last wait, steady clock */
};

void breaker_init(struct breaker *breaker);
enum breaker_state breaker_state(const struct breaker *breaker);
bool breaker_has_opened(const struct breaker *breaker); /* once, at least */

/* An answer that shows that the provider works; a recipient's fault is one. True: the state has changed. */
bool breaker_good(struct breaker *breaker);
/* The provider's own fault: 5xx, no connection, TLS, timeout. random: any 64 random bits. True: the state has
 * changed. The first wait is 1 to 2 s, each further one twice as long, up to 30 to 60 s; 5 minutes without an
 * opening begin anew. */
bool breaker_bad(struct breaker *breaker, int64_t now_ms, uint64_t random);

/* ms until it may be probed; 0 = it may, or it is not open. */
int64_t breaker_wait(const struct breaker *breaker, int64_t now_ms);
/* The wait is over: OPEN becomes PROBING. Nothing happens in another state. */
void breaker_probe(struct breaker *breaker);

/* How many requests may be in the air, of the capacity there is. It goes on growing by one with each good
 * answer after it has closed, so that a large capacity comes back without a jump. */
size_t breaker_allows(const struct breaker *breaker, size_t capacity);

#endif
