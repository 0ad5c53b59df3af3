/*
 * How a provider does: its circuit breaker, and the share of addresses that it called dead lately. A wrong
 * topic, key or environment makes a provider call every address dead. Pure: time and randomness are
 * arguments.
 */
#ifndef PGOUTBOX_DISPATCHER_HEALTH_H
#define PGOUTBOX_DISPATCHER_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dispatcher/breaker.h"

struct health {
    struct breaker breaker;
    char *fault;      /* why the breaker opened; NULL = it is closed */
    int judged, gone; /* answers lately, and those that said "gone" */
    int gone_limit;   /* percent of addresses reported gone above which it is not believed */
};

void health_init(struct health *health, int gone_limit);
void health_free(struct health *health);

/* The provider works. True: the breaker has changed. */
bool health_good(struct health *health);
/* Its own fault, see breaker_bad. True: the breaker has changed. */
bool health_bad(struct health *health, const char *reason, int64_t now_ms, uint64_t random);

/* An answer came; gone: it called the address dead. */
void health_count(struct health *health, bool gone);
/* What was learnt about dead addresses is taken over. */
void health_inherit(struct health *health, const struct health *former);
/* So many addresses were called dead lately that a fault of the configuration is likelier; reason is then
 * filled. */
bool health_distrusts_gone(const struct health *health, char *reason, size_t size);

/* "closed", "open" or "probing". */
const char *health_state(const struct health *health);

#endif
