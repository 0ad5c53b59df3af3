/*
 * A growing byte buffer with a maximum from birth. Passing the maximum empties the buffer, marks it as
 * overflowed and makes every later append fail, so one check at the end is enough.
 */
#ifndef PGOUTBOX_CORE_BUF_H
#define PGOUTBOX_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct buf {
    char *data; /* always terminated by a zero octet once something was appended; NULL before */
    size_t size;
    size_t capacity;
    size_t max; /* octets, without the terminator */
    bool overflowed;
};

void buf_init(struct buf *buf, size_t max);
void buf_free(struct buf *buf);  /* buf may be used again after buf_init */
void buf_wipe(struct buf *buf);  /* the same for secrets: overwrites the memory first */
void buf_reset(struct buf *buf); /* empties it, clears the overflow mark, keeps the memory */
bool buf_append(struct buf *buf, const void *data, size_t size); /* false when the maximum is passed */
bool buf_text(struct buf *buf, const char *text);
bool buf_char(struct buf *buf, char c);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_consume(struct buf *buf, size_t size); /* removes octets from the front */
const char *buf_string(const struct buf *buf);  /* never NULL */

#endif
