/* One message on its way through a dispatcher: claimed, rendered, routed, sent, judged. Lives in its batch.
 */
#ifndef PGOUTBOX_DISPATCHER_JOB_H
#define PGOUTBOX_DISPATCHER_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "providers/provider.h"
#include "transport/transport.h"

struct account;
struct batch;

enum job_state {
    JOB_CLAIMED,    /* not yet routed */
    JOB_QUEUED,     /* waits in its account */
    JOB_IN_THE_AIR, /* its request is with the transport */
    JOB_JUDGED,     /* verdict holds */
    JOB_EXPIRED,    /* too late to be sent */
    JOB_SUPPRESSED, /* its address must not be used */
    JOB_HANDED_BACK /* stays pending, as if it had never been claimed */
};

struct job {
    struct batch *batch;
    struct message message;
    const char *app;     /* NULL = any */
    const char *payload; /* JSON text */
    size_t payload_size;
    int64_t queue_pos;
    enum job_state state;
    struct account *account;   /* the last one it was given to */
    struct job *next;          /* in the queue of its account */
    int sends;                 /* times it was given to the transport */
    bool refreshed;            /* the one extra try after a stale credential was used */
    int credential_generation; /* which token of its account the request carries */
    struct request request;
    struct verdict verdict;
    int64_t judged_ms; /* Unix ms */
    bool noted;        /* its verdict stands in the flight's notes */
};

#endif
