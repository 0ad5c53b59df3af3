/* Reads the settings of an http provider. Every error begins with the path of the setting at fault. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "formats/basic.h"
#include "formats/text.h"
#include "providers/http/http.h"
#include "providers/http/http_keys.h"
#include "providers/settings.h"

static bool fault(struct error *err, const char *where, const char *rule)
{
    return error_set(err, "%s: %s", where, rule);
}

static const char *word(struct http_settings *settings, struct json_object *object, const char *name)
{
    return arena_strdup(settings->arena, json_get_text(object, name));
}

/* ---- Request ---- */

static bool read_url(struct http_settings *settings, struct json_object *json, struct error *err)
{
    static const char *const schemes[] = {"https", NULL};
    char *url = setting_url(json, NULL, schemes, err);
    settings->url = arena_strdup(settings->arena, url);
    mem_free(url);
    settings->ca_file = word(settings, json, "ca_file");
    return url != NULL;
}

static bool read_method(struct http_settings *settings, struct json_object *json, struct error *err)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "GET"};
    const char *method = json_get_text(json, "method");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (method == NULL || strcmp(method, methods[i]) == 0) {
            settings->method = methods[i];
            return true;
        }
    }
    return fault(err, "settings.method", "must be POST, PUT, PATCH or GET");
}

static bool read_path(struct http_settings *settings, struct json_object *json, struct error *err)
{
    struct json_object *path = json_get(json, "path"), *root = json_object_new_string("/");
    settings->path =
        http_template_new(settings, path != NULL ? path : root, HTTP_PLACE_PATH, "settings.path", err);
    json_object_put(root);
    if (settings->path == NULL)
        return false;
    return path == NULL || json_object_get_string(path)[0] == '/' ||
           fault(err, "settings.path", "must begin with /");
}

/* RFC 9110, 5.6.2. */
static bool is_token(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("!#$%&'*+-.^_`|~", *c) == NULL)
            return false;
    }
    return text[0] != '\0';
}

/* Adds the name in lower case unless the connection, another setting or another header has it. */
static const char *header_name(struct http_settings *settings, const char *text, const char *where,
                               struct error *err)
{
    static const char *const reserved[] = {
        "connection", "content-length", "content-type",      "expect", "host", "keep-alive",
        "te",         "trailer",        "transfer-encoding", "upgrade"};
    if (!is_token(text)) {
        fault(err, where, "must have the form of a header's name");
        return NULL;
    }
    char *name = arena_strdup(settings->arena, text);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcmp(name, reserved[i]) == 0) {
            fault(err, where, "is not for settings to set");
            return NULL;
        }
    }
    for (size_t i = 0; i < settings->header_count; i++) {
        if (strcmp(name, settings->headers[i].name) == 0) {
            fault(err, where, "is set twice");
            return NULL;
        }
    }
    return name;
}

static bool read_headers(struct http_settings *settings, struct json_object *headers, struct error *err)
{
    if (headers == NULL)
        return true;
    if (json_object_object_length(headers) > HTTP_MAX_HEADERS)
        return error_set(err, "settings.headers: must not be more than %d", HTTP_MAX_HEADERS);
    struct json_object_iter each;
    json_object_object_foreachC(headers, each)
    {
        const char *where = arena_printf(settings->arena, "settings.headers.%s", each.key);
        if (http_type(each.val) != KEY_TEXT)
            return fault(err, where, http_type_rule(KEY_TEXT));
        const char *name = header_name(settings, each.key, where, err);
        const struct mustache *template =
            name == NULL ? NULL : http_template_new(settings, each.val, HTTP_PLACE_HEADER, where, err);
        if (template == NULL)
            return false;
        settings->headers[settings->header_count++] = (struct http_header){name, template};
    }
    return true;
}

/* ---- Body ---- */

static bool ends_with(const char *text, size_t size, const char *end)
{
    size_t length = strlen(end);
    return size >= length && strncasecmp(text + size - length, end, length) == 0;
}

static bool equals(const char *text, size_t size, const char *other)
{
    return size == strlen(other) && strncasecmp(text, other, size) == 0;
}

