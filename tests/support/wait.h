/* Waiting for a condition, never for an amount of time. */
#ifndef PGOUTBOX_TESTS_WAIT_H
#define PGOUTBOX_TESTS_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* Asks every few milliseconds until the condition holds: true; false after deadline_ms. */
typedef bool wait_fn(void *arg);
bool wait_until(wait_fn *condition, void *arg, int64_t deadline_ms);

#endif
