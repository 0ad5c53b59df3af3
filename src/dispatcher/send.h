/* Jobs go to their provider, out as requests, and come back judged through their flight. */
#ifndef PGOUTBOX_DISPATCHER_SEND_H
#define PGOUTBOX_DISPATCHER_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatcher/provider.h"

/* The job comes back through its flight, JOB_JUDGED or JOB_HANDED_BACK. */
void send_submit(struct provider *provider, struct job *job);
/* Sends what is queued as far as it may go. */
void send_pump(struct provider *provider);
/* Free slots of the provider have appeared; an endpoint's on_capacity. */
void send_on_slots(void *provider);
/* What a lease gave; ok false: the question was lost. more_in_ms: see budget_granted. */
void send_leased(struct provider *provider, bool ok, int tokens, int slots, int64_t more_in_ms);

#endif
