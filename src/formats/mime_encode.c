#include "formats/mime_encode.h"

#include <string.h>

#include "crypto/base64.h"
#include "crypto/hex.h"

static const char word_start[] = "=?UTF-8?B?", word_end[] = "?=";
enum {
    WORD_MAX = 75,
    WORD_FRAME = sizeof word_start - 1 + sizeof word_end - 1,
    WORD_LEAST = WORD_FRAME + 8 /* room for any one character */
};

size_t mime_column(const struct buf *out)
{
    const char *start = out->size == 0 ? NULL : memrchr(out->data, '\n', out->size);
    return start == NULL ? out->size : out->size - (size_t)(start + 1 - out->data);
}

/* The most octets, at most room, that end with a whole character. */
static size_t whole_characters(const char *text, size_t size, size_t room)
{
    if (size <= room)
        return size;
    size_t end = room;
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
        end--;
    return end > 0 ? end : room;
}

bool mime_words(struct buf *out, const char *text, size_t size)
{
    bool fits = true;
    while (size > 0 && fits) {
        size_t column = mime_column(out);
        size_t left = column < MIME_LINE ? MIME_LINE - column : 0;
        if (left < WORD_LEAST) {
            fits = buf_text(out, "\r\n ");
            left = MIME_LINE - 1;
        }
        size_t limit = left < WORD_MAX ? left : WORD_MAX;
        size_t part = whole_characters(text, size, (limit - WORD_FRAME) / 4 * 3);
        fits = fits && buf_text(out, word_start) && base64_append(out, text, part) && buf_text(out, word_end);
        text += part;
        size -= part;
        if (size > 0)
            fits = fits && buf_text(out, "\r\n ");
    }
    return fits;
}

bool mime_is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] >= 0x7F || (text[i] == '=' && i + 1 < size && text[i + 1] == '?'))
            return false;
    }
    return true;
}

/* Length of the line break at text, 0 when there is none. */
static size_t line_break(const char *text, size_t size)
{
    if (size == 0 || (text[0] != '\r' && text[0] != '\n'))
        return 0;
    return text[0] == '\r' && size > 1 && text[1] == '\n' ? 2 : 1;
}

/* RFC 2045, 6.7, rules 1 to 3. */
static bool must_escape(const char *text, size_t size)
{
    unsigned char c = (unsigned char)text[0];
    if (c == ' ' || c == '\t')
        return size == 1 || line_break(text + 1, size - 1) > 0;
    return c < 33 || c > 126 || c == '=';
}

bool mime_quoted_printable(struct buf *out, const char *text, size_t size)
{
    bool fits = true;
    size_t column = 0;
    for (size_t i = 0; i < size && fits;) {
        size_t end = line_break(text + i, size - i);
        if (end > 0) {
            fits = buf_text(out, "\r\n");
            column = 0;
            i += end;
            continue;
        }
        bool escape = must_escape(text + i, size - i);
        char escaped[3] = "=";
        hex_escape(text[i], escaped + 1);
        size_t length = escape ? sizeof escaped : 1;
        bool last = i + 1 == size || line_break(text + i + 1, size - i - 1) > 0;
        if (column + length > (last ? MIME_LINE : MIME_LINE - 1)) {
            fits = buf_text(out, "=\r\n");
            column = 0;
        }
        fits = fits && buf_append(out, escape ? escaped : text + i, length);
        column += length;
        i++;
    }
    return fits;
}

enum { GROUP = MIME_LINE / 4 * 3 }; /* octets of one base64 line */

bool mime_base64_octets(struct buf *out, const char *data, size_t size)
{
    bool fits = true;
    for (size_t at = 0; at < size && fits; at += GROUP)
        fits = base64_append(out, data + at, size - at < GROUP ? size - at : GROUP) && buf_text(out, "\r\n");
    return fits;
}

bool mime_base64(struct buf *out, const char *text, size_t size)
{
    char group[GROUP];
    size_t used = 0;
    bool fits = true;
    for (size_t i = 0; i < size && fits;) {
        size_t end = line_break(text + i, size - i);
        const char *piece = end > 0 ? "\r\n" : text + i;
        for (size_t k = 0; k < (end > 0 ? 2 : 1); k++) {
            group[used++] = piece[k];
            if (used == GROUP) {
                fits = fits && base64_append(out, group, used) && buf_text(out, "\r\n");
                used = 0;
            }
        }
        i += end > 0 ? end : 1;
    }
    if (used > 0)
        fits = fits && base64_append(out, group, used);
    return fits;
}

bool mime_prefers_base64(const char *text, size_t size)
{
    size_t escaped = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        escaped += c > 126 || c == '=';
    }
    /* size + 2 * escaped octets against 4/3 of size. */
    return escaped > size / 6;
}
