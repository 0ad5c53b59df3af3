/* What a browser does with a push (RFC 8291, RFC 8188). */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "crypto/digest.h"
#include "sandbox/vendors/web.h"

enum {
    SALT = 16,
    RECORD_SIZE_AT = SALT,
    KEY_SIZE_AT = RECORD_SIZE_AT + 4,
    HEADER = KEY_SIZE_AT + 1, /* without the key id */
    KEY = 16,
    NONCE = 12,
    TAG = 16,
    RECORD_LEAST = TAG + 2, /* RFC 8188, 2.1 */
    DELIMITER_LAST = 2
};

static const char key_label[] = "Content-Encoding: aes128gcm\0\x01",
                  nonce_label[] = "Content-Encoding: nonce\0\x01";

/* The public point of the number, or its product with a peer's point, uncompressed. */
static bool multiply(const unsigned char number[WEB_SECRET], const unsigned char *peer,
                     unsigned char out[WEB_POINT])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    BIGNUM *factor = BN_bin2bn(number, WEB_SECRET, NULL);
    bool done = point && factor;
    if (done && peer) /* fails for what is not on the curve */
        done = peer[0] == POINT_CONVERSION_UNCOMPRESSED &&
               EC_POINT_oct2point(group, point, peer, WEB_POINT, NULL) == 1 &&
               EC_POINT_mul(group, point, NULL, point, factor, NULL) == 1;
    else if (done)
        done = EC_POINT_mul(group, point, factor, NULL, NULL, NULL) == 1;
    done = done &&
           EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out, WEB_POINT, NULL) == WEB_POINT;
    BN_clear_free(factor);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return done;
}

static void derive(const char *secret, const char *label, const char *name, unsigned char out[SHA256_SIZE])
{
    unsigned char key[SHA256_SIZE];
    digest_hmac_sha256(secret, strlen(secret), label, strlen(label), key);
    digest_hmac_sha256(key, sizeof(key), name, strlen(name), out);
}

bool web_open_receiver(const char *secret, const char *name, struct web_receiver *receiver)
{
    unsigned char auth[SHA256_SIZE];
    derive(secret, "web push private key", name, receiver->secret);
    receiver->secret[0] &= 0x7f; /* surely below the curve's order */
    derive(secret, "web push authentication secret", name, auth);
    memcpy(receiver->auth, auth, WEB_AUTH);
    return multiply(receiver->secret, NULL, receiver->point);
}

/* RFC 8291, 3.4: what both sides make of their keys and the authentication secret. */
static bool shared_secret(const struct web_receiver *receiver, const unsigned char sender[WEB_POINT],
                          unsigned char out[SHA256_SIZE])
{
    static const char label[] = "WebPush: info"; /* its zero octet counts */
    unsigned char common[WEB_POINT], prk[SHA256_SIZE];
    struct {
        char label[sizeof(label)];
        unsigned char receiver[WEB_POINT], sender[WEB_POINT];
        unsigned char counter; /* of HKDF's only block (RFC 5869, 2.3) */
    } info = {.counter = 1};
    if (!multiply(receiver->secret, sender, common))
        return false;
    memcpy(info.label, label, sizeof(label));
    memcpy(info.receiver, receiver->point, WEB_POINT);
    memcpy(info.sender, sender, WEB_POINT);
    digest_hmac_sha256(receiver->auth, WEB_AUTH, common + 1, WEB_SECRET, prk); /* the point's x */
    digest_hmac_sha256(prk, sizeof(prk), &info, sizeof(info), out);
    return true;
}

/* AES-128-GCM. text has room for size - TAG octets. */
static bool decrypt(const unsigned char *key, const unsigned char *nonce, const unsigned char *record,
                    size_t size, unsigned char *text)
{
    unsigned char tag[TAG];
    int written = 0, rest = 0;
    memcpy(tag, record + size - TAG, TAG);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done = context && EVP_DecryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
                EVP_DecryptUpdate(context, text, &written, record, (int)(size - TAG)) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
                EVP_DecryptFinal_ex(context, text + written, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    return done;
}

/* RFC 8188, 2.2 and 2.3, for the first and only record. */
static const char *open_record(const unsigned char *salt, const unsigned char ikm[SHA256_SIZE],
                               const unsigned char *record, size_t size, struct buf *text)
{
    unsigned char prk[SHA256_SIZE], key[SHA256_SIZE], nonce[SHA256_SIZE], clear[WEB_BODY_MAX];
    digest_hmac_sha256(salt, SALT, ikm, SHA256_SIZE, prk);
    digest_hmac_sha256(prk, sizeof(prk), key_label, sizeof(key_label) - 1, key);
    digest_hmac_sha256(prk, sizeof(prk), nonce_label, sizeof(nonce_label) - 1, nonce);
    if (!decrypt(key, nonce, record, size, clear))
        return "web: does not decrypt";
    size_t end = size - TAG;
    while (end > 0 && clear[end - 1] == 0)
        end--;
    if (end == 0 || clear[end - 1] != DELIMITER_LAST)
        return "web: no delimiter of a last record";
    return buf_append(text, clear, end - 1) ? NULL : "web: too large";
}

const char *web_open(const struct web_receiver *receiver, const void *body, size_t size, struct buf *text)
{
    const unsigned char *octets = body;
    if (size < HEADER + WEB_POINT + RECORD_LEAST - 1)
        return "web: body is too short";
    if (size > WEB_BODY_MAX)
        return "web: too large";
    if (octets[KEY_SIZE_AT] != WEB_POINT)
        return "web: key id is no point";
    const unsigned char *sender = octets + HEADER, *record = sender + WEB_POINT;
    size_t rest = size - HEADER - WEB_POINT;
    size_t record_size = (size_t)octets[RECORD_SIZE_AT] << 24 | (size_t)octets[RECORD_SIZE_AT + 1] << 16 |
                         (size_t)octets[RECORD_SIZE_AT + 2] << 8 | octets[RECORD_SIZE_AT + 3];
    /* RFC 8291, 4: larger than the only record. */
    if (record_size < RECORD_LEAST || record_size <= rest)
        return "web: bad record size";
    unsigned char ikm[SHA256_SIZE];
    if (!shared_secret(receiver, sender, ikm))
        return "web: key id is no point";
    return open_record(octets, ikm, record, rest, text);
}
