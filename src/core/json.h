/*
 * JSON on json-c, wrapped so that reading is typed and bounded and writing goes straight into a buffer.
 * A json value borrowed from a document lives as long as the document.
 */
#ifndef PGOUTBOX_CORE_JSON_H
#define PGOUTBOX_CORE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/error.h"

enum { JSON_MAX_DEPTH = 32 };

/* Parses a whole text, strictly (json_syntax.h). Caller frees with json_object_put. NULL on error, and for
 * null. */
struct json_object *json_parse(const char *text, size_t size, struct error *err);

/* Members of an object by name. The value is NULL / fallback when the member is absent, null or of another
 * type. `object` may be NULL. */
struct json_object *json_get(struct json_object *object, const char *name);
const char *json_get_text(struct json_object *object, const char *name);
int64_t json_get_int(struct json_object *object, const char *name, int64_t fallback);
bool json_get_bool(struct json_object *object, const char *name, bool fallback);

/* A member that is a text, of whatever octets, or absent: *text is then NULL. False: it is something else;
 * err begins with "where.name". */
bool json_read_text(struct json_object *object, const char *where, const char *name, const char **text,
                    size_t *size, struct error *err) MUST_CHECK;

/* Elements of a list; there is none when `list` is something else, or NULL. */
size_t json_list_size(struct json_object *list);
struct json_object *json_list_item(struct json_object *list, size_t index);

/* Appends a quoted, escaped JSON string (RFC 8259, 7); text is UTF-8 of the given size. */
bool json_append_string(struct buf *out, const char *text, size_t size);
/* Appends the value as compact JSON text. */
bool json_append_value(struct buf *out, struct json_object *value);

/* Writing an object member by member, behind its '{': the name of the next one, with the comma that it may
 * need; or all of one that is a text, and nothing when text is NULL. */
bool json_member(struct buf *out, const char *name);
bool json_member_text(struct buf *out, const char *name, const char *text);
bool json_member_octets(struct buf *out, const char *name, const char *text, size_t size);

#endif
