#include "providers/http/http_keys.h"

#include <string.h>

int http_type(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string: {
        size_t size = (size_t)json_object_get_string_len(value);
        return strlen(json_object_get_string(value)) == size ? KEY_TEXT : 0;
    }
    case json_type_object:
        return KEY_OBJECT;
    case json_type_array:
        return KEY_LIST;
    case json_type_boolean:
        return KEY_FLAG;
    case json_type_int:
        return KEY_NUMBER;
    default:
        return 0;
    }
}

const char *http_type_rule(int types)
{
    static const struct {
        int types;
        const char *rule;
    } rows[] = {
        {KEY_TEXT, "must be a string"},
        {KEY_OBJECT, "must be an object"},
        {KEY_LIST, "must be a list"},
        {KEY_FLAG, "must be true or false"},
        {KEY_NUMBER, "must be a whole number"},
        {KEY_TEXT | KEY_OBJECT | KEY_LIST, "must be a string, an object or a list"},
    };
    size_t i = 0;
    while (rows[i].types != types)
        i++;
    return rows[i].rule;
}

bool http_keys_check(struct json_object *object, const char *where, const struct http_key *keys,
                     struct error *err)
{
    struct json_object_iter each;
    json_object_object_foreachC(object, each)
    {
        const struct http_key *key = keys;
        while (key->name != NULL && strcmp(key->name, each.key) != 0)
            key++;
        if (key->name == NULL)
            return error_set(err, "%s.%s: unknown setting", where, each.key);
        if ((http_type(each.val) & key->types) == 0)
            return error_set(err, "%s.%s: %s", where, each.key, http_type_rule(key->types));
    }
    for (const struct http_key *key = keys; key->name != NULL; key++) {
        if (key->required && json_get(object, key->name) == NULL)
            return error_set(err, "%s.%s: is required", where, key->name);
    }
    return true;
}
