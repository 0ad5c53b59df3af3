#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "core/mem.h"

void sha256(const void *data, size_t size, unsigned char digest[SHA256_SIZE])
{
    if (EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) != 1)
        mem_exhausted();
}

static void hmac(const EVP_MD *method, const void *key, size_t key_size, const void *data, size_t size,
                 unsigned char *digest)
{
    /* A NULL key would mean "the one of before" to OpenSSL. */
    if (HMAC(method, key_size > 0 ? key : "", (int)key_size, data, size, digest, NULL) == NULL)
        mem_exhausted();
}

void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 unsigned char digest[SHA256_SIZE])
{
    hmac(EVP_sha256(), key, key_size, data, size, digest);
}

void hmac_sha1(const void *key, size_t key_size, const void *data, size_t size,
               unsigned char digest[SHA1_SIZE])
{
    hmac(EVP_sha1(), key, key_size, data, size, digest);
}

bool digest_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

bool digest_equal_text(const char *a, const char *b)
{
    size_t size = strlen(a);
    return size == strlen(b) && digest_equal(a, b, size);
}
