/* Solapi: sending one message, and the list of messages. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "crypto/digest.h"
#include "crypto/hex.h"
#include "sandbox/vendors/sms.h"
#include "sandbox/vendors/sms_parts.h"

enum {
    SKEW_MS = 15 * 60 * 1000,
    SUBJECT_MAX = 40,
    FIELD_NAME_MAX = 30,
    FIELD_VALUE_MAX = 100,
    LIST_SIZE = 20,
    LIST_MAX = 500,
    HEX_SIZE = 2 * SHA256_SIZE
};

enum fault {
    GOOD,
    NO_LOGIN,
    UNKNOWN_KEY,
    WRONG_SIGNATURE,
    SKEWED,
    USED_SIGNATURE,
    NO_JSON,
    BAD_NUMBER,
    BAD_SENDER,
    BAD_TYPE,
    BAD_TEXT,
    TOO_LONG,
    BAD_CHARACTER,
    BAD_FIELDS,
    BAD_QUERY,
    FORBIDDEN,
    NOT_FOUND,
    BLOCKED,
    TOO_MANY,
    UNAVAILABLE,
    INTERNAL,
    FAULTS
};

/* Those with HTTP 200 are the statusCode of a message. */
static const struct sms_fault faults[FAULTS] = {
    [NO_LOGIN] = {0, 403, "Forbidden", "solapi: no authorization", "Authorization header is required"},
    [UNKNOWN_KEY] = {401, 403, "InvalidAPIKey", "solapi: unknown key", "API key is not known"},
    [WRONG_SIGNATURE] = {0, 403, "SignatureDoesNotMatch", "solapi: wrong signature",
                         "Signature does not match"},
    [SKEWED] = {0, 403, "RequestTimeTooSkewed", "solapi: wrong time", "Date is not within 15 minutes"},
    [USED_SIGNATURE] = {0, 403, "DuplicatedSignature", "solapi: signature used twice",
                        "Signature was used before"},
    [NO_JSON] = {0, 400, "ValidationError", "solapi: no JSON message", "\\\"message\\\" is required"},
    [BAD_NUMBER] = {400, 400, "ValidationError", "solapi: bad to", "\\\"to\\\" is not a number"},
    [BAD_SENDER] = {0, 400, "ValidationError", "solapi: bad from", "\\\"from\\\" is not a number"},
    [BAD_TYPE] = {0, 400, "ValidationError", "solapi: bad type", "\\\"type\\\" or subject is wrong"},
    [BAD_TEXT] = {0, 400, "ValidationError", "solapi: no text", "\\\"text\\\" is required"},
    [TOO_LONG] = {413, 200, "1028", "solapi: too long", "Text is too long"},
    [BAD_CHARACTER] = {0, 200, "1029", "solapi: bad character", "Text has a character outside EUC-KR"},
    [BAD_FIELDS] = {0, 400, "ValidationError", "solapi: bad customFields", "\\\"customFields\\\" is wrong"},
    [BAD_QUERY] = {0, 400, "ValidationError", "solapi: bad query", "Query is wrong"},
    [FORBIDDEN] = {403, 403, "Forbidden", "solapi: not allowed", "Not allowed"},
    [NOT_FOUND] = {404, 404, "ResourceNotFound", "solapi: no such resource", "Resource not found"},
    [BLOCKED] = {410, 200, "1060", "solapi: blocked number", "Recipient is blocked"},
    [TOO_MANY] = {429, 429, "TooManyRequests", "solapi: too many requests", "Too many requests"},
    [UNAVAILABLE] = {503, 503, "ServiceUnavailable", "solapi: unavailable", "Unavailable"},
    [INTERNAL] = {500, 500, "InternalError", "solapi: internal error", "Internal error"},
};

static void refuse(struct vendors *vendors, struct exchange *x, enum fault fault)
{
    const struct sms_fault *row = &faults[fault];
    const char *prefix = row->http == 200 ? "status" : "error";
    buf_printf(&x->answer, "{\"%sCode\":\"%s\",\"%sMessage\":\"%s\"}", prefix, row->code, prefix, row->text);
    sms_refuse(vendors, x, row, "application/json");
}

struct login {
    char key[64], date[40], salt[65], signature[HEX_SIZE + 1];
};

static bool parse(const char *text, struct login *login)
{
    int end = 0;
    return text &&
           sscanf(text, "HMAC-SHA256 apiKey=%63[^,], date=%39[^,], salt=%64[^,], signature=%64[0-9a-f]%n",
                  login->key, login->date, login->salt, login->signature, &end) == 4 &&
           text[end] == '\0' && strlen(login->salt) >= 12 && strlen(login->signature) == HEX_SIZE;
}

