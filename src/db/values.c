/* Values as texts that statements take. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db/db.h"

const char *db_int_text(char room[24], int64_t value)
{
    snprintf(room, 24, "%" PRId64, value);
    return room;
}

void db_array_start(struct buf *out)
{
    buf_char(out, '{');
}

/* Text elements are always quoted, so a bare brace at the end can only be the start. */
static void array_next(struct buf *out)
{
    if (out->size > 0 && out->data[out->size - 1] != '{')
        buf_char(out, ',');
}

void db_array_int(struct buf *out, int64_t value)
{
    array_next(out);
    buf_printf(out, "%" PRId64, value);
}

void db_array_text(struct buf *out, const char *value)
{
    array_next(out);
    if (value == NULL) {
        buf_text(out, "NULL");
        return;
    }
    buf_char(out, '"');
    while (*value != '\0') {
        size_t plain = strcspn(value, "\"\\");
        buf_append(out, value, plain);
        value += plain;
        if (*value != '\0') {
            buf_char(out, '\\');
            buf_char(out, *value++);
        }
    }
    buf_char(out, '"');
}

void db_array_finish(struct buf *out)
{
    buf_char(out, '}');
}
