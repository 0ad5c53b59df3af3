#include "sandbox/vendors/web.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/json.h"
#include "crypto/base64.h"

enum { TOPIC_MAX = 32, TTL_DIGITS = 10, LOCATION_MAX = 128 };

static const char type_json[] = "application/json";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* What the sandbox answers to a fault, in the words of Mozilla's service; FCM's for another key. */
struct refusal {
    int status;
    int code; /* Mozilla's errno */
    const char *error;
    const char *message;
};

static const struct refusal bad_identity = {401, 109, "Unauthorized", "Invalid VAPID authorization"};
static const struct refusal missing_header = {400, 111, "Bad Request", "Missing or wrong header"};
static const struct refusal bad_ttl = {400, 112, "Bad Request", "Invalid TTL header value"};
static const struct refusal bad_topic = {400, 113, "Bad Request", "Invalid Topic header value"};
static const struct refusal bad_crypto = {400, 110, "Bad Request", "Invalid crypto keys"};
static const struct refusal too_large = {413, 104, "Payload Too Large", "This message is too large"};
static const struct refusal no_endpoint = {404, 102, "Not Found", "Request did not validate"};

static const char other_key[] =
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create "
    "the subscriptions.\n";

/* By status. */
static const struct refusal magic_refusals[] = {
    {400, 111, "Bad Request", "Missing or wrong header"},
    {401, 109, "Unauthorized", "Invalid VAPID authorization"},
    {404, 102, "Not Found", "Request did not validate"},
    {410, 103, "Gone", "The subscription is over"},
    {413, 104, "Payload Too Large", "This message is too large"},
    {429, 201, "Too Many Requests", "Please slow down"},
    {500, 999, "Internal Server Error", "An unknown error happened"},
    {503, 201, "Service Unavailable", "Please slow down"},
};

static void refuse(struct vendors *vendors, struct exchange *x, const struct refusal *refusal,
                   const char *reason)
{
    buf_printf(&x->answer, "{\"code\":%d,\"errno\":%d,\"error\":\"%s\",\"message\":\"%s\"}", refusal->status,
               refusal->code, refusal->error, refusal->message);
    if (refusal->code == 201)
        http_set_header(x, "retry-after", "1");
    vendor_refuse(vendors, x, CHANNEL_WEB, reason, refusal->status, type_json);
}

static void refuse_other_key(struct vendors *vendors, struct exchange *x, const char *reason)
{
    buf_text(&x->answer, other_key);
    vendor_refuse(vendors, x, CHANNEL_WEB, reason, 403, "text/plain; charset=utf-8");
}

static void refuse_by_magic(struct vendors *vendors, struct exchange *x, int status)
{
    if (status == 403) {
        refuse_other_key(vendors, x, "web: magic");
        return;
    }
    struct refusal refusal = {status, 999, "Error", "An error that was asked for"};
    for (size_t i = 0; i < sizeof(magic_refusals) / sizeof(*magic_refusals); i++)
        if (magic_refusals[i].status == status)
            refusal = magic_refusals[i];
    refuse(vendors, x, &refusal, "web: magic");
}

static bool is_name(const char *name)
{
    size_t size = strspn(name, url_alphabet);
    while (name[size] == '.')
        size += 1 + strspn(name + size + 1, url_alphabet);
    return size > 0 && name[size] == '\0' && size <= VENDOR_NAME_MAX;
}

static bool is_ttl(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= TTL_DIGITS && strspn(text, "0123456789") == size;
}

static bool is_urgency(const char *text)
{
    static const char *const urgencies[] = {"very-low", "low", "normal", "high"};
    for (size_t i = 0; i < sizeof(urgencies) / sizeof(*urgencies); i++)
        if (strcmp(urgencies[i], text) == 0)
            return true;
    return false;
}

static bool is_topic(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= TOPIC_MAX && strspn(text, url_alphabet) == size;
}