static bool is_signed(const struct vendors *vendors, const struct login *login)
{
    char data[sizeof(login->date) + sizeof(login->salt)], hex[HEX_SIZE + 1];
    unsigned char digest[SHA256_SIZE];
    int size = snprintf(data, sizeof(data), "%s%s", login->date, login->salt);
    digest_hmac_sha256(vendors->secret, strlen(vendors->secret), data, (size_t)size, digest);
    hex_encode(digest, sizeof(digest), hex);
    return digest_equal(hex, login->signature, HEX_SIZE);
}

static enum fault check_login(const struct vendors *vendors, const struct exchange *x, int64_t now_ms)
{
    struct login login;
    int64_t at_ms;
    if (!parse(http_header(x, "authorization"), &login))
        return NO_LOGIN;
    if (strcmp(login.key, SOLAPI_KEY) != 0)
        return UNKNOWN_KEY;
    if (!is_signed(vendors, &login))
        return WRONG_SIGNATURE;
    if (!sms_time(login.date, "%Y-%m-%dT%H:%M:%SZ", &at_ms) || at_ms < now_ms - SKEW_MS ||
        at_ms > now_ms + SKEW_MS)
        return SKEWED;
    return sms_log_use(vendors->sms, login.signature) ? GOOD : USED_SIGNATURE;
}

/* Names of at most 30 and texts of at most 100 characters. */
static bool fields_ok(struct json_object *fields)
{
    if (!fields)
        return true;
    if (!json_object_is_type(fields, json_type_object))
        return false;
    struct json_object_iter field;
    json_object_object_foreachC(fields, field)
    {
        if (sms_characters(field.key) > FIELD_NAME_MAX || !json_object_is_type(field.val, json_type_string) ||
            sms_characters(json_object_get_string(field.val)) > FIELD_VALUE_MAX)
            return false;
    }
    return true;
}

static bool type_ok(const char *type, const char *subject)
{
    bool sms = type && strcmp(type, "SMS") == 0, lms = type && strcmp(type, "LMS") == 0;
    return (sms && !subject) || (lms && (!subject || sms_characters(subject) <= SUBJECT_MAX));
}

static enum fault read_message(struct json_object *message, char to[SMS_NUMBER_SIZE], struct sms_taken *sms)
{
    static const enum fault misfits[] = {
        [SMS_FITS] = GOOD, [SMS_TOO_LONG] = TOO_LONG, [SMS_BAD_CHARACTER] = BAD_CHARACTER};
    struct json_object *fields = json_get(message, "customFields");
    const char *number = json_get_text(message, "to"), *country = json_get_text(message, "country");
    const char *type = json_get_text(message, "type"), *key = json_get_text(fields, "outbox_id");
    sms->from = json_get_text(message, "from");
    sms->text = json_get_text(message, "text");
    sms->key = key ? key : "";
    if (!json_object_is_type(message, json_type_object))
        return NO_JSON;
    if (!number || !sms_number(country ? country : "82", number, to))
        return BAD_NUMBER;
    if (!sms->from || !sms_is_digits(sms->from, 3, 12))
        return BAD_SENDER;
    if (!type_ok(type, json_get_text(message, "subject")))
        return BAD_TYPE;
    if (!sms->text || !*sms->text)
        return BAD_TEXT;
    sms->to = to;
    sms->type = strcmp(type, "LMS") == 0 ? "LMS" : "SMS";
    return fields_ok(fields) ? misfits[sms_parts_fit(sms->text, sms->type)] : BAD_FIELDS;
}

static void write_taken(struct buf *out, const struct sms_taken *sms, struct json_object *message,
                        const char *group)
{
    buf_char(out, '{');
    sms_member(out, "groupId", group);
    sms_member(out, "messageId", sms->id);
    sms_member(out, "to", json_get_text(message, "to"));
    sms_member(out, "from", sms->from);
    sms_member(out, "type", sms->type);
    sms_member(out, "country", json_get_text(message, "country"));
    sms_member(out, "statusCode", "2000");
    sms_member(out, "statusMessage", "accepted");
    sms_member(out, "accountId", SOLAPI_KEY);
    buf_char(out, '}');
}

