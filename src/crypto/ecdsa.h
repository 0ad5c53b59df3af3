/* Deterministic ECDSA (RFC 6979) on P-256 with SHA-256. */
#ifndef PGOUTBOX_CRYPTO_ECDSA_H
#define PGOUTBOX_CRYPTO_ECDSA_H

#include <stdbool.h>

enum { ECDSA_SECRET = 32, ECDSA_DIGEST = 32, ECDSA_SIGNATURE = 64 };

/* Signs a SHA-256 digest. secret: the private number, big-endian. signature: r then s, each 32 octets, as JWS
 * wants it (RFC 7518, 3.4). The same key and digest give the same signature everywhere. False only when
 * OpenSSL fails. */
bool ecdsa_p256_sign(const unsigned char secret[ECDSA_SECRET], const unsigned char digest[ECDSA_DIGEST],
                     unsigned char signature[ECDSA_SIGNATURE]);

#endif
