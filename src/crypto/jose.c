#include "crypto/jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/ecdsa.h"
#include "crypto/p256.h"
#include "crypto/pem.h"
#include "crypto/signature.h"

enum { RSA_LEAST_BITS = 2048, RSA_MOST_BITS = 8192 };

struct jose_key {
    enum jose_algorithm algorithm;
    struct signature_key *rsa;          /* RS256 */
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

static bool read_ec(struct jose_key *key, const char *pem, struct error *err)
{
    EVP_PKEY *pkey = pem_private_key(pem, err);
    bool ok = pkey != NULL &&
              (ec_secret(pkey, key->secret) || error_set(err, "must be an EC private key on curve P-256"));
    EVP_PKEY_free(pkey);
    /* What is left in the queue would be taken for an error of the next TLS call in this thread. */
    ERR_clear_error();
    return ok;
}

static bool read_rsa(struct jose_key *key, const char *pem, struct error *err)
{
    key->rsa = signature_key_new(pem, err);
    if (key->rsa == NULL)
        return false;
    int bits = signature_key_bits(key->rsa);
    bool suits =
        signature_key_kind(key->rsa) == SIGNATURE_RSA && bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS;
    return suits ||
           error_set(err, "must be an RSA private key of %d to %d bits", RSA_LEAST_BITS, RSA_MOST_BITS);
}

struct jose_key *jose_key_new(enum jose_algorithm algorithm, const char *pem, struct error *err)
{
    struct jose_key *key = mem_alloc(sizeof *key);
    key->algorithm = algorithm;
    if (algorithm == JOSE_ES256 ? read_ec(key, pem, err) : read_rsa(key, pem, err))
        return key;
    jose_key_free(key);
    return NULL;
}

void jose_key_free(struct jose_key *key)
{
    if (key == NULL)
        return;
    signature_key_free(key->rsa);
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
    digest_hmac_sha256(key->secret, ECDSA_SECRET, data, size, secret);
    return true;
}

static bool es256(const struct jose_key *key, const char *input, size_t size, struct buf *out)
{
    unsigned char digest[SHA256_SIZE], signature[ECDSA_SIGNATURE];
    digest_sha256(input, size, digest);
    return ecdsa_p256_sign(key->secret, digest, signature) && buf_append(out, signature, sizeof signature);
}

bool jose_signature(const struct jose_key *key, const char *input, size_t size, struct buf *out)
{
    return key->algorithm == JOSE_ES256 ? es256(key, input, size, out)
                                        : signature_make(key->rsa, input, size, out);
}

bool jose_sign(const struct jose_key *key, const char *header, const char *claims, struct buf *out)
{
    struct buf signature;
    buf_init(&signature, SIGNATURE_MAX);
    size_t start = out->size;
    bool ok = base64url_append(out, header, strlen(header)) && buf_char(out, '.') &&
              base64url_append(out, claims, strlen(claims)) &&
              jose_signature(key, out->data + start, out->size - start, &signature) && buf_char(out, '.') &&
              base64url_append(out, signature.data, signature.size);
    buf_free(&signature);
    return ok;
}
