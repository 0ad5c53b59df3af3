/* One message on its way through a dispatcher: claimed, rendered, routed, sent, judged. */
#ifndef PGOUTBOX_DISPATCHER_JOB_H
#define PGOUTBOX_DISPATCHER_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mem.h"
#include "providers/adapter.h"
#include "transport/transport.h"

struct provider;
struct template;
struct mail_files;
struct job;

/* What a job knows of the list in the air that it is on. It lives longer than its jobs. */
struct flight {
    struct arena *arena; /* the jobs' memory */
    int64_t time;        /* ms from boarding to the deadline */
    int64_t deadline;    /* steady clock: all requests must have ended by then */
    bool withdrawn;      /* nothing more of it may be sent */
    /* A job that was submitted to a provider comes back, JOB_JUDGED or JOB_HANDED_BACK. */
    void (*done)(void *arg, struct job *job);
    void *arg;
};

enum { JOB_TRIED_MAX = 4 };

enum job_state {
    JOB_CLAIMED,    /* not yet routed */
    JOB_QUEUED,     /* waits in its provider */
    JOB_IN_THE_AIR, /* its request is with the transport */
    JOB_JUDGED,     /* verdict holds */
    JOB_EXPIRED,    /* too late to be sent */
    JOB_SUPPRESSED, /* it must not be sent: verdict.reason says why */
    JOB_DEFERRED,   /* not now: verdict.not_before_ms says when */
    JOB_MOVED,      /* its device or user has another address by now */
    JOB_HANDED_BACK /* stays pending, as if it had never been claimed */
};

struct job {
    struct flight *flight; /* NULL: it is only asked about */
    struct message message;
    const char *app;         /* NULL = any */
    const char *environment; /* of the provider: "production" or "sandbox" */
    const char *payload;     /* JSON text; of a template the variables */
    size_t payload_size;
    int64_t template_id;       /* 0 = none, the payload is sent as it is */
    struct template *template; /* a reference; NULL = none, or not known */
    int64_t queue_pos;
    enum job_state state;
    const char *provider_name; /* its name; outlives the provider. NULL = was never with one */
    struct provider *provider; /* the last one it was given to */
    struct job *next;          /* in the queue of its provider, or with those held */
    struct mail_files *files;  /* that its provider's adapter wants, read or being read; NULL = none */
    const struct provider *tried[JOB_TRIED_MAX]; /* those that could not take it */
    int tried_count;
    int64_t waits_since;       /* steady clock: when first no provider had room for it; 0 = not yet */
    struct endpoint *endpoint; /* of its request's own origin; NULL = its provider's */
    int sends;                 /* times it was given to the transport */
    int64_t sent_ms;           /* Unix ms of the last time */
    bool refreshed;            /* the one extra try after a stale credential was used */
    int credential_generation; /* which token of its provider the request carries */
    struct request request;
    struct verdict verdict;
    int64_t judged_ms; /* Unix ms */
    int note;          /* of its flight that has its verdict, committed or on its way; 0 = none */
};

/* Its provider is done with it: JOB_JUDGED or JOB_HANDED_BACK. Tells its flight; the job may be gone then. */
void job_end(struct job *job, enum job_state state);

#endif
