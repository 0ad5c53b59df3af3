/* One piece of work that may block, done by a thread beside the loop. */
#ifndef PGOUTBOX_CORE_WORKER_H
#define PGOUTBOX_CORE_WORKER_H

#include "core/loop.h"

struct worker;

/* What is done. The thread touches nothing but data, which nobody else touches until `done`. */
struct worker_task {
    void (*work)(void *data);    /* in the thread */
    void (*discard)(void *data); /* frees data, in the loop's thread or in the other one */
    void *data;
};

/* Starts the thread; `done` comes once, from the loop. NULL: there is no thread or descriptor left, and data
 * is still the caller's. */
struct worker *worker_new(struct loop *loop, const struct worker_task *task, void (*done)(void *arg),
                          void *arg);

/* No callback comes after; `done` itself may call it. Work cannot be interrupted: data is discarded now or,
 * by the thread, when the work has ended. NULL is allowed. */
void worker_free(struct worker *worker);

#endif
