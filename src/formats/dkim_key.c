/* The private keys of DKIM. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/digest.h"
#include "crypto/pem.h"
#include "formats/dkim.h"

enum { RSA_LEAST_BITS = 1024, RSA_MOST_BITS = 4096 };

struct dkim_key {
    EVP_PKEY *pkey;
    bool rsa; /* else Ed25519 */
};

static bool is_sound(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    bool sound = context != NULL && EVP_PKEY_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return sound;
}

static bool check_key(const struct dkim_key *key, struct error *err)
{
    int bits = EVP_PKEY_get_bits(key->pkey);
    bool suits =
        key->rsa ? bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS : EVP_PKEY_is_a(key->pkey, "ED25519");
    if (!suits)
        return error_set(err, "must be an Ed25519 key or an RSA key of %d to %d bits", RSA_LEAST_BITS,
                         RSA_MOST_BITS);
    return is_sound(key->pkey) || error_set(err, "is damaged: its parts do not belong together");
}

struct dkim_key *dkim_key_new(const char *pem, struct error *err)
{
    struct dkim_key *key = mem_alloc(sizeof *key);
    key->pkey = pem_private_key(pem, err);
    key->rsa = key->pkey != NULL && EVP_PKEY_is_a(key->pkey, "RSA");
    bool ok = key->pkey != NULL && check_key(key, err);
    /* What is left in the queue would be taken for an error of the next TLS call in this thread. */
    ERR_clear_error();
    if (ok)
        return key;
    dkim_key_free(key);
    return NULL;
}

void dkim_key_free(struct dkim_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    mem_free(key);
}

const char *dkim_key_algorithm(const struct dkim_key *key)
{
    return key->rsa ? "rsa-sha256" : "ed25519-sha256";
}

bool dkim_key_sign(const struct dkim_key *key, const char *data, size_t size, struct buf *out)
{
    unsigned char digest[SHA256_SIZE], signature[RSA_MOST_BITS / 8];
    const unsigned char *input = (const unsigned char *)data;
    if (!key->rsa) {
        /* RFC 8463, 3: PureEdDSA over the hash, not over the data. */
        sha256(data, size, digest);
        input = digest;
        size = sizeof digest;
    }
    size_t length = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL &&
              EVP_DigestSignInit(context, NULL, key->rsa ? EVP_sha256() : NULL, NULL, key->pkey) == 1 &&
              EVP_DigestSign(context, signature, &length, input, size) == 1;
    EVP_MD_CTX_free(context);
    if (!ok)
        ERR_clear_error();
    return ok && buf_append(out, signature, length);
}