static enum fault take(struct vendors *vendors, struct exchange *x, struct json_object *body)
{
    struct sms_taken sms = {.vendor = "solapi", .at_ms = clock_ms()};
    struct json_object *message = json_get(body, "message");
    char to[SMS_NUMBER_SIZE], digits[SMS_ID_SIZE], id[SMS_ID_SIZE + 3], group[SMS_ID_SIZE + 3];
    enum fault fault = read_message(message, to, &sms);
    if (fault != GOOD)
        return fault;
    sms_id(vendors, digits);
    snprintf(id, sizeof(id), "M4V%s", digits);
    snprintf(group, sizeof(group), "G4V%s", digits);
    sms.id = id;
    write_taken(&x->answer, &sms, message, group);
    int magic = sms_take(vendors, x, &sms, 200, "application/json");
    return magic ? (enum fault)sms_fault_of(faults, FAULTS, magic) : GOOD;
}

static void send_message(struct vendors *vendors, struct exchange *x)
{
    enum fault fault = check_login(vendors, x, clock_ms());
    struct json_object *body = fault == GOOD ? sms_json(x) : NULL;
    if (fault == GOOD)
        fault = body ? take(vendors, x, body) : NO_JSON;
    if (fault != GOOD)
        refuse(vendors, x, fault);
    json_object_put(body);
}

/* A time of the query; *ms stays when it is absent. */
static bool read_time(struct arena *arena, const char *query, const char *name, int64_t *ms)
{
    const char *text = sms_form_text(arena, query, name);
    return !text || sms_time(text, "%Y-%m-%dT%H:%M:%SZ", ms);
}

static enum fault read_query(const struct exchange *x, struct arena *arena, struct sms_query *wanted,
                             int64_t *most)
{
    const char *query = sms_query_of(x), *limit = sms_form_text(arena, query, "limit");
    const char *criteria = sms_form_text(arena, query, "criteria");
    const char *condition = sms_form_text(arena, query, "cond");
    *wanted = (struct sms_query){.vendor = "solapi", .end_ms = INT64_MAX};
    wanted->national = sms_form_text(arena, query, "value");
    *most = sms_whole(limit, LIST_SIZE);
    bool all = !criteria && !condition && !wanted->national;
    bool one = criteria && strcmp(criteria, "to") == 0 && condition && strcmp(condition, "eq") == 0 &&
               wanted->national && sms_is_digits(wanted->national, 1, 15);
    bool ok = (all || one) && *most >= 1 && *most <= LIST_MAX &&
              read_time(arena, query, "startDate", &wanted->start_ms) &&
              read_time(arena, query, "endDate", &wanted->end_ms);
    return ok ? GOOD : BAD_QUERY;
}

static void write_entry(struct buf *out, const struct sms_taken *sms)
{
    char date[40];
    clock_utc(sms->at_ms, "%Y-%m-%dT%H:%M:%S.000Z", date, sizeof(date));
    json_append_string(out, sms->id, strlen(sms->id));
    buf_text(out, ":{");
    sms_member(out, "messageId", sms->id);
    sms_member(out, "from", sms->from);
    sms_member(out, "type", sms->type);
    sms_member(out, "statusCode", "3000");
    sms_member(out, "dateCreated", date);
    buf_text(out, ",\"customFields\":{");
    if (*sms->key)
        sms_member(out, "outbox_id", sms->key);
    buf_text(out, "}}");
}

static void write_list(struct buf *out, const struct vendors *vendors, const struct sms_query *query,
                       int64_t most)
{
    struct sms_taken sms;
    uint64_t back = 0;
    int count = 0;
    bool more;
    buf_printf(out, "{\"limit\":%lld,\"startKey\":null,\"messageList\":{", (long long)most);
    while ((more = sms_find(vendors, query, &back, &sms)) && count < most && out->size < SMS_LIST_FULL) {
        if (count++ > 0)
            buf_char(out, ',');
        write_entry(out, &sms);
    }
    buf_char(out, '}');
    sms_member(out, "nextKey", more ? sms.id : NULL);
    buf_char(out, '}');
}

static void list_messages(struct vendors *vendors, struct exchange *x)
{
    struct arena *arena = arena_new();
    struct sms_query query;
    int64_t most = 0;
    enum fault fault = check_login(vendors, x, clock_ms());
    if (fault == GOOD)
        fault = read_query(x, arena, &query, &most);
    if (fault == GOOD) {
        write_list(&x->answer, vendors, &query, most);
        http_answer(x, 200, "application/json", 0);
    } else {
        refuse(vendors, x, fault);
    }
    arena_free(arena);
}

const struct vendor_route solapi_routes[] = {
    {"POST", "/messages/v4/send", send_message},
    {"GET", "/messages/v4/list", list_messages},
    {0},
};
