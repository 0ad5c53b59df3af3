/*
 * The scheduler: calls the database's periodic duties. Any number may run; one leads, which is whoever holds
 * an advisory lock on its connection, and the others ask for the lock four times a second.
 */
#ifndef PGOUTBOX_SCHEDULER_SCHEDULER_H
#define PGOUTBOX_SCHEDULER_SCHEDULER_H

#include <stdint.h>

#include "core/loop.h"

struct scheduler;

/* database: libpq string, "" = environment only. interval_ms: how often due messages are looked for. Works
 * from the loop until it is freed; reconnects for ever. */
struct scheduler *scheduler_new(struct loop *loop, const char *database, int64_t interval_ms);
void scheduler_free(struct scheduler *scheduler); /* NULL is allowed */

#endif
