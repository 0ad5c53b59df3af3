#include "sandbox/vendors/apns.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/mem.h"
#include "sandbox/store/uuid.h"
#include "sandbox/vendors/apns_token.h"
#include "sandbox/vendors/magic.h"

enum { DEVICE_MAX = 512, COLLAPSE_ID_MAX = 64, PAYLOAD_MAX = 4096, VOIP_PAYLOAD_MAX = 5120 };

struct apns {
    struct store *store;
    const char *topic;
    struct apns_tokens tokens;
};

struct push_type {
    const char *name;
    const char *suffix; /* of the topic; NULL = the topic is not the app's */
};

/* One refusal: what the answer says. */
struct refusal {
    int magic; /* the code that asks for it, or 0 */
    int status;
    const char *reason;
    const char *retry_after;
};

static const struct refusal refusals[] = {
    {0, 400, "BadCollapseId", NULL},
    {0, 400, "BadExpirationDate", NULL},
    {0, 400, "BadMessageId", NULL},
    {0, 400, "BadPriority", NULL},
    {0, 400, "BadTopic", NULL},
    {0, 400, "DuplicateHeaders", NULL},
    {0, 400, "InvalidPushType", NULL},
    {0, 400, "MissingDeviceToken", NULL},
    {0, 400, "MissingTopic", NULL},
    {0, 400, "PayloadEmpty", NULL},
    {0, 400, "TopicDisallowed", NULL},
    {0, 403, "InvalidProviderToken", NULL},
    {0, 403, "MissingProviderToken", NULL},
    {0, 404, "BadPath", NULL},
    {0, 405, "MethodNotAllowed", NULL},
    {0, 429, "TooManyProviderTokenUpdates", NULL},
    {400, 400, "BadDeviceToken", NULL},
    {403, 403, "ExpiredProviderToken", NULL},
    {410, 410, "Unregistered", NULL},
    {413, 413, "PayloadTooLarge", NULL},
    {429, 429, "TooManyRequests", "2"},
    {500, 500, "InternalServerError", NULL},
    {503, 503, "ServiceUnavailable", "1"},
};

static const struct push_type push_types[] = {{"alert", ""},
                                              {"background", ""},
                                              {"voip", ".voip"},
                                              {"complication", ".complication"},
                                              {"fileprovider", ".pushkit.fileprovider"},
                                              {"location", ".location-query"},
                                              {"liveactivity", ".push-type.liveactivity"},
                                              {"widgets", ".push-type.widgets"},
                                              {"controls", ".push-type.controls"},
                                              {"pushtotalk", ".voip-ptt"},
                                              {"mdm", NULL}};

static const char device_path[] = "/3/device/";

struct apns *apns_new(const struct apns_options *options)
{
    struct apns *apns = mem_alloc(sizeof(*apns));
    apns->store = options->store;
    apns->topic = options->topic;
    apns->tokens.key = options->key;
    apns->tokens.updates = options->token_updates;
    return apns;
}

void apns_free(struct apns *apns)
{
    mem_free(apns);
}

void apns_reset(struct apns *apns)
{
    apns->tokens = (struct apns_tokens){.key = apns->tokens.key, .updates = apns->tokens.updates};
}

static const struct push_type *find_push_type(const char *name)
{
    for (size_t i = 0; i < sizeof(push_types) / sizeof(*push_types); i++)
        if (strcmp(push_types[i].name, name) == 0)
            return &push_types[i];
    return NULL;
}

static bool is_uuid(const char *text)
{
    unsigned char octets[UUID_OCTETS];
    return uuid_read(text, strlen(text), octets);
}

static bool is_hex(const char *text)
{
    return strspn(text, "0123456789abcdefABCDEF") == strlen(text);
}

static const char *path_fault(const struct exchange *x)
{
    size_t prefix = sizeof(device_path) - 1;
    if (strcmp(x->method, "POST") != 0)
        return "MethodNotAllowed";
    if (strncmp(x->path, device_path, prefix) != 0)
        return "BadPath";
    const char *device = x->path + prefix;
    size_t size = strlen(device);
    if (size == 0)
        return "MissingDeviceToken";
    return size % 2 != 0 || size > DEVICE_MAX || !is_hex(device) ? "BadDeviceToken" : NULL;
}

static const char *topic_fault(const struct apns *apns, const char *topic, const char *suffix)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    size_t base = strlen(apns->topic);
    if (!topic)
        return "MissingTopic";
    if (strspn(topic, allowed) != strlen(topic) || *topic == '\0')
        return "BadTopic";
    if (!suffix)
        return NULL;
    if (strncmp(topic, apns->topic, base) != 0 || (topic[base] != '\0' && topic[base] != '.'))
        return "TopicDisallowed";
    return strcmp(topic + base, suffix) != 0 ? "BadTopic" : NULL;
}

static const char *header_fault(const struct apns *apns, const struct exchange *x)
{
    const char *type_name = http_header(x, "apns-push-type");
    const struct push_type *type = find_push_type(type_name ? type_name : "");
    const char *priority = http_header(x, "apns-priority");
    const char *id = http_header(x, "apns-id");
    const char *collapse = http_header(x, "apns-collapse-id");
    const char *expiration = http_header(x, "apns-expiration");
    if (!type)
        return "InvalidPushType";
    const char *fault = topic_fault(apns, http_header(x, "apns-topic"), type->suffix);
    if (fault)
        return fault;
    if (priority && strcmp(priority, "10") != 0 && strcmp(priority, "5") != 0 && strcmp(priority, "1") != 0)
        return "BadPriority";
    if (strcmp(type->name, "background") == 0 && (!priority || strcmp(priority, "5") != 0))
        return "BadPriority";
    if (id && !is_uuid(id))
        return "BadMessageId";
    if (collapse && (*collapse == '\0' || strlen(collapse) > COLLAPSE_ID_MAX))
        return "BadCollapseId";
    if (expiration && (*expiration == '\0' || strlen(expiration) > 12 ||
                       strspn(expiration, "0123456789") != strlen(expiration)))
        return "BadExpirationDate";
    return NULL;
}

