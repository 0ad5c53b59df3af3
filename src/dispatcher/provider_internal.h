/* What the parts of a provider share. */
#ifndef PGOUTBOX_DISPATCHER_PROVIDER_INTERNAL_H
#define PGOUTBOX_DISPATCHER_PROVIDER_INTERNAL_H

#include "dispatcher/budget.h"
#include "dispatcher/credential.h"
#include "dispatcher/endpoint_cache.h"
#include "dispatcher/health.h"
#include "dispatcher/provider.h"

struct provider {
    struct transport *transport;
    const struct adapter *adapter;
    struct provider_events events;
    char *name;
    char *signature; /* of the row it was made from */
    struct route_rules rules;
    char *app, *environment, **regions; /* of the rules */
    int64_t request_timeout_ms;
    void *settings;            /* what the adapter made of its row */
    struct endpoint *endpoint; /* NULL: each request has an origin of its own, in endpoint_cache */
    struct endpoint_cache *endpoint_cache;
    struct health health;
    struct budget *budget;                 /* NULL = no limits over all dispatchers */
    struct job *first, **last;             /* the queue */
    struct job *held;                      /* the next to start: their files are being read */
    size_t queued, in_the_air, held_count; /* those held are queued, too */
    int64_t blocked_until;                 /* steady clock; 0 = not blocked */
    bool stopped;                          /* its row says so */
    struct timer *unblock;
    int64_t renewed_at;
    struct credential_keeper *credential;
    bool retired;
    bool pumping;
};

/* Neither retired nor blocked. */
bool provider_takes_jobs(const struct provider *provider);
/* To the end of its queue; and from its front, which is not empty. */
void provider_push(struct provider *provider, struct job *job);
struct job *provider_pop(struct provider *provider);
/* Keeps a job that may start but lacks something; and puts it to the front of the queue. */
void provider_hold(struct provider *provider, struct job *job);
void provider_release(struct provider *provider, struct job *job);
/* Hands back what waits for its turn, but for those held. */
void provider_hand_back_waiting(struct provider *provider);
/* A job is queued and may be sent now. Asks for more of its limits when these alone are in the way. */
bool provider_may_start(const struct provider *provider);
/* So many queued are more than what is left of its limits. */
bool provider_is_short_for(const struct provider *provider, size_t queued);
/* Takes no jobs for a while, and gives back those it has not begun. */
void provider_block(struct provider *provider, int64_t for_ms, const char *why);
/* Every message would fail: blocks it, and has its row say so. */
void provider_stop(struct provider *provider, const char *reason);
/* The time of a block is over. */
void provider_unblock(struct provider *provider);
/* From the loop: an endpoint is not freed inside its own callback. */
void provider_maybe_free_retired(struct provider *provider);

#endif
