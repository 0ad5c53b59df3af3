/* What the parts of a provider share. */
#ifndef PGOUTBOX_DISPATCHER_PROVIDER_INTERNAL_H
#define PGOUTBOX_DISPATCHER_PROVIDER_INTERNAL_H

#include "dispatcher/budget.h"
#include "dispatcher/credential.h"
#include "dispatcher/endpoint_cache.h"
#include "dispatcher/health.h"
#include "dispatcher/provider.h"

struct provider {
    struct loop *loop;
    struct transport *transport;
    const struct adapter *adapter;
    struct provider_events events;
    char *name;
    char *signature; /* of the row it was made from */
    struct route_rules rules;
    char *app, *environment, **regions; /* of the rules */
    char *attachments_dir;
    int64_t request_timeout_ms;
    void *settings;            /* what the adapter made of its row */
    struct endpoint *endpoint; /* NULL: each request has an origin of its own, in endpoint_cache */
    struct endpoint_cache *endpoint_cache;
    struct health health;
    struct budget *budget;     /* NULL = no limits over all dispatchers */
    struct job *first, **last; /* the queue */
    size_t queued, in_the_air;
    int64_t blocked_until; /* steady clock; 0 = not blocked */
    bool stopped;          /* its row says so */
    struct timer *unblock;
    int64_t renewed_at;
    struct credential_keeper *credential;
    bool retired;
    bool pumping;
};

/* Neither retired nor blocked. */
bool provider_takes_jobs(const struct provider *provider);
/* Sends what is queued as far as it may go. */
void provider_pump(struct provider *provider);
/* Takes no jobs for a while, and gives back those it has not begun. */
void provider_block(struct provider *provider, int64_t for_ms, const char *why);
/* Every message would fail: blocks it, and has its row say so. */
void provider_stop(struct provider *provider, const char *reason);
/* The timer of a block. */
void provider_on_unblock(void *arg);
/* Free slots have appeared. */
void provider_on_slots(void *arg);
/* From the loop: an endpoint is not freed inside its own callback. */
void provider_maybe_free_retired(struct provider *provider);

#endif
