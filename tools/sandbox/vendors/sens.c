/* NAVER Cloud SENS behind its API Gateway: sending one message, and the list of requests. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "sandbox/vendors/sms.h"
#include "sandbox/vendors/sms_parts.h"

enum { SKEW_MS = 5 * 60 * 1000, SUBJECT_MAX = 40, PAGE_SIZE = 50, TEXT_TO_SIGN_MAX = 8192 };
enum { KOREA_MS = 9 * 3600 * 1000 };

#define SENS_TIME "%Y-%m-%d %H:%M:%S" /* Korean */

enum fault {
    GOOD,
    NO_LOGIN,
    UNKNOWN_KEY,
    WRONG_TIME,
    WRONG_SIGNATURE,
    NOT_SUBSCRIBED,
    NO_SERVICE,
    NO_JSON,
    BAD_TYPE,
    BAD_SENDER,
    BAD_RECIPIENTS,
    BAD_CONTENT,
    BAD_QUERY,
    BLOCKED,
    TOO_LARGE,
    QUOTA,
    UNAVAILABLE,
    INTERNAL,
    FAULTS
};

static const struct sms_fault faults[FAULTS] = {
    [NO_LOGIN] = {401, 401, "200", "sens: no signature", "Authentication Failed"},
    [UNKNOWN_KEY] = {0, 401, "200", "sens: unknown key", "Authentication Failed"},
    [WRONG_TIME] = {0, 401, "200", "sens: wrong time", "Authentication Failed: timestamp expired"},
    [WRONG_SIGNATURE] = {0, 401, "200", "sens: wrong signature", "Authentication Failed: signature"},
    [NOT_SUBSCRIBED] = {403, 403, "210", "sens: not allowed", "Permission Denied"},
    [NO_SERVICE] = {404, 404, "300", "sens: no such service", "Not Found Exception"},
    [NO_JSON] = {0, 400, "100", "sens: no JSON", "Bad Request: no JSON"},
    [BAD_TYPE] = {0, 400, "100", "sens: bad type", "Bad Request: type, contentType or subject"},
    [BAD_SENDER] = {0, 400, "100", "sens: bad from", "Bad Request: from"},
    [BAD_RECIPIENTS] = {400, 400, "100", "sens: bad messages", "Bad Request: messages or countryCode"},
    [BAD_CONTENT] = {0, 400, "100", "sens: bad content", "Bad Request: content"},
    [BAD_QUERY] = {0, 400, "100", "sens: bad query", "Bad Request: query"},
    [BLOCKED] = {410, 400, "100", "sens: blocked number", "Bad Request: the number is blocked"},
    [TOO_LARGE] = {413, 413, "430", "sens: too large", "Request Entity Too Large"},
    [QUOTA] = {429, 429, "400", "sens: too many requests", "Quota Exceeded"},
    [UNAVAILABLE] = {503, 503, "500", "sens: unavailable", "Endpoint Error"},
    [INTERNAL] = {500, 500, "900", "sens: internal error", "Unexpected Error"},
};

static void refuse(struct vendors *vendors, struct exchange *x, enum fault fault)
{
    const struct sms_fault *row = &faults[fault];
    buf_printf(&x->answer, "{\"error\":{\"errorCode\":\"%s\",\"message\":\"%s\",\"details\":\"\"}}",
               row->code, row->text);
    sms_refuse(vendors, x, row, "application/json");
}

static bool is_signed(const struct vendors *vendors, const struct exchange *x, const char *timestamp,
                      const char *key, const char *signature)
{
    unsigned char digest[SHA256_SIZE];
    struct buf text, wanted;
    buf_init(&text, TEXT_TO_SIGN_MAX);
    buf_init(&wanted, 2 * SHA256_SIZE);
    buf_printf(&text, "%s %s\n%s\n%s", x->method, x->path, timestamp, key);
    digest_hmac_sha256(vendors->secret, strlen(vendors->secret), buf_string(&text), text.size, digest);
    base64_append(&wanted, digest, sizeof(digest));
    bool good = !text.overflowed && digest_equal_text(signature, buf_string(&wanted));
    buf_free(&text);
    buf_free(&wanted);
    return good;
}

static enum fault check_login(const struct vendors *vendors, const struct exchange *x)
{
    const char *timestamp = http_header(x, "x-ncp-apigw-timestamp");
    const char *key = http_header(x, "x-ncp-iam-access-key");
    const char *signature = http_header(x, "x-ncp-apigw-signature-v2");
    char service[VENDOR_NAME_MAX + 1];
    if (!timestamp || !key || !signature || !sms_is_digits(timestamp, 13, 13))
        return NO_LOGIN;
    int64_t age = clock_ms() - sms_whole(timestamp, 0);
    if (age < -SKEW_MS || age > SKEW_MS)
        return WRONG_TIME;
    if (strcmp(key, SENS_KEY) != 0)
        return UNKNOWN_KEY;
    if (!is_signed(vendors, x, timestamp, key, signature))
        return WRONG_SIGNATURE;
    return vendor_segment(x, 3, service) && strcmp(service, SENS_SERVICE) == 0 ? GOOD : NO_SERVICE;
}

static bool type_ok(struct json_object *body, const char *type)
{
    const char *content = json_get_text(body, "contentType"), *subject = json_get_text(body, "subject");
    bool sms = type && strcmp(type, "SMS") == 0, lms = type && strcmp(type, "LMS") == 0;
    return (!content || strcmp(content, "COMM") == 0 || strcmp(content, "AD") == 0) &&
           ((sms && !subject) || (lms && (!subject || sms_characters(subject) <= SUBJECT_MAX)));
}

