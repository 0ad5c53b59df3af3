#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "core/mem.h"

void digest_sha256(const void *data, size_t size, unsigned char digest[SHA256_SIZE])
{
    if (EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL) != 1)
        mem_exhausted();
}

static size_t hmac(const EVP_MD *method, const void *key, size_t key_size, const void *data, size_t size,
                   unsigned char *digest)
{
    unsigned int digest_size = 0;
    /* A NULL key would mean "the one of before" to OpenSSL. */
    const void *octets = key_size > 0 ? key : "";
    return HMAC(method, octets, (int)key_size, data, size, digest, &digest_size) != NULL ? digest_size : 0;
}

void digest_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                        unsigned char digest[SHA256_SIZE])
{
    if (hmac(EVP_sha256(), key, key_size, data, size, digest) == 0)
        mem_exhausted();
}

void digest_hmac_sha1(const void *key, size_t key_size, const void *data, size_t size,
                      unsigned char digest[SHA1_SIZE])
{
    if (hmac(EVP_sha1(), key, key_size, data, size, digest) == 0)
        mem_exhausted();
}

static const EVP_MD *method_find(const char *name)
{
    static const struct {
        const char *name;
        const EVP_MD *(*method)(void);
    } methods[] = {{"md5", EVP_md5}, {"sha1", EVP_sha1}, {"sha256", EVP_sha256}, {"sha512", EVP_sha512}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(name, methods[i].name) == 0)
            return methods[i].method();
    }
    return NULL;
}

size_t digest_by_name(const char *name, const void *data, size_t size, unsigned char digest[DIGEST_MAX])
{
    const EVP_MD *method = method_find(name);
    unsigned int digest_size = 0;
    bool ok = method != NULL && EVP_Digest(data, size, digest, &digest_size, method, NULL) == 1;
    return ok ? digest_size : 0;
}

size_t digest_hmac_by_name(const char *name, const void *key, size_t key_size, const void *data, size_t size,
                           unsigned char digest[DIGEST_MAX])
{
    const EVP_MD *method = method_find(name);
    return method != NULL ? hmac(method, key, key_size, data, size, digest) : 0;
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
