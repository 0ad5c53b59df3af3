/*
 * A provider's limits over all dispatchers of all machines. Requests are leased from the database in advance,
 * for a tenth of a second each time, and what was not used goes back with the next lease. It rests while
 * nobody needs any: then nothing is held and nothing is asked.
 */
#ifndef PGOUTBOX_DISPATCHER_BUDGET_H
#define PGOUTBOX_DISPATCHER_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"

struct budget;

struct budget_events {
    /* Asks the database; answered by budget_granted or budget_lost. wanted = 0 only gives back: no answer,
     * but budget_lost when that was lost. false: it was not asked, and nothing is given back; if wanted > 0,
     * budget_lost has been called. */
    bool (*lease)(void *arg, const char *name, int wanted, int unused, int in_flight);
    void *arg;
};

struct budget *budget_new(struct loop *loop, const char *name, const struct budget_events *events);
/* For the provider that follows one of the same name: what is in the air of that one counts. Each frees it.
 */
struct budget *budget_share(struct budget *budget);
void budget_free(struct budget *budget); /* NULL is allowed */

/* How many more requests may be started now. */
size_t budget_room(const struct budget *budget);
/* For how many it is worth while to fetch messages: the room there is; at rest for one, which shows whether
 * there are any. */
size_t budget_prospect(const struct budget *budget);
/* The last lease gave less than was wanted, so what finds no room must go elsewhere. Otherwise it may wait
 * for the next lease, which comes at once. */
bool budget_is_short(const struct budget *budget);
/* ms until there may be room again; 0 = there is, or nobody knows. */
int64_t budget_wait(const struct budget *budget);
/* ms until the next one that was turned away should come again, at most so many: each later than the last. */
int64_t budget_turn(struct budget *budget, int64_t longest);

/* So many requests wait for room. */
void budget_demand(struct budget *budget, size_t waiting);
/* One is started (there was room), one has ended. */
void budget_started(struct budget *budget);
void budget_ended(struct budget *budget);

/* tokens: may be started; slots: may be in the air at once; more_in_ms: when no tokens are given, how long
 * until there will be some. */
void budget_granted(struct budget *budget, int tokens, int slots, int64_t more_in_ms);
/* The question was not answered: it is asked again; or it is not known whether what was given back has
 * arrived: what is still needed is told again, but no request is given back twice. */
void budget_lost(struct budget *budget);

/* The limits may have changed: asks again if they were used up. */
void budget_limits_read(struct budget *budget);
/* Gives back what it has until there is demand again. */
void budget_rest(struct budget *budget);

#endif
