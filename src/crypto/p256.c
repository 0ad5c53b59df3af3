#include "crypto/p256.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include "core/mem.h"

struct curve {
    EC_GROUP *group;
    EC_POINT *point;
    BIGNUM *number;
    BN_CTX *context;
};

static struct curve curve_new(void)
{
    struct curve curve = {.group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1),
                          .number = BN_secure_new(),
                          .context = BN_CTX_secure_new()};
    curve.point = curve.group != NULL ? EC_POINT_new(curve.group) : NULL;
    if (curve.point == NULL || curve.number == NULL || curve.context == NULL)
        mem_exhausted();
    return curve;
}

static void curve_free(struct curve *curve)
{
    EC_POINT_clear_free(curve->point);
    EC_GROUP_free(curve->group);
    BN_clear_free(curve->number);
    BN_CTX_free(curve->context);
    /* A peer's bad point is no error for the next TLS call in this thread to find. */
    ERR_clear_error();
}

static bool read_secret(struct curve *curve, const unsigned char secret[P256_SECRET])
{
    if (BN_bin2bn(secret, P256_SECRET, curve->number) == NULL)
        return false;
    /* Chooses OpenSSL's algorithms whose time does not depend on the number. */
    BN_set_flags(curve->number, BN_FLG_CONSTTIME);
    return !BN_is_zero(curve->number) && BN_cmp(curve->number, EC_GROUP_get0_order(curve->group)) < 0;
}

bool p256_public(const unsigned char secret[P256_SECRET], unsigned char point[P256_POINT])
{
    struct curve curve = curve_new();
    bool ok = read_secret(&curve, secret) &&
              EC_POINT_mul(curve.group, curve.point, curve.number, NULL, NULL, curve.context) == 1 &&
              EC_POINT_point2oct(curve.group, curve.point, POINT_CONVERSION_UNCOMPRESSED, point, P256_POINT,
                                 curve.context) == P256_POINT;
    curve_free(&curve);
    return ok;
}

bool p256_shared(const unsigned char secret[P256_SECRET], const unsigned char peer[P256_POINT],
                 unsigned char shared[P256_SECRET])
{
    struct curve curve = curve_new();
    /* EC_POINT_oct2point checks that the point is on the curve; the curve's cofactor is 1. It would also take
     * the hybrid form. */
    bool ok =
        peer[0] == POINT_CONVERSION_UNCOMPRESSED && read_secret(&curve, secret) &&
        EC_POINT_oct2point(curve.group, curve.point, peer, P256_POINT, curve.context) == 1 &&
        EC_POINT_mul(curve.group, curve.point, NULL, curve.point, curve.number, curve.context) == 1 &&
        EC_POINT_get_affine_coordinates(curve.group, curve.point, curve.number, NULL, curve.context) == 1 &&
        BN_bn2binpad(curve.number, shared, P256_SECRET) == P256_SECRET;
    curve_free(&curve);
    return ok;
}