/* Only types into which a value can be written safely, and only UTF-8, which values are in. */
static bool body_place(const char *type, enum http_place *place)
{
    size_t size = strcspn(type, "; ");
    const char *rest = type + size + strspn(type + size, "; ");
    if (rest[0] != '\0' && strcasecmp(rest, "charset=utf-8") != 0)
        return false;
    if (strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-./") < size)
        return false;
    if (equals(type, size, "application/json") || ends_with(type, size, "+json"))
        *place = HTTP_PLACE_JSON;
    else if (equals(type, size, "application/x-www-form-urlencoded"))
        *place = HTTP_PLACE_FORM;
    else if (equals(type, size, "application/xml") || equals(type, size, "text/xml") ||
             ends_with(type, size, "+xml"))
        *place = HTTP_PLACE_XML;
    else if (equals(type, size, "text/plain"))
        *place = HTTP_PLACE_PLAIN;
    else
        return false;
    return true;
}

static bool read_member(struct http_settings *settings, struct json_object *value, const char *where,
                        struct error *err)
{
    if (json_object_is_type(value, json_type_string))
        return http_template_new(settings, value, HTTP_PLACE_MEMBER, where, err) != NULL;
    if (json_object_is_type(value, json_type_object)) {
        struct json_object_iter each;
        json_object_object_foreachC(value, each)
        {
            if (!read_member(settings, each.val, arena_printf(settings->arena, "%s.%s", where, each.key),
                             err))
                return false;
        }
    }
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            if (!read_member(settings, json_object_array_get_idx(value, i),
                             arena_printf(settings->arena, "%s[%zu]", where, i), err))
                return false;
        }
    }
    return true;
}

static bool read_body(struct http_settings *settings, struct json_object *json, struct error *err)
{
    static const char where[] = "settings.body", where_type[] = "settings.content_type";
    struct json_object *body = json_get(json, "body");
    bool is_text = json_object_is_type(body, json_type_string);
    const char *type = word(settings, json, "content_type");
    if (body == NULL)
        return type == NULL || fault(err, where_type, "goes with a body");
    if (strcmp(settings->method, "GET") == 0)
        return fault(err, where, "does not go with the method GET");
    if (type == NULL && is_text)
        return fault(err, where_type, "is required for a body that is a string");
    settings->content_type = type != NULL ? type : "application/json";
    if (!body_place(settings->content_type, &settings->body_place))
        return fault(err, where_type, "must be one of JSON, form, XML and plain text, in UTF-8");
    if (is_text) {
        settings->body = http_template_new(settings, body, settings->body_place, where, err);
        return settings->body != NULL;
    }
    if (settings->body_place != HTTP_PLACE_JSON)
        return fault(err, where_type, "must be JSON for a body that is not a string");
    settings->members = json_object_get(body);
    settings->first_member = settings->template_count;
    return read_member(settings, body, where, err);
}

/* ---- Authentication ---- */

static bool read_basic(struct http_settings *settings, struct json_object *auth, const char *secret,
                       struct error *err)
{
    const char *username = json_get_text(auth, "username");
    if (strchr(username, ':') != NULL)
        return fault(err, "settings.auth.username", "must not hold a colon");
    if (strlen(username) + 1 + strlen(secret) > HTTP_HEADER_MAX / 2)
        return error_set(err, "secret secret: is too long");
    settings->auth = HTTP_AUTH_FIXED;
    settings->auth_header = header_name(settings, "authorization", "settings.headers.authorization", err);
    settings->credential = basic_authorization(username, secret);
    return settings->auth_header != NULL;
}

static bool read_bearer(struct http_settings *settings, struct json_object *auth, const char *secret,
                        struct error *err)
{
    const char *header = json_get_text(auth, "header"), *prefix = json_get_text(auth, "prefix");
    settings->auth = HTTP_AUTH_FIXED;
    settings->auth_header =
        header_name(settings, header != NULL ? header : "authorization", "settings.auth.header", err);
    if (settings->auth_header == NULL)
        return false;
    if (prefix == NULL)
        prefix = "Bearer ";
    if (!text_is_printable(prefix, strlen(prefix)))
        return fault(err, "settings.auth.prefix", "must be printable ASCII");
    if (!text_is_printable(secret, strlen(secret)))
        return error_set(err, "secret secret: must be one line of printable ASCII");
    size_t size = strlen(prefix) + strlen(secret) + 1;
    settings->credential = mem_alloc(size);
    snprintf(settings->credential, size, "%s%s", prefix, secret);
    return true;
}

