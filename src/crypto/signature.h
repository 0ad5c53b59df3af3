/* Signatures by private keys in PEM, RSA with SHA-256 (RFC 8017, 8.2) and Ed25519 (RFC 8032), and the check
 * of ECDSA signatures. */
#ifndef PGOUTBOX_CRYPTO_SIGNATURE_H
#define PGOUTBOX_CRYPTO_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/error.h"

enum signature_kind { SIGNATURE_RSA, SIGNATURE_ED25519, SIGNATURE_NONE };

/* Octets of a signature by the largest key that makes one: RSA of 8192 bits. */
enum { SIGNATURE_MAX = 1024 };

struct signature_key;

/* Reads an unencrypted PEM private key of any kind. NULL: err says so, never what it is. */
struct signature_key *signature_key_new(const char *pem, struct error *err);
void signature_key_free(struct signature_key *key); /* NULL is allowed */

/* SIGNATURE_NONE: it makes no signatures here. */
enum signature_kind signature_key_kind(const struct signature_key *key);
int signature_key_bits(const struct signature_key *key);
/* Whether the parts of the key belong together. */
bool signature_key_is_sound(const struct signature_key *key);

/* Appends the raw signature of data; the same key and data give the same octets everywhere. False only when
 * OpenSSL fails or out is full. key: RSA up to 8192 bits, or Ed25519. */
bool signature_make(const struct signature_key *key, const void *data, size_t size, struct buf *out);

/* Whether signature (in DER) is that of ECDSA with SHA-256 over data. public_key: its SubjectPublicKeyInfo in
 * DER. Whatever is wrong with any of them makes it false. */
bool signature_check_ecdsa(const struct buf *public_key, const void *data, size_t size,
                           const struct buf *signature);

#endif
