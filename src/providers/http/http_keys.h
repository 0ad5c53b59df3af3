/* Objects within the settings of an http provider: which keys they have, and of which types. */
#ifndef PGOUTBOX_PROVIDERS_HTTP_HTTP_KEYS_H
#define PGOUTBOX_PROVIDERS_HTTP_HTTP_KEYS_H

#include <stdbool.h>

#include "core/error.h"
#include "core/json.h"

enum { KEY_TEXT = 1, KEY_OBJECT = 2, KEY_LIST = 4, KEY_FLAG = 8, KEY_NUMBER = 16 };

struct http_key {
    const char *name; /* NULL ends a list of keys */
    int types;
    bool required;
};

/* The type of a value; 0 = none of the above. */
int http_type(struct json_object *value);
/* "must be a string": the rule that a value of another type breaks. */
const char *http_type_rule(int types);

/* Every member of the object must have a key and its type, and every required key a member. err begins with
 * the path of the key, which begins with where. */
bool http_keys_check(struct json_object *object, const char *where, const struct http_key *keys,
                     struct error *err) MUST_CHECK;

#endif
