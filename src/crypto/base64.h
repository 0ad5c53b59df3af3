/* Base64 and base64url (RFC 4648, 4 and 5). */
#ifndef PGOUTBOX_CRYPTO_BASE64_H
#define PGOUTBOX_CRYPTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

bool base64_append(struct buf *out, const void *data, size_t size);    /* standard alphabet, padded */
bool base64url_append(struct buf *out, const void *data, size_t size); /* URL alphabet, no padding */

/* Decodes either alphabet, padded or not. False on any other octet or a bad length. */
bool base64_decode(struct buf *out, const char *text, size_t size);

#endif
