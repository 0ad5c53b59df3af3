#include "sandbox/vendors/fcm.h"

#include <string.h>

#include "core/clock.h"
#include "sandbox/vendors/magic.h"

enum { BODY_MAX = 65536 };

static const char send_path[] = "/v1/projects/" FCM_PROJECT "/messages:send";

#define FCM_ERROR(code)                                                                                      \
    "{\"@type\":\"type.googleapis.com/google.firebase.fcm.v1.FcmError\",\"errorCode\":\"" code "\"}"

struct refusal {
    int magic; /* the code that asks for it, or 0 */
    int http;
    const char *status;
    const char *message;
    const char *details; /* JSON of the array's elements, or NULL */
    const char *retry_after;
};

static const struct refusal invalid_message = {0, 400, "INVALID_ARGUMENT", "", NULL, NULL};
static const struct refusal unauthenticated = {
    403,
    401,
    "UNAUTHENTICATED",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential.",
    NULL,
    NULL};
static const struct refusal not_found = {0, 404, "NOT_FOUND", "Requested entity was not found.", NULL, NULL};
static const struct refusal not_allowed = {0, 405, "INVALID_ARGUMENT", "Only POST is allowed.", NULL, NULL};

static const struct refusal unregistered = {
    410, 404, "NOT_FOUND", "Requested entity was not found.", FCM_ERROR("UNREGISTERED"), NULL};
static const struct refusal quota = {
    429,
    429,
    "RESOURCE_EXHAUSTED",
    "Quota exceeded for quota metric 'Messages' of the project.",
    FCM_ERROR("QUOTA_EXCEEDED") ",{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":"
                                "[{\"subject\":\"project:" FCM_PROJECT
                                "\",\"description\":\"Project message rate exceeded\"}]}",
    "2"};
static const struct refusal internal = {
    500, 500, "INTERNAL", "Internal error encountered.", FCM_ERROR("INTERNAL"), NULL};
static const struct refusal unavailable = {
    503, 503, "UNAVAILABLE", "The service is currently unavailable.", FCM_ERROR("UNAVAILABLE"), "1"};

static const struct refusal *const magic_refusals[] = {&unauthenticated, &unregistered, &quota, &internal,
                                                       &unavailable};

/* Magic that complains about a field. */
static const struct {
    int magic;
    struct fcm_fault fault;
} magic_faults[] = {
    {400, {"message.token", "The registration token is not a valid FCM registration token"}},
    {413, {"message", "The message payload is too big"}},
};

static void refuse(struct fcm *fcm, struct exchange *x, const struct refusal *refusal)
{
    store_reject(fcm->store, CHANNEL_FCM, refusal->status);
    buf_printf(&x->answer, "{\"error\":{\"code\":%d,\"message\":\"%s\",\"status\":\"%s\"", refusal->http,
               refusal->message, refusal->status);
    if (refusal->details)
        buf_printf(&x->answer, ",\"details\":[%s]", refusal->details);
    buf_text(&x->answer, "}}");
    if (refusal->retry_after)
        http_set_header(x, "retry-after", refusal->retry_after);
    http_answer(x, refusal->http, "application/json; charset=UTF-8", 0);
}

static void refuse_field(struct fcm *fcm, struct exchange *x, struct fcm_fault fault)
{
    struct buf details;
    buf_init(&details, 1024);
    buf_printf(
        &details,
        FCM_ERROR("INVALID_ARGUMENT") ",{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\","
                                      "\"fieldViolations\":[{\"field\":\"%s\",\"description\":\"%s\"}]}",
        fault.field, fault.description);
    struct refusal refusal = invalid_message;
    refusal.message = fault.description;
    refusal.details = buf_string(&details);
    refuse(fcm, x, &refusal);
    buf_free(&details);
}

