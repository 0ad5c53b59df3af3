#include "crypto/hex.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/ece.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

static struct json_object *push, *ece;

static void setup(void)
{
    push = vectors_load("webpush_rfc8291.json");
    ece = vectors_load("ece_rfc8188.json");
}

static void teardown(void)
{
    json_object_put(push);
    json_object_put(ece);
}

/* The octets of a base64url text in the vectors. */
struct octets {
    unsigned char data[8192];
    size_t size;
};

static struct octets octets_at(struct json_object *vectors, const char *path)
{
    const char *text = test_text(vectors, path);
    struct octets octets;
    struct buf decoded;
    buf_init(&decoded, sizeof octets.data);
    ck_assert_msg(base64_decode(&decoded, text, strlen(text)), "%s: %s", path, text);
    octets.size = decoded.size;
    if (decoded.size > 0)
        memcpy(octets.data, decoded.data, decoded.size);
    buf_free(&decoded);
    return octets;
}

static struct ece_receiver receiver_of_vector(void)
{
    struct ece_receiver receiver;
    memcpy(receiver.point, octets_at(push, "inputs/ua_public").data, sizeof receiver.point);
    memcpy(receiver.auth, octets_at(push, "inputs/auth_secret").data, sizeof receiver.auth);
    return receiver;
}

static bool encrypt(const struct ece_receiver *receiver, const void *text, size_t size, struct buf *body)
{
    struct octets salt = octets_at(push, "inputs/salt"), secret = octets_at(push, "inputs/as_private");
    return ece_web_push(salt.data, secret.data, receiver, text, size, body);
}

START_TEST(test_p256)
{
    unsigned char point[P256_POINT], shared[P256_SECRET];
    struct octets ours = octets_at(push, "inputs/as_private"), theirs = octets_at(push, "inputs/ua_private");
    struct octets our_point = octets_at(push, "inputs/as_public");
    struct octets their_point = octets_at(push, "inputs/ua_public");
    struct octets wanted = octets_at(push, "expected/ecdh_secret");
    ck_assert(p256_public(ours.data, point));
    ck_assert_mem_eq(point, our_point.data, sizeof point);
    ck_assert(p256_public(theirs.data, point));
    ck_assert_mem_eq(point, their_point.data, sizeof point);
    ck_assert(p256_shared(ours.data, their_point.data, shared));
    ck_assert_mem_eq(shared, wanted.data, sizeof shared);
    ck_assert(p256_shared(theirs.data, our_point.data, shared));
    ck_assert_mem_eq(shared, wanted.data, sizeof shared);
}
END_TEST

START_TEST(test_p256_refused)
{
    /* The order of the curve (SEC 2, 2.4.2); one less is the greatest private number. */
    static const unsigned char order[P256_SECRET] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};
    unsigned char secret[P256_SECRET] = {0}, point[P256_POINT], shared[P256_SECRET];
    ck_assert(!p256_public(secret, point));
    secret[P256_SECRET - 1] = 1;
    ck_assert(p256_public(secret, point));
    memcpy(secret, order, sizeof secret);
    ck_assert(!p256_public(secret, point));
    secret[P256_SECRET - 1]--;
    ck_assert(p256_public(secret, point));
    memset(secret, 0xFF, sizeof secret);
    ck_assert(!p256_public(secret, point));

    struct octets ours = octets_at(push, "inputs/as_private"), good = octets_at(push, "inputs/ua_public");
    ck_assert(!p256_shared(secret, good.data, shared));
    static const struct {
        size_t at;
        unsigned char value;
    } faults[] = {{64, 0x8F}, {1, 0x24}, {0, 0x00}, {0, 0x02}, {0, 0x03}, {0, 0x05}, {0, 0x06}, {0, 0x07}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct octets bad = good;
        bad.data[faults[i].at] = faults[i].value;
        ck_assert_msg(!p256_shared(ours.data, bad.data, shared), "fault %zu", i);
    }
    memset(point, 0xFF, sizeof point); /* coordinates beyond the field */
    point[0] = 4;
    ck_assert(!p256_shared(ours.data, point, shared));
    memset(point + 1, 0, sizeof point - 1);
    ck_assert(!p256_shared(ours.data, point, shared));
    ck_assert(p256_shared(ours.data, good.data, shared));
}
END_TEST

