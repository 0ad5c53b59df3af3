/* A receiver of webhooks (Standard Webhooks, spec 1.0.0). */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "crypto/digest.h"
#include "sandbox/vendors/vendor.h"
#include "sandbox/wire/rfc4648.h"

enum { TOLERANCE_S = 5 * 60, ID_MAX = 256, TIMESTAMP_DIGITS = 12, HOOK_BODY_MAX = 1024 * 1024 };

static const char type_json[] = "application/json";

static void refuse(struct vendors *vendors, struct exchange *x, int status, const char *reason)
{
    buf_printf(&x->answer, "{\"error\":\"%s\"}", reason);
    if (status == 429 || status == 503)
        http_set_header(x, "retry-after", "1");
    vendor_refuse(vendors, x, CHANNEL_WEBHOOK, reason, status, type_json);
}

/* Whether the octets are a "v1" signature in the list. */
static bool list_has(const char *list, const unsigned char digest[SHA256_SIZE])
{
    bool found = false;
    while (*list) {
        size_t size = strcspn(list, " ");
        struct buf octets;
        buf_init(&octets, SHA256_SIZE);
        if (size > 3 && strncmp(list, "v1,", 3) == 0 && rfc4648_base64(&octets, list + 3, size - 3) &&
            octets.size == SHA256_SIZE)
            found = found || digest_equal(octets.data, digest, SHA256_SIZE);
        buf_free(&octets);
        list += size;
        list += strspn(list, " ");
    }
    return found;
}

/* The signature is of id, timestamp and body with dots between. */
static bool is_signed(const struct vendors *vendors, const struct exchange *x, const char *id,
                      const char *timestamp, const char *signatures)
{
    unsigned char digest[SHA256_SIZE];
    struct buf text;
    buf_init(&text, HOOK_BODY_MAX + ID_MAX + TIMESTAMP_DIGITS + 2);
    buf_printf(&text, "%s.%s.", id, timestamp);
    buf_append(&text, x->body.data, x->body.size);
    digest_hmac_sha256(vendors->secret, strlen(vendors->secret), text.data, text.size, digest);
    bool good = !text.overflowed && list_has(signatures, digest);
    buf_free(&text);
    return good;
}

static bool is_timely(const char *timestamp)
{
    size_t size = strlen(timestamp);
    if (size == 0 || size > TIMESTAMP_DIGITS || strspn(timestamp, "0123456789") != size)
        return false;
    int64_t age_s = clock_ms() / 1000 - strtoll(timestamp, NULL, 10);
    return age_s <= TOLERANCE_S && age_s >= -TOLERANCE_S;
}

/* What is wrong with the request, a constant, or NULL. */
static const char *check(const struct vendors *vendors, const struct exchange *x, int *status)
{
    const char *id = http_header(x, "webhook-id");
    const char *timestamp = http_header(x, "webhook-timestamp");
    const char *signatures = http_header(x, "webhook-signature");
    *status = 413;
    if (x->body.overflowed || x->body.size > HOOK_BODY_MAX)
        return "webhook: too large";
    *status = 400;
    if (x->head_overflowed || http_has_duplicates(x))
        return "webhook: bad headers";
    if (!vendor_has_type(x, type_json))
        return "webhook: content type is not JSON";
    *status = 401;
    if (!id || *id == '\0' || strlen(id) > ID_MAX || strchr(id, '.'))
        return "webhook: bad id";
    if (!timestamp || !is_timely(timestamp))
        return "webhook: bad timestamp";
    if (!signatures || !is_signed(vendors, x, id, timestamp, signatures))
        return "webhook: bad signature";
    return NULL;
}

static void take(struct vendors *vendors, struct exchange *x, const char *name)
{
    const struct vendor_arrival arrival = {
        .channel = CHANNEL_WEBHOOK,
        .vendor = "webhook",
        .id = http_header(x, "webhook-id"),
        .recipient = name,
        .notes = {{"webhook-timestamp", http_header(x, "webhook-timestamp")},
                  {"user-agent", http_header(x, "user-agent")}},
        .body = x->body.data,
        .body_size = x->body.size};
    buf_text(&x->answer, "{\"taken\":true}");
    int status = vendor_take(vendors, x, &arrival, 200, type_json);
    if (status != 0)
        refuse(vendors, x, status, "webhook: magic");
}

static void on_hook(struct vendors *vendors, struct exchange *x)
{
    char name[VENDOR_NAME_MAX + 1];
    int status = 404;
    const char *fault = vendor_segment(x, 1, name) ? check(vendors, x, &status) : "webhook: no name";
    struct json_object *body = fault ? NULL : json_parse(buf_string(&x->body), x->body.size, NULL);
    if (!fault && !json_object_is_type(body, json_type_object)) {
        fault = "webhook: body is no object";
        status = 400;
    }
    if (fault)
        refuse(vendors, x, status, fault);
    else
        take(vendors, x, name);
    json_object_put(body);
}

const struct vendor_route webhook_routes[] = {{"POST", "/hook/*", on_hook}, {NULL, NULL, NULL}};
