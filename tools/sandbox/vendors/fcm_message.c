#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/vendors/fcm.h"

enum { TOKEN_PAYLOAD_MAX = 4096, TOPIC_PAYLOAD_MAX = 2048, ADDRESS_MAX = 4096, TTL_MAX_S = 2419200 };

static const struct fcm_fault good = {NULL, NULL};

static struct fcm_fault fault(const char *field, const char *description)
{
    return (struct fcm_fault){field, description};
}

/* A member by its snake_case or lowerCamelCase name, as proto3's JSON allows. */
static struct json_object *member(struct json_object *object, const char *snake, const char *camel)
{
    struct json_object *value = json_get(object, snake);
    return value ? value : json_get(object, camel);
}

static struct lh_entry *first_member(struct json_object *object)
{
    return lh_table_head(json_object_get_object(object));
}

static bool is_type(struct json_object *value, enum json_type type)
{
    return !value || json_object_is_type(value, type);
}

static size_t text_size(struct json_object *value)
{
    return json_object_is_type(value, json_type_string) ? (size_t)json_object_get_string_len(value) : 0;
}

static struct fcm_fault check_target(struct json_object *message)
{
    struct json_object *token = json_get(message, "token");
    struct json_object *topic = json_get(message, "topic");
    struct json_object *condition = json_get(message, "condition");
    if (!!token + !!topic + !!condition != 1)
        return fault("message", "Exactly one of token, topic or condition is required.");
    struct json_object *target = token ? token : topic ? topic : condition;
    const char *text = json_object_is_type(target, json_type_string) ? json_object_get_string(target) : "";
    size_t size = text_size(target);
    if (token)
        return size > 0 && size <= ADDRESS_MAX && strpbrk(text, " \t\r\n") == NULL
                   ? good
                   : fault("message.token", "The registration token is not a valid FCM registration token");
    if (topic)
        return size > 0 &&
                       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%") ==
                           strlen(text)
                   ? good
                   : fault("message.topic", "Malformed topic name");
    return size > 0 ? good : fault("message.condition", "Malformed condition");
}

static bool is_reserved(const char *key)
{
    return strcmp(key, "from") == 0 || strcmp(key, "message_type") == 0 || strncmp(key, "google.", 7) == 0 ||
           strncmp(key, "gcm.notification.", 17) == 0;
}

static struct fcm_fault check_data(struct json_object *message, size_t *size)
{
    struct json_object *data = json_get(message, "data");
    if (!is_type(data, json_type_object))
        return fault("message.data", "data must be a map of strings");
    if (!data)
        return good;
    for (struct lh_entry *entry = first_member(data); entry; entry = lh_entry_next(entry)) {
        const char *key = lh_entry_k(entry);
        struct json_object *value = lh_entry_v(entry);
        if (!json_object_is_type(value, json_type_string))
            return fault("message.data", "Invalid value (data), a string is expected");
        if (is_reserved(key))
            return fault("message.data", "Invalid data payload key");
        *size += strlen(key) + text_size(value);
    }
    return good;
}

static struct fcm_fault check_notification(struct json_object *message, size_t *size)
{
    struct json_object *notification = json_get(message, "notification");
    if (!is_type(notification, json_type_object))
        return fault("message.notification", "notification must be an object");
    if (!notification)
        return good;
    for (struct lh_entry *entry = first_member(notification); entry; entry = lh_entry_next(entry)) {
        const char *key = lh_entry_k(entry);
        struct json_object *value = lh_entry_v(entry);
        bool known = strcmp(key, "title") == 0 || strcmp(key, "body") == 0 || strcmp(key, "image") == 0;
        if (!known)
            return fault("message.notification", "Unknown name: cannot find field");
        if (!json_object_is_type(value, json_type_string))
            return fault("message.notification", "Invalid value, a string is expected");
        *size += text_size(value);
    }
    return good;
}

/* A google.protobuf.Duration of whole or broken seconds: "3600s", "0.5s". */
static bool is_ttl(struct json_object *value)
{
    const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    if (!isdigit((unsigned char)*text))
        return false;
    char *end = NULL;
    double seconds = strtod(text, &end);
    size_t digits = strspn(text, "0123456789.");
    return end == text + digits && strcmp(end, "s") == 0 && seconds <= TTL_MAX_S;
}

static bool is_priority(struct json_object *value)
{
    const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    return strcasecmp(text, "high") == 0 || strcasecmp(text, "normal") == 0;
}

static struct fcm_fault check_android(struct json_object *message)
{
    struct json_object *android = json_get(message, "android");
    if (!is_type(android, json_type_object))
        return fault("message.android", "android must be an object");
    struct json_object *ttl = json_get(android, "ttl");
    struct json_object *priority = json_get(android, "priority");
    struct json_object *notification = json_get(android, "notification");
    if (ttl && !is_ttl(ttl))
        return fault("message.android.ttl", "Invalid ttl, a duration of 0s to 2419200s is expected");
    if (priority && !is_priority(priority))
        return fault("message.android.priority", "Invalid value (priority)");
    if (!is_type(member(android, "collapse_key", "collapseKey"), json_type_string))
        return fault("message.android.collapse_key", "Invalid value, a string is expected");
    if (!is_type(notification, json_type_object))
        return fault("message.android.notification", "notification must be an object");
    static const char *const texts[] = {"title", "body", "icon", "color", "sound", "tag", "image"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (!is_type(json_get(notification, texts[i]), json_type_string))
            return fault("message.android.notification", "Invalid value, a string is expected");
    return good;
}

static struct fcm_fault check_names(struct json_object *message)
{
    static const char *const known[] = {"name",  "data",  "notification", "android",     "webpush",   "apns",
                                        "token", "topic", "condition",    "fcm_options", "fcmOptions"};
    for (struct lh_entry *entry = first_member(message); entry; entry = lh_entry_next(entry)) {
        const char *key = lh_entry_k(entry);
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
            found = found || strcmp(known[i], key) == 0;
        if (!found)
            return fault("message", "Unknown name: cannot find field");
    }
    return good;
}

struct fcm_fault fcm_message_check(struct json_object *request)
{
    struct json_object *message = json_get(request, "message");
    if (!json_object_is_type(message, json_type_object))
        return fault("message", "Request must contain a message");
    size_t size = 0;
    struct fcm_fault found = check_names(message);
    if (!found.field)
        found = check_target(message);
    if (!found.field)
        found = check_data(message, &size);
    if (!found.field)
        found = check_notification(message, &size);
    if (!found.field)
        found = check_android(message);
    size_t max = json_get(message, "token") ? TOKEN_PAYLOAD_MAX : TOPIC_PAYLOAD_MAX;
    if (!found.field && size > max)
        found = fault("message", "The message payload is too big");
    return found;
}
