/* Apple Push Notification service: settings and requests. Answers are judged in apns_judge.c. */
#include "providers/push/apns.h"

#include <ctype.h>
#include <string.h>

#include "crypto/jose.h"
#include "providers/push/push_payload.h"
#include "providers/request.h"
#include "providers/settings.h"

enum {
    TOKEN_WINDOW_S = 2400, /* APNs wants a new token after 20 to 60 minutes */
    TOKEN_MAX = 2048,
    DEVICE_TOKEN_MAX = 512,
    BODY_MAX = 65536 /* more than any limit, so that a refusal can say how much was given */
};

/* What APNs wants for each push type: the end of the topic and the largest payload in octets. */
static const struct push_type {
    const char *name;
    const char *topic_suffix;
    size_t payload_max;
} push_types[] = {
    {"alert", "", 4096},
    {"background", "", 4096},
    {"voip", ".voip", 5120},
    {"complication", ".complication", 4096},
    {"fileprovider", ".pushkit.fileprovider", 4096},
    {"location", ".location-query", 4096},
    {"liveactivity", ".push-type.liveactivity", 4096},
    {"widgets", ".push-type.widgets", 4096},
    {"controls", ".push-type.controls", 4096},
    {"pushtotalk", ".voip-ptt", 4096},
};
static const struct push_type *const alert = &push_types[0], *const background = &push_types[1];

/*
 * The bearer token of a time window. It is a pure function of key and window: iat is the window's start and
 * the signature is deterministic, so all dispatchers on all machines send the same token without talking, and
 * APNs, which counts token changes per team, sees one per window. Kept because signing costs more than all
 * the rest of a request.
 */
struct bearer {
    int64_t window;
    char *text; /* "bearer …" */
};

struct apns_settings {
    struct server server;
    char *topic, *team_id, *key_id;
    const struct push_type *type;
    struct jose_key *key;
    struct bearer *bearer; /* a cache; nothing else of the settings changes */
};

static void settings_free(void *arg)
{
    struct apns_settings *settings = arg;
    if (settings == NULL)
        return;
    server_free(&settings->server);
    mem_free(settings->topic);
    mem_free(settings->team_id);
    mem_free(settings->key_id);
    jose_key_free(settings->key);
    mem_free(settings->bearer->text);
    mem_free(settings->bearer);
    mem_free(settings);
}

static bool find_type(struct apns_settings *settings, struct json_object *json, struct error *err)
{
    char *name = setting_word(json, "push_type", alert->name, err);
    if (name == NULL)
        return false;
    for (size_t i = 0; i < sizeof push_types / sizeof push_types[0]; i++) {
        if (strcmp(name, push_types[i].name) == 0)
            settings->type = &push_types[i];
    }
    mem_free(name);
    if (settings->type == NULL)
        return error_set(err, "settings.push_type: must be one of APNs' push types, such as alert");
    const char *suffix = settings->type->topic_suffix;
    size_t topic_size = strlen(settings->topic), suffix_size = strlen(suffix);
    if (topic_size <= suffix_size || strcmp(settings->topic + topic_size - suffix_size, suffix) != 0)
        return error_set(err, "settings.topic: must end in %s for push_type %s", suffix,
                         settings->type->name);
    return true;
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct apns_settings *settings = mem_alloc(sizeof *settings);
    settings->bearer = mem_alloc(sizeof *settings->bearer);
    settings->bearer->window = -1;
    if (setting_server(json, "https://api.push.apple.com", &settings->server, err) &&
        (settings->team_id = setting_word(json, "team_id", NULL, err)) != NULL &&
        (settings->key_id = setting_word(json, "key_id", NULL, err)) != NULL &&
        (settings->topic = setting_word(json, "topic", NULL, err)) != NULL &&
        find_type(settings, json, err)) {
        settings->key = jose_key_new(JOSE_ES256, secrets[0], err);
        if (settings->key != NULL)
            return settings;
        error_prefix(err, "secret key");
    }
    settings_free(settings);
    return NULL;
}

/* NULL when OpenSSL fails. */
static const char *bearer_for(const struct apns_settings *settings, int64_t now_ms)
{
    struct bearer *bearer = settings->bearer;
    int64_t window = now_ms / 1000 / TOKEN_WINDOW_S;
    if (window == bearer->window)
        return bearer->text;

    struct buf header, claims, token;
    buf_init(&header, TOKEN_MAX);
    buf_init(&claims, TOKEN_MAX);
    buf_init(&token, 2 * TOKEN_MAX);
    buf_text(&header, "{\"alg\":\"ES256\"");
    json_member_text(&header, "kid", settings->key_id);
    buf_char(&header, '}');
    buf_char(&claims, '{');
    json_member_text(&claims, "iss", settings->team_id);
    buf_printf(&claims, ",\"iat\":%lld}", (long long)(window * TOKEN_WINDOW_S));
    bool ok = buf_text(&token, "bearer ") &&
              jose_sign(settings->key, buf_string(&header), buf_string(&claims), &token);
    if (ok) {
        mem_free(bearer->text);
        bearer->text = mem_strdup(buf_string(&token));
        bearer->window = window;
    }
    buf_free(&header);
    buf_free(&claims);
    buf_free(&token);
    return ok ? bearer->text : NULL;
}

static bool device_token_ok(const char *token)
{
    size_t size = 0;
    while (isxdigit((unsigned char)token[size]))
        size++;
    return token[size] == '\0' && size > 0 && size % 2 == 0 && size <= DEVICE_TOKEN_MAX;
}

static bool shows_something(const struct push_payload *push)
{
    return push->title.text != NULL || push->subtitle.text != NULL || push->body.text != NULL ||
           push->sound.text != NULL || push->badge >= 0;
}

