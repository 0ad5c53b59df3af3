/* Texts of the settings: which values they may name, and how a value is kept within its place. */
#include <string.h>

#include "core/clock.h"
#include "formats/form.h"
#include "providers/http/http.h"

static bool any_octet(unsigned char c)
{
    (void)c;
    return true;
}

static bool printable(unsigned char c)
{
    return c >= ' ' && c < 0x7F;
}

static bool of_path(unsigned char c)
{
    return c > ' ' && c < 0x7F && c != '#';
}

static const struct place {
    enum http_escape escape;
    bool (*literal)(unsigned char c);
    const char *rule;
} places[] = {
    [HTTP_PLACE_PATH] = {HTTP_ESCAPE_PERCENT, of_path, "must be ASCII without spaces and #"},
    [HTTP_PLACE_HEADER] = {HTTP_ESCAPE_NONE, printable, "must be printable ASCII"},
    [HTTP_PLACE_SIGNED] = {HTTP_ESCAPE_NONE, any_octet, ""},
    [HTTP_PLACE_MEMBER] = {HTTP_ESCAPE_NONE, any_octet, ""},
    [HTTP_PLACE_JSON] = {HTTP_ESCAPE_JSON, any_octet, ""},
    [HTTP_PLACE_FORM] = {HTTP_ESCAPE_PERCENT, any_octet, ""},
    [HTTP_PLACE_XML] = {HTTP_ESCAPE_XML, any_octet, ""},
    [HTTP_PLACE_PLAIN] = {HTTP_ESCAPE_NONE, any_octet, ""},
};

/* ---- What the author wrote ---- */

struct check {
    enum http_place place;
    const char *where;
    struct error *err;
};

static bool is_value(const char *name, size_t size, enum http_place place)
{
    static const char *const names[] = {"recipient", "recipient_digits", "uuid", "id", "attempt", "payload",
                                        "created", "now", "timestamp", "timestamp_ms",
                                        /* of signed texts only */
                                        "method", "path", "body"};
    const size_t count = sizeof names / sizeof names[0] - (place == HTTP_PLACE_SIGNED ? 0 : 3);
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
            return true;
    }
    return false;
}

/* Inside a section a name may belong to the section's value. */
static bool check_part(void *arg, enum mustache_part part, const char *text, size_t size, size_t depth)
{
    const struct check *check = arg;
    const struct place *place = &places[check->place];
    int shown = size < 100 ? (int)size : 100;
    if (part == MUSTACHE_PARTIAL)
        return error_set(check->err, "%s: partial \"%.*s\" does not exist", check->where, shown, text);
    if (part == MUSTACHE_NAME) {
        const char *dot = memchr(text, '.', size);
        return depth > 0 || is_value(text, dot != NULL ? (size_t)(dot - text) : size, check->place) ||
               error_set(check->err, "%s: value \"%.*s\" does not exist", check->where, shown, text);
    }
    for (size_t i = 0; i < size; i++) {
        if (!place->literal((unsigned char)text[i]))
            return error_set(check->err, "%s: %s", check->where, place->rule);
    }
    return true;
}

const struct mustache *http_template_new(struct http_settings *settings, struct json_object *text,
                                         enum http_place place, const char *where, struct error *err)
{
    struct mustache *mustache =
        mustache_compile(json_object_get_string(text), (size_t)json_object_get_string_len(text), err);
    if (mustache == NULL) {
        error_prefix(err, "%s", where);
        return NULL;
    }
    size_t count = settings->template_count++;
    settings->templates = mem_grow(settings->templates, count + 1, sizeof *settings->templates);
    settings->templates[count] = mustache;
    struct check check = {place, where, err};
    return mustache_visit(mustache, check_part, &check) ? mustache : NULL;
}

/* ---- Values ---- */

/* Inside of quotes this is the same string. Where the author wrote no quotes it cannot be a number, a word or
 * a list: its first octet always needs them. */
static void append_json(struct buf *out, const char *text, size_t size)
{
    if (size == 0)
        return;
    size_t first = 0;
    if ((unsigned char)text[0] < 0x80) {
        buf_printf(out, "\\u%04x", (unsigned)text[0]);
        first = 1;
    }
    struct buf quoted;
    buf_init(&quoted, out->max);
    if (json_append_string(&quoted, text + first, size - first))
        buf_append(out, quoted.data + 1, quoted.size - 2);
    buf_free(&quoted);
}

static void append_xml(struct buf *out, const char *text, size_t size)
{
    static const char special[] = "&<>\"'";
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\0' && strchr(special, text[i]) != NULL)
            buf_printf(out, "&#%d;", text[i]);
        else
            buf_char(out, text[i]);
    }
}

