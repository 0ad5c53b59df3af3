#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

enum { BUF_FIRST = 128 };

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_free(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

void buf_wipe(struct buf *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->capacity);
    buf_free(buf);
}

void buf_reset(struct buf *buf)
{
    buf->size = 0;
    buf->overflowed = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

/* Makes room for `more` octets and the terminator. */
static bool buf_reserve(struct buf *buf, size_t more)
{
    if (buf->overflowed || more > buf->max - buf->size) {
        buf_reset(buf);
        buf->overflowed = true;
        return false;
    }
    size_t needed = buf->size + more + 1;
    if (needed <= buf->capacity)
        return true;
    size_t capacity = buf->capacity > 0 ? buf->capacity : BUF_FIRST;
    while (capacity < needed && capacity <= buf->max)
        capacity *= 2;
    if (capacity < needed || capacity > buf->max)
        capacity = buf->max + 1;
    buf->data = mem_grow(buf->data, capacity, 1);
    buf->capacity = capacity;
    return true;
}

bool buf_append(struct buf *buf, const void *data, size_t size)
{
    if (!buf_reserve(buf, size))
        return false;
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return true;
}

bool buf_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_char(struct buf *buf, char c)
{
    return buf_append(buf, &c, 1);
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    size_t room = buf->capacity - buf->size;
    int size = vsnprintf(room > 0 ? buf->data + buf->size : NULL, room, format, args);
    va_end(args);
    bool fits = size >= 0 && buf_reserve(buf, (size_t)size);
    if (fits && (size_t)size >= room)
        vsnprintf(buf->data + buf->size, (size_t)size + 1, format, again);
    va_end(again);
    if (fits)
        buf->size += (size_t)size;
    return fits;
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size == 0)
        return;
    if (size >= buf->size) {
        buf->size = 0;
        if (buf->data != NULL)
            buf->data[0] = '\0';
        return;
    }
    buf->size -= size;
    memmove(buf->data, buf->data + size, buf->size + 1);
}

const char *buf_string(const struct buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}
