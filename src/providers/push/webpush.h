/* The parts of the Web Push adapter (RFC 8030, 8291, 8292). */
#ifndef PGOUTBOX_PROVIDERS_PUSH_WEBPUSH_H
#define PGOUTBOX_PROVIDERS_PUSH_WEBPUSH_H

#include "crypto/ece.h"
#include "providers/adapter.h"
#include "providers/origin.h"
#include "providers/push/vapid.h"

extern const struct adapter webpush_adapter;

struct webpush_settings {
    char *ca_file;
    struct vapid *vapid;
    struct origin_rules *rules;
};

/* ---- webpush_subscription.c ---- */

/* The hosts of the browsers' makers, for origin_rules_new. */
extern const char *const webpush_services[];

struct webpush_subscription {
    struct origin_target target; /* its origin is the audience of the token */
    struct ece_receiver receiver;
};

/* Reads a subscription as browsers give it (PushSubscription.toJSON()) and checks its endpoint against the
 * settings' rules. Its strings come from arena. False: *verdict is REJECTED. */
bool webpush_subscription_read(const struct webpush_settings *settings, const char *text, struct arena *arena,
                               struct webpush_subscription *subscription, struct verdict *verdict);

/* The trust in the host of a subscription; ORIGIN_STRANGER too when it cannot be read. */
enum origin_trust webpush_trust_in(const struct webpush_settings *settings, const char *text);

/* ---- webpush_payload.c ---- */

struct webpush_options {
    int64_t ttl_s;       /* -1 = absent */
    const char *urgency; /* for the header */
    const char *topic;   /* for the header; NULL = absent */
};

/* Appends the JSON text for the service worker and reads what goes into headers, borrowed from the payload.
 * False: *verdict is REJECTED. */
bool webpush_payload_write(const struct message *message, struct buf *out, struct webpush_options *options,
                           struct verdict *verdict);

/* ---- webpush_judge.c ---- */

struct verdict webpush_judge_failure(const void *settings, const struct message *message,
                                     const struct response *response);
struct verdict webpush_judge(const void *settings, const struct message *message,
                             const struct response *response, int64_t now_ms);

#endif
