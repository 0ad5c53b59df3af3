/* The encodings of mail: encoded-words (RFC 2047), quoted-printable and base64 bodies (RFC 2045, 6.7
 * and 6.8).
 */
#ifndef PGOUTBOX_FORMATS_MIME_ENCODE_H
#define PGOUTBOX_FORMATS_MIME_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

enum { MIME_LINE = 76 }; /* longest line of an encoded body and of a header line with encoded-words */

/* Appends UTF-8 text as B encoded-words, folded, never splitting a character. What already stands on the last
 * line of out counts for the length of the first one. */
bool mime_words(struct buf *out, const char *text, size_t size);

/* True when the text can stand in a header as it is: visible ASCII and spaces, nothing that looks like an
 * encoded-word. */
bool mime_is_plain(const char *text, size_t size);

/* Bodies: text whose lines end in LF or CRLF or CR; the output's lines end in CRLF. */
bool mime_quoted_printable(struct buf *out, const char *text, size_t size);
bool mime_base64(struct buf *out, const char *text, size_t size);

/* Octets that are no text: nothing is changed. Each line ends in CRLF, the last one too. */
bool mime_base64_octets(struct buf *out, const char *data, size_t size);

/* Which of the two forms of text gives the smaller body. */
bool mime_prefers_base64(const char *text, size_t size);

/* Octets on the last line of out. */
size_t mime_column(const struct buf *out);

#endif
