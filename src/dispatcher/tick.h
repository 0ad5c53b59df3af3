/*
 * Twice a second: where the queue's positions stand, a snapshot that is younger (see cursor.h), and which
 * dispatchers live.
 */
#ifndef PGOUTBOX_DISPATCHER_TICK_H
#define PGOUTBOX_DISPATCHER_TICK_H

#include <stdint.h>

#include "core/loop.h"
#include "dispatcher/control.h"
#include "dispatcher/cursor.h"

struct tick_events {
    void (*begun)(void *arg, unsigned number); /* 1, 2, … */
    void (*snapshot)(void *arg, int64_t position, const struct snapshot *snapshot);
    /* A dispatcher that lived at the tick before lives no more; comes after the snapshot. */
    void (*somebody_left)(void *arg);
    void *arg;
};

struct tick;

struct tick *tick_new(struct loop *loop, struct control *control, const struct tick_events *events);
void tick_free(struct tick *tick); /* after the control connection; NULL is allowed */

void tick_start(struct tick *tick); /* the control connection is attached */
void tick_stop(struct tick *tick);  /* it is lost, or leaving */

#endif
