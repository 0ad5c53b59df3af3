/* The sandbox's reading of signed tokens: good ones, and those with one letter changed. */
#include "support/suite.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "crypto/jose.h"
#include "sandbox/vendors/token.c" /* the sandbox is a program, no library */
#include "sandbox/wire/rfc4648.c"
#include "support/test_adapter.h"
#include "support/vectors.h"

static const struct {
    enum jose_algorithm algorithm;
    const char *name;
} algorithms[] = {{JOSE_ES256, "ES256"}, {JOSE_RS256, "RS256"}};

static EVP_PKEY *keys[2];
static struct jose_key *signers[2];

static void setup(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct error err;
        char *pem = NULL;
        keys[i] = i == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
        BIO *bio = BIO_new(BIO_s_mem());
        ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, keys[i], NULL, NULL, 0, NULL, NULL), 1);
        BIO_write(bio, "", 1);
        BIO_get_mem_data(bio, &pem);
        signers[i] = jose_key_new(algorithms[i].algorithm, pem, &err);
        ck_assert_msg(signers[i] != NULL, "%s", err.text);
        BIO_free(bio);
    }
}

static void teardown(void)
{
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY_free(keys[i]);
        jose_key_free(signers[i]);
    }
}

static bool is_good(const char *text, size_t i)
{
    struct token token;
    bool good = token_verify(&token, text, algorithms[i].name, keys[i], NULL);
    token_free(&token);
    return good;
}

/* A token whose signature has a letter that only the URL alphabet has. */
static void sign(struct buf *token, size_t i)
{
    char header[64], claims[64];
    snprintf(header, sizeof header, "{\"typ\":\"JWT\",\"alg\":\"%s\"}", algorithms[i].name);
    for (int n = 0; n == 0 || strpbrk(strrchr(token->data, '.'), "-_") == NULL; n++) {
        snprintf(claims, sizeof claims, "{\"iss\":\"TEAM\",\"iat\":%d}", n);
        buf_reset(token);
        ck_assert(jose_sign(signers[i], header, claims, token));
    }
}

START_TEST(test_every_letter_counts)
{
    for (size_t i = 0; i < 2; i++) {
        struct buf token;
        buf_init(&token, TOKEN_MAX);
        sign(&token, i);
        ck_assert(is_good(token.data, i));
        for (size_t at = 0; at < token.size; at++) {
            char letter = token.data[at];
            token.data[at] = letter == 'A' ? 'B' : 'A';
            ck_assert_msg(!is_good(token.data, i), "%s", token.data);
            token.data[at] = letter;
        }
        ck_assert(is_good(token.data, i));
        buf_free(&token);
    }
}
END_TEST

START_TEST(test_other_forms)
{
    for (size_t i = 0; i < 2; i++) {
        struct buf token, other;
        buf_init(&token, TOKEN_MAX);
        buf_init(&other, TOKEN_MAX);
        sign(&token, i);
        buf_printf(&other, "%s=", token.data);
        ck_assert(!is_good(other.data, i));
        buf_reset(&other);
        buf_printf(&other, "%s==", token.data);
        ck_assert(!is_good(other.data, i));
        ck_assert(!is_good(token.data, 1 - i));
        for (char *c = strrchr(token.data, '.'); *c != '\0'; c++) /* the standard alphabet */
            *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
        ck_assert(!is_good(token.data, i));
        *strrchr(token.data, '.') = '\0';
        ck_assert(!is_good(token.data, i));
        buf_free(&token);
        buf_free(&other);
    }
}
END_TEST

/* RFC 7515, A.2 and A.3: none of the signers here had a part in them. */
START_TEST(test_published)
{
    struct json_object *vectors = vectors_load("jose.json"), *list = test_at(vectors, "rfc7515");
    int found = 0;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        const char *algorithm = test_text(entry, "alg");
        const char *x = json_get_text(json_get(entry, "jwk"), "x"),
                   *y = json_get_text(json_get(entry, "jwk"), "y");
        if (strcmp(algorithm, "ES256") != 0)
            continue;
        struct buf point, text;
        buf_init(&point, 65);
        buf_init(&text, TOKEN_MAX);
        buf_char(&point, POINT_CONVERSION_UNCOMPRESSED);
        ck_assert(rfc4648_base64url(&point, x, strlen(x)) && rfc4648_base64url(&point, y, strlen(y)));
        EVP_PKEY *key = EVP_PKEY_new();
        ck_assert(EVP_PKEY_copy_parameters(key, keys[0]) == 1 &&
                  EVP_PKEY_set1_encoded_public_key(key, (unsigned char *)point.data, point.size) == 1);
        buf_printf(&text, "%s.%s", test_text(entry, "signing_input"), test_text(entry, "signature"));
        struct token token;
        ck_assert(token_verify(&token, text.data, "ES256", key, NULL));
        ck_assert_str_eq(json_get_text(token.claims, "iss"), "joe");
        token_free(&token);
        EVP_PKEY_free(key);
        buf_free(&text);
        buf_free(&point);
        found++;
    }
    ck_assert_int_eq(found, 1);
    json_object_put(vectors);
}
END_TEST

START_TEST(test_base64)
{
    static const struct {
        const char *text, *octets; /* NULL: refused */
    } standard[] =
        {
            {"", ""},           {"Zg==", "f"},          {"Zm8=", "fo"},
            {"Zm9v", "foo"},    {"Zm9vYmFy", "foobar"}, {"+//+", "\xfb\xff\xfe"},
            {"-__-", NULL},     {"Zg", NULL},           {"Zg=", NULL},
            {"Zh==", NULL},     {"Zm9=", NULL},         {"Zm9v\n", NULL},
            {" Zm9v", NULL},    {"Zm 9v", NULL},        {"====", NULL},
            {"Zg==Zg==", NULL}, {"Z===", NULL},         {"Zm9vYg==\r\n\r\n", NULL},
        },
      url[] = {
          {"", ""},       {"Zg", "f"},     {"Zm8", "fo"},    {"Zm9v", "foo"}, {"-__-", "\xfb\xff\xfe"},
          {"+//+", NULL}, {"Zg==", NULL},  {"Zm8=", NULL},   {"Zh", NULL},    {"Zm9", NULL},
          {"Z", NULL},    {"Zm9vY", NULL}, {"Zm9v\n", NULL}, {"Zm 9", NULL},
      };
    for (size_t i = 0; i < sizeof standard / sizeof *standard + sizeof url / sizeof *url; i++) {
        bool is_url = i >= sizeof standard / sizeof *standard;
        const char *text = is_url ? url[i - sizeof standard / sizeof *standard].text : standard[i].text;
        const char *octets = is_url ? url[i - sizeof standard / sizeof *standard].octets : standard[i].octets;
        struct buf out;
        buf_init(&out, 100);
        bool good = (is_url ? rfc4648_base64url : rfc4648_base64)(&out, text, strlen(text));
        ck_assert_msg(good == (octets != NULL), "%s", text);
        ck_assert_str_eq(buf_string(&out), good ? octets : "");
        buf_free(&out);
    }
    struct buf out;
    buf_init(&out, 2);
    ck_assert(!rfc4648_base64(&out, "Zm9v", 4));
    ck_assert(!rfc4648_base64url(&out, "Zm\0v", 4));
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox_token");
    TCase *tests = tcase_create("tokens");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_every_letter_counts);
    tcase_add_test(tests, test_other_forms);
    tcase_add_test(tests, test_published);
    suite_add_tcase(suite, tests);
    suite_add(suite, test_base64);
    return suite_run(suite);
}