/* SENS takes up to 100 recipients of a request; here it is one, so that each arrival is one message. */
static bool read_recipient(struct json_object *body, char to[SMS_NUMBER_SIZE])
{
    struct json_object *list = json_get(body, "messages");
    const char *country = json_get_text(body, "countryCode");
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != 1)
        return false;
    const char *number = json_get_text(json_object_array_get_idx(list, 0), "to");
    return number && sms_number(country ? country : "82", number, to);
}

/* A longer text SENS cuts without a word, and one that it cannot encode fails later: both are a client's
 * faults that nobody would see. */
static enum fault read_message(struct json_object *body, char to[SMS_NUMBER_SIZE], struct sms_taken *sms)
{
    const char *type = json_get_text(body, "type");
    sms->from = json_get_text(body, "from");
    sms->text = json_get_text(body, "content");
    if (!type_ok(body, type))
        return BAD_TYPE;
    if (!sms->from || !sms_is_digits(sms->from, 3, 12))
        return BAD_SENDER;
    if (!read_recipient(body, to))
        return BAD_RECIPIENTS;
    sms->to = to;
    sms->type = strcmp(type, "LMS") == 0 ? "LMS" : "SMS";
    return sms->text && *sms->text && sms_parts_fit(sms->text, sms->type) == SMS_FITS ? GOOD : BAD_CONTENT;
}

static void write_taken(struct buf *out, const struct sms_taken *sms)
{
    char date[40];
    clock_utc(sms->at_ms + KOREA_MS, "%Y-%m-%dT%H:%M:%S.000", date, sizeof(date));
    buf_char(out, '{');
    sms_member(out, "requestId", sms->id);
    sms_member(out, "requestTime", date);
    sms_member(out, "statusCode", "202");
    sms_member(out, "statusName", "success");
    buf_char(out, '}');
}

static enum fault take(struct vendors *vendors, struct exchange *x, struct json_object *body)
{
    struct sms_taken sms = {.vendor = "sens", .key = "", .at_ms = clock_ms()};
    char to[SMS_NUMBER_SIZE], digits[SMS_ID_SIZE], id[SMS_ID_SIZE + 8];
    enum fault fault = read_message(body, to, &sms);
    if (fault != GOOD)
        return fault;
    sms_id(vendors, digits);
    snprintf(id, sizeof(id), "VORSSA-%s", digits);
    sms.id = id;
    write_taken(&x->answer, &sms);
    int magic = sms_take(vendors, x, &sms, 202, "application/json");
    return magic ? (enum fault)sms_fault_of(faults, FAULTS, magic) : GOOD;
}

static void send_message(struct vendors *vendors, struct exchange *x)
{
    enum fault fault = check_login(vendors, x);
    struct json_object *body = fault == GOOD ? sms_json(x) : NULL;
    if (fault == GOOD)
        fault = body ? take(vendors, x, body) : NO_JSON;
    if (fault != GOOD)
        refuse(vendors, x, fault);
    json_object_put(body);
}

static enum fault read_query(const struct exchange *x, struct arena *arena, struct sms_query *wanted)
{
    const char *query = sms_query_of(x);
    *wanted = (struct sms_query){.vendor = "sens", .national = sms_form_text(arena, query, "to")};
    if (!sms_time(sms_form_text(arena, query, "requestStartTime"), SENS_TIME, &wanted->start_ms) ||
        !sms_time(sms_form_text(arena, query, "requestEndTime"), SENS_TIME, &wanted->end_ms) ||
        (wanted->national && !sms_is_digits(wanted->national, 1, 15)))
        return BAD_QUERY;
    wanted->start_ms -= KOREA_MS;
    wanted->end_ms -= KOREA_MS;
    return GOOD;
}

static void write_entry(struct buf *out, const struct sms_taken *sms)
{
    char date[40];
    clock_utc(sms->at_ms + KOREA_MS, SENS_TIME, date, sizeof(date));
    buf_char(out, '{');
    sms_member(out, "requestId", sms->id);
    sms_member(out, "messageId", sms->id);
    sms_member(out, "requestTime", date);
    sms_member(out, "type", sms->type);
    sms_member(out, "from", sms->from);
    sms_member(out, "status", "PROCESSING");
    buf_char(out, '}');
}

static void write_list(struct buf *out, const struct vendors *vendors, const struct sms_query *query)
{
    struct sms_taken sms;
    uint64_t back = 0;
    int count = 0;
    bool more;
    buf_text(out, "{\"statusCode\":\"202\",\"statusName\":\"success\",\"messages\":[");
    while ((more = sms_find(vendors, query, &back, &sms)) && count < PAGE_SIZE) {
        if (count++ > 0)
            buf_char(out, ',');
        write_entry(out, &sms);
    }
    buf_printf(out, "],\"pageIndex\":0,\"pageSize\":%d,\"itemCount\":%d,\"hasMore\":%s}", PAGE_SIZE, count,
               more ? "true" : "false");
}

static void list_messages(struct vendors *vendors, struct exchange *x)
{
    struct arena *arena = arena_new();
    struct sms_query query;
    enum fault fault = check_login(vendors, x);
    if (fault == GOOD)
        fault = read_query(x, arena, &query);
    if (fault == GOOD) {
        write_list(&x->answer, vendors, &query);
        http_answer(x, 202, "application/json", 0);
    } else {
        refuse(vendors, x, fault);
    }
    arena_free(arena);
}

const struct vendor_route sens_routes[] = {
    {"POST", "/sms/v2/services/*/messages", send_message},
    {"GET", "/sms/v2/services/*/messages", list_messages},
    {0},
};