static bool refuse_by_magic(struct fcm *fcm, struct exchange *x, int magic)
{
    for (size_t i = 0; i < sizeof(magic_refusals) / sizeof(*magic_refusals); i++) {
        if (magic_refusals[i]->magic == magic) {
            refuse(fcm, x, magic_refusals[i]);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(magic_faults) / sizeof(*magic_faults); i++) {
        if (magic_faults[i].magic == magic) {
            refuse_field(fcm, x, magic_faults[i].fault);
            return true;
        }
    }
    return false;
}

static void record(struct fcm *fcm, const struct exchange *x, struct json_object *message, int status)
{
    static const char *const targets[] = {"token", "topic", "condition"};
    struct json_object *android = json_get(message, "android");
    const char *id = json_get_text(json_get(message, "data"), "outbox_id");
    struct arrival arrival = {.channel = CHANNEL_FCM,
                              .id = id ? id : "",
                              .recipient = "",
                              .status = status,
                              .notes = {{"content-type", http_header(x, "content-type")},
                                        {"priority", json_get_text(android, "priority")},
                                        {"ttl", json_get_text(android, "ttl")},
                                        {"collapse_key", json_get_text(android, "collapse_key")}},
                              .body = x->body.data,
                              .body_size = x->body.size};
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        const char *target = json_get_text(message, targets[i]);
        if (target)
            arrival.recipient = target;
    }
    store_record(fcm->store, &arrival);
}

static void accept_message(struct fcm *fcm, struct exchange *x, struct json_object *request)
{
    struct json_object *message = json_get(request, "message");
    const char *token = json_get_text(message, "token");
    int magic = token ? magic_take(fcm->store, CHANNEL_FCM, token) : MAGIC_NONE;
    if (refuse_by_magic(fcm, x, magic))
        return;
    if (magic_is_unprocessed(magic)) {
        magic_abort(x, magic);
        return;
    }
    bool unanswered = magic_is_unanswered(magic);
    if (!json_get_bool(request, "validate_only", false))
        record(fcm, x, message, unanswered ? 0 : 200);
    if (unanswered) {
        magic_abort(x, magic);
        return;
    }
    if (magic == MAGIC_GARBAGE)
        buf_text(&x->answer, "<html>no JSON at all");
    else
        buf_printf(&x->answer, "{\"name\":\"projects/" FCM_PROJECT "/messages/%llu\"}",
                   (unsigned long long)++fcm->next_message);
    http_answer(x, 200, "application/json; charset=UTF-8", magic == MAGIC_SLOW ? MAGIC_DELAY_MS : 0);
}

static void send_request(struct fcm *fcm, struct exchange *x)
{
    const char *type = http_header(x, "content-type");
    if (strcmp(x->method, "POST") != 0) {
        refuse(fcm, x, &not_allowed);
        return;
    }
    if (!fcm_token_is_good(fcm, http_header(x, "authorization"), clock_ms())) {
        http_set_header(x, "www-authenticate", "Bearer realm=\"https://accounts.google.com/\"");
        refuse(fcm, x, &unauthenticated);
        return;
    }
    struct json_object *request =
        x->body.overflowed ? NULL : json_parse(buf_string(&x->body), x->body.size, NULL);
    struct fcm_fault fault = {"", "Invalid JSON payload received."};
    if (x->body.overflowed)
        fault = (struct fcm_fault){"message", "The message payload is too big"};
    else if (!type || strncmp(type, "application/json", 16) != 0)
        fault.description = "The content type must be application/json.";
    else if (request)
        fault = fcm_message_check(request);
    if (fault.field)
        refuse_field(fcm, x, fault);
    else
        accept_message(fcm, x, request);
    json_object_put(request);
}

static void on_request(void *arg, struct exchange *x)
{
    struct fcm *fcm = arg;
    if (strcmp(x->path, send_path) == 0)
        send_request(fcm, x);
    else if (strcmp(x->path, "/token") == 0)
        fcm_token_request(fcm, x);
    else
        refuse(fcm, x, &not_found);
}

const struct http_service fcm_service = {.max_body = BODY_MAX, .request = on_request};