/* One of two words; the first is the default. */
static bool read_choice(struct json_object *object, const char *name, const char *first, const char *second,
                        bool *is_second, struct error *err)
{
    const char *text = json_get_text(object, name);
    *is_second = text != NULL && strcmp(text, second) == 0;
    return text == NULL || *is_second || strcmp(text, first) == 0 ||
           error_set(err, "settings.auth.%s: must be %s or %s", name, first, second);
}

static bool read_hmac(struct http_settings *settings, struct json_object *auth, const char *secret,
                      struct error *err)
{
    struct json_object *prefix = json_get(auth, "prefix"), *none = json_object_new_string("");
    settings->auth = HTTP_AUTH_HMAC;
    settings->credential = mem_strdup(secret);
    settings->auth_header = header_name(settings, json_get_text(auth, "header"), "settings.auth.header", err);
    bool ok = settings->auth_header != NULL &&
              read_choice(auth, "algorithm", "sha256", "sha1", &settings->sha1, err) &&
              read_choice(auth, "encoding", "hex", "base64", &settings->base64, err) &&
              (settings->signed_text = http_template_new(settings, json_get(auth, "sign"), HTTP_PLACE_SIGNED,
                                                         "settings.auth.sign", err)) != NULL &&
              (settings->prefix = http_template_new(settings, prefix != NULL ? prefix : none,
                                                    HTTP_PLACE_HEADER, "settings.auth.prefix", err)) != NULL;
    json_object_put(none);
    return ok;
}

static bool read_auth(struct http_settings *settings, struct json_object *auth, const char *secret,
                      struct error *err)
{
    static const struct {
        const char *type;
        bool (*read)(struct http_settings *settings, struct json_object *auth, const char *secret,
                     struct error *err);
        struct http_key keys[7];
    } kinds[] = {
        {"none", NULL, {{"type", KEY_TEXT, true}}},
        {"basic", read_basic, {{"type", KEY_TEXT, true}, {"username", KEY_TEXT, true}}},
        {"bearer",
         read_bearer,
         {{"type", KEY_TEXT, true}, {"header", KEY_TEXT, false}, {"prefix", KEY_TEXT, false}}},
        {"hmac",
         read_hmac,
         {{"type", KEY_TEXT, true},
          {"header", KEY_TEXT, true},
          {"sign", KEY_TEXT, true},
          {"algorithm", KEY_TEXT, false},
          {"encoding", KEY_TEXT, false},
          {"prefix", KEY_TEXT, false}}},
    };
    if (auth == NULL)
        return true;
    const char *type = json_get_text(auth, "type");
    for (size_t i = 0; type != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(type, kinds[i].type) != 0)
            continue;
        if (!http_keys_check(auth, "settings.auth", kinds[i].keys, err))
            return false;
        if (kinds[i].read == NULL)
            return true;
        if (secret == NULL || secret[0] == '\0')
            return fault(err, "settings.auth", "needs secret_file or secret_env");
        return kinds[i].read(settings, auth, secret, err);
    }
    return fault(err, "settings.auth.type", "must be none, basic, bearer or hmac");
}

bool http_settings_read(struct http_settings *settings, struct json_object *json, const char *secret,
                        struct error *err)
{
    static const struct http_key keys[] = {
        {"url", KEY_TEXT, true},           {"method", KEY_TEXT, false},
        {"path", KEY_TEXT, false},         {"headers", KEY_OBJECT, false},
        {"auth", KEY_OBJECT, false},       {"body", KEY_TEXT | KEY_OBJECT | KEY_LIST, false},
        {"response", KEY_OBJECT, false},   {"ca_file", KEY_TEXT, false},
        {"content_type", KEY_TEXT, false}, {"secret_file", KEY_TEXT, false},
        {"secret_env", KEY_TEXT, false},   {NULL, 0, false},
    };
    return http_keys_check(json, "settings", keys, err) && read_url(settings, json, err) &&
           read_method(settings, json, err) && read_path(settings, json, err) &&
           read_headers(settings, json_get(json, "headers"), err) && read_body(settings, json, err) &&
           read_auth(settings, json_get(json, "auth"), secret, err) &&
           http_rules_read(settings, json_get(json, "response"), err);
}
