#include "crypto/jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/ecdsa.h"
#include "crypto/p256.h"
#include "crypto/pem.h"

enum { RSA_LEAST_BITS = 2048, RSA_MOST_BITS = 8192 };

struct jose_key {
    enum jose_algorithm algorithm;
    EVP_PKEY *rsa;                      /* RS256 */
    unsigned char secret[ECDSA_SECRET]; /* ES256 */
};

static bool ec_secret(EVP_PKEY *key, unsigned char secret[ECDSA_SECRET])
{
    char group[32] = "";
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return false;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool ok = context != NULL && EVP_PKEY_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    BIGNUM *number = NULL;
    ok = ok && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1 &&
         BN_bn2binpad(number, secret, ECDSA_SECRET) == ECDSA_SECRET;
    BN_clear_free(number);
    return ok;
}

static bool rsa_suits(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    return EVP_PKEY_is_a(key, "RSA") && bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS;
}

struct jose_key *jose_key_new(enum jose_algorithm algorithm, const char *pem, struct error *err)
{
    struct jose_key *key = mem_alloc(sizeof *key);
    key->algorithm = algorithm;
    EVP_PKEY *read = pem_private_key(pem, err);
    bool ok = read != NULL;
    if (ok && algorithm == JOSE_ES256) {
        ok = ec_secret(read, key->secret) || error_set(err, "must be an EC private key on curve P-256");
        EVP_PKEY_free(read);
    } else if (ok) {
        key->rsa = read;
        ok = rsa_suits(read) ||
             error_set(err, "must be an RSA private key of %d to %d bits", RSA_LEAST_BITS, RSA_MOST_BITS);
    }
    /* What is left in the queue would be taken for an error of the next TLS call in this thread. */
    ERR_clear_error();
    if (ok)
        return key;
    jose_key_free(key);
    return NULL;
}

void jose_key_free(struct jose_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->rsa);
    OPENSSL_cleanse(key, sizeof *key);
    mem_free(key);
}

bool jose_public_point(const struct jose_key *key, unsigned char point[P256_POINT])
{
    return key->algorithm == JOSE_ES256 && p256_public(key->secret, point);
}

bool jose_derive(const struct jose_key *key, const void *data, size_t size, unsigned char secret[SHA256_SIZE])
{
    if (key->algorithm != JOSE_ES256)
        return false;
    hmac_sha256(key->secret, ECDSA_SECRET, data, size, secret);
    return true;
}

static bool es256(const struct jose_key *key, const char *input, size_t size, struct buf *out)
{
    unsigned char digest[SHA256_DIGEST_LENGTH], signature[ECDSA_SIGNATURE];
    SHA256((const unsigned char *)input, size, digest);
    return ecdsa_p256_sign(key->secret, digest, signature) && buf_append(out, signature, sizeof signature);
}

static bool rs256(const struct jose_key *key, const char *input, size_t size, struct buf *out)
{
    unsigned char signature[RSA_MOST_BITS / 8];
    size_t length = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->rsa) == 1 &&
              EVP_DigestSign(context, signature, &length, (const unsigned char *)input, size) == 1;
    EVP_MD_CTX_free(context);
    if (!ok)
        ERR_clear_error();
    return ok && buf_append(out, signature, length);
}

bool jose_signature(const struct jose_key *key, const char *input, size_t size, struct buf *out)
{
    return key->algorithm == JOSE_ES256 ? es256(key, input, size, out) : rs256(key, input, size, out);
}

bool jose_sign(const struct jose_key *key, const char *header, const char *claims, struct buf *out)
{
    struct buf signature;
    buf_init(&signature, RSA_MOST_BITS / 8);
    size_t start = out->size;
    bool ok = base64url_append(out, header, strlen(header)) && buf_char(out, '.') &&
              base64url_append(out, claims, strlen(claims)) &&
              jose_signature(key, out->data + start, out->size - start, &signature) && buf_char(out, '.') &&
              base64url_append(out, signature.data, signature.size);
    buf_free(&signature);
    return ok;
}
