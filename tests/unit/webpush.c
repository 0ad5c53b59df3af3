#include "support/suite.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"
#include "providers/push/webpush.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define SETTINGS "{\"subject\":\"mailto:push@example.com\",\"trusted_origins\":[\"https://127.0.0.1:8443\"]}"
#define MOZILLA  "https://updates.push.services.mozilla.com"

static struct json_object *jose, *push;
static const char *pem;
static void *settings;
static struct arena *arena;

static void setup(void)
{
    jose = vectors_load("jose.json");
    push = vectors_load("webpush_rfc8291.json");
    pem = test_text(jose, "rfc7515/2/private_key_pkcs8_pem");
    settings = test_settings_of(&webpush_adapter, SETTINGS, pem);
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    webpush_adapter.settings_free(settings);
    json_object_put(jose);
    json_object_put(push);
}

/* The subscription of RFC 8291's example with another endpoint. */
static const char *subscription(const char *endpoint)
{
    return arena_printf(
        arena, "{\"endpoint\":\"%s\",\"expirationTime\":null,\"keys\":{\"p256dh\":\"%s\",\"auth\":\"%s\"}}",
        endpoint, test_text(push, "inputs/ua_public"), test_text(push, "inputs/auth_secret"));
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

/* ---- the receiver's side: RFC 8291, 3.4 and RFC 8188, 2, from the body back to the text ---- */

static void hkdf(const void *salt, size_t salt_size, const void *ikm, size_t ikm_size, const char *info,
                 size_t info_size, unsigned char *out, size_t size)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    ck_assert(context != NULL && EVP_PKEY_derive_init(context) == 1 &&
              EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_salt(context, salt, (int)salt_size) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_key(context, ikm, (int)ikm_size) == 1 &&
              EVP_PKEY_CTX_add1_hkdf_info(context, (const unsigned char *)info, (int)info_size) == 1 &&
              EVP_PKEY_derive(context, out, &size) == 1);
    EVP_PKEY_CTX_free(context);
}

/* Decrypts with the private key of RFC 8291's example; the result lives in the arena. */
static const char *decrypt(const struct request *request)
{
    const unsigned char *body = (const unsigned char *)request->body;
    unsigned char secret[64], receiver[128], auth[64], shared[32], ikm[32], key[16], nonce[12];
    const char *text = test_text(push, "inputs/ua_private");
    ck_assert_uint_eq(decode(text, strlen(text), secret, sizeof secret), 32);
    text = test_text(push, "inputs/ua_public");
    ck_assert_uint_eq(decode(text, strlen(text), receiver, sizeof receiver), 65);
    text = test_text(push, "inputs/auth_secret");
    ck_assert_uint_eq(decode(text, strlen(text), auth, sizeof auth), 16);

    ck_assert_uint_ge(request->body_size, 86 + 17);
    ck_assert_uint_le(request->body_size, 4096);
    ck_assert_mem_eq(body + 16, "\0\0\x10\0\x41", 5);
    ck_assert(p256_shared(secret, body + 21, shared));
    char info[14 + 130] = "WebPush: info";
    memcpy(info + 14, receiver, 65);
    memcpy(info + 14 + 65, body + 21, 65);
    hkdf(auth, 16, shared, 32, info, sizeof info, ikm, 32);
    hkdf(body, 16, ikm, 32, "Content-Encoding: aes128gcm", 28, key, 16);
    hkdf(body, 16, ikm, 32, "Content-Encoding: nonce", 24, nonce, 12);

    int size = (int)request->body_size - 86 - 16, done, rest;
    char *plain = arena_alloc(arena, (size_t)size + 1);
    unsigned char tag[16];
    memcpy(tag, body + request->body_size - 16, 16);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    ck_assert_int_eq(EVP_DecryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, nonce), 1);
    ck_assert_int_eq(EVP_DecryptUpdate(context, (unsigned char *)plain, &done, body + 86, size), 1);
    ck_assert_int_eq(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, tag), 1);
    ck_assert_int_eq(EVP_DecryptFinal_ex(context, (unsigned char *)plain + done, &rest), 1);
    EVP_CIPHER_CTX_free(context);
    ck_assert_int_eq(plain[size - 1], 2);
    plain[size - 1] = '\0';
    return plain;
}