static struct json_object *new_text(const char *text, size_t size)
{
    struct json_object *value = json_object_new_string_len(text, (int)size);
    if (value == NULL)
        mem_exhausted();
    return value;
}

static struct json_object *escape_text(const char *text, size_t size, enum http_escape escape)
{
    struct buf out;
    buf_init(&out, 8 * HTTP_BODY_MAX);
    if (escape == HTTP_ESCAPE_PERCENT)
        (void)form_escape(&out, text, size);
    else if (escape == HTTP_ESCAPE_JSON)
        append_json(&out, text, size);
    else if (escape == HTTP_ESCAPE_XML)
        append_xml(&out, text, size);
    else
        buf_append(&out, text, size);
    struct json_object *value = new_text(buf_string(&out), out.size);
    buf_free(&out);
    return value;
}

static void add(struct json_object *object, const char *name, struct json_object *value)
{
    if (json_object_object_add(object, name, value) != 0)
        mem_exhausted();
}

/* A copy whose texts are escaped, so that no kind of tag can write them any other way. A number may hold a
 * '+', which means a space in a form. */
static struct json_object *escape_value(struct json_object *value, enum http_escape escape)
{
    if (json_object_is_type(value, json_type_object)) {
        struct json_object *copy = json_object_new_object();
        struct json_object_iter each;
        json_object_object_foreachC(value, each)
        {
            add(copy, each.key, escape_value(each.val, escape));
        }
        return copy;
    }
    if (json_object_is_type(value, json_type_array)) {
        struct json_object *copy = json_object_new_array();
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            if (json_object_array_add(copy, escape_value(json_object_array_get_idx(value, i), escape)) != 0)
                mem_exhausted();
        }
        return copy;
    }
    if (json_object_is_type(value, json_type_string))
        return escape_text(json_object_get_string(value), (size_t)json_object_get_string_len(value), escape);
    if (escape == HTTP_ESCAPE_PERCENT && json_object_is_type(value, json_type_double)) {
        const char *text = json_object_get_string(value);
        return escape_text(text, strlen(text), escape);
    }
    return json_object_get(value);
}

static void add_text(struct json_object *values, const char *name, const char *text, enum http_escape escape)
{
    add(values, name, escape_text(text, strlen(text), escape));
}

/* RFC 3339, in UTC. */
static void add_time(struct json_object *values, const char *name, int64_t ms, enum http_escape escape)
{
    char text[32];
    clock_utc(ms, "%Y-%m-%dT%H:%M:%SZ", text, sizeof text);
    add_text(values, name, text, escape);
}

static struct json_object *make_values(const struct message *message, int64_t now_ms, enum http_escape escape)
{
    struct json_object *values = json_object_new_object();
    char digits[256];
    size_t count = 0;
    for (const char *c = message->recipient; *c != '\0' && count < sizeof digits - 1; c++) {
        if (*c >= '0' && *c <= '9')
            digits[count++] = *c;
    }
    digits[count] = '\0';
    add_text(values, "recipient", message->recipient, escape);
    add_text(values, "recipient_digits", digits, escape);
    add_text(values, "uuid", message->uuid, escape);
    add(values, "id", json_object_new_int64(message->id));
    add(values, "attempt", json_object_new_int(message->attempt));
    add(values, "payload",
        escape == HTTP_ESCAPE_NONE ? json_object_get(message->payload)
                                   : escape_value(message->payload, escape));
    add_time(values, "created", message->created_ms, escape);
    add_time(values, "now", now_ms, escape);
    add(values, "timestamp", json_object_new_int64(now_ms / 1000));
    add(values, "timestamp_ms", json_object_new_int64(now_ms));
    return values;
}

static struct json_object *values_of(struct http_values *values, enum http_escape escape)
{
    if (values->escaped[escape] == NULL)
        values->escaped[escape] = make_values(values->message, values->now_ms, escape);
    return values->escaped[escape];
}

void http_values_free(struct http_values *values)
{
    for (size_t i = 0; i < HTTP_ESCAPES; i++)
        json_object_put(values->escaped[i]);
}

void http_values_add(struct http_values *values, const char *name, const char *text, size_t size)
{
    add(values_of(values, places[HTTP_PLACE_SIGNED].escape), name, new_text(text, size));
}

bool http_render(struct http_values *values, const struct mustache *text, enum http_place place,
                 struct buf *out, struct error *err)
{
    static const struct mustache_options options = {.strict = true};
    return mustache_render(text, values_of(values, places[place].escape), &options, out, err);
}
