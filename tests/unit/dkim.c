#include "formats/dkim.h"

#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/digest.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define MAIL                                                                                                 \
    "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: \"Shop\" <noreply@example.com>\r\n"                      \
    "To: kim@example.org\r\nSubject: =?UTF-8?B?7JWI64WV?=\r\n =?UTF-8?B?7ZWY7IS47JqU?=\r\n"                  \
    "Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nX-Campaign: c1\r\n"                                 \
    "List-Unsubscribe: <https://h.example/u/1>\r\n"                                                          \
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"                                                  \
    "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"         \
    "Hello\r\n"

/* Keys that must be refused: RSA of 768 bits, EC P-256, and the RSA key of RFC 8463 with another modulus. */
#define SMALL_KEY                                                                                            \
    "-----BEGIN RSA PRIVATE KEY-----\n"                                                                      \
    "MIIBygIBAAJhAKW5Fm/0IYCd5nErFryI1BlgEVuU922IhWF6ZdSqlRwo6IpaKiR3\n"                                     \
    "6oRxOm+7PWnxKTLUVO50Qaqp+W0fF6so8FuGSaHE+ly+Zo7+QdpmNzrVoJ4+N89y\n"                                     \
    "p+9MZXIwyfC4SQIDAQABAmACcAqIcwrbHXd6Sqv28fxMs0EOG87X6Z4spORCkI/I\n"                                     \
    "7kEdZ94e0zS75f56DkME/+sZKQocLYeRDw2L/3+5/vFFTujgCY0LnTvIh4SqWrTD\n"                                     \
    "i5LstqFzcn3cZt1WWodRegECMQDPOzv5pkrAE2bZxQ5ohX3oEY4S7gcFDgZeoQ0d\n"                                     \
    "HTHHOUzmnhhKo3CbZXsmezd9e1kCMQDMuSiRDLRevS76HH/VlMU9O9qkgJ8duQid\n"                                     \
    "9dnzoFv1HUO1FoTxLFiNEgFXbfU8tnECMFupW7HlOBMVgdy5KNJamYJYoXsGBdza\n"                                     \
    "gz7ABcjm7OmuErG/JAd/m4Ngs8QlpDnAoQIxAJVTfWaHyMzN24Ut4oSslk366ZlS\n"                                     \
    "BD3O6J0nZcnRryGULf3ZpjCwMwr7FiVqnBWj0QIwGgTZFtPVT7D2j66mppFoH7Ib\n"                                     \
    "L5clexvMltlNcYJV3Lyj+jjz8oDi8RERoMxtVyD1\n"                                                             \
    "-----END RSA PRIVATE KEY-----\n"
#define EC_KEY                                                                                               \
    "-----BEGIN PRIVATE KEY-----\n"                                                                          \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4R6H3bTteZtAiUtI\n"                                     \
    "hpOIhvllDpj4opi7U0IiWWO7hpahRANCAASQEBThLOHh7dx4TcCopJSCZLDdfjtq\n"                                     \
    "Ul7NbATBuamG1FK5M81/UkM7jlNvBfQR+B1wmRblP0sHr8ndNM0NZkSQ\n"                                             \
    "-----END PRIVATE KEY-----\n"
#define DAMAGED_KEY                                                                                          \
    "-----BEGIN RSA PRIVATE KEY-----\n"                                                                      \
    "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"                                     \
    "Y/J16JYi0Qvx/byYziNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"                                     \
    "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"                                     \
    "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"                                     \
    "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"                                     \
    "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"                                     \
    "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"                                     \
    "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"                                     \
    "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"                                     \
    "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"                                     \
    "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"                                     \
    "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"                                     \
    "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"                                                         \
    "-----END RSA PRIVATE KEY-----\n"

static struct json_object *vectors;

static void setup(void)
{
    vectors = vectors_load("dkim.json");
}

static void teardown(void)
{
    json_object_put(vectors);
}