static struct request built(const struct message *message)
{
    return test_built(&webpush_adapter, settings, message, arena);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *error;
    } rows[] = {
        {"{}", "settings.subject: is required"},
        {"{\"subject\":\"push@example.com\"}", "settings.subject: must be mailto:"},
        {"{\"subject\":\"mailto:push@localhost\"}", "settings.subject: must be mailto:"},
        {"{\"subject\":\"mailto:@example.com\"}", "settings.subject: must be mailto:"},
        {"{\"subject\":\"mailto:<push@example.com>\"}", "settings.subject: must be mailto:"},
        {"{\"subject\":\"mailto: push@example.com\"}", "settings.subject: must not contain spaces"},
        {"{\"subject\":\"https://localhost/x.html\"}", "settings.subject: must be mailto:"},
        {"{\"subject\":\"https://example.\"}", "settings.subject: must be mailto:"},
        {"{\"subject\":\"http://example.com\"}", "settings.subject: must be mailto:"},
        {"{\"subject\":\"mailto:a@b.c\",\"allow\":[]}", "settings.allow: must be a list with at least one"},
        {"{\"subject\":\"mailto:a@b.c\",\"trusted_origins\":[\"http://127.0.0.1\"]}",
         "settings.trusted_origins[0]: must be https://host or https://host:port"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *error = test_settings_error(&webpush_adapter, rows[i].json, pem);
        ck_assert_msg(strstr(error, rows[i].error) != NULL, "%s: %s", rows[i].json, error);
    }
    const char *rsa = test_text(jose, "rfc7515/1/private_key_pkcs8_pem");
    ck_assert_str_eq(test_settings_error(&webpush_adapter, SETTINGS, rsa),
                     "secret vapid_key: must be an EC private key on curve P-256");
    ck_assert_ptr_nonnull(strstr(test_settings_error(&webpush_adapter, SETTINGS, "x"), "secret vapid_key: "));
    static const char *const good[] = {
        "{\"subject\":\"https://example.com/contact\"}",
        "{\"subject\":\"mailto:a@b.c\",\"ca_file\":\"/"
        "x\",\"allow\":[\"FCM.googleapis.com\",\"*.push.apple.com\"],"
        "\"trusted_origins\":[\"https://[::1]:8443\",\"https://LOCALHOST:443/\"]}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        webpush_adapter.settings_free(test_settings_of(&webpush_adapter, good[i], pem));

    struct endpoint_options options = {.guarded = false};
    webpush_adapter.endpoint(settings, &options);
    ck_assert(options.guarded && options.http2 && options.url == NULL);
    ck_assert_str_eq(options.trusted_origins[0], "https://127.0.0.1:8443");
    ck_assert_ptr_null(options.trusted_origins[1]);
}
END_TEST

START_TEST(test_build)
{
    struct message message = test_message(
        subscription(MOZILLA "/wpush/v2/gAAA?x=1"),
        "{\"title\":\"T\",\"body\":\"안녕\",\"icon\":\"/i.png\",\"badge\":3,\"url\":\"/o/17\","
        "\"actions\":[{\"action\":\"open\",\"title\":\"Open\"}],\"data\":{\"order\":17},"
        "\"silent\":true,\"ttl\":60,\"subtitle\":\"S\",\"sound\":\"ping\",\"topic\":\"order-17\"}");
    struct request request = built(&message);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.origin, MOZILLA);
    ck_assert_str_eq(request.path, "/wpush/v2/gAAA?x=1");
    ck_assert_uint_eq(request.header_count, 6);
    ck_assert_str_eq(test_header(&request, "ttl"), "60");
    ck_assert_str_eq(test_header(&request, "urgency"), "high");
    ck_assert_str_eq(test_header(&request, "topic"), "order-17");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/octet-stream");
    ck_assert_str_eq(test_header(&request, "content-encoding"), "aes128gcm");
    struct error err;
    struct vapid *vapid = vapid_new(pem, "mailto:push@example.com", &err);
    ck_assert_str_eq(test_header(&request, "authorization"),
                     vapid_authorization(vapid, MOZILLA, TEST_NOW_MS));
    vapid_free(vapid);
    ck_assert_str_eq(decrypt(&request),
                     "{\"title\":\"T\",\"body\":\"안녕\",\"icon\":\"/i.png\",\"badge\":3,\"url\":\"/o/17\","
                     "\"silent\":true,\"actions\":[{\"action\":\"open\",\"title\":\"Open\"}],"
                     "\"data\":{\"order\":17},\"tag\":\"" TEST_UUID "\",\"outbox_id\":\"" TEST_UUID "\"}");

    /* For tests/interop/webpush.sh, which reads it with other people's code. */
    const char *print = getenv("PGOUTBOX_PRINT_WEBPUSH");
    if (print == NULL)
        return;
    struct buf body;
    buf_init(&body, 8192);
    ck_assert(base64url_append(&body, request.body, request.body_size));
    FILE *file = fopen(print, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "{\"subscription\":%s,\"private\":\"%s\",\"text\":%s,\"authorization\":\"%s\","
            "\"origin\":\"%s\",\"now\":%lld,\"body\":\"%s\"}\n",
            message.recipient, test_text(push, "inputs/ua_private"), decrypt(&request),
            test_header(&request, "authorization"), request.origin, (long long)TEST_NOW_MS / 1000,
            buf_string(&body));
    ck_assert_int_eq(fclose(file), 0);
    buf_free(&body);
}
END_TEST

