/* Signed tokens: JWS compact serialisation (RFC 7515, 7.1) with ES256 and RS256 (RFC 7518, 3.3 and 3.4). */
#ifndef PGOUTBOX_CRYPTO_JOSE_H
#define PGOUTBOX_CRYPTO_JOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/error.h"

enum jose_algorithm { JOSE_ES256, JOSE_RS256 };

struct jose_key;

/* Reads an unencrypted PEM private key (PKCS#8 or the older form): EC P-256 for ES256, RSA of at least 2048
 * bits for RS256. NULL: err says what the key must be, never what it is. */
struct jose_key *jose_key_new(enum jose_algorithm algorithm, const char *pem, struct error *err);
void jose_key_free(struct jose_key *key); /* wipes it; NULL is allowed */

/* The public point of an ES256 key, uncompressed (65 octets). False for another kind of key. */
bool jose_public_point(const struct jose_key *key, unsigned char point[65]);

/* A secret for another purpose than signing, which tells nothing about an ES256 key: HMAC-SHA-256 of data
 * under the private number. False for another kind of key. */
bool jose_derive(const struct jose_key *key, const void *data, size_t size, unsigned char secret[32]);

/* Appends the raw signature of the input. Both algorithms are deterministic: the same key and input give the
 * same octets on every machine. False only when OpenSSL fails or out is full. */
bool jose_signature(const struct jose_key *key, const char *input, size_t size, struct buf *out);

/* Appends "header.claims.signature"; header and claims are JSON texts, out may hold something already. */
bool jose_sign(const struct jose_key *key, const char *header, const char *claims, struct buf *out);

#endif
