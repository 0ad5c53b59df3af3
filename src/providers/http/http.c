/* A vendor that is described wholly by its provider row: settings and requests. Settings are read in
 * http_settings.c, answers in http_judge.c. */
#include "providers/http/http.h"

#include <string.h>

#include "core/secret.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/hex.h"
#include "formats/text.h"
#include "providers/request.h"

static void settings_free(void *arg)
{
    struct http_settings *settings = arg;
    if (settings == NULL)
        return;
    for (size_t i = 0; i < settings->template_count; i++)
        mustache_free(settings->templates[i]);
    mem_free(settings->templates);
    json_object_put(settings->members);
    secret_free(settings->credential);
    arena_free(settings->arena);
    mem_free(settings);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct http_settings *settings = mem_alloc(sizeof *settings);
    settings->arena = arena_new();
    if (http_settings_read(settings, json, secrets[0], err))
        return settings;
    settings_free(settings);
    return NULL;
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct http_settings *settings = arg;
    options->url = settings->url;
    options->http2 = false;
    options->ca_file = settings->ca_file;
}

/* ---- Requests ---- */

struct writer {
    const struct http_settings *settings;
    struct http_values values;
    struct arena *arena;
    struct request *request;
    struct error err;
};

/* Into the arena; NULL with an error that begins with the setting. */
static char *write_text(struct writer *writer, const struct mustache *text, enum http_place place,
                        const char *where, const char *name, size_t max)
{
    struct buf out;
    buf_init(&out, max);
    char *result = NULL;
    if (!http_render(&writer->values, text, place, &out, &writer->err))
        error_prefix(&writer->err, "settings.%s%s", where, name);
    else
        result = arena_strndup(writer->arena, buf_string(&out), out.size);
    buf_free(&out);
    return result;
}

/* Percent-encoding leaves dots alone, and "/../" is somebody else's path. */
static bool has_dot_segment(const char *path)
{
    for (const char *at = path; at[0] == '/'; at += 1 + strcspn(at + 1, "/?")) {
        size_t size = strcspn(at + 1, "/?");
        if ((size == 1 && at[1] == '.') || (size == 2 && at[1] == '.' && at[2] == '.'))
            return true;
    }
    return false;
}

static bool write_path(struct writer *writer)
{
    char *path = write_text(writer, writer->settings->path, HTTP_PLACE_PATH, "path", "", HTTP_PATH_MAX);
    if (path == NULL)
        return false;
    if (has_dot_segment(path))
        return error_set(&writer->err, "settings.path: a value makes a segment of dots");
    writer->request->path = path;
    return true;
}

static bool write_header(struct writer *writer, const char *name, const struct mustache *text,
                         const char *where)
{
    char *value = write_text(writer, text, HTTP_PLACE_HEADER, where, name, HTTP_HEADER_MAX);
    if (value == NULL)
        return false;
    if (!text_is_printable(value, strlen(value)))
        return error_set(&writer->err, "settings.%s%s: must be printable ASCII", where, name);
    request_add_header(writer->request, name, value);
    return true;
}

/* The templates follow the strings in the order in which they were found. */
static bool write_member(struct writer *writer, struct json_object *value, size_t *next, struct buf *out)
{
    const struct http_settings *settings = writer->settings;
    if (json_object_is_type(value, json_type_string)) {
        const char *text = write_text(writer, settings->templates[settings->first_member + (*next)++],
                                      HTTP_PLACE_MEMBER, "body", "", HTTP_BODY_MAX);
        if (text != NULL)
            json_append_string(out, text, strlen(text));
        return text != NULL;
    }
    if (json_object_is_type(value, json_type_array)) {
        buf_char(out, '[');
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            if (i > 0)
                buf_char(out, ',');
            if (!write_member(writer, json_object_array_get_idx(value, i), next, out))
                return false;
        }
        buf_char(out, ']');
        return true;
    }
    if (!json_object_is_type(value, json_type_object)) {
        json_append_value(out, value);
        return true;
    }
    buf_char(out, '{');
    struct json_object_iter each;
    json_object_object_foreachC(value, each)
    {
        json_member(out, each.key);
        if (!write_member(writer, each.val, next, out))
            return false;
    }
    buf_char(out, '}');
    return true;
}

