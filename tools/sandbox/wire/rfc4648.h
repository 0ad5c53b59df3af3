/* Base64 as its standard has it (RFC 4648, 4 and 5), without the kindness of src/crypto/base64.h, which reads
 * either alphabet, padded or not: a vendor is no kinder than it must be. */
#ifndef PGOUTBOX_SANDBOX_WIRE_RFC4648_H
#define PGOUTBOX_SANDBOX_WIRE_RFC4648_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* The one text that stands for these octets: padded, nothing between, the last bits zero. False: it is not
 * that, or is longer than out's maximum. */
bool rfc4648_base64(struct buf *out, const char *text, size_t size);
/* The same with the URL alphabet and without padding, as JSON Web Signatures (RFC 7515, 2) want it. */
bool rfc4648_base64url(struct buf *out, const char *text, size_t size);

#endif
