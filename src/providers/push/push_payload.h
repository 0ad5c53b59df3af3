/* The friendly keys of a push payload, the same for iOS and Android, and what both write alike. */
#ifndef PGOUTBOX_PROVIDERS_PUSH_PUSH_PAYLOAD_H
#define PGOUTBOX_PROVIDERS_PUSH_PUSH_PAYLOAD_H

#include "providers/adapter.h"

enum {
    PUSH_COLLAPSE_MAX = 64, /* octets; APNs' limit */
    /* Seconds a provider keeps a push for a device that is off, when neither payload nor message says it: the
     * most FCM allows (28 days), since a push must not be lost. What goes stale has an expiry of its own. */
    PUSH_TTL_DEFAULT = 2419200
};

/* Text borrowed from the payload; NULL = absent. */
struct push_text {
    const char *text;
    size_t size;
};

struct push_payload {
    struct push_text title, subtitle, body, sound, image, collapse_id;
    int64_t badge; /* -1 = absent */
    int64_t ttl_s; /* -1 = absent */
    bool normal_priority;
    struct json_object *data; /* object, or NULL */
};

/* Defaults: everything absent. For payloads that are sent as they stand. */
void push_payload_init(struct push_payload *push);

/* Reads and checks the keys; unknown keys are left alone, so that templates may carry more. False: *verdict
 * is REJECTED and names the key. push borrows from payload. */
bool push_payload_read(struct json_object *payload, struct push_payload *push, struct verdict *verdict);

/* Seconds from now during which the provider may still deliver: the payload's ttl or the default, never
 * beyond the message's expiry. 0 = now or never. */
int64_t push_ttl(const struct push_payload *push, const struct message *message, int64_t now_ms);

#endif
