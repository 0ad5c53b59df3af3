/* Hexadecimal (RFC 4648, 8). Written in lower case, but for single octets that other encodings escape. */
#ifndef PGOUTBOX_CRYPTO_HEX_H
#define PGOUTBOX_CRYPTO_HEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

bool hex_append(struct buf *out, const void *data, size_t size);

/* hex has room for 2 * size + 1 characters and is terminated. */
void hex_encode(const unsigned char *data, size_t size, char *hex);

/* Two digits in upper case, as percent-encoding and quoted-printable want them; no terminator. */
void hex_escape(char octet, char digits[2]);

/* The value of a digit of either case, or -1. */
int hex_value(char digit);

#endif
