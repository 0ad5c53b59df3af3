/* NHN Cloud SMS: sending one SMS or LMS, advertising or not, and their lists. Its faults have HTTP 200. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "crypto/digest.h"
#include "sandbox/vendors/sms.h"
#include "sandbox/vendors/sms_parts.h"

enum { KEY_MAX = 100, TITLE_MAX = 120, PAGE_SIZE = 15, PAGE_MAX = 1000 };
enum { KOREA_MS = 9 * 3600 * 1000 };

#define NHN_TIME "%Y-%m-%d %H:%M:%S" /* Korean */

enum fault {
    GOOD,
    UNKNOWN_KEY,
    WRONG_SECRET,
    FORBIDDEN,
    NO_JSON,
    BAD_SENDER,
    BAD_RECIPIENT,
    BAD_BODY,
    TOO_LONG,
    BAD_CHARACTER,
    NO_TITLE,
    BAD_KEY,
    BAD_QUERY,
    BLOCKED,
    TOO_MANY,
    UNAVAILABLE,
    INTERNAL,
    FAULTS
};

static const struct sms_fault faults[FAULTS] = {
    [UNKNOWN_KEY] = {404, 200, "-1001", "nhn: unknown app key", "not exist appKey"},
    [WRONG_SECRET] = {401, 200, "-1007", "nhn: wrong secret key", "invalid secret key"},
    [FORBIDDEN] = {403, 200, "-1004", "nhn: not allowed", "not allowed"},
    [NO_JSON] = {0, 200, "-2000", "nhn: no JSON", "invalid parameter"},
    [BAD_SENDER] = {0, 200, "-2312", "nhn: bad sendNo", "send number is not registered"},
    [BAD_RECIPIENT] = {400, 200, "-2019", "nhn: bad recipient", "invalid recipient number"},
    [BAD_BODY] = {0, 200, "-2001", "nhn: no body", "body is required"},
    [TOO_LONG] = {413, 200, "-2014", "nhn: body too long", "body is too long"},
    [BAD_CHARACTER] = {0, 200, "-2023", "nhn: bad character", "a character is not in EUC-KR"},
    [NO_TITLE] = {0, 200, "-2012", "nhn: bad title", "title is required"},
    [BAD_KEY] = {0, 200, "-2018", "nhn: bad grouping key", "grouping key is too long"},
    [BAD_QUERY] = {0, 200, "-2000", "nhn: bad query", "invalid parameter"},
    [BLOCKED] = {410, 200, "-6001", "nhn: blocked number", "the recipient refuses messages"},
    [TOO_MANY] = {429, 429, "-9999", "nhn: too many requests", "too many requests"},
    [UNAVAILABLE] = {503, 503, "-9999", "nhn: unavailable", "unavailable"},
    [INTERNAL] = {500, 200, "-9999", "nhn: system error", "system error"},
};

static void refuse(struct vendors *vendors, struct exchange *x, enum fault fault)
{
    const struct sms_fault *row = &faults[fault];
    buf_printf(&x->answer,
               "{\"header\":{\"isSuccessful\":false,\"resultCode\":%s,\"resultMessage\":\"%s\"},"
               "\"body\":null}",
               row->code, row->text);
    sms_refuse(vendors, x, row, "application/json;charset=UTF-8");
}

static enum fault check_login(const struct vendors *vendors, const struct exchange *x)
{
    const char *given = http_header(x, "x-secret-key");
    char key[VENDOR_NAME_MAX + 1];
    if (!vendor_segment(x, 3, key) || strcmp(key, NHN_KEY) != 0)
        return UNKNOWN_KEY;
    return given && digest_equal_text(given, vendors->secret) ? GOOD : WRONG_SECRET;
}

/* The last segment of the path: sms, mms, ad-sms or ad-mms; LMS goes as MMS. */
static const char *type_of(const struct exchange *x)
{
    char kind[VENDOR_NAME_MAX + 1];
    return vendor_segment(x, 5, kind) && strstr(kind, "mms") ? "LMS" : "SMS";
}

/* NHN takes up to 1000 recipients of a request; here it is one, so that each arrival is one message. */
static bool read_recipient(struct json_object *body, char to[SMS_NUMBER_SIZE], struct sms_taken *sms)
{
    struct json_object *list = json_get(body, "recipientList");
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != 1)
        return false;
    struct json_object *recipient = json_object_array_get_idx(list, 0);
    const char *number = json_get_text(recipient, "recipientNo");
    const char *abroad = json_get_text(recipient, "internationalRecipientNo");
    const char *country = json_get_text(recipient, "countryCode");
    const char *key = json_get_text(recipient, "recipientGroupingKey");
    sms->key = key ? key : "";
    sms->to = to;
    if (!number == !abroad)
        return false;
    return number ? sms_number(country ? country : "82", number, to) : sms_number("", abroad, to);
}

