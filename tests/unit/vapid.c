#include "support/suite.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "providers/push/vapid.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

static struct json_object *jose, *vapid;
static const char *pem;

static void setup(void)
{
    jose = vectors_load("jose.json");
    vapid = vectors_load("vapid_rfc8292.json");
    pem = test_text(jose, "rfc7515/2/private_key_pkcs8_pem");
}

static void teardown(void)
{
    json_object_put(jose);
    json_object_put(vapid);
}

static size_t decode(const char *text, size_t size, unsigned char *out, size_t max)
{
    struct buf octets;
    buf_init(&octets, max);
    ck_assert_msg(base64_decode(&octets, text, size), "%.*s", (int)size, text);
    size_t count = octets.size;
    memcpy(out, octets.data, count);
    buf_free(&octets);
    return count;
}

struct token {
    char text[2048], key[128]; /* t and k */
    struct json_object *claims;
};

static EVP_PKEY *public_key(const char *base64url)
{
    unsigned char point[80];
    ck_assert_uint_eq(decode(base64url, strlen(base64url), point, sizeof point), 65);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    ck_assert(OSSL_PARAM_BLD_push_utf8_string(build, "group", "prime256v1", 0) == 1 &&
              OSSL_PARAM_BLD_push_octet_string(build, "pub", point, 65) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    ck_assert(EVP_PKEY_fromdata_init(context) == 1 &&
              EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    return key;
}

/* Parses and verifies as a push service does (RFC 8292, 3); the caller frees the claims. */
static struct token token_of(const char *authorization)
{
    struct token token;
    ck_assert_msg(sscanf(authorization, "vapid t=%2047[A-Za-z0-9._-], k=%127s", token.text, token.key) == 2,
                  "%s", authorization);
    const char *claims = strchr(token.text, '.') + 1, *signature = strrchr(token.text, '.') + 1;
    unsigned char raw[80], json[1024];
    ck_assert_uint_eq(decode(signature, strlen(signature), raw, sizeof raw), 64);
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    ECDSA_SIG_set0(numbers, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    unsigned char *der = NULL;
    int der_size = i2d_ECDSA_SIG(numbers, &der);
    EVP_PKEY *key = public_key(token.key);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    ck_assert_int_eq(EVP_DigestVerify(context, der, (size_t)der_size, (const unsigned char *)token.text,
                                      (size_t)(signature - 1 - token.text)),
                     1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    OPENSSL_free(der);
    ECDSA_SIG_free(numbers);
    size_t size = decode(claims, (size_t)(signature - 1 - claims), json, sizeof json - 1);
    json[size] = '\0';
    token.claims = test_json((const char *)json);
    return token;
}

START_TEST(test_vapid)
{
    /* The verification itself, on RFC 8292's example; header and order of the claims are the same as ours. */
    struct token example = token_of(test_text(vapid, "authorization"));
    ck_assert_str_eq(test_text(example.claims, "aud"), "https://push.example.net");
    struct error err;
    struct vapid *ours = vapid_new(pem, "mailto:push@example.com", &err);
    struct token token = token_of(vapid_authorization(ours, "https://push.example.net", TEST_NOW_MS));
    size_t header = strcspn(example.text, ".");
    ck_assert_mem_eq(token.text, example.text, header + 1);
    ck_assert_str_eq(test_text(token.claims, "aud"), "https://push.example.net");
    ck_assert_str_eq(test_text(token.claims, "sub"), "mailto:push@example.com");
    ck_assert_int_eq(json_object_object_length(token.claims), 3);
    json_object_object_add(token.claims, "exp", json_object_new_int64(1453523768));
    const char *claims =
        json_object_to_json_string_ext(token.claims, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    ck_assert_str_eq(claims, test_text(vapid, "claims_json"));
    /* Its point: x and y of RFC 7515, appendix A.3. */
    ck_assert_str_eq(
        token.key, "BH_Nzidw9sRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRFx_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    vapid_free(ours);
    json_object_put(example.claims);
    json_object_put(token.claims);
}
END_TEST

/* One token per origin and window, the same for all dispatchers; more than enough time is always left. */
START_TEST(test_vapid_windows)
{
    struct error err;
    struct vapid *first = vapid_new(pem, "mailto:push@example.com", &err);
    struct vapid *second = vapid_new(pem, "mailto:push@example.com", &err);
    char before[2048] = "";
    int changes = 0;
    for (int64_t now = TEST_NOW_MS; now < TEST_NOW_MS + INT64_C(2) * 86400000; now += 600000) {
        const char *text = vapid_authorization(first, "https://push.example.net", now);
        ck_assert_str_eq(text, vapid_authorization(second, "https://push.example.net", now + 1));
        changes += strcmp(text, before) != 0;
        snprintf(before, sizeof before, "%s", text);
        struct token token = token_of(text);
        int64_t left = json_get_int(token.claims, "exp", 0) - now / 1000;
        ck_assert_int_gt(left, 6 * 3600 - 1);
        ck_assert_int_le(left, 12 * 3600);
        json_object_put(token.claims);
    }
    ck_assert_int_eq(changes, 9);
    /* More origins than are kept, again and again. */
    for (int i = 0; i < 100; i++) {
        char origin[64];
        snprintf(origin, sizeof origin, "https://p%d.example.net", i % 33);
        struct token token = token_of(vapid_authorization(first, origin, TEST_NOW_MS));
        ck_assert_str_eq(test_text(token.claims, "aud"), origin);
        json_object_put(token.claims);
    }
    vapid_free(first);
    vapid_free(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vapid");
    TCase *tests = tcase_create("vapid");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_vapid);
    tcase_add_test(tests, test_vapid_windows);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