/* {"aps":{…},"outbox_id":"…", the custom values of data} */
static bool write_friendly(struct buf *out, const struct push_payload *push, const struct push_type *type,
                           const char *uuid, struct verdict *verdict)
{
    if (type == background && shows_something(push)) {
        *verdict = verdict_make(VERDICT_REJECTED,
                                "payload: a background push must not have title, body, badge or sound");
        return false;
    }
    buf_text(out, "{\"aps\":{");
    if (push->title.text != NULL || push->subtitle.text != NULL || push->body.text != NULL) {
        json_member(out, "alert");
        buf_char(out, '{');
        json_member_octets(out, "title", push->title.text, push->title.size);
        json_member_octets(out, "subtitle", push->subtitle.text, push->subtitle.size);
        json_member_octets(out, "body", push->body.text, push->body.size);
        buf_char(out, '}');
    }
    if (push->badge >= 0) {
        json_member(out, "badge");
        buf_printf(out, "%lld", (long long)push->badge);
    }
    json_member_octets(out, "sound", push->sound.text, push->sound.size);
    if (type == background)
        buf_text(out, "\"content-available\":1");
    buf_char(out, '}');
    json_member_text(out, "outbox_id", uuid);
    if (push->data != NULL) {
        struct json_object_iter member;
        json_object_object_foreachC(push->data, member)
        {
            const char *name = member.key;
            if (strcmp(name, "aps") == 0 || strcmp(name, "outbox_id") == 0) {
                *verdict = verdict_make(VERDICT_REJECTED, "payload.data.%s: the name is reserved", name);
                return false;
            }
            json_member(out, name);
            json_append_value(out, member.val);
        }
    }
    buf_char(out, '}');
    return true;
}

static void write_raw(struct buf *out, struct json_object *payload, const char *uuid)
{
    buf_char(out, '{');
    struct json_object_iter member;
    json_object_object_foreachC(payload, member)
    {
        const char *name = member.key;
        if (strcmp(name, "outbox_id") != 0) {
            json_member(out, name);
            json_append_value(out, member.val);
        }
    }
    json_member_text(out, "outbox_id", uuid);
    buf_char(out, '}');
}

/* APNs wants type "background" for what shows nothing; a provider for alerts may send such messages too. */
static const struct push_type *type_of(const struct apns_settings *settings, const struct push_payload *push,
                                       struct json_object *aps)
{
    if (settings->type != alert)
        return settings->type;
    bool silent = aps == NULL
                      ? !shows_something(push)
                      : json_get(aps, "content-available") != NULL && json_get(aps, "alert") == NULL &&
                            json_get(aps, "badge") == NULL && json_get(aps, "sound") == NULL;
    return silent ? background : alert;
}

static bool write_body(const struct push_payload *push, const struct push_type *type,
                       const struct message *message, bool raw, struct arena *arena, struct request *request,
                       struct verdict *verdict)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    bool ok = true;
    if (raw)
        write_raw(&body, message->payload, message->uuid);
    else
        ok = write_friendly(&body, push, type, message->uuid, verdict);
    if (ok && (body.overflowed || body.size > type->payload_max)) {
        *verdict =
            verdict_make(VERDICT_REJECTED, "payload: is %s%zu octets, push_type %s allows %zu",
                         body.overflowed ? "more than " : "", body.overflowed ? (size_t)BODY_MAX : body.size,
                         type->name, type->payload_max);
        ok = false;
    }
    if (ok) {
        request->body = arena_strndup(arena, body.data, body.size);
        request->body_size = body.size;
    }
    buf_free(&body);
    return ok;
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token; /* the credential is signed here, none is fetched */
    const struct apns_settings *settings = arg;
    if (!device_token_ok(message->recipient)) {
        *verdict = verdict_make(VERDICT_REJECTED, "recipient: is not a device token in hex");
        return false;
    }
    struct push_payload push;
    struct json_object *aps = json_get(message->payload, "aps");
    bool raw = json_object_is_type(aps, json_type_object);
    if (raw)
        push_payload_init(&push);
    else if (!push_payload_read(message->payload, &push, verdict))
        return false;

    const struct push_type *type = type_of(settings, &push, raw ? aps : NULL);
    *request = (struct request){.method = "POST"};
    if (!write_body(&push, type, message, raw, arena, request, verdict))
        return false;
    const char *bearer = bearer_for(settings, now_ms);
    if (bearer == NULL) {
        *verdict = verdict_make(VERDICT_STOPPED, "the provider token could not be signed");
        return false;
    }

    static const char *const changing[] = {"apns-id", "apns-collapse-id", "apns-expiration", NULL};
    int64_t ttl = push_ttl(&push, message, now_ms);
    request->changing = changing;
    request->path = arena_printf(arena, "/3/device/%s", message->recipient);
    request_add_header(request, "authorization", arena_strdup(arena, bearer));
    request_add_header(request, "apns-topic", settings->topic);
    request_add_header(request, "apns-push-type", type->name);
    request_add_header(request, "apns-id", message->uuid);
    request_add_header(request, "apns-priority", push.normal_priority || type == background ? "5" : "10");
    request_add_header(request, "apns-expiration",
                       ttl == 0 ? "0" : arena_printf(arena, "%lld", (long long)(now_ms / 1000 + ttl)));
    request_add_header(request, "apns-collapse-id",
                       push.collapse_id.text != NULL ? push.collapse_id.text : message->uuid);
    return true;
}

const struct adapter apns_adapter = {
    .name = "apns",
    .channel = "ios",
    .repeat = REPEAT_COLLAPSES,
    .secrets = {"key"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint_http2,
    .build = build,
    .judge = apns_judge,
};
