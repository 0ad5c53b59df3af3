/* What the parts of an account share. */
#ifndef PGOUTBOX_DISPATCHER_ACCOUNT_INTERNAL_H
#define PGOUTBOX_DISPATCHER_ACCOUNT_INTERNAL_H

#include "dispatcher/account.h"
#include "dispatcher/breaker.h"
#include "dispatcher/budget.h"
#include "dispatcher/origins.h"

struct account {
    struct loop *loop;
    struct transport *transport;
    const struct adapter *adapter;
    struct account_events events;
    char *name;
    char *signature; /* of the row it was made from */
    struct route_rules rules;
    char *app, *environment, **regions; /* of the rules */
    char *attachments_dir;
    int64_t request_timeout_ms;
    int gone_limit;
    void *settings;            /* what the adapter made of its row */
    struct endpoint *endpoint; /* NULL: each request has an origin of its own, in origins */
    struct origins *origins;
    struct breaker breaker;
    char *fault;               /* why the breaker opened; NULL = it is closed */
    struct budget *budget;     /* NULL = no limits over all dispatchers */
    struct job *first, **last; /* the queue */
    size_t queued, in_the_air;
    int judged, gone;      /* answers lately, and those that said "gone" */
    int64_t blocked_until; /* steady clock; 0 = not blocked */
    bool stopped;          /* its row says so */
    struct timer *unblock;
    int64_t renewed_at;
    struct {
        struct credential value;
        struct endpoint *endpoint;
        struct arena *arena;
        bool fetching;
        int failures;
        int generation; /* counts the tokens fetched */
    } credential;
    bool retired;
    bool pumping;
};

/* Neither retired nor blocked. */
bool account_takes_jobs(const struct account *account);
/* Sends what is queued as far as it may go. */
void account_pump(struct account *account);
/* Takes no jobs for a while, and gives back those it has not begun. */
void account_block(struct account *account, int64_t for_ms, const char *why);
/* Every message would fail: blocks it, and has its row say so. */
void account_stop(struct account *account, const char *reason);
/* The timer of a block. */
void account_on_unblock(void *arg);
/* Hands back the queued jobs of one batch, or of all when batch is NULL. */
void account_hand_back(struct account *account, const struct batch *batch);
/* Free slots have appeared. */
void account_on_slots(void *arg);
/* From the loop: an endpoint is not freed inside its own callback. */
void account_maybe_free_retired(struct account *account);

bool account_credential_ready(const struct account *account);
void account_fetch_credential(struct account *account);

#endif
