/* Digests and keyed digests (FIPS 180-4, RFC 2104). */
#ifndef PGOUTBOX_CRYPTO_DIGEST_H
#define PGOUTBOX_CRYPTO_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { SHA1_SIZE = 20, SHA256_SIZE = 32, DIGEST_MAX = 64 };

/* Each ends the process when OpenSSL cannot serve it (mem_exhausted): there is no other reason for it. */
void digest_sha256(const void *data, size_t size, unsigned char digest[SHA256_SIZE]);
void digest_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                        unsigned char digest[SHA256_SIZE]);
void digest_hmac_sha1(const void *key, size_t key_size, const void *data, size_t size,
                      unsigned char digest[SHA1_SIZE]);

/* By the name that a peer gives: "md5", "sha1", "sha256" or "sha512". The digest's size, or 0 for another
 * name and where OpenSSL does not serve it. */
size_t digest_by_name(const char *name, const void *data, size_t size, unsigned char digest[DIGEST_MAX]);
size_t digest_hmac_by_name(const char *name, const void *key, size_t key_size, const void *data, size_t size,
                           unsigned char digest[DIGEST_MAX]);

/* Takes the same time wherever they differ. */
bool digest_equal(const void *a, const void *b, size_t size);
bool digest_equal_text(const char *a, const char *b);

#endif
