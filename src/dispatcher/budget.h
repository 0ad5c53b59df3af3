/*
 * A provider's limits over all dispatchers of all machines. Requests are leased from the database in advance,
 * for a tenth of a second each time, and what was not used goes back with the next lease.
 */
#ifndef PGOUTBOX_DISPATCHER_BUDGET_H
#define PGOUTBOX_DISPATCHER_BUDGET_H

#include <stddef.h>

#include "core/loop.h"

struct budget;

struct budget_events {
    /* Asks the database; answered by budget_granted or budget_lost. */
    void (*lease)(void *arg, int wanted, int unused, int in_flight);
    /* More may be started than a moment ago. */
    void (*room)(void *arg);
    void *arg;
};

struct budget *budget_new(struct loop *loop, const struct budget_events *events);
void budget_free(struct budget *budget); /* NULL is allowed */

/* How many more requests may be started now; asks for more when there are few. */
size_t budget_room(struct budget *budget);
/* One is started (there was room), one has ended. */
void budget_started(struct budget *budget);
void budget_ended(struct budget *budget);

/* tokens: may be started; slots: may be in the air at once. */
void budget_granted(struct budget *budget, int tokens, int slots);
void budget_lost(struct budget *budget); /* the question was not answered */

#endif