/* RFC 8188, 3.1 and 3.2. */
START_TEST(test_rfc8188)
{
    struct ece_content content;
    for (int i = 0; i < 2; i++) {
        char path[64];
#define AT(name) (snprintf(path, sizeof path, "cases/%d/" name, i), octets_at(ece, path))
        struct octets salt = AT("salt"), ikm = AT("ikm"), key = AT("cek");
        struct octets nonce = i == 0 ? AT("nonce") : AT("nonce_base");
#undef AT
        ece_content_keys(salt.data, ikm.data, ikm.size, &content);
        ck_assert_mem_eq(content.key, key.data, ECE_KEY);
        ck_assert_mem_eq(content.nonce, nonce.data, ECE_NONCE);
    }
    struct octets salt = octets_at(ece, "cases/0/salt"), ikm = octets_at(ece, "cases/0/ikm");
    struct octets wanted = octets_at(ece, "cases/0/body");
    const char *text = test_text(ece, "cases/0/plaintext");
    struct buf body;
    buf_init(&body, 8192);
    ck_assert(ece_seal(salt.data, ikm.data, ikm.size, NULL, 0, text, strlen(text), &body));
    ck_assert_uint_eq(body.size, wanted.size);
    ck_assert_mem_eq(body.data, wanted.data, wanted.size);
    buf_free(&body);
}
END_TEST

START_TEST(test_rfc8291)
{
    struct ece_receiver receiver = receiver_of_vector();
    struct octets ikm = octets_at(push, "expected/ikm"), salt = octets_at(push, "inputs/salt");
    struct octets key = octets_at(push, "expected/cek"), nonce = octets_at(push, "expected/nonce");
    struct ece_content content;
    ece_content_keys(salt.data, ikm.data, ikm.size, &content);
    ck_assert_mem_eq(content.key, key.data, ECE_KEY);
    ck_assert_mem_eq(content.nonce, nonce.data, ECE_NONCE);

    struct octets wanted = octets_at(push, "expected/body");
    const char *text = test_text(push, "inputs/plaintext");
    struct buf body;
    buf_init(&body, ECE_WEB_BODY);
    ck_assert(encrypt(&receiver, text, strlen(text), &body));
    ck_assert_uint_eq(body.size, 144);
    ck_assert_uint_eq(body.size, wanted.size);
    ck_assert_mem_eq(body.data, wanted.data, wanted.size);

    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "extra/%d/plaintext_b64url", i);
        struct octets plain = octets_at(push, path);
        snprintf(path, sizeof path, "extra/%d/body", i);
        wanted = octets_at(push, path);
        buf_reset(&body);
        ck_assert(encrypt(&receiver, plain.data, plain.size, &body));
        ck_assert_uint_eq(body.size, wanted.size);
        ck_assert_mem_eq(body.data, wanted.data, wanted.size);
    }
    buf_free(&body);
}
END_TEST

START_TEST(test_largest)
{
    struct ece_receiver receiver = receiver_of_vector();
    unsigned char digest[SHA256_SIZE];
    char text[ECE_WEB_TEXT + 1], hex[2 * SHA256_SIZE + 1];
    struct buf body;
    memset(text, 'A', sizeof text);
    ck_assert_int_eq(ECE_WEB_TEXT, 3993);
    buf_init(&body, ECE_WEB_BODY);
    ck_assert(!encrypt(&receiver, text, ECE_WEB_TEXT + 1, &body));
    ck_assert_uint_eq(body.size, 0);
    ck_assert(encrypt(&receiver, text, ECE_WEB_TEXT, &body));
    ck_assert_uint_eq(body.size, 4096);
    digest_sha256(body.data, body.size, digest);
    hex_encode(digest, sizeof digest, hex);
    ck_assert_str_eq(hex, test_text(push, "extra/2/body_sha256_hex"));
    ck_assert(!encrypt(&receiver, text, 1, &body)); /* no room left in body */
    buf_free(&body);

    struct octets salt = octets_at(push, "inputs/salt");
    char id[256] = {0}, full[4096] = {0};
    buf_init(&body, 8192);
    ck_assert(!ece_seal(salt.data, id, 16, id, 256, text, 1, &body));
    ck_assert(!ece_seal(salt.data, id, 16, id, 255, full, 4096 - 16, &body));
    ck_assert(ece_seal(salt.data, id, 16, id, 255, full, 4096 - 17, &body));
    ck_assert_uint_eq(body.size, 21 + 255 + 4096);
    receiver.point[64] ^= 1;
    ck_assert(!encrypt(&receiver, text, 1, &body));
    buf_free(&body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ece");
    TCase *tests = tcase_create("ece");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_p256);
    tcase_add_test(tests, test_p256_refused);
    tcase_add_test(tests, test_rfc8188);
    tcase_add_test(tests, test_rfc8291);
    tcase_add_test(tests, test_largest);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