/* The PKCS#8 form of a raw Ed25519 key (RFC 8410, 7). */
static void ed25519_pem(char *out, size_t size)
{
    static const unsigned char frame[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                          0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
    const char *seed = test_text(vectors, "rfc8463/ed25519_seed_b64");
    struct buf der, text;
    buf_init(&der, 64);
    buf_init(&text, 128);
    buf_append(&der, frame, sizeof frame);
    ck_assert(base64_decode(&der, seed, strlen(seed)));
    ck_assert(base64_append(&text, der.data, der.size));
    snprintf(out, size, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n", buf_string(&text));
    buf_free(&der);
    buf_free(&text);
}

static struct dkim_key *key_of(const char *pem)
{
    struct error err = {""};
    struct dkim_key *key = dkim_key_new(pem, &err);
    ck_assert_msg(key != NULL, "%s", err.text);
    return key;
}

static struct dkim_key *ed25519_key(void)
{
    char pem[256];
    ed25519_pem(pem, sizeof pem);
    return key_of(pem);
}

START_TEST(test_canonical_vectors)
{
    static const struct {
        const char *member;
        enum dkim_form form;
        bool header;
    } rows[] = {
        {"relaxed_header", DKIM_RELAXED, true},
        {"simple_header", DKIM_SIMPLE, true},
        {"relaxed_body", DKIM_RELAXED, false},
        {"simple_body", DKIM_SIMPLE, false},
    };
    struct json_object *vector = json_get(vectors, "canonicalization_rfc6376_3_4");
    const char *input = test_text(vector, "input");
    const char *second = strstr(input, "B :"), *body = strstr(input, "\r\n\r\n") + 2;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        buf_init(&out, 1000);
        if (rows[i].header) {
            ck_assert(dkim_canonical_field(&out, input, (size_t)(second - input), rows[i].form));
            ck_assert(dkim_canonical_field(&out, second, (size_t)(body - second), rows[i].form));
        } else {
            ck_assert(dkim_canonical_body(&out, body + 2, strlen(body + 2), rows[i].form));
        }
        ck_assert_str_eq(buf_string(&out), test_text(vector, rows[i].member));
        buf_free(&out);
    }
}
END_TEST

START_TEST(test_canonical_bodies)
{
    static const struct {
        const char *body, *relaxed, *simple;
    } rows[] = {
        {"", "", "\r\n"},
        {"\r\n", "", "\r\n"},
        {"\r\n\r\n", "", "\r\n"},
        {" \t\r\n", "", " \t\r\n"},
        {"a", "a\r\n", "a\r\n"},
        {"a\r\n", "a\r\n", "a\r\n"},
        {"\r\na\r\n\r\nb\r\n\r\n", "\r\na\r\n\r\nb\r\n", "\r\na\r\n\r\nb\r\n"},
        {"a  b\t \tc \r\n \r\n", "a b c\r\n", "a  b\t \tc \r\n \r\n"},
        {"\ta\r\n", " a\r\n", "\ta\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf relaxed, simple;
        buf_init(&relaxed, 100);
        buf_init(&simple, 100);
        ck_assert(dkim_canonical_body(&relaxed, rows[i].body, strlen(rows[i].body), DKIM_RELAXED));
        ck_assert(dkim_canonical_body(&simple, rows[i].body, strlen(rows[i].body), DKIM_SIMPLE));
        ck_assert_str_eq(buf_string(&relaxed), rows[i].relaxed);
        ck_assert_str_eq(buf_string(&simple), rows[i].simple);
        buf_free(&relaxed);
        buf_free(&simple);
    }
}
END_TEST

static void check_hash(const char *body, enum dkim_form form, const char *wanted)
{
    struct buf canonical, hash;
    unsigned char digest[SHA256_SIZE];
    buf_init(&canonical, 1000);
    buf_init(&hash, 100);
    ck_assert(dkim_canonical_body(&canonical, body, strlen(body), form));
    digest_sha256(buf_string(&canonical), canonical.size, digest);
    ck_assert(base64_append(&hash, digest, sizeof digest));
    ck_assert_str_eq(buf_string(&hash), wanted);
    buf_free(&canonical);
    buf_free(&hash);
}

START_TEST(test_body_hashes)
{
    const char *body = strstr(test_text(vectors, "rfc8463/message"), "\r\n\r\n") + 4;
    check_hash(body, DKIM_RELAXED, test_text(vectors, "rfc8463/body_hash"));
    body = strstr(test_text(vectors, "rfc6376/message"), "\r\n\r\n") + 4;
    check_hash(body, DKIM_SIMPLE, test_text(vectors, "rfc6376/body_hash"));
    check_hash("", DKIM_SIMPLE, test_text(vectors, "empty_body/simple_body_hash_sha256"));
    check_hash("", DKIM_RELAXED, test_text(vectors, "empty_body/relaxed_body_hash_sha256"));
}
END_TEST

/* Takes the index-th DKIM-Signature of a mail apart: the field with an empty b=, and the value of h=. */
static void take_apart(const char *mail, int index, char *field, size_t field_size, char *names,
                       size_t names_size, char *b, size_t b_size)
{
    const char *start = mail;
    for (; index > 0; index--)
        start = strstr(start + 1, "DKIM-Signature:");
    const char *end = start;
    do
        end = strstr(end, "\r\n") + 2;
    while (*end == ' ' || *end == '\t');
    const char *value = strstr(start, "b=");
    while (value[-1] != ' ')
        value = strstr(value + 1, "b=");
    value += 2;
    const char *behind = value + strcspn(value, ";");
    if (behind > end - 2)
        behind = end - 2;
    snprintf(field, field_size, "%.*s%.*s", (int)(value - start), start, (int)(end - 2 - behind), behind);
    const char *list = strstr(start, " h=") != NULL ? strstr(start, " h=") + 3 : start;
    snprintf(names, names_size, "%.*s", (int)strcspn(list, ";"), list);
    size_t used = 0;
    for (const char *c = value; c < behind; c++) {
        if (strchr(" \t\r\n", *c) == NULL && used + 1 < b_size)
            b[used++] = *c;
    }
    b[used] = '\0';
}

static void check_signature(const struct dkim_key *key, const char *data, size_t size, const char *wanted)
{
    struct buf raw, text;
    buf_init(&raw, 1000);
    buf_init(&text, 2000);
    ck_assert(dkim_key_sign(key, data, size, &raw));
    ck_assert(base64_append(&text, raw.data, raw.size));
    ck_assert_str_eq(buf_string(&text), wanted);
    buf_free(&raw);
    buf_free(&text);
}

/* The examples of the RFCs: what is signed and the signature itself, octet for octet. */
START_TEST(test_rfc_signatures)
{
    static const struct {
        const char *message, *pem, *data, *signature;
        int index;
        enum dkim_form form;
    } rows[] = {
        {"rfc8463/message", NULL, "rfc8463/ed25519_signed_data", "rfc8463/ed25519_b", 0, DKIM_RELAXED},
        {"rfc8463/message", "rfc8463/rsa_private_pem", "rfc8463/rsa_signed_data", "rfc8463/rsa_b", 1,
         DKIM_RELAXED},
        {"rfc6376/message", "rfc6376/rsa_private_pem", "rfc6376/signed_data", "rfc6376/b", 0, DKIM_SIMPLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *mail = test_text(vectors, rows[i].message);
        char field[1000], names[300], b[500];
        take_apart(mail, rows[i].index, field, sizeof field, names, sizeof names, b, sizeof b);
        ck_assert_str_eq(b, test_text(vectors, rows[i].signature));
        struct buf data;
        buf_init(&data, 5000);
        ck_assert(dkim_signed_data(&data, mail, strlen(mail), names, field, rows[i].form));
        ck_assert_str_eq(buf_string(&data), test_text(vectors, rows[i].data));
        struct dkim_key *key = rows[i].pem == NULL ? ed25519_key() : key_of(test_text(vectors, rows[i].pem));
        check_signature(key, data.data, data.size, b);
        dkim_key_free(key);
        buf_free(&data);
    }
}
END_TEST

/* Repeated fields are taken from the bottom up, and one that is missing adds nothing (RFC 6376, 5.4.2). */
START_TEST(test_repeated_fields)
{
    static const char mail[] = "A: 1\r\nB: x\r\na : 2\r\nAB: y\r\nA:3\r\n\r\nA: body\r\n";
    struct buf out;
    buf_init(&out, 200);
    ck_assert(dkim_signed_data(&out, mail, strlen(mail), "a:A:c\r\n :b: A :a", "S: b=", DKIM_RELAXED));
    ck_assert_str_eq(buf_string(&out), "a:3\r\na:2\r\nb:x\r\na:1\r\ns:b=");
    buf_free(&out);
}
END_TEST

static void sign_mail(struct buf *out, const struct dkim_signer *signers, size_t count, enum dkim_form form)
{
    buf_init(out, 10000);
    ck_assert(dkim_add_signatures(out, MAIL, strlen(MAIL), form, signers, count, TEST_NOW_MS));
}

START_TEST(test_sign)
{
    struct dkim_key *rsa = key_of(test_text(vectors, "rfc8463/rsa_private_pem")), *ed = ed25519_key();
    const struct dkim_signer signers[] = {{"example.com", "r2023", rsa}, {"example.com", "e2023", ed}};
    for (enum dkim_form form = DKIM_SIMPLE; form <= DKIM_RELAXED; form++) {
        struct buf out;
        sign_mail(&out, signers, 2, form);
        ck_assert_str_eq(out.data + out.size - strlen(MAIL), MAIL);
        for (int i = 0; i < 2; i++) {
            char field[1500], names[500], b[500], begin[200];
            take_apart(out.data, i, field, sizeof field, names, sizeof names, b, sizeof b);
            snprintf(begin, sizeof begin,
                     "DKIM-Signature: v=1; a=%s; c=%s;\r\n d=example.com;\r\n s=%s;\r\n t=1700000000;\r\n h=",
                     i == 0 ? "rsa-sha256" : "ed25519-sha256",
                     form == DKIM_SIMPLE ? "simple/simple" : "relaxed/relaxed", signers[i].selector);
            ck_assert_msg(strncmp(field, begin, strlen(begin)) == 0, "%s", field);
            /* Each name as often as it occurs, From, To and Subject once more; no X- fields. */
            ck_assert_str_eq(names, "From:From:To:To:Subject:Subject:Date:Message-ID:MIME-Version:\r\n "
                                    "Content-Type:Content-Transfer-Encoding:List-Unsubscribe:\r\n "
                                    "List-Unsubscribe-Post");
            struct buf data;
            buf_init(&data, 5000);
            ck_assert(dkim_signed_data(&data, MAIL, strlen(MAIL), names, field, form));
            check_signature(signers[i].key, data.data, data.size, b);
            buf_free(&data);
            const char *hash = strstr(field, " bh=") + 4;
            char value[64];
            snprintf(value, sizeof value, "%.*s", (int)strcspn(hash, ";"), hash);
            check_hash("Hello\r\n", form, value);
        }
        for (const char *line = out.data, *end; line < out.data + out.size; line = end + 2) {
            end = strstr(line, "\r\n");
            ck_assert_uint_le((size_t)(end - line), 78);
        }
        buf_free(&out);
    }
    dkim_key_free(rsa);
    dkim_key_free(ed);
}
END_TEST

/* No room: the answer is no, at every size below the one that does. */
START_TEST(test_sign_limits)
{
    struct dkim_key *ed = ed25519_key();
    const struct dkim_signer signer = {"example.com", "e2023", ed};
    struct buf out;
    sign_mail(&out, &signer, 1, DKIM_RELAXED);
    size_t size = out.size;
    buf_free(&out);
    for (size_t max = 0; max <= size; max++) {
        buf_init(&out, max);
        bool ok = dkim_add_signatures(&out, MAIL, strlen(MAIL), DKIM_RELAXED, &signer, 1, TEST_NOW_MS);
        ck_assert_msg(ok == (max == size), "%zu of %zu", max, size);
        buf_free(&out);
    }
    /* Without signers the mail is unchanged. */
    buf_init(&out, size);
    ck_assert(dkim_add_signatures(&out, MAIL, strlen(MAIL), DKIM_RELAXED, NULL, 0, TEST_NOW_MS));
    ck_assert_str_eq(out.data, MAIL);
    buf_free(&out);
    dkim_key_free(ed);
}
END_TEST

START_TEST(test_keys)
{
    struct error err;
    static const char kinds[] = "must be an Ed25519 key or an RSA key of 1024 to 4096 bits";
    static const char pem[] = "must be a PEM private key without a passphrase";
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", pem},
        {"secret", pem},
        {"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n", pem},
        {EC_KEY, kinds},
        {SMALL_KEY, kinds},
        {DAMAGED_KEY, "is damaged: its parts do not belong together"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        err.text[0] = '\0';
        ck_assert_ptr_null(dkim_key_new(rows[i].text, &err));
        ck_assert_str_eq(err.text, rows[i].error);
    }
    struct dkim_key *key = ed25519_key();
    ck_assert_str_eq(dkim_key_algorithm(key), "ed25519-sha256");
    dkim_key_free(key);
    dkim_key_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dkim");
    TCase *tests = tcase_create("dkim");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_canonical_vectors);
    tcase_add_test(tests, test_canonical_bodies);
    tcase_add_test(tests, test_body_hashes);
    tcase_add_test(tests, test_rfc_signatures);
    tcase_add_test(tests, test_repeated_fields);
    tcase_add_test(tests, test_sign);
    tcase_add_test(tests, test_sign_limits);
    tcase_add_test(tests, test_keys);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
