/* UUIDs in their canonical form (RFC 9562, 4): lower case, with hyphens. */
#ifndef PGOUTBOX_SANDBOX_STORE_UUID_H
#define PGOUTBOX_SANDBOX_STORE_UUID_H

#include <stdbool.h>
#include <stddef.h>

enum { UUID_TEXT = 36, UUID_OCTETS = 16 };

/* False: the text is not such a one. */
bool uuid_read(const char *text, size_t size, unsigned char octets[UUID_OCTETS]);
void uuid_write(const unsigned char octets[UUID_OCTETS], char text[UUID_TEXT + 1]);

#endif
