/* What the service worker of a page gets: a JSON object whose names are those of showNotification(). */
#include <string.h>

#include "providers/push/push_payload.h"
#include "providers/push/webpush.h"

enum { TOPIC_MAX = 32 };

enum { TEXT = 1, NUMBER = 2, TRUTH = 4, OBJECT = 8, LIST = 16 };

static const struct member {
    const char *name;
    int types;
    const char *rule;
} members[] = {
    {"title", TEXT, "must be a string"},
    {"body", TEXT, "must be a string"},
    {"icon", TEXT, "must be a string"},
    {"image", TEXT, "must be a string"},
    {"badge", TEXT | NUMBER, "must be a string or a whole number"},
    {"url", TEXT, "must be a string"},
    {"tag", TEXT, "must be a string"},
    {"lang", TEXT, "must be a string"},
    {"dir", TEXT, "must be a string"},
    {"silent", TRUTH, "must be true or false"},
    {"renotify", TRUTH, "must be true or false"},
    {"requireInteraction", TRUTH, "must be true or false"},
    {"timestamp", NUMBER, "must be a whole number"},
    {"vibrate", LIST, "must be a list"},
    {"actions", LIST, "must be a list"},
    {"data", OBJECT, "must be an object"},
};

static const char *const urgencies[] = {"very-low", "low", "normal", "high", NULL};

static int type_of(struct json_object *value)
{
    static const struct {
        enum json_type json;
        int type;
    } rows[] = {{json_type_string, TEXT},
                {json_type_int, NUMBER},
                {json_type_boolean, TRUTH},
                {json_type_object, OBJECT},
                {json_type_array, LIST}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (json_object_is_type(value, rows[i].json))
            return rows[i].type;
    }
    return 0;
}

static bool refuse(struct verdict *verdict, const char *name, const char *rule)
{
    *verdict = verdict_make(VERDICT_REJECTED, "payload.%s: %s", name, rule);
    return false;
}

/* A repeat of the message has the same tag, so it replaces the first one on the screen instead of standing
 * beside it; the uuid lets the service worker know it too. */
static bool write_object(const struct message *message, struct buf *out, struct verdict *verdict)
{
    struct json_object *payload = message->payload;
    bool some = false;
    buf_char(out, '{');
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct member *member = &members[i];
        struct json_object *value = json_get(payload, member->name);
        if (value == NULL)
            continue;
        if ((type_of(value) & member->types) == 0)
            return refuse(verdict, member->name, member->rule);
        json_member(out, member->name);
        json_append_value(out, value);
        some = true;
    }
    if (!some) {
        *verdict =
            verdict_make(VERDICT_REJECTED, "payload: has none of title, body, icon, image, badge and data");
        return false;
    }
    if (json_get(payload, "tag") == NULL) {
        const char *id = json_get_text(payload, "collapse_id");
        const char *tag = id != NULL ? id : message->uuid;
        json_member_text(out, "tag", tag);
    }
    json_member_text(out, "outbox_id", message->uuid);
    buf_char(out, '}');
    return true;
}

/* RFC 8030, 5.4. A topic is never made up: services count the pushes that have one. */
static bool read_topic(struct json_object *payload, struct webpush_options *options, struct verdict *verdict)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (json_get(payload, "topic") == NULL)
        return true;
    options->topic = json_get_text(payload, "topic");
    size_t size = options->topic == NULL ? 0 : strlen(options->topic);
    if (size == 0 || size > TOPIC_MAX || strspn(options->topic, alphabet) < size)
        return refuse(verdict, "topic", "must be 1 to 32 letters, digits, '-' and '_'");
    return true;
}

/* RFC 8030, 5.3. */
static bool read_urgency(const struct message *message, struct webpush_options *options,
                         struct verdict *verdict)
{
    options->urgency = message->bulk ? "low" : "high";
    struct json_object *payload = message->payload;
    const char *name = "urgency";
    if (json_get(payload, name) == NULL)
        name = "priority"; /* what the other push channels call it, with two of the values */
    if (json_get(payload, name) == NULL)
        return true;
    const char *text = json_get_text(payload, name);
    for (size_t i = name[0] == 'p' ? 2 : 0; text != NULL && urgencies[i] != NULL; i++) {
        if (strcmp(urgencies[i], text) == 0) {
            options->urgency = urgencies[i];
            return true;
        }
    }
    return refuse(verdict, name,
                  name[0] == 'p' ? "must be \"high\" or \"normal\""
                                 : "must be \"very-low\", \"low\", \"normal\" or \"high\"");
}

static bool read_ttl(struct json_object *payload, struct webpush_options *options, struct verdict *verdict)
{
    struct json_object *value = json_get(payload, "ttl");
    options->ttl_s = -1;
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return refuse(verdict, "ttl", "must be a whole number, 0 or more");
    int64_t ttl = json_object_get_int64(value);
    options->ttl_s = ttl < PUSH_TTL_DEFAULT ? ttl : PUSH_TTL_DEFAULT;
    return true;
}

bool webpush_payload_write(const struct message *message, struct buf *out, struct webpush_options *options,
                           struct verdict *verdict)
{
    *options = (struct webpush_options){.ttl_s = -1};
    struct json_object *payload = message->payload;
    if (!read_topic(payload, options, verdict) || !read_urgency(message, options, verdict) ||
        !read_ttl(payload, options, verdict) || !write_object(message, out, verdict))
        return false;
    if (out->overflowed || out->size > ECE_WEB_TEXT) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload: is %s%zu octets, a web push holds %d",
                                out->overflowed ? "more than " : "", out->overflowed ? out->max : out->size,
                                ECE_WEB_TEXT);
        return false;
    }
    return true;
}
