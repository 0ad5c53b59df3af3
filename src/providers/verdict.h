/* What an adapter makes of an answer: the closed set of words that the rest of the program acts on. */
#ifndef PGOUTBOX_PROVIDERS_VERDICT_H
#define PGOUTBOX_PROVIDERS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "transport/transport.h"

/* What became of one attempt. Each says by itself what happens to the message and to its provider. */
enum verdict_kind {
    VERDICT_SENT,         /* accepted by the provider */
    VERDICT_RETRY,        /* not taken, or not now: again later; uses an attempt */
    VERDICT_UNSENT,       /* surely not processed and not the message's fault: again, no attempt used */
    VERDICT_THROTTLED,    /* the provider slows everything down until not_before_ms; no attempt used */
    VERDICT_REJECTED,     /* this message failed for good; its recipient stays good */
    VERDICT_ADDRESS_GONE, /* the token or address is dead: retire it; the message failed */
    VERDICT_REFRESH,      /* not processed: the credential is stale; renew it and send again, once */
    VERDICT_STOPPED,      /* credential, account, quota or configuration: every message would fail; stop the
                             provider */
    VERDICT_IN_DOUBT      /* perhaps processed; the channel's policy decides */
};

const char *verdict_name(enum verdict_kind kind); /* "sent", "retry", … */

/* Whose fault it was, as far as the health of a provider is concerned: that of one who refuses a key, an
 * account or a message is good. */
enum blame {
    BLAME_UNSAID,    /* the judge leaves it to adapter_judge */
    BLAME_NOBODY,    /* or nothing was learnt */
    BLAME_RECIPIENT, /* its address, or the server that it chose */
    BLAME_MESSAGE,
    BLAME_PROVIDER /* is out of order, or out of reach */
};

struct verdict {
    enum verdict_kind kind;
    enum blame blame;
    bool renew;            /* the connections must not be used again (endpoint_renew) */
    int64_t not_before_ms; /* RETRY, THROTTLED: earliest time, Unix ms; 0 = as the channel's backoff says */
    int64_t gone_since_ms; /* ADDRESS_GONE: the provider's own timestamp, Unix ms; 0 = unknown */
    char provider_id[160]; /* SENT: the provider's id of the message, may be empty */
    char reason[200];      /* not SENT: code and short text for people, one line, no token and no address */
    char cost[24];         /* SENT: what the vendor charges, a decimal number; empty = it does not say */
    char currency[4];      /* of cost, ISO 4217 */
};

/* The verdict for a response that was not answered: UNSENT, STOPPED for a refused login, else IN_DOUBT. */
struct verdict verdict_of_failure(const struct response *response);

/* Puts what a peer may have invented within bounds: gone_since_ms is not after now_ms, not_before_ms at most
 * 31 days after it; a cost is a decimal number, its currency three capital letters. */
void verdict_bound(struct verdict *verdict, int64_t now_ms);

/* What the kind alone says about a provider that works. */
enum blame verdict_blame(enum verdict_kind kind);

/* SENT; id: the provider's, cut where it is longer than its room; NULL = it gave none. */
struct verdict verdict_sent(const char *id);

/* A verdict with a formatted reason. */
struct verdict verdict_make(enum verdict_kind kind, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
