/* Firebase Cloud Messaging, HTTP v1: settings and requests. Access tokens are in fcm_grant.c, answers in
 * fcm_judge.c. */
#include "providers/push/fcm.h"

#include <string.h>

#include "formats/text.h"
#include "providers/push/push_payload.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { TOKEN_MAX = 4096, PAYLOAD_MAX = 4096, BODY_MAX = 65536 };

static void settings_free(void *arg)
{
    struct fcm_settings *settings = arg;
    if (settings == NULL)
        return;
    server_free(&settings->server);
    mem_free(settings->path);
    mem_free(settings->client_email);
    mem_free(settings->key_id);
    mem_free(settings->token_uri);
    mem_free(settings->token_origin);
    jose_key_free(settings->key);
    mem_free(settings);
}

static bool service_error(struct error *err, const char *name, const char *rule)
{
    return error_set(err, "secret service_account: %s %s", name, rule);
}

/* A project id or number is one segment of the path. */
static bool set_path(struct fcm_settings *settings, const char *project, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:";
    if (project == NULL || project[0] == '\0' || project[strspn(project, allowed)] != '\0')
        return service_error(err, "project_id", "must be a project id");
    struct buf path;
    buf_init(&path, 512);
    buf_printf(&path, "/v1/projects/%s/messages:send", project);
    bool fits = !path.overflowed;
    settings->path = mem_strdup(buf_string(&path));
    buf_free(&path);
    return fits || service_error(err, "project_id", "is too long");
}

static bool set_token_uri(struct fcm_settings *settings, const char *uri, struct error *err)
{
    size_t origin = uri == NULL ? 0 : setting_url_origin(uri, "https");
    if (origin == 0 || uri[origin] != '/' || strpbrk(uri, " \t\r\n#") != NULL)
        return service_error(err, "token_uri", "must be https://host/path");
    settings->token_uri = mem_strdup(uri);
    settings->token_origin = mem_strdup(uri);
    settings->token_origin[origin] = '\0';
    settings->token_path = settings->token_uri + origin;
    return true;
}

static bool set_service_account(struct fcm_settings *settings, struct json_object *service, struct error *err)
{
    const char *email = json_get_text(service, "client_email");
    const char *pem = json_get_text(service, "private_key");
    if (!set_path(settings, json_get_text(service, "project_id"), err) ||
        !set_token_uri(settings, json_get_text(service, "token_uri"), err))
        return false;
    if (email == NULL || email[0] == '\0')
        return service_error(err, "client_email", "is missing");
    if (pem == NULL)
        return service_error(err, "private_key", "is missing");
    settings->client_email = mem_strdup(email);
    settings->key_id = mem_strdup(json_get_text(service, "private_key_id"));
    settings->key = jose_key_new(JOSE_RS256, pem, err);
    return settings->key != NULL || error_prefix(err, "secret service_account: private_key");
}

/* json-c frees without wiping; a value of the same length is written in place. */
static void wipe_private_key(struct json_object *service)
{
    struct json_object *pem = json_get(service, "private_key");
    if (!json_object_is_type(pem, json_type_string))
        return;
    int size = json_object_get_string_len(pem);
    char *blank = mem_alloc((size_t)size + 1);
    json_object_set_string_len(pem, blank, size);
    mem_free(blank);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct fcm_settings *settings = mem_alloc(sizeof *settings);
    bool ok = setting_server(json, "https://fcm.googleapis.com", &settings->server, err);
    if (ok) {
        struct json_object *service = json_parse(secrets[0], strlen(secrets[0]), NULL);
        if (json_object_is_type(service, json_type_object))
            ok = set_service_account(settings, service, err);
        else
            ok = error_set(err, "secret service_account: must be the JSON file of a service account");
        wipe_private_key(service);
        json_object_put(service);
    }
    if (ok)
        return settings;
    settings_free(settings);
    return NULL;
}

static bool data_key_forbidden(const char *name)
{
    return strcmp(name, "from") == 0 || strcmp(name, "message_type") == 0 || strcmp(name, "outbox_id") == 0 ||
           strncmp(name, "google.", 7) == 0 || strncmp(name, "gcm.notification.", 17) == 0;
}

/* "data":{…}: FCM takes strings only, so other values become their JSON text. *size grows by what counts for
 * the payload limit. */
static bool write_data(struct buf *out, struct json_object *data, const char *uuid, size_t *size,
                       struct verdict *verdict)
{
    json_member(out, "data");
    buf_char(out, '{');
    if (data != NULL) {
        struct json_object_iter member;
        json_object_object_foreachC(data, member)
        {
            const char *name = member.key;
            if (data_key_forbidden(name)) {
                *verdict = verdict_make(VERDICT_REJECTED, "payload.data.%s: the name is reserved", name);
                return false;
            }
            struct push_text text;
            if (json_object_is_type(member.val, json_type_string)) {
                text = (struct push_text){json_object_get_string(member.val),
                                          (size_t)json_object_get_string_len(member.val)};
            } else {
                text.text = json_object_to_json_string_length(
                    member.val, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &text.size);
            }
            json_member_octets(out, name, text.text, text.size);
            *size += strlen(name) + text.size;
        }
    }
    json_member_text(out, "outbox_id", uuid);
    buf_char(out, '}');
    return true;
}

