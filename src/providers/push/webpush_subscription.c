/* Subscriptions come from browsers, that is, from anybody. */
#include <string.h>

#include "crypto/base64.h"
#include "providers/push/webpush.h"

const char *const webpush_services[] = {"fcm.googleapis.com",   "updates.push.services.mozilla.com",
                                        "web.push.apple.com",   "*.push.apple.com",
                                        "*.notify.windows.com", NULL};

static bool key_read(struct json_object *keys, const char *name, unsigned char *out, size_t size)
{
    const char *text = json_get_text(keys, name);
    struct buf octets;
    buf_init(&octets, size);
    bool ok = text != NULL && base64_decode(&octets, text, strlen(text)) && octets.size == size;
    if (ok)
        memcpy(out, octets.data, size);
    buf_free(&octets);
    return ok;
}

static bool refuse(struct verdict *verdict, const char *field, const char *rule)
{
    *verdict = verdict_make(VERDICT_REJECTED, "recipient.%s: %s", field, rule);
    return false;
}

static bool object_read(const struct webpush_settings *settings, struct json_object *object,
                        struct arena *arena, struct webpush_subscription *subscription,
                        struct verdict *verdict)
{
    const char *url = json_get_text(object, "endpoint");
    struct json_object *keys = json_get(object, "keys");
    struct error err;
    if (url == NULL)
        return refuse(verdict, "endpoint", "is missing");
    if (!origin_read(settings->rules, url, arena, &subscription->target, &err))
        return refuse(verdict, "endpoint", err.text);
    if (!key_read(keys, "p256dh", subscription->receiver.point, P256_POINT))
        return refuse(verdict, "keys.p256dh", "must be 65 octets in base64url");
    return key_read(keys, "auth", subscription->receiver.auth, ECE_AUTH) ||
           refuse(verdict, "keys.auth", "must be 16 octets in base64url");
}

bool webpush_subscription_read(const struct webpush_settings *settings, const char *text, struct arena *arena,
                               struct webpush_subscription *subscription, struct verdict *verdict)
{
    struct json_object *object = json_parse(text, strlen(text), NULL);
    bool ok = json_object_is_type(object, json_type_object);
    if (ok)
        ok = object_read(settings, object, arena, subscription, verdict);
    else
        *verdict = verdict_make(VERDICT_REJECTED, "recipient: is not a push subscription in JSON");
    json_object_put(object);
    return ok;
}

enum origin_trust webpush_trust_in(const struct webpush_settings *settings, const char *text)
{
    struct json_object *object = json_parse(text, strlen(text), NULL);
    const char *url = json_get_text(object, "endpoint");
    enum origin_trust trust = url != NULL ? origin_trust(settings->rules, url) : ORIGIN_STRANGER;
    json_object_put(object);
    return trust;
}
