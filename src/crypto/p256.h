/* The curve P-256 (SEC 1; FIPS 186-4, D.1.2.3): public points and Diffie-Hellman. */
#ifndef PGOUTBOX_CRYPTO_P256_H
#define PGOUTBOX_CRYPTO_P256_H

#include <stdbool.h>

enum { P256_SECRET = 32, P256_POINT = 65 };

/* The public point of a private number (big-endian), uncompressed: 0x04, x, y. False: the number is not
 * between 1 and the order of the curve less 1. */
bool p256_public(const unsigned char secret[P256_SECRET], unsigned char point[P256_POINT]);

/* The x coordinate of the common point (SEC 1, 3.3.1). False: the peer's point is not an uncompressed point
 * of the curve, or secret is not a private number. */
bool p256_shared(const unsigned char secret[P256_SECRET], const unsigned char peer[P256_POINT],
                 unsigned char shared[P256_SECRET]);

#endif
