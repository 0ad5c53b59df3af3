/*
 * A provider row at work: its adapter, its connections, its credential, its queue and its health. Jobs go in
 * by send_submit and come back, judged or handed back, through their flight.
 */
#ifndef PGOUTBOX_DISPATCHER_PROVIDER_H
#define PGOUTBOX_DISPATCHER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/loop.h"
#include "dispatcher/job.h"
#include "dispatcher/rows.h"
#include "transport/transport.h"

struct provider_events {
    void (*capacity)(void *arg); /* it can take more than a moment ago */
    void (*stopped)(void *arg, const char *name, const char *reason,
                    int64_t for_ms); /* every message would fail */
    /* Its circuit breaker changed: "open", "probing" or "closed". reason may be NULL. */
    void (*health)(void *arg, const char *name, const char *state, const char *reason);
    /* Wants requests of its limits; see budget_events; answered by send_leased. */
    bool (*lease)(void *arg, const char *name, int wanted, int unused, int in_flight);
    void *arg;
};

struct provider;

/* NULL with err: unknown adapter, bad settings, unreadable secret. */
struct provider *provider_new(struct loop *loop, struct transport *transport, const struct provider_row *row,
                              const struct provider_events *events, struct error *err);

const char *provider_name(const struct provider *provider);
const struct route_rules *provider_rules(const struct provider *provider);

/* Made from an equal row whose stop, if any, has not been lifted: else make a new one. */
bool provider_is_same(const struct provider *provider, const struct provider_row *row);
/* The provider takes the place of one of the same name. What that one learnt about dead addresses stays true
 * when its stop has run out by itself; a person who lifted it has mended something. */
void provider_inherit(struct provider *provider, const struct provider *former);
/* Blocks for as long as the row is stopped; 0 = it is not. */
void provider_set_stopped(struct provider *provider, int64_t stopped_ms);

/* Neither blocked nor retired nor full of what it may be asked: jobs may be given to it. */
bool provider_is_open(const struct provider *provider);
/* Or it is full for a moment only, and nobody waits yet: one job may wait. */
bool provider_opens_soon(const struct provider *provider);
/* ms until it opens again; 0 = it is open, or full for the moment. */
int64_t provider_closed_for(const struct provider *provider);
/* ms after which a message that it was closed to should come again: so that not all come at once, and are
 * turned away again, when its limits let only some through. */
int64_t provider_turn(struct provider *provider, int64_t longest);
/* How many more jobs it could well use now; 0 while it is full or not open. One, while nobody knows what is
 * left of its limits. */
size_t provider_room(const struct provider *provider);

/* Messages may be waiting that it had no room for: leases more of its limits. */
void provider_demand(struct provider *provider);
/* Tells `health` again how its circuit breaker stands, if it has ever opened. */
void provider_tell_health(const struct provider *provider);
/* Nothing will be started for now: returns what it has leased of its limits. */
void provider_give_back(struct provider *provider);
/* Its row has been read again: its limits may be others now. */
void provider_limits_read(struct provider *provider);

/* So many addresses were reported gone lately that a fault of the configuration is likelier: the provider is
 * then stopped, and reason (for the messages) is filled. */
bool provider_distrusts_gone(struct provider *provider, char *reason, size_t size);

/* Hands back every job of the flight, or of all when it is NULL, that is queued and not yet with the
 * transport. */
void provider_hand_back(struct provider *provider, const struct flight *flight);

/* No new jobs: hands back what is queued and frees itself when nothing is in the air any more. */
void provider_retire(struct provider *provider);

/* Ends what is in the air (in doubt or unsent) and frees. NULL is allowed. */
void provider_free(struct provider *provider);

#endif