/* RFC 8030, 5. NULL: the headers are good. */
static const char *check_headers(const struct exchange *x, const struct refusal **refusal)
{
    const char *coding = http_header(x, "content-encoding");
    const char *ttl = http_header(x, "ttl");
    const char *urgency = http_header(x, "urgency");
    const char *topic = http_header(x, "topic");
    *refusal = &missing_header;
    if (x->head_overflowed || http_has_duplicates(x))
        return "web: bad headers";
    if (!coding || strcasecmp(coding, "aes128gcm") != 0)
        return "web: content-encoding is not aes128gcm";
    if (urgency && !is_urgency(urgency))
        return "web: bad urgency";
    *refusal = &bad_ttl;
    if (!ttl || !is_ttl(ttl))
        return "web: bad ttl";
    *refusal = &bad_topic;
    return topic && !is_topic(topic) ? "web: bad topic" : NULL;
}

/* The message's uuid as the service worker finds it. */
static void take(struct vendors *vendors, struct exchange *x, const char *name, const struct buf *text)
{
    struct json_object *push = json_parse(buf_string(text), text->size, NULL);
    char location[LOCATION_MAX];
    snprintf(location, sizeof(location), "%s/message/%llu", vendors->origin,
             (unsigned long long)++vendors->next_id);
    const char *ttl = http_header(x, "ttl");
    const char *kept = http_keep(x, location, strlen(location));
    if (kept)
        http_set_header(x, "location", kept);
    http_set_header(x, "ttl", ttl);
    const struct vendor_arrival arrival = {
        .channel = CHANNEL_WEB,
        .vendor = "webpush",
        .id = json_get_text(push, "outbox_id"),
        .recipient = name,
        .notes = {{"ttl", ttl}, {"urgency", http_header(x, "urgency")}, {"topic", http_header(x, "topic")}},
        .body = buf_string(text),
        .body_size = text->size};
    int status = vendor_take(vendors, x, &arrival, 201, NULL);
    if (status != 0)
        refuse_by_magic(vendors, x, status);
    json_object_put(push);
}

static void open_body(struct vendors *vendors, struct exchange *x, const char *name)
{
    struct web_receiver receiver;
    struct buf text;
    buf_init(&text, WEB_BODY_MAX);
    const char *fault = web_open_receiver(vendors->secret, name, &receiver)
                            ? web_open(&receiver, x->body.data, x->body.size, &text)
                            : "web: no keys";
    if (fault)
        refuse(vendors, x, &bad_crypto, fault);
    else
        take(vendors, x, name, &text);
    buf_free(&text);
}

static void on_push(struct vendors *vendors, struct exchange *x)
{
    char name[VENDOR_NAME_MAX + 1];
    unsigned char key[WEB_POINT];
    bool is_new = false;
    const struct refusal *refusal = NULL;
    if (!vendor_segment(x, 1, name) || !is_name(name)) {
        refuse(vendors, x, &no_endpoint, "web: no such subscription");
        return;
    }
    const char *fault = web_vapid_check(vendors->web, http_header(x, "authorization"), vendors->origin,
                                        clock_ms() / 1000, key, &is_new);
    store_stats(vendors->store, CHANNEL_WEB)->tokens += is_new;
    if (fault)
        refuse(vendors, x, &bad_identity, fault);
    else if ((fault = check_headers(x, &refusal)) != NULL)
        refuse(vendors, x, refusal, fault);
    else if (!web_vapid_key_fits(vendors->web, name, key))
        refuse_other_key(vendors, x, "web: another VAPID key");
    else if (x->body.overflowed || x->body.size > WEB_BODY_MAX)
        refuse(vendors, x, &too_large, "web: too large");
    else
        open_body(vendors, x, name);
}

bool web_subscription(const struct vendors *vendors, const char *name, struct buf *out)
{
    struct web_receiver receiver;
    if (!is_name(name) || !web_open_receiver(vendors->secret, name, &receiver))
        return false;
    buf_printf(out, "{\"endpoint\":\"%s/push/%s\",\"expirationTime\":null,\"keys\":{\"p256dh\":\"",
               vendors->origin, name);
    base64url_append(out, receiver.point, WEB_POINT);
    buf_text(out, "\",\"auth\":\"");
    base64url_append(out, receiver.auth, WEB_AUTH);
    buf_text(out, "\"}}");
    return true;
}

const struct vendor_route web_routes[] = {{"POST", "/push/*", on_push}, {NULL, NULL, NULL}};
