#include "crypto/signature.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/mem.h"
#include "crypto/pem.h"

/* What is left in OpenSSL's queue of errors would be taken for one of the next TLS call in this thread: every
 * function here leaves it empty. */

struct signature_key {
    EVP_PKEY *pkey;
};

struct signature_key *signature_key_new(const char *pem, struct error *err)
{
    EVP_PKEY *pkey = pem_private_key(pem, err);
    ERR_clear_error();
    if (pkey == NULL)
        return NULL;
    struct signature_key *key = mem_alloc(sizeof *key);
    key->pkey = pkey;
    return key;
}

void signature_key_free(struct signature_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    mem_free(key);
}

enum signature_kind signature_key_kind(const struct signature_key *key)
{
    if (EVP_PKEY_is_a(key->pkey, "RSA"))
        return SIGNATURE_RSA;
    return EVP_PKEY_is_a(key->pkey, "ED25519") ? SIGNATURE_ED25519 : SIGNATURE_NONE;
}

int signature_key_bits(const struct signature_key *key)
{
    return EVP_PKEY_get_bits(key->pkey);
}

bool signature_key_is_sound(const struct signature_key *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key->pkey, NULL);
    bool sound = context != NULL && EVP_PKEY_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return sound;
}

bool signature_make(const struct signature_key *key, const void *data, size_t size, struct buf *out)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t length = sizeof signature;
    const EVP_MD *digest = signature_key_kind(key) == SIGNATURE_RSA ? EVP_sha256() : NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestSignInit(context, NULL, digest, NULL, key->pkey) == 1 &&
              EVP_DigestSign(context, signature, &length, data, size) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return ok && buf_append(out, signature, length);
}

bool signature_check_ecdsa(const struct buf *public_key, const void *data, size_t size,
                           const struct buf *signature)
{
    const unsigned char *der = (const unsigned char *)public_key->data;
    EVP_PKEY *pkey = public_key->size > 0 ? d2i_PUBKEY(NULL, &der, (long)public_key->size) : NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        pkey != NULL && EVP_PKEY_is_a(pkey, "EC") && signature->size > 0 && context != NULL &&
        EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) == 1 &&
        EVP_DigestVerify(context, (const unsigned char *)signature->data, signature->size, data, size) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return good;
}
