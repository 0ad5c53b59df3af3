/*
 * A loop, clocks and chance that do only what a test says: in place of core/loop.c, core/clock.c and
 * core/backoff_random.c. One loop at a time. Chance is always 0: the shortest delay, the first of equals.
 */
#ifndef PGOUTBOX_TESTS_FAKES_TIME_H
#define PGOUTBOX_TESTS_FAKES_TIME_H

#include <stdint.h>

/* What both clocks show when a loop is made. */
#define FAKE_TIME_MS   INT64_C(1700000000000)
#define FAKE_TIME_MONO INT64_C(1000000)

/* Time passes: the timers that come due meanwhile fire in order, each at its time. 0: what is due now. */
void fake_time_pass(int64_t ms);

#endif