static const char *payload_fault(const struct exchange *x)
{
    bool voip = strcmp(http_header(x, "apns-push-type"), "voip") == 0;
    if (x->body.overflowed || x->body.size > (voip ? VOIP_PAYLOAD_MAX : PAYLOAD_MAX))
        return "PayloadTooLarge";
    struct json_object *payload = json_parse(buf_string(&x->body), x->body.size, NULL);
    bool filled = json_object_is_type(payload, json_type_object) && json_object_object_length(payload) > 0;
    json_object_put(payload);
    return filled ? NULL : "PayloadEmpty";
}

static const char *fault_of(struct apns *apns, struct exchange *x)
{
    const char *fault = path_fault(x);
    if (fault)
        return fault;
    if (x->head_overflowed || http_has_duplicates(x))
        return "DuplicateHeaders";
    bool is_new = false;
    fault = apns_tokens_check(&apns->tokens, http_header(x, "authorization"), clock_ms(), &is_new);
    if (fault)
        return fault;
    store_stats(apns->store, CHANNEL_APNS)->tokens += is_new;
    http_trust(x);
    fault = header_fault(apns, x);
    return fault ? fault : payload_fault(x);
}

/* The request's apns-id, or a new one, as Apple does. */
static const char *message_id(struct exchange *x)
{
    const char *id = http_header(x, "apns-id");
    if (id && is_uuid(id))
        return id;
    unsigned char octets[UUID_OCTETS];
    if (RAND_bytes(octets, sizeof(octets)) != 1)
        return "";
    octets[6] = (unsigned char)((octets[6] & 0x0f) | 0x40);
    octets[8] = (unsigned char)((octets[8] & 0x3f) | 0x80);
    char text[UUID_TEXT + 1];
    uuid_write(octets, text);
    const char *kept = http_keep(x, text, UUID_TEXT);
    return kept ? kept : "";
}

static void refuse(struct apns *apns, struct exchange *x, const struct refusal *refusal)
{
    store_reject(apns->store, CHANNEL_APNS, refusal->reason);
    buf_printf(&x->answer, "{\"reason\":\"%s\"", refusal->reason);
    if (refusal->status == 410)
        buf_printf(&x->answer, ",\"timestamp\":%lld", (long long)clock_ms());
    buf_char(&x->answer, '}');
    if (refusal->retry_after)
        http_set_header(x, "retry-after", refusal->retry_after);
    http_answer(x, refusal->status, "application/json", 0);
}

static const struct refusal *refusal_of(const char *reason, int magic)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
        if (reason ? strcmp(refusals[i].reason, reason) == 0 : magic && refusals[i].magic == magic)
            return &refusals[i];
    return NULL;
}

static void record(struct apns *apns, const struct exchange *x, const char *id, int status)
{
    static const char *const noted[] = {"apns-topic",      "apns-push-type",   "apns-priority",
                                        "apns-expiration", "apns-collapse-id", "content-type"};
    struct arrival arrival = {.channel = CHANNEL_APNS,
                              .id = id,
                              .recipient = x->path + sizeof(device_path) - 1,
                              .status = status,
                              .body = x->body.data,
                              .body_size = x->body.size};
    for (size_t i = 0; i < sizeof(noted) / sizeof(*noted); i++)
        arrival.notes[i] = (struct note){noted[i], http_header(x, noted[i])};
    store_record(apns->store, &arrival);
}

/* What leaves a request unprocessed happens before its body is read. */
static void on_head(void *arg, struct exchange *x)
{
    struct apns *apns = arg;
    if (path_fault(x))
        return;
    const char *device = x->path + sizeof(device_path) - 1;
    if (magic_is_unprocessed(magic_code(device)))
        magic_abort(x, magic_take(apns->store, CHANNEL_APNS, device));
}

static void on_request(void *arg, struct exchange *x)
{
    struct apns *apns = arg;
    const char *fault = fault_of(apns, x);
    const char *id = message_id(x);
    http_set_header(x, "apns-id", id);
    if (fault) {
        refuse(apns, x, refusal_of(fault, 0));
        return;
    }
    const char *device = x->path + sizeof(device_path) - 1;
    int magic =
        magic_is_unprocessed(magic_code(device)) ? MAGIC_NONE : magic_take(apns->store, CHANNEL_APNS, device);
    const struct refusal *refusal = refusal_of(NULL, magic);
    if (refusal) {
        refuse(apns, x, refusal);
    } else if (magic == MAGIC_GARBAGE) {
        record(apns, x, id, 400);
        buf_text(&x->answer, "<html>no JSON at all");
        http_answer(x, 400, "text/html", 0);
    } else if (magic_is_unanswered(magic)) {
        record(apns, x, id, 0);
        magic_abort(x, magic);
    } else {
        record(apns, x, id, 200);
        http_answer(x, 200, NULL, magic == MAGIC_SLOW ? MAGIC_DELAY_MS : 0);
    }
}

const struct http_service apns_service = {.max_body = 8192, .head = on_head, .request = on_request};