static bool is_json(const struct buf *text)
{
    struct json_object *value = json_parse(buf_string(text), text->size, NULL);
    json_object_put(value);
    return value != NULL;
}

static bool write_content(struct writer *writer, struct buf *out)
{
    const struct http_settings *settings = writer->settings;
    size_t next = 0;
    if (settings->body == NULL)
        return write_member(writer, settings->members, &next, out);
    if (!http_render(&writer->values, settings->body, settings->body_place, out, &writer->err))
        return error_prefix(&writer->err, "settings.body");
    return settings->body_place != HTTP_PLACE_JSON || is_json(out) ||
           error_set(&writer->err, "settings.body: does not become JSON with these values");
}

static bool write_body(struct writer *writer)
{
    struct request *request = writer->request;
    struct buf out;
    request->body = "";
    if (writer->settings->content_type == NULL)
        return true;
    buf_init(&out, HTTP_BODY_MAX);
    bool ok = write_content(writer, &out);
    if (ok && out.overflowed)
        ok = error_set(&writer->err, "settings.body: becomes longer than %d octets", HTTP_BODY_MAX);
    if (ok) {
        request_add_header(request, "content-type", writer->settings->content_type);
        request->body = arena_strndup(writer->arena, buf_string(&out), out.size);
        request->body_size = out.size;
    }
    buf_free(&out);
    return ok;
}

static const char *sign(struct writer *writer, const char *text)
{
    const struct http_settings *settings = writer->settings;
    unsigned char digest[SHA256_SIZE];
    size_t key_size = strlen(settings->credential), size = strlen(text);
    if (settings->sha1)
        digest_hmac_sha1(settings->credential, key_size, text, size, digest);
    else
        digest_hmac_sha256(settings->credential, key_size, text, size, digest);
    struct buf out;
    buf_init(&out, 128);
    (void)(settings->base64 ? base64_append : hex_append)(&out, digest,
                                                          settings->sha1 ? SHA1_SIZE : SHA256_SIZE);
    const char *signature = arena_strdup(writer->arena, buf_string(&out));
    buf_free(&out);
    return signature;
}

static bool write_signature(struct writer *writer)
{
    const struct http_settings *settings = writer->settings;
    struct request *request = writer->request;
    http_values_add(&writer->values, "method", request->method, strlen(request->method));
    http_values_add(&writer->values, "path", request->path, strlen(request->path));
    http_values_add(&writer->values, "body", request->body, request->body_size);
    char *text = write_text(writer, settings->signed_text, HTTP_PLACE_SIGNED, "auth.sign", "",
                            HTTP_BODY_MAX + HTTP_PATH_MAX + HTTP_HEADER_MAX);
    if (text == NULL || !write_header(writer, settings->auth_header, settings->prefix, "auth.prefix of "))
        return false;
    struct header *header = &request->headers[request->header_count - 1];
    header->value = arena_printf(writer->arena, "%s%s", header->value, sign(writer, text));
    return true;
}

static bool write_request(struct writer *writer)
{
    const struct http_settings *settings = writer->settings;
    if (!write_path(writer) || !write_body(writer))
        return false;
    for (size_t i = 0; i < settings->header_count; i++) {
        if (!write_header(writer, settings->headers[i].name, settings->headers[i].value, "headers."))
            return false;
    }
    if (settings->auth == HTTP_AUTH_HMAC)
        return write_signature(writer);
    if (settings->auth == HTTP_AUTH_FIXED)
        request_add_header(writer->request, settings->auth_header,
                           arena_strdup(writer->arena, settings->credential));
    return true;
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct http_settings *settings = arg;
    *request = (struct request){.method = settings->method};
    struct writer writer = {
        .settings = settings,
        .values = {.message = message, .now_ms = now_ms},
        .arena = arena,
        .request = request,
    };
    bool ok = write_request(&writer);
    http_values_free(&writer.values);
    if (!ok)
        *verdict = verdict_make(VERDICT_REJECTED, "%s", writer.err.text);
    return ok;
}

const struct adapter http_adapter = {
    .name = "http",
    .channel = NULL,
    .repeat = REPEAT_DOUBLES,
    .secrets = {"?secret"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = endpoint,
    .build = build,
    .judge = http_judge,
};
