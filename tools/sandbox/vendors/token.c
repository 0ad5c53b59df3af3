#include "sandbox/vendors/token.h"

#include <openssl/ecdsa.h>
#include <string.h>

#include "sandbox/wire/rfc4648.h"

enum { ES256_SIZE = 64 };

static struct json_object *part_json(const char *text, size_t size, struct error *err)
{
    struct buf decoded;
    buf_init(&decoded, TOKEN_MAX);
    struct json_object *value = NULL;
    if (!rfc4648_base64url(&decoded, text, size))
        error_set(err, "a part is not base64url");
    else
        value = json_parse(buf_string(&decoded), decoded.size, err);
    if (value && !json_object_is_type(value, json_type_object)) {
        json_object_put(value);
        value = NULL;
        error_set(err, "a part is not an object");
    }
    buf_free(&decoded);
    return value;
}

/* JWS has r and s side by side where OpenSSL wants DER. */
static unsigned char *der_of(const struct buf *raw, int *size)
{
    unsigned char *der = NULL;
    ECDSA_SIG *pair = raw->size == ES256_SIZE ? ECDSA_SIG_new() : NULL;
    if (!pair)
        return NULL;
    const unsigned char *octets = (const unsigned char *)raw->data;
    BIGNUM *r = BN_bin2bn(octets, ES256_SIZE / 2, NULL);
    BIGNUM *s = BN_bin2bn(octets + ES256_SIZE / 2, ES256_SIZE / 2, NULL);
    if (r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        *size = i2d_ECDSA_SIG(pair, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return der;
}

static bool signature_is_good(const char *signed_text, size_t size, const struct buf *signature,
                              EVP_PKEY *key, bool elliptic)
{
    unsigned char *der = NULL;
    int der_size = 0;
    const unsigned char *octets = (const unsigned char *)signature->data;
    size_t octet_count = signature->size;
    if (elliptic) {
        der = der_of(signature, &der_size);
        octets = der;
        octet_count = der_size > 0 ? (size_t)der_size : 0;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && octets && octet_count > 0 &&
                EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, octets, octet_count, (const unsigned char *)signed_text, size) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    return good;
}

bool token_verify(struct token *token, const char *text, const char *algorithm, EVP_PKEY *key,
                  struct error *err)
{
    *token = (struct token){0};
    const char *claims = strchr(text, '.');
    const char *signature = claims ? strchr(claims + 1, '.') : NULL;
    if (!signature || strlen(text) > TOKEN_MAX)
        return error_set(err, "not three parts");
    token->header = part_json(text, (size_t)(claims - text), err);
    token->claims = part_json(claims + 1, (size_t)(signature - claims - 1), err);
    if (!token->header || !token->claims)
        return false;
    const char *named = json_get_text(token->header, "alg");
    if (!named || strcmp(named, algorithm) != 0)
        return error_set(err, "alg is not %s", algorithm);

    struct buf decoded;
    buf_init(&decoded, TOKEN_MAX);
    bool good =
        rfc4648_base64url(&decoded, signature + 1, strlen(signature + 1)) && decoded.size > 0 &&
        signature_is_good(text, (size_t)(signature - text), &decoded, key, strcmp(algorithm, "ES256") == 0);
    buf_free(&decoded);
    return good || error_set(err, "the signature does not match");
}

void token_free(struct token *token)
{
    json_object_put(token->header);
    json_object_put(token->claims);
    *token = (struct token){0};
}
