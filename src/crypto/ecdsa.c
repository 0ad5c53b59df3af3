/* OpenSSL 3.0 cannot choose the nonce by RFC 6979 itself; the curve and the big numbers are still its own. */
#include "crypto/ecdsa.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <string.h>

enum { OCTETS = 32 };

/* The K and V of RFC 6979, 3.2. */
struct generator {
    unsigned char key[OCTETS];
    unsigned char value[OCTETS];
};

static bool generator_hmac(const struct generator *generator, const unsigned char *data, size_t size,
                           unsigned char out[OCTETS])
{
    unsigned int length = 0;
    return HMAC(EVP_sha256(), generator->key, OCTETS, data, size, out, &length) != NULL && length == OCTETS;
}

static bool generator_step(struct generator *generator)
{
    unsigned char next[OCTETS];
    if (!generator_hmac(generator, generator->value, OCTETS, next))
        return false;
    memcpy(generator->value, next, OCTETS);
    OPENSSL_cleanse(next, sizeof next);
    return true;
}

/* K = HMAC(K, V || tag || seed), V = HMAC(K, V): steps d to g, and the last part of h. */
static bool generator_mix(struct generator *generator, unsigned char tag, const unsigned char *seed,
                          size_t seed_size)
{
    unsigned char data[OCTETS + 1 + 2 * OCTETS], next[OCTETS];
    memcpy(data, generator->value, OCTETS);
    data[OCTETS] = tag;
    memcpy(data + OCTETS + 1, seed, seed_size);
    bool ok = generator_hmac(generator, data, OCTETS + 1 + seed_size, next);
    if (ok) {
        memcpy(generator->key, next, OCTETS);
        ok = generator_step(generator);
    }
    OPENSSL_cleanse(data, sizeof data);
    OPENSSL_cleanse(next, sizeof next);
    return ok;
}

static bool generator_start(struct generator *generator, const unsigned char seed[2 * OCTETS])
{
    memset(generator->value, 0x01, OCTETS);
    memset(generator->key, 0x00, OCTETS);
    return generator_mix(generator, 0x00, seed, 2 * OCTETS) &&
           generator_mix(generator, 0x01, seed, 2 * OCTETS);
}

struct numbers {
    const EC_GROUP *group;
    const BIGNUM *order;
    EC_POINT *point;
    BIGNUM *secret, *hash, *nonce, *r, *s;
    BN_CTX *context;
};

/* r and s for one nonce (FIPS 186-4, 6.4). */
static bool numbers_sign(struct numbers *n)
{
    return EC_POINT_mul(n->group, n->point, n->nonce, NULL, NULL, n->context) == 1 &&
           EC_POINT_get_affine_coordinates(n->group, n->point, n->r, NULL, n->context) == 1 &&
           BN_nnmod(n->r, n->r, n->order, n->context) == 1 &&
           BN_mod_mul(n->s, n->r, n->secret, n->order, n->context) == 1 &&
           BN_mod_add(n->s, n->s, n->hash, n->order, n->context) == 1 &&
           BN_mod_inverse(n->nonce, n->nonce, n->order, n->context) != NULL &&
           BN_mod_mul(n->s, n->s, n->nonce, n->order, n->context) == 1;
}

static bool sign_with(struct numbers *n, struct generator *generator, unsigned char *signature)
{
    unsigned char seed[2 * OCTETS];
    bool ok = BN_nnmod(n->hash, n->hash, n->order, n->context) == 1 &&
              BN_bn2binpad(n->secret, seed, OCTETS) == OCTETS &&
              BN_bn2binpad(n->hash, seed + OCTETS, OCTETS) == OCTETS && generator_start(generator, seed);
    OPENSSL_cleanse(seed, sizeof seed);
    while (ok) {
        ok = generator_step(generator) && BN_bin2bn(generator->value, OCTETS, n->nonce) != NULL;
        if (ok && !BN_is_zero(n->nonce) && BN_cmp(n->nonce, n->order) < 0) {
            ok = numbers_sign(n);
            if (ok && !BN_is_zero(n->r) && !BN_is_zero(n->s))
                return BN_bn2binpad(n->r, signature, OCTETS) == OCTETS &&
                       BN_bn2binpad(n->s, signature + OCTETS, OCTETS) == OCTETS;
        }
        ok = ok && generator_mix(generator, 0x00, NULL, 0);
    }
    return false;
}

bool ecdsa_p256_sign(const unsigned char secret[ECDSA_SECRET], const unsigned char digest[ECDSA_DIGEST],
                     unsigned char signature[ECDSA_SIGNATURE])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
    struct numbers n = {.group = group,
                        .point = point,
                        .secret = BN_secure_new(),
                        .hash = BN_new(),
                        .nonce = BN_secure_new(),
                        .r = BN_new(),
                        .s = BN_new(),
                        .context = BN_CTX_secure_new()};
    struct generator generator;
    bool ok = point != NULL && n.secret != NULL && n.hash != NULL && n.nonce != NULL && n.r != NULL &&
              n.s != NULL && n.context != NULL && BN_bin2bn(secret, OCTETS, n.secret) != NULL &&
              BN_bin2bn(digest, OCTETS, n.hash) != NULL;
    if (ok) {
        /* Chooses OpenSSL's algorithms whose time does not depend on the number. */
        BN_set_flags(n.secret, BN_FLG_CONSTTIME);
        BN_set_flags(n.nonce, BN_FLG_CONSTTIME);
        n.order = EC_GROUP_get0_order(group);
        ok = sign_with(&n, &generator, signature);
        OPENSSL_cleanse(&generator, sizeof generator);
    }
    BN_clear_free(n.secret);
    BN_free(n.hash);
    BN_clear_free(n.nonce);
    BN_free(n.r);
    BN_free(n.s);
    BN_CTX_free(n.context);
    EC_POINT_clear_free(point);
    EC_GROUP_free(group);
    if (!ok)
        ERR_clear_error();
    return ok;
}
