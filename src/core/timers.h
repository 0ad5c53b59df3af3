/* The timers of one loop: a binary heap ordered by due time, then by the order of setting. */
#ifndef PGOUTBOX_CORE_TIMERS_H
#define PGOUTBOX_CORE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"

struct timers {
    struct timer **heap;
    size_t count, capacity;
    uint64_t sequence; /* number of the next setting */
};

struct timer *timers_add(struct timers *timers, timer_fn *callback, void *arg);
void timers_free(struct timers *timers);

/* Milliseconds until the first timer is due, 0 when one is, -1 when none is set. */
int64_t timers_wait(const struct timers *timers, int64_t now);

/* Runs what was due at `now` when called, in order; ends early once *stopped is true. */
void timers_fire(struct timers *timers, int64_t now, const bool *stopped);

#endif
