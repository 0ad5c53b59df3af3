/* The parts of the Web Push adapter (RFC 8030, 8291, 8292). */
#ifndef PGOUTBOX_PROVIDERS_PUSH_WEBPUSH_H
#define PGOUTBOX_PROVIDERS_PUSH_WEBPUSH_H

#include "crypto/ece.h"
#include "providers/adapter.h"
#include "providers/push/vapid.h"

extern const struct adapter webpush_adapter;

enum { WEBPUSH_ENDPOINT_MAX = 2048, WEBPUSH_HOST_MAX = 253, WEBPUSH_ORIGIN_MAX = 8 + WEBPUSH_HOST_MAX + 6 };

struct webpush_settings {
    char *ca_file;
    struct vapid *vapid;
    char **allow;           /* "host" or "*.domain", lower case; ends with NULL; NULL = every public host */
    char **trusted_origins; /* as origins are written here; ends with NULL; never NULL */
};

/* ---- webpush_subscription.c ---- */

/* How far a push service may speak for more than its own subscription. The subscriber chose the host, so one
 * that nobody vouches for must not be able to stop the provider by a bad certificate or a 403. */
enum webpush_trust {
    WEBPUSH_STRANGER,
    WEBPUSH_MATCHED, /* by "*.domain": what it answers counts, but a host of that name need not exist */
    WEBPUSH_NAMED
};

struct webpush_subscription {
    char origin[WEBPUSH_ORIGIN_MAX + 1]; /* lower case, without the port 443: the audience of the token */
    const char *path;                    /* in the arena */
    struct ece_receiver receiver;
};

/* Reads a subscription as browsers give it (PushSubscription.toJSON()) and checks its endpoint against the
 * settings' rules. path is copied into arena. False: *verdict is REJECTED. */
bool webpush_subscription_read(const struct webpush_settings *settings, const char *text, struct arena *arena,
                               struct webpush_subscription *subscription, struct verdict *verdict);

/* The trust in the host of a subscription; WEBPUSH_STRANGER too when it cannot be read. */
enum webpush_trust webpush_trust_in(const struct webpush_settings *settings, const char *text);

/* settings.allow and settings.trusted_origins. Caller frees with webpush_list_free. */
bool webpush_allow_read(struct json_object *json, char ***list, struct error *err);
bool webpush_trusted_read(struct json_object *json, char ***list, struct error *err);
void webpush_list_free(char **list); /* NULL is allowed */

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

struct verdict webpush_judge(const void *settings, const struct message *message,
                             const struct response *response, int64_t now_ms);

#endif
