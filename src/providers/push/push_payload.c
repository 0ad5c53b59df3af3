#include "providers/push/push_payload.h"

#include <stddef.h>
#include <string.h>

#include "formats/text.h"

enum { BADGE_MAX = INT32_MAX };

static const struct {
    const char *name;
    size_t offset;
} text_keys[] = {
    {"title", offsetof(struct push_payload, title)},
    {"subtitle", offsetof(struct push_payload, subtitle)},
    {"body", offsetof(struct push_payload, body)},
    {"sound", offsetof(struct push_payload, sound)},
    {"image", offsetof(struct push_payload, image)},
    {"collapse_id", offsetof(struct push_payload, collapse_id)},
};

void push_payload_init(struct push_payload *push)
{
    *push = (struct push_payload){.badge = -1, .ttl_s = -1};
}

static bool refuse(struct verdict *verdict, const char *key, const char *rule)
{
    *verdict = verdict_make(VERDICT_REJECTED, "payload.%s: %s", key, rule);
    return false;
}

static bool read_texts(struct json_object *payload, struct push_payload *push, struct verdict *verdict)
{
    for (size_t i = 0; i < sizeof text_keys / sizeof text_keys[0]; i++) {
        struct json_object *value = json_get(payload, text_keys[i].name);
        if (value == NULL)
            continue;
        if (!json_object_is_type(value, json_type_string))
            return refuse(verdict, text_keys[i].name, "must be a string");
        struct push_text *text = (void *)((char *)push + text_keys[i].offset);
        text->text = json_object_get_string(value);
        text->size = (size_t)json_object_get_string_len(value);
    }
    return true;
}

/* A whole number from 0 to most; larger ones are cut to it. */
static bool read_number(struct json_object *payload, const char *key, int64_t most, int64_t *number,
                        struct verdict *verdict)
{
    struct json_object *value = json_get(payload, key);
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return refuse(verdict, key, "must be a whole number, 0 or more");
    int64_t given = json_object_get_int64(value);
    *number = given < most ? given : most;
    return true;
}

static bool read_priority(struct json_object *payload, struct push_payload *push, struct verdict *verdict)
{
    if (json_get(payload, "priority") == NULL)
        return true;
    const char *text = json_get_text(payload, "priority");
    push->normal_priority = text != NULL && strcmp(text, "normal") == 0;
    if (push->normal_priority || (text != NULL && strcmp(text, "high") == 0))
        return true;
    return refuse(verdict, "priority", "must be \"high\" or \"normal\"");
}

static bool read_data(struct json_object *payload, struct push_payload *push, struct verdict *verdict)
{
    push->data = json_get(payload, "data");
    if (push->data == NULL || json_object_is_type(push->data, json_type_object))
        return true;
    return refuse(verdict, "data", "must be an object");
}

/* It becomes an HTTP header field. */
static bool collapse_id_ok(const struct push_text *id)
{
    return id->text == NULL || (id->size <= PUSH_COLLAPSE_MAX && text_is_visible(id->text, id->size));
}

bool push_payload_read(struct json_object *payload, struct push_payload *push, struct verdict *verdict)
{
    push_payload_init(push);
    if (!read_texts(payload, push, verdict) ||
        !read_number(payload, "badge", BADGE_MAX, &push->badge, verdict) ||
        !read_number(payload, "ttl", PUSH_TTL_DEFAULT, &push->ttl_s, verdict) ||
        !read_priority(payload, push, verdict) || !read_data(payload, push, verdict))
        return false;
    if (!collapse_id_ok(&push->collapse_id))
        return refuse(verdict, "collapse_id", "must be 1 to 64 visible ASCII characters");
    if (push->title.text == NULL && push->body.text == NULL && push->subtitle.text == NULL &&
        push->image.text == NULL && push->sound.text == NULL && push->badge < 0 && push->data == NULL) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload: has none of title, body, badge, sound and data");
        return false;
    }
    return true;
}

int64_t push_ttl(const struct push_payload *push, const struct message *message, int64_t now_ms)
{
    int64_t ttl = push->ttl_s >= 0 ? push->ttl_s : PUSH_TTL_DEFAULT;
    if (message->expires_ms > 0) {
        int64_t left = message->expires_ms > now_ms ? (message->expires_ms - now_ms) / 1000 : 0;
        if (ttl > left)
            ttl = left;
    }
    return ttl;
}