START_TEST(test_build_options)
{
    static const struct {
        const char *payload;
        int64_t expires_ms;
        bool bulk;
        const char *header, *value;
    } rows[] = {
        {"{\"body\":\"b\"}", 0, false, "ttl", "2419200"},
        {"{\"body\":\"b\",\"ttl\":0}", 0, false, "ttl", "0"},
        {"{\"body\":\"b\",\"ttl\":99999999}", 0, false, "ttl", "2419200"},
        {"{\"body\":\"b\",\"ttl\":60}", TEST_NOW_MS + 30999, false, "ttl", "30"},
        {"{\"body\":\"b\"}", TEST_NOW_MS + 90000, false, "ttl", "90"},
        {"{\"body\":\"b\"}", TEST_NOW_MS - 1, false, "ttl", "0"},
        {"{\"body\":\"b\"}", 0, false, "urgency", "high"},
        {"{\"body\":\"b\"}", 0, true, "urgency", "low"},
        {"{\"body\":\"b\",\"priority\":\"normal\"}", 0, false, "urgency", "normal"},
        {"{\"body\":\"b\",\"priority\":\"high\"}", 0, true, "urgency", "high"},
        {"{\"body\":\"b\",\"urgency\":\"very-low\",\"priority\":\"high\"}", 0, false, "urgency", "very-low"},
        {"{\"body\":\"b\",\"urgency\":\"normal\"}", 0, true, "urgency", "normal"},
        {"{\"body\":\"b\"}", 0, false, "topic", NULL},
        {"{\"body\":\"b\",\"topic\":\"ABCDEFGHIJKLMNOPQRSTUVWXYZabc-_9\"}", 0, false, "topic",
         "ABCDEFGHIJKLMNOPQRSTUVWXYZabc-_9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message message = test_message(subscription(MOZILLA "/x"), rows[i].payload);
        message.expires_ms = rows[i].expires_ms;
        message.bulk = rows[i].bulk;
        struct request request = built(&message);
        const char *value = test_header(&request, rows[i].header);
        if (rows[i].value == NULL)
            ck_assert_msg(value == NULL, "row %zu: %s", i, value);
        else
            ck_assert_msg(value != NULL && strcmp(value, rows[i].value) == 0, "row %zu: %s", i, value);
    }
    static const struct {
        const char *payload, *tag;
    } tags[] = {{"{\"body\":\"b\"}", TEST_UUID},
                {"{\"body\":\"b\",\"collapse_id\":\"o-1\"}", "o-1"},
                {"{\"body\":\"b\",\"tag\":\"t\",\"collapse_id\":\"o-1\"}", "t"}};
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        struct message message = test_message(subscription(MOZILLA "/x"), tags[i].payload);
        struct request request = built(&message);
        struct json_object *text = test_json(decrypt(&request));
        ck_assert_str_eq(test_text(text, "tag"), tags[i].tag);
        ck_assert_str_eq(test_text(text, "outbox_id"), TEST_UUID);
        json_object_put(text);
    }
}
END_TEST

static void check_rejected(const void *of, const struct message *message, const char *reason)
{
    struct request request;
    struct verdict verdict = {.kind = VERDICT_SENT};
    ck_assert_msg(!webpush_adapter.build(of, message, NULL, TEST_NOW_MS, arena, &request, &verdict),
                  "accepted: %s", message->recipient);
    ck_assert_str_eq(verdict_name(verdict.kind), "rejected");
    ck_assert_msg(strstr(verdict.reason, reason) != NULL, "%s: %s", message->recipient, verdict.reason);
    ck_assert_ptr_null(strstr(verdict.reason, "secret-path"));
}

