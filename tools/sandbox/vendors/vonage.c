/* Vonage's SMS API: HTTP 200 even for what it does not take, with a status for each part of the message. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "crypto/digest.h"
#include "sandbox/vendors/sms.h"
#include "sandbox/vendors/sms_parts.h"

enum { TEXT_MAX = 3200, TTL_MIN_MS = 20000, TTL_MAX_MS = 604800000, REFERENCE_MAX = 100 };

enum fault {
    GOOD,
    NO_FORM,
    MISSING,
    WRONG_LOGIN,
    BARRED,
    BAD_PARAMETER,
    BAD_SENDER,
    UNROUTABLE,
    TOO_LONG,
    DEACTIVATED,
    THROTTLED,
    UNAVAILABLE,
    INTERNAL,
    FAULTS
};

static const struct sms_fault faults[FAULTS] = {
    [NO_FORM] = {0, 200, "2", "vonage: no form", "Missing api_key"},
    [MISSING] = {0, 200, "2", "vonage: missing parameter", "Missing from, to, text or type"},
    [WRONG_LOGIN] = {401, 200, "4", "vonage: wrong credentials", "Bad Credentials"},
    [BARRED] = {403, 200, "8", "vonage: account barred", "Partner account barred"},
    [BAD_PARAMETER] = {400, 200, "3", "vonage: bad parameter", "Invalid to, type, ttl or client-ref"},
    [BAD_SENDER] = {0, 200, "15", "vonage: bad sender", "Illegal Sender Address - rejected"},
    [UNROUTABLE] = {404, 200, "6", "vonage: unroutable", "Unroutable message - rejected"},
    [TOO_LONG] = {413, 200, "12", "vonage: too long", "Message too long"},
    [DEACTIVATED] = {410, 200, "33", "vonage: number deactivated", "Number De-activated"},
    [THROTTLED] = {429, 200, "1", "vonage: throttled", "Throughput Rate Exceeded"},
    [UNAVAILABLE] = {503, 503, "5", "vonage: unavailable", "Service Unavailable"},
    [INTERNAL] = {500, 200, "5", "vonage: internal error", "Internal Error"},
};

static void refuse(struct vendors *vendors, struct exchange *x, enum fault fault)
{
    const struct sms_fault *row = &faults[fault];
    buf_printf(&x->answer,
               "{\"message-count\":\"1\",\"messages\":[{\"status\":\"%s\",\"error-text\":\"%s\"}]}",
               row->code, row->text);
    sms_refuse(vendors, x, row, "application/json");
}

static enum fault check_account(const struct vendors *vendors, const struct exchange *x, struct arena *arena)
{
    const char *form = buf_string(&x->body);
    if (x->body.overflowed || !vendor_has_type(x, "application/x-www-form-urlencoded"))
        return NO_FORM;
    const char *key = sms_form_text(arena, form, "api_key");
    const char *secret = sms_form_text(arena, form, "api_secret");
    if (!key || !secret)
        return MISSING;
    return digest_equal_text(key, VONAGE_KEY) && digest_equal_text(secret, vendors->secret) ? GOOD
                                                                                            : WRONG_LOGIN;
}

static bool ttl_ok(const char *text)
{
    int64_t ttl_ms = sms_whole(text, TTL_MAX_MS);
    return ttl_ms >= TTL_MIN_MS && ttl_ms <= TTL_MAX_MS;
}

/* It is echoed in JSON, so it must be UTF-8. */
static bool reference_ok(const char *text)
{
    struct sms_parts parts;
    return strlen(text) <= REFERENCE_MAX && sms_parts_measure(text, &parts);
}

static enum fault read_message(const struct exchange *x, struct arena *arena, struct sms_taken *sms,
                               struct sms_parts *parts)
{
    const char *form = buf_string(&x->body);
    const char *to = sms_form_text(arena, form, "to"), *type = sms_form_text(arena, form, "type");
    const char *reference = sms_form_text(arena, form, "client-ref");
    sms->from = sms_form_text(arena, form, "from");
    sms->text = sms_form_text(arena, form, "text");
    if (!to || !type || !sms->from || !sms->text || !*sms->text)
        return MISSING;
    sms->to = arena_printf(arena, "+%s", to);
    sms->key = reference ? reference : "";
    bool known = strcmp(type, "text") == 0 || strcmp(type, "unicode") == 0;
    if (!known || !sms_is_number(sms->to) || !ttl_ok(sms_form_text(arena, form, "ttl")) ||
        !sms_parts_measure(sms->text, parts) || !reference_ok(sms->key))
        return BAD_PARAMETER;
    if (strcmp(type, "text") == 0 && !parts->is_plain) /* it would arrive with question marks */
        return BAD_PARAMETER;
    if (!sms_is_sender(sms->from) || *sms->from == '+')
        return BAD_SENDER;
    return strlen(sms->text) <= TEXT_MAX ? GOOD : TOO_LONG;
}

/* The message has the id of its first part. */
static void write_parts(struct vendors *vendors, struct buf *out, const struct sms_taken *sms, size_t parts)
{
    char id[SMS_ID_SIZE];
    snprintf(id, sizeof(id), "%s", sms->id);
    buf_printf(out, "{\"message-count\":\"%zu\",\"messages\":[", parts);
    for (size_t i = 1; i <= parts; i++) {
        buf_text(out, i > 1 ? ",{" : "{");
        sms_member(out, "to", sms->to + 1);
        sms_member(out, "message-id", id);
        sms_member(out, "status", "0");
        sms_member(out, "remaining-balance", "15.53590000");
        sms_member(out, "message-price", "0.03330000");
        sms_member(out, "network", "00101");
        sms_member(out, "client-ref", sms->key);
        buf_char(out, '}');
        sms_id(vendors, id);
    }
    buf_text(out, "]}");
}

static void send_message(struct vendors *vendors, struct exchange *x)
{
    struct arena *arena = arena_new();
    struct sms_taken sms = {.vendor = "vonage", .type = "SMS", .at_ms = clock_ms()};
    struct sms_parts parts;
    char id[SMS_ID_SIZE];
    enum fault fault = check_account(vendors, x, arena);
    if (fault == GOOD)
        fault = read_message(x, arena, &sms, &parts);
    if (fault == GOOD) {
        sms_id(vendors, id);
        sms.id = id;
        write_parts(vendors, &x->answer, &sms, parts.count);
        int magic = sms_take(vendors, x, &sms, 200, "application/json");
        fault = magic ? (enum fault)sms_fault_of(faults, FAULTS, magic) : GOOD;
    }
    if (fault != GOOD)
        refuse(vendors, x, fault);
    arena_free(arena);
}

const struct vendor_route vonage_routes[] = {
    {"POST", "/sms/json", send_message},
    {0},
};
