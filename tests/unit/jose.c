#include "support/suite.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/ecdsa.h"
#include "crypto/jose.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

static void check_hex(const unsigned char *data, const char *hex)
{
    unsigned char wanted[32];
    for (size_t i = 0; i < sizeof wanted; i++) {
        unsigned int octet;
        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &octet), 1);
        wanted[i] = (unsigned char)octet;
    }
    ck_assert_mem_eq(data, wanted, sizeof wanted);
}

/* OpenSSL's own verification of a raw ES256 signature. */
static bool verifies(const char *public_pem, const char *input, const char *signature_base64url)
{
    struct buf raw;
    buf_init(&raw, 64);
    ck_assert(base64_decode(&raw, signature_base64url, strlen(signature_base64url)));
    ck_assert_uint_eq(raw.size, 64);
    const unsigned char *octets = (const unsigned char *)raw.data;
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    ck_assert_int_eq(ECDSA_SIG_set0(numbers, BN_bin2bn(octets, 32, NULL), BN_bin2bn(octets + 32, 32, NULL)),
                     1);
    unsigned char *der = NULL;
    int der_size = i2d_ECDSA_SIG(numbers, &der);
    ck_assert_int_gt(der_size, 0);

    BIO *bio = BIO_new_mem_buf(public_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert(key != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1);
    bool good =
        EVP_DigestVerify(context, der, (size_t)der_size, (const unsigned char *)input, strlen(input)) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    BIO_free(bio);
    OPENSSL_free(der);
    ECDSA_SIG_free(numbers);
    buf_free(&raw);
    return good;
}

static struct jose_key *key_of(struct json_object *vectors, enum jose_algorithm algorithm)
{
    struct error err;
    const char *path =
        algorithm == JOSE_RS256 ? "rfc7515/1/private_key_pkcs8_pem" : "rfc7515/2/private_key_pkcs8_pem";
    struct jose_key *key = jose_key_new(algorithm, test_text(vectors, path), &err);
    ck_assert_msg(key != NULL, "%s", err.text);
    return key;
}

/* RFC 6979, A.2.5: P-256 with SHA-256. */
START_TEST(test_rfc6979)
{
    struct json_object *vectors = vectors_load("jose.json");
    struct json_object *ecdsa = json_get(vectors, "rfc6979_p256_sha256");
    unsigned char secret[ECDSA_SECRET];
    const char *hex = test_text(ecdsa, "private_key_hex");
    for (size_t i = 0; i < sizeof secret; i++) {
        unsigned int octet;
        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &octet), 1);
        secret[i] = (unsigned char)octet;
    }
    struct json_object *cases = json_get(ecdsa, "cases");
    ck_assert_uint_eq(json_object_array_length(cases), 2);
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        struct json_object *one = json_object_array_get_idx(cases, i);
        const char *message = test_text(one, "message");
        unsigned char digest[32], signature[ECDSA_SIGNATURE];
        SHA256((const unsigned char *)message, strlen(message), digest);
        ck_assert(ecdsa_p256_sign(secret, digest, signature));
        check_hex(signature, test_text(one, "r_hex"));
        check_hex(signature + 32, test_text(one, "s_hex"));
    }
    json_object_put(vectors);
}
END_TEST

START_TEST(test_rs256)
{
    struct json_object *vectors = vectors_load("jose.json");
    struct jose_key *key = key_of(vectors, JOSE_RS256);
    const char *input = test_text(vectors, "rfc7515/1/signing_input");
    struct buf raw, text;
    buf_init(&raw, 1024);
    buf_init(&text, 1024);
    ck_assert(jose_signature(key, input, strlen(input), &raw));
    base64url_append(&text, raw.data, raw.size);
    ck_assert_str_eq(buf_string(&text), test_text(vectors, "rfc7515/1/signature"));
    buf_free(&raw);
    buf_free(&text);
    jose_key_free(key);
    json_object_put(vectors);
}
END_TEST