/* The notification, and in android its tag: a message that comes twice replaces itself on the screen. FCM
 * keeps only four collapse keys per device, so none is set: a unique one would lose messages for phones that
 * are off. */
static bool write_friendly(struct buf *out, const struct message *message, int64_t now_ms, size_t *size,
                           struct verdict *verdict)
{
    struct push_payload push;
    if (!push_payload_read(message->payload, &push, verdict) ||
        !write_data(out, push.data, message->uuid, size, verdict))
        return false;
    bool visible = push.title.text != NULL || push.body.text != NULL || push.image.text != NULL;
    if (visible) {
        json_member(out, "notification");
        buf_char(out, '{');
        json_member_octets(out, "title", push.title.text, push.title.size);
        json_member_octets(out, "body", push.body.text, push.body.size);
        json_member_octets(out, "image", push.image.text, push.image.size);
        buf_char(out, '}');
        *size += push.title.size + push.body.size + push.image.size;
    }
    json_member(out, "android");
    buf_printf(out, "{\"priority\":\"%s\",\"ttl\":\"%llds\"", push.normal_priority ? "NORMAL" : "HIGH",
               (long long)push_ttl(&push, message, now_ms));
    if (visible) {
        json_member(out, "notification");
        buf_char(out, '{');
        const char *id = push.collapse_id.text;
        json_member_text(out, "tag", id != NULL ? id : message->uuid);
        json_member_octets(out, "sound", push.sound.text, push.sound.size);
        buf_char(out, '}');
    }
    buf_char(out, '}');
    return true;
}

static bool write_raw(struct buf *out, struct json_object *raw, const char *uuid, size_t *size,
                      struct verdict *verdict)
{
    struct json_object *data = json_get(raw, "data");
    if (data != NULL && !json_object_is_type(data, json_type_object)) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload.message.data: must be an object");
        return false;
    }
    struct json_object_iter member;
    json_object_object_foreachC(raw, member)
    {
        const char *name = member.key;
        if (strcmp(name, "token") == 0 || strcmp(name, "topic") == 0 || strcmp(name, "condition") == 0) {
            *verdict =
                verdict_make(VERDICT_REJECTED, "payload.message.%s: the recipient is the only target", name);
            return false;
        }
        if (strcmp(name, "data") != 0) {
            json_member(out, name);
            json_append_value(out, member.val);
        }
    }
    return write_data(out, data, uuid, size, verdict);
}

static bool write_body(struct buf *out, const struct message *message, int64_t now_ms,
                       struct verdict *verdict)
{
    buf_text(out, "{\"message\":{");
    json_member_text(out, "token", message->recipient);
    struct json_object *raw = json_get(message->payload, "message");
    size_t size = 0;
    bool ok = json_object_is_type(raw, json_type_object)
                  ? write_raw(out, raw, message->uuid, &size, verdict)
                  : write_friendly(out, message, now_ms, &size, verdict);
    if (!ok)
        return false;
    buf_text(out, "}}");
    /* FCM's own count is not published; what passes its limit by names and values alone cannot fit. */
    if (size > PAYLOAD_MAX || out->overflowed) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload: has at least %zu octets, FCM allows %d",
                                out->overflowed ? (size_t)BODY_MAX : size, PAYLOAD_MAX);
        return false;
    }
    return true;
}

static bool recipient_ok(const char *recipient)
{
    size_t size = strlen(recipient);
    return size <= TOKEN_MAX && text_is_visible(recipient, size);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    const struct fcm_settings *settings = arg;
    if (token == NULL) {
        *verdict = verdict_make(VERDICT_REFRESH, "no access token yet");
        return false;
    }
    if (!recipient_ok(message->recipient)) {
        *verdict = verdict_make(VERDICT_REJECTED, "recipient: is not a registration token");
        return false;
    }
    struct buf body;
    buf_init(&body, BODY_MAX);
    bool ok = write_body(&body, message, now_ms, verdict);
    if (ok) {
        request_post(request, settings->path, "application/json", &body, arena);
        request_add_header(request, "authorization", arena_printf(arena, "Bearer %s", token));
    }
    buf_free(&body);
    return ok;
}

const struct adapter fcm_adapter = {
    .name = "fcm",
    .channel = "android",
    .repeat = REPEAT_COLLAPSES,
    .secrets = {"service_account"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint_http2,
    .build = build,
    .judge = fcm_judge,
    .credential_build = fcm_grant_build,
    .credential_judge = fcm_grant_judge,
};