START_TEST(test_payload_rejected)
{
    static const struct {
        const char *payload, *reason;
    } rows[] = {
        {"{}", "payload: has none of title, body"},
        {"{\"sound\":\"x\"}", "payload: has none of title, body"},
        {"{\"title\":{}}", "payload.title: must be a string"},
        {"{\"badge\":1.5}", "payload.badge: must be a string or a whole number"},
        {"{\"silent\":\"yes\"}", "payload.silent: must be true or false"},
        {"{\"actions\":{}}", "payload.actions: must be a list"},
        {"{\"data\":[]}", "payload.data: must be an object"},
        {"{\"body\":\"x\",\"topic\":\"\"}", "payload.topic: must be 1 to 32"},
        {"{\"body\":\"x\",\"topic\":5}", "payload.topic: must be 1 to 32"},
        {"{\"body\":\"x\",\"topic\":\"a b\"}", "payload.topic: must be 1 to 32"},
        {"{\"body\":\"x\",\"topic\":\"a\\r\\nb: c\"}", "payload.topic: must be 1 to 32"},
        {"{\"body\":\"x\",\"urgency\":\"urgent\"}", "payload.urgency: must be \"very-low\""},
        {"{\"body\":\"x\",\"urgency\":1}", "payload.urgency: must be \"very-low\""},
        {"{\"body\":\"x\",\"priority\":\"low\"}", "payload.priority: must be \"high\" or \"normal\""},
        {"{\"body\":\"x\",\"ttl\":-1}", "payload.ttl: must be a whole number"},
        {"{\"body\":\"x\",\"ttl\":\"60\"}", "payload.ttl: must be a whole number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message message = test_message(subscription(MOZILLA "/secret-path"), rows[i].payload);
        check_rejected(settings, &message, rows[i].reason);
    }
    static char payload[70000];
    snprintf(payload, sizeof payload, "{\"body\":\"%0*d\"}", 66000, 0);
    struct message message = test_message(subscription(MOZILLA "/x"), payload);
    check_rejected(settings, &message, "payload: is more than 65536 octets, a web push holds 3993");
}
END_TEST

START_TEST(test_endpoint)
{
    struct message message =
        test_message(subscription("https://PUSH.Example.NET:443/p/1"), "{\"body\":\"b\"}");
    struct request request = built(&message);
    ck_assert_str_eq(request.origin, "https://push.example.net");
    ck_assert_str_eq(request.path, "/p/1");
    message = test_message(subscription("https://10.0.0.1/secret-path"), "{\"body\":\"b\"}");
    check_rejected(settings, &message, "recipient.endpoint: must have a full host name, not an address");
    message = test_message(subscription("https://push.example.net:8443/secret-path"), "{\"body\":\"b\"}");
    check_rejected(settings, &message, "recipient.endpoint: must not have a port other than 443");

    void *picky = test_settings_of(&webpush_adapter,
                                   "{\"subject\":\"mailto:a@b.c\",\"allow\":[\"*.push.apple.com\"]}", pem);
    message = test_message(subscription(MOZILLA "/x"), "{\"body\":\"b\"}");
    check_rejected(picky, &message, "recipient.endpoint: has a host that settings.allow does not name");
    webpush_adapter.settings_free(picky);
}
END_TEST

START_TEST(test_subscription_rejected)
{
    const char *point = test_text(push, "inputs/ua_public"), *auth = test_text(push, "inputs/auth_secret");
    char off[128], compressed[128];
    snprintf(off, sizeof off, "%s", point);
    off[85] = off[85] == 'A' ? 'B' : 'A';
    snprintf(compressed, sizeof compressed, "A%s", point + 1); /* the first octet is not 4 */
    const struct {
        const char *point, *auth, *reason;
    } rows[] = {
        {off, auth, "recipient.keys.p256dh: is not a point"},
        {compressed, auth, "recipient.keys.p256dh: is not a point"},
        {"BCVx", auth, "recipient.keys.p256dh: must be 65 octets"},
        {"", auth, "recipient.keys.p256dh: must be 65 octets"},
        {"!!!", auth, "recipient.keys.p256dh: must be 65 octets"},
        {point, "BTBZ", "recipient.keys.auth: must be 16 octets"},
        {point, "BTBZMqHH6r4Tts7J_aSIggAA", "recipient.keys.auth: must be 16 octets"},
    };
    struct message message = test_message("", "{\"body\":\"b\"}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        message.recipient = arena_printf(
            arena, "{\"endpoint\":\"" MOZILLA "/x\",\"keys\":{\"p256dh\":\"%s\",\"auth\":\"%s\"}}",
            rows[i].point, rows[i].auth);
        check_rejected(settings, &message, rows[i].reason);
    }
    static const struct {
        const char *recipient, *reason;
    } texts[] = {
        {"", "recipient: is not a push subscription"},
        {"device-token", "recipient: is not a push subscription"},
        {"[]", "recipient: is not a push subscription"},
        {"{}", "recipient.endpoint: is missing"},
        {"{\"endpoint\":5}", "recipient.endpoint: is missing"},
        {"{\"endpoint\":\"" MOZILLA "/x\"}", "recipient.keys.p256dh: must be"},
        {"{\"endpoint\":\"" MOZILLA "/x\",\"keys\":[]}", "recipient.keys.p256dh: must be"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        message.recipient = texts[i].recipient;
        check_rejected(settings, &message, texts[i].reason);
    }
    /* Padded base64 is taken. */
    message.recipient = arena_printf(
        arena, "{\"endpoint\":\"" MOZILLA "/x\",\"keys\":{\"p256dh\":\"%s=\",\"auth\":\"%s==\"}}", point,
        auth);
    struct request request = built(&message);
    ck_assert_ptr_nonnull(strstr(decrypt(&request), "\"body\":\"b\""));
}
END_TEST

/* A new private key in PEM. */
static const char *new_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    ck_assert_int_eq(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    long size = BIO_get_mem_data(out, &text);
    const char *copy = arena_strndup(arena, text, (size_t)size);
    BIO_free(out);
    EVP_PKEY_free(key);
    return copy;
}

/* Same message, same body everywhere; anything else, another salt and another key. */
START_TEST(test_derivation)
{
    void *other = test_settings_of(&webpush_adapter, SETTINGS, pem);
    struct message message = test_message(subscription(MOZILLA "/x"), "{\"body\":\"b\"}");
    struct request first = built(&message), again, changed;
    struct verdict verdict;
    ck_assert(webpush_adapter.build(other, &message, NULL, TEST_NOW_MS + 1, arena, &again, &verdict));
    ck_assert_uint_eq(first.body_size, again.body_size);
    ck_assert_mem_eq(first.body, again.body, first.body_size);
    webpush_adapter.settings_free(other);

    unsigned char seen[6][86];
    size_t count = 0;
    memcpy(seen[count++], first.body, 86);
#define ANOTHER(request)                                                                                     \
    for (size_t i = 0; i < count; i++) {                                                                     \
        ck_assert_mem_ne(seen[i], (request).body, 16);           /* salt */                                  \
        ck_assert_mem_ne(seen[i] + 21, (request).body + 21, 65); /* ephemeral key */                         \
    }                                                                                                        \
    memcpy(seen[count++], (request).body, 86)

    message.attempt = 2;
    changed = built(&message);
    ANOTHER(changed);
    message.attempt = 1;
    message.uuid = "6f1d2c3a-0b4e-4d5f-8a9b-0c1d2e3f4a5c";
    changed = built(&message);
    ANOTHER(changed);
    message = test_message(subscription(MOZILLA "/x"), "{\"body\":\"c\"}");
    changed = built(&message);
    ANOTHER(changed);
    message = test_message(
        arena_printf(arena, "{\"endpoint\":\"" MOZILLA "/x\",\"keys\":{\"p256dh\":\"%s\",\"auth\":\"%s\"}}",
                     test_text(push, "inputs/as_public"), test_text(push, "inputs/auth_secret")),
        "{\"body\":\"b\"}");
    changed = built(&message);
    ANOTHER(changed);
    other = test_settings_of(&webpush_adapter, SETTINGS, new_key());
    message = test_message(subscription(MOZILLA "/x"), "{\"body\":\"b\"}");
    ck_assert(webpush_adapter.build(other, &message, NULL, TEST_NOW_MS, arena, &changed, &verdict));
    ANOTHER(changed);
    webpush_adapter.settings_free(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("webpush");
    TCase *tests = tcase_create("webpush");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_build_options);
    tcase_add_test(tests, test_payload_rejected);
    tcase_add_test(tests, test_endpoint);
    tcase_add_test(tests, test_subscription_rejected);
    tcase_add_test(tests, test_derivation);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
