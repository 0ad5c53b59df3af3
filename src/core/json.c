#include "core/json.h"

#include <limits.h>
#include <string.h>

#include "core/json_syntax.h"
#include "core/mem.h"

struct json_object *json_parse(const char *text, size_t size, struct error *err)
{
    if (size > INT_MAX) {
        error_set(err, "JSON text is too long");
        return NULL;
    }
    if (!json_syntax(text, size, err))
        return NULL;
    struct json_tokener *tokener = json_tokener_new_ex(JSON_MAX_DEPTH);
    if (tokener == NULL)
        mem_exhausted();
    struct json_object *value = json_tokener_parse_ex(tokener, text, (int)size);
    /* A number ends only at the octet behind it. */
    if (json_tokener_get_error(tokener) == json_tokener_continue)
        value = json_tokener_parse_ex(tokener, " ", 1);
    if (value == NULL && json_tokener_get_error(tokener) == json_tokener_success)
        error_set(err, "JSON value is null");
    else if (value == NULL)
        error_set(err, "no JSON: %s", json_tokener_error_desc(json_tokener_get_error(tokener)));
    json_tokener_free(tokener);
    return value;
}

struct json_object *json_get(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, name, &value))
        return NULL;
    return value;
}

const char *json_get_text(struct json_object *object, const char *name)
{
    struct json_object *value = json_get(object, name);
    if (!json_object_is_type(value, json_type_string))
        return NULL;
    const char *text = json_object_get_string(value);
    /* A zero octet (\u0000) would cut the text for every reader. */
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

int64_t json_get_int(struct json_object *object, const char *name, int64_t fallback)
{
    struct json_object *value = json_get(object, name);
    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : fallback;
}

bool json_get_bool(struct json_object *object, const char *name, bool fallback)
{
    struct json_object *value = json_get(object, name);
    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) != 0 : fallback;
}

bool json_read_text(struct json_object *object, const char *where, const char *name, const char **text,
                    size_t *size, struct error *err)
{
    struct json_object *value = json_get(object, name);
    *text = NULL;
    *size = 0;
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_string))
        return error_set(err, "%s.%s: must be a string", where, name);
    *text = json_object_get_string(value);
    *size = (size_t)json_object_get_string_len(value);
    return true;
}

size_t json_list_size(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

struct json_object *json_list_item(struct json_object *list, size_t index)
{
    return index < json_list_size(list) ? json_object_array_get_idx(list, index) : NULL;
}

static bool append_escaped(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        return buf_append(out, "\\\"", 2);
    case '\\':
        return buf_append(out, "\\\\", 2);
    case '\n':
        return buf_append(out, "\\n", 2);
    case '\r':
        return buf_append(out, "\\r", 2);
    case '\t':
        return buf_append(out, "\\t", 2);
    default:
        return buf_printf(out, "\\u%04x", c);
    }
}

bool json_append_string(struct buf *out, const char *text, size_t size)
{
    bool fits = buf_char(out, '"');
    size_t start = 0;
    for (size_t i = 0; i < size && fits; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        fits = buf_append(out, text + start, i - start) && append_escaped(out, c);
        start = i + 1;
    }
    return fits && buf_append(out, text + start, size - start) && buf_char(out, '"');
}

bool json_append_value(struct buf *out, struct json_object *value)
{
    size_t size = 0;
    const char *text = json_object_to_json_string_length(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
    if (text == NULL)
        mem_exhausted();
    return buf_append(out, text, size);
}

bool json_member(struct buf *out, const char *name)
{
    if (out->size > 0 && out->data[out->size - 1] != '{')
        buf_char(out, ',');
    return json_append_string(out, name, strlen(name)) && buf_char(out, ':');
}

bool json_member_text(struct buf *out, const char *name, const char *text)
{
    return json_member_octets(out, name, text, text != NULL ? strlen(text) : 0);
}

bool json_member_octets(struct buf *out, const char *name, const char *text, size_t size)
{
    return text == NULL ? !out->overflowed : json_member(out, name) && json_append_string(out, text, size);
}