static enum fault read_message(struct json_object *body, char to[SMS_NUMBER_SIZE], struct sms_taken *sms)
{
    static const enum fault misfits[] = {
        [SMS_FITS] = GOOD, [SMS_TOO_LONG] = TOO_LONG, [SMS_BAD_CHARACTER] = BAD_CHARACTER};
    const char *title = json_get_text(body, "title"), *group = json_get_text(body, "senderGroupingKey");
    bool lms = strcmp(sms->type, "LMS") == 0;
    sms->from = json_get_text(body, "sendNo");
    sms->text = json_get_text(body, "body");
    if (!sms->from || !sms_is_digits(sms->from, 3, 12))
        return BAD_SENDER;
    if (!read_recipient(body, to, sms))
        return BAD_RECIPIENT;
    if (strlen(sms->key) > KEY_MAX || (group && strlen(group) > KEY_MAX))
        return BAD_KEY;
    if (lms && (!title || !*title || sms_characters(title) > TITLE_MAX))
        return NO_TITLE;
    return sms->text && *sms->text ? misfits[sms_parts_fit(sms->text, sms->type)] : BAD_BODY;
}

#define SUCCESS "{\"isSuccessful\":true,\"resultCode\":0,\"resultMessage\":\"SUCCESS\"}"

static void write_taken(struct buf *out, const struct sms_taken *sms)
{
    buf_text(out, "{\"header\":" SUCCESS ",\"body\":{\"data\":{");
    sms_member(out, "requestId", sms->id);
    sms_member(out, "statusCode", "2");
    buf_text(out, ",\"sendResultList\":[{");
    sms_member(out, "recipientNo", sms->to);
    buf_text(out, ",\"resultCode\":0,\"resultMessage\":\"SUCCESS\",\"recipientSeq\":1");
    sms_member(out, "recipientGroupingKey", sms->key);
    buf_text(out, "}]}}}");
}

static enum fault take(struct vendors *vendors, struct exchange *x, struct json_object *body)
{
    struct sms_taken sms = {.vendor = "nhn", .type = type_of(x), .at_ms = clock_ms()};
    char to[SMS_NUMBER_SIZE], id[SMS_ID_SIZE];
    enum fault fault = read_message(body, to, &sms);
    if (fault != GOOD)
        return fault;
    sms_id(vendors, id);
    sms.id = id;
    write_taken(&x->answer, &sms);
    int magic = sms_take(vendors, x, &sms, 200, "application/json;charset=UTF-8");
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

/* Both ends of a span. */
static bool read_span(struct arena *arena, const char *query, struct sms_query *wanted)
{
    if (!sms_time(sms_form_text(arena, query, "startCreateDate"), NHN_TIME, &wanted->start_ms) ||
        !sms_time(sms_form_text(arena, query, "endCreateDate"), NHN_TIME, &wanted->end_ms))
        return false;
    wanted->start_ms -= KOREA_MS;
    wanted->end_ms -= KOREA_MS;
    return true;
}

static void write_entry(struct buf *out, const struct sms_taken *sms)
{
    char date[40];
    clock_utc(sms->at_ms + KOREA_MS, NHN_TIME, date, sizeof(date));
    buf_char(out, '{');
    sms_member(out, "requestId", sms->id);
    sms_member(out, "createDate", date);
    sms_member(out, "sendNo", sms->from);
    sms_member(out, "recipientNo", sms->to);
    sms_member(out, "msgStatus", "2");
    sms_member(out, "recipientGroupingKey", sms->key);
    buf_text(out, ",\"recipientSeq\":1}");
}

/* The total counts what the page does not show too. */
static void write_list(struct buf *out, const struct vendors *vendors, const struct sms_query *query,
                       int64_t most)
{
    struct sms_taken sms;
    uint64_t back = 0;
    int total = 0;
    bool full = false;
    buf_text(out, "{\"header\":" SUCCESS ",\"body\":{\"data\":[");
    for (; sms_find(vendors, query, &back, &sms); total++) {
        full = full || total >= most || out->size >= SMS_LIST_FULL;
        if (full)
            continue;
        if (total > 0)
            buf_char(out, ',');
        write_entry(out, &sms);
    }
    buf_printf(out, "],\"pageNum\":1,\"pageSize\":%lld,\"totalCount\":%d}}", (long long)most, total);
}

static void list_messages(struct vendors *vendors, struct exchange *x)
{
    struct arena *arena = arena_new();
    const char *query = sms_query_of(x), *size = sms_form_text(arena, query, "pageSize");
    struct sms_query wanted = {
        .vendor = "nhn", .type = type_of(x), .key = sms_form_text(arena, query, "recipientGroupingKey")};
    int64_t most = sms_whole(size, PAGE_SIZE);
    enum fault fault = check_login(vendors, x);
    if (fault == GOOD && (most < 1 || most > PAGE_MAX || !read_span(arena, query, &wanted)))
        fault = BAD_QUERY;
    if (fault == GOOD) {
        write_list(&x->answer, vendors, &wanted, most);
        http_answer(x, 200, "application/json;charset=UTF-8", 0);
    } else {
        refuse(vendors, x, fault);
    }
    arena_free(arena);
}

const struct vendor_route nhn_routes[] = {
    {"POST", "/sms/v3.0/appKeys/*/sender/sms", send_message},
    {"POST", "/sms/v3.0/appKeys/*/sender/mms", send_message},
    {"POST", "/sms/v3.0/appKeys/*/sender/ad-sms", send_message},
    {"POST", "/sms/v3.0/appKeys/*/sender/ad-mms", send_message},
    {"GET", "/sms/v3.0/appKeys/*/sender/sms", list_messages},
    {"GET", "/sms/v3.0/appKeys/*/sender/mms", list_messages},
    {0},
};
