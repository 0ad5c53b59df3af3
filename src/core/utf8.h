/* UTF-8 (RFC 3629) read strictly: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef PGOUTBOX_CORE_UTF8_H
#define PGOUTBOX_CORE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Octets of the character at the start of text, 1 to 4, or 0 when there is none: text is empty, broken, or
 * ends inside it. A zero octet is a character. code, which may be NULL, gets its code point, and is only then
 * set. */
size_t utf8_read(const char *text, size_t size, uint32_t *code);

/* Copies whole characters, and '?' for each octet that belongs to none, as long as max octets have room for
 * them. Returns the octets written; no terminator is. */
size_t utf8_clean(const char *text, size_t size, char *clean, size_t max);

#endif