START_TEST(test_es256)
{
    struct json_object *vectors = vectors_load("jose.json");
    struct jose_key *key = key_of(vectors, JOSE_ES256);
    const char *public_pem = test_text(vectors, "rfc7515/2/public_key_spki_pem");
    /* The signature of the RFC checks the checker. */
    const char *input = test_text(vectors, "rfc7515/2/signing_input");
    ck_assert(verifies(public_pem, input, test_text(vectors, "rfc7515/2/signature")));
    ck_assert(!verifies(public_pem, "another text", test_text(vectors, "rfc7515/2/signature")));
    for (int i = 0; i < 200; i++) {
        char message[32];
        struct buf raw, again, text;
        snprintf(message, sizeof message, "message %d", i);
        buf_init(&raw, 64);
        buf_init(&again, 64);
        buf_init(&text, 128);
        ck_assert(jose_signature(key, message, strlen(message), &raw));
        ck_assert(jose_signature(key, message, strlen(message), &again));
        ck_assert_uint_eq(raw.size, 64);
        ck_assert_mem_eq(raw.data, again.data, 64);
        base64url_append(&text, raw.data, raw.size);
        ck_assert(verifies(public_pem, message, buf_string(&text)));
        buf_free(&raw);
        buf_free(&again);
        buf_free(&text);
    }
    jose_key_free(key);
    json_object_put(vectors);
}
END_TEST

START_TEST(test_apns_token)
{
    struct json_object *vectors = vectors_load("jose.json");
    struct json_object *apns = json_get(vectors, "local_apns_token");
    const char *public_pem = test_text(vectors, "rfc7515/2/public_key_spki_pem");
    const char *input = test_text(apns, "signing_input");
    ck_assert(verifies(public_pem, input, test_text(apns, "one_valid_signature")));

    struct jose_key *key = key_of(vectors, JOSE_ES256);
    struct buf token;
    buf_init(&token, 1024);
    buf_text(&token, "bearer ");
    ck_assert(jose_sign(key, test_text(apns, "header_json"), test_text(apns, "claims_json"), &token));
    ck_assert_int_eq(strncmp(token.data, "bearer ", 7), 0);
    ck_assert_int_eq(strncmp(token.data + 7, input, strlen(input)), 0);
    ck_assert_int_eq(token.data[7 + strlen(input)], '.');
    ck_assert(verifies(public_pem, input, token.data + 7 + strlen(input) + 1));
    buf_free(&token);
    jose_key_free(key);
    json_object_put(vectors);
}
END_TEST

START_TEST(test_fcm_assertion)
{
    struct json_object *vectors = vectors_load("jose.json");
    struct json_object *fcm = json_get(vectors, "local_fcm_assertion");
    struct jose_key *key = key_of(vectors, JOSE_RS256);
    struct buf token;
    buf_init(&token, 4096);
    ck_assert(jose_sign(key, test_text(fcm, "header_json"), test_text(fcm, "claims_json"), &token));
    ck_assert_str_eq(buf_string(&token), test_text(fcm, "jwt"));
    buf_free(&token);

    struct buf small;
    buf_init(&small, 100);
    ck_assert(!jose_sign(key, test_text(fcm, "header_json"), test_text(fcm, "claims_json"), &small));
    buf_free(&small);
    jose_key_free(key);
    json_object_put(vectors);
}
END_TEST

/* An encrypted key, a P-384 key and a 1024-bit RSA key are refused, and nothing asks for a passphrase. */
static char *pem_of(EVP_PKEY *key, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(
        PEM_write_bio_PKCS8PrivateKey(bio, key, passphrase != NULL ? EVP_aes_128_cbc() : NULL, passphrase,
                                      passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL),
        1);
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *pem = strndup(data, (size_t)size);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return pem;
}

static void check_refused(enum jose_algorithm algorithm, char *pem, const char *why)
{
    struct error err = {""};
    ck_assert(jose_key_new(algorithm, pem, &err) == NULL);
    ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
    free(pem);
}

START_TEST(test_keys_refused)
{
    check_refused(JOSE_ES256, strdup(""), "PEM private key");
    check_refused(JOSE_ES256, strdup("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
                  "PEM private key");
    check_refused(JOSE_ES256, pem_of(EVP_EC_gen("P-256"), "secret"), "without a passphrase");
    check_refused(JOSE_ES256, pem_of(EVP_EC_gen("P-384"), NULL), "P-256");
    check_refused(JOSE_ES256, pem_of(EVP_RSA_gen(2048), NULL), "P-256");
    check_refused(JOSE_RS256, pem_of(EVP_EC_gen("P-256"), NULL), "RSA");
    check_refused(JOSE_RS256, pem_of(EVP_RSA_gen(1024), NULL), "2048");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jose");
    suite_add(suite, test_rfc6979);
    suite_add(suite, test_rs256);
    suite_add(suite, test_es256);
    suite_add(suite, test_apns_token);
    suite_add(suite, test_fcm_assertion);
    suite_add(suite, test_keys_refused);
    return suite_run(suite);
}
