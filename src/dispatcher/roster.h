/*
 * The providers of a channel: kept, replaced and retired as the rows of outbox.provider are read; which of
 * them takes a job, and what they have room for. What they have to tell about themselves goes to the log and,
 * by the control connection, to the database.
 */
#ifndef PGOUTBOX_DISPATCHER_ROSTER_H
#define PGOUTBOX_DISPATCHER_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"
#include "dispatcher/job.h"
#include "dispatcher/provider.h"
#include "transport/transport.h"

struct control;
struct roster;

/* All of it must outlive the roster. */
struct roster_options {
    struct loop *loop;
    struct transport *transport;
    struct control *control;
    const char *channel;         /* its name, for the log */
    void (*capacity)(void *arg); /* a provider can take more than a moment ago */
    void *arg;
};

/* Empty until rows have been read. */
struct roster *roster_new(const struct roster_options *options);
/* Ends what is in the air, see provider_free; the batches and the inquiry that wait for it must still be
 * there. NULL is allowed. */
void roster_free(struct roster *roster);

/* The rows are read (again): one by one, then the end, without a turn of the loop in between. A provider
 * whose row is the same stays; the others are retired at the end. Of a row that cannot be used, and of rows
 * beyond the 64th, no provider is made. */
void roster_read(struct roster *roster, const struct provider_row *row);
void roster_read_all(struct roster *roster);

/* The providers, borrowed until the loop turns; returns how many. */
size_t roster_providers(const struct roster *roster, struct provider *const **providers);
/* By its name; NULL: none has it. */
struct provider *roster_find(const struct roster *roster, const char *name);

/* The provider for a job, NULL when none takes it now. */
struct provider *roster_route(const struct roster *roster, struct job *job);
/* When it is worth the while to claim a job again that no provider took, Unix ms. */
int64_t roster_not_before(const struct roster *roster, const struct job *job);
/* See provider_distrusts_gone, of the job's last provider; that may be gone itself: then false. */
bool roster_distrusts_gone(struct roster *roster, const struct job *job, char *reason, size_t size);

/* How many more jobs all providers together could well use now. */
size_t roster_room(const struct roster *roster);
/* Messages may be waiting that there was no room for. */
void roster_demand(struct roster *roster);
/* The control connection is back: what it missed is told again. */
void roster_tell_health(const struct roster *roster);

/* Takes back from the providers what the flight has not on the wire yet. */
void roster_withdraw(struct roster *roster, const struct flight *flight);
/* Nothing will be started for now: returns what is leased of limits. */
void roster_give_back(struct roster *roster);

#endif
