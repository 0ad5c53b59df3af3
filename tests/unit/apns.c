#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "providers/push/apns.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define DEVICE   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SETTINGS "\"team_id\":\"DEF123GHIJ\",\"key_id\":\"ABC123DEFG\",\"topic\":\"com.example.app\""

static struct json_object *vectors;
static void *settings;
static struct arena *arena;

static void *account_of(const char *more)
{
    char json[512];
    snprintf(json, sizeof json, "{" SETTINGS "%s}", more);
    return test_settings_of(&apns_adapter, json, test_text(vectors, "rfc7515/2/private_key_pkcs8_pem"));
}

static void setup(void)
{
    vectors = vectors_load("jose.json");
    settings = account_of("");
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    apns_adapter.settings_free(settings);
    json_object_put(vectors);
}

/* Its payload lives until the next one. */
static struct message message_of(const char *payload)
{
    return test_message(DEVICE, payload);
}

static struct request built(const void *for_settings, const struct message *message)
{
    return test_built(&apns_adapter, for_settings, message, arena);
}

static struct json_object *body_of(const struct request *request)
{
    ck_assert_uint_eq(strlen(request->body), request->body_size);
    return test_json(request->body);
}

static void check_rejected(const void *for_settings, const struct message *message, const char *reason)
{
    struct request request;
    struct verdict verdict = {.kind = VERDICT_SENT};
    ck_assert_msg(!apns_adapter.build(for_settings, message, NULL, TEST_NOW_MS, arena, &request, &verdict),
                  "accepted: %s", reason);
    ck_assert_str_eq(verdict_name(verdict.kind), "rejected");
    ck_assert_msg(strstr(verdict.reason, reason) != NULL, "%s", verdict.reason);
    ck_assert_msg(strstr(verdict.reason, message->recipient) == NULL, "%s", verdict.reason);
}

START_TEST(test_build)
{
    struct message message = message_of(
        "{\"title\":\"T\\\"1\",\"subtitle\":\"S\",\"body\":\"안녕\",\"badge\":0,\"sound\":\"ping\","
        "\"data\":{\"order\":17,\"deep\":{\"a\":[1]},\"text\":\"x\"},\"unknown\":1}");
    struct request request = built(settings, &message);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/3/device/" DEVICE);
    ck_assert_str_eq(test_header(&request, "apns-id"), TEST_UUID);
    ck_assert_str_eq(test_header(&request, "apns-topic"), "com.example.app");
    ck_assert_str_eq(test_header(&request, "apns-push-type"), "alert");
    ck_assert_str_eq(test_header(&request, "apns-priority"), "10");
    ck_assert_str_eq(test_header(&request, "apns-collapse-id"), TEST_UUID);
    ck_assert_str_eq(test_header(&request, "apns-expiration"), "1702419200"); /* now + 28 days */
    struct json_object *body = body_of(&request);
    ck_assert_str_eq(test_text(body, "aps/alert/title"), "T\"1");
    ck_assert_str_eq(test_text(body, "aps/alert/subtitle"), "S");
    ck_assert_str_eq(test_text(body, "aps/alert/body"), "안녕");
    ck_assert_str_eq(test_text(body, "aps/sound"), "ping");
    ck_assert_int_eq(json_get_int(test_at(body, "aps"), "badge", -1), 0);
    ck_assert_str_eq(test_text(body, "outbox_id"), TEST_UUID);
    ck_assert_int_eq(json_get_int(body, "order", -1), 17);
    ck_assert(json_object_is_type(test_at(body, "deep/a/0"), json_type_int));
    ck_assert_str_eq(test_text(body, "text"), "x");
    ck_assert_int_eq(json_object_object_length(body), 5);
    json_object_put(body);
}
END_TEST

START_TEST(test_build_headers)
{
    static const struct {
        const char *payload;
        int64_t expires_ms;
        const char *header, *value;
    } rows[] = {
        {"{\"body\":\"b\",\"ttl\":60}", 0, "apns-expiration", "1700000060"},
        {"{\"body\":\"b\",\"ttl\":60}", TEST_NOW_MS + 30500, "apns-expiration", "1700000030"},
        {"{\"body\":\"b\",\"ttl\":60}", TEST_NOW_MS + 90000, "apns-expiration", "1700000060"},
        {"{\"body\":\"b\"}", TEST_NOW_MS + 90000, "apns-expiration", "1700000090"},
        {"{\"body\":\"b\"}", TEST_NOW_MS + 999, "apns-expiration", "0"},
        {"{\"body\":\"b\"}", TEST_NOW_MS - 1, "apns-expiration", "0"},
        {"{\"body\":\"b\",\"ttl\":0}", 0, "apns-expiration", "0"},
        {"{\"body\":\"b\",\"ttl\":99999999999}", 0, "apns-expiration", "1702419200"},
        {"{\"body\":\"b\",\"priority\":\"normal\"}", 0, "apns-priority", "5"},
        {"{\"body\":\"b\",\"priority\":\"high\"}", 0, "apns-priority", "10"},
        {"{\"body\":\"b\",\"collapse_id\":\"order-1\"}", 0, "apns-collapse-id", "order-1"},
        {"{\"aps\":{\"alert\":\"a\"}}", 0, "apns-push-type", "alert"},
        {"{\"aps\":{\"content-available\":1}}", 0, "apns-push-type", "background"},
        {"{\"aps\":{\"content-available\":1}}", 0, "apns-priority", "5"},
        {"{\"aps\":{\"content-available\":1,\"badge\":1}}", 0, "apns-push-type", "alert"},
        {"{\"data\":{\"a\":1},\"priority\":\"high\"}", 0, "apns-push-type", "background"},
        {"{\"data\":{\"a\":1},\"priority\":\"high\"}", 0, "apns-priority", "5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = message_of(rows[i].payload);
        message.expires_ms = rows[i].expires_ms;
        struct request request = built(settings, &message);
        const char *value = test_header(&request, rows[i].header);
        ck_assert_msg(value != NULL && strcmp(value, rows[i].value) == 0, "row %zu: %s %s, not %s", i,
                      rows[i].header, value, rows[i].value);
    }
    struct message message = message_of("{\"body\":\"b\"}");
    struct request request = built(settings, &message);
    ck_assert_str_eq(request.changing[0], "apns-id");
    ck_assert_str_eq(request.changing[1], "apns-collapse-id");
    ck_assert_str_eq(request.changing[2], "apns-expiration");
    ck_assert_ptr_null(request.changing[3]);
}
END_TEST

START_TEST(test_build_raw)
{
    struct message message = message_of("{\"aps\":{\"alert\":\"a/b\",\"badge\":null},\"k\":[true,1.5]}");
    struct request request = built(settings, &message);
    ck_assert_str_eq(request.body,
                     "{\"aps\":{\"alert\":\"a/b\",\"badge\":null},\"k\":[true,1.5],\"outbox_id\":\"" TEST_UUID
                     "\"}");
    message = message_of("{\"outbox_id\":\"forged\",\"aps\":{}}");
    request = built(settings, &message);
    ck_assert_str_eq(request.body, "{\"aps\":{},\"outbox_id\":\"" TEST_UUID "\"}");
    message = message_of("{\"data\":{}}");
    request = built(settings, &message);
    ck_assert_str_eq(request.body, "{\"aps\":{\"content-available\":1},\"outbox_id\":\"" TEST_UUID "\"}");
}
END_TEST

START_TEST(test_build_rejected)
{
    static const struct {
        const char *payload, *reason;
    } rows[] = {
        {"{}", "payload: has none of"},
        {"{\"titel\":\"x\"}", "payload: has none of"},
        {"{\"title\":5}", "payload.title: must be a string"},
        {"{\"body\":[\"x\"]}", "payload.body: must be a string"},
        {"{\"body\":\"x\",\"badge\":-1}", "payload.badge: must be a whole number"},
        {"{\"body\":\"x\",\"badge\":1.5}", "payload.badge: must be a whole number"},
        {"{\"body\":\"x\",\"ttl\":\"60\"}", "payload.ttl: must be a whole number"},
        {"{\"body\":\"x\",\"priority\":\"urgent\"}", "payload.priority: must be"},
        {"{\"body\":\"x\",\"data\":[]}", "payload.data: must be an object"},
        {"{\"body\":\"x\",\"data\":{\"aps\":1}}", "payload.data.aps: the name is reserved"},
        {"{\"body\":\"x\",\"data\":{\"outbox_id\":1}}", "payload.data.outbox_id: the name is reserved"},
        {"{\"body\":\"x\",\"collapse_id\":\"\"}", "payload.collapse_id: must be"},
        {"{\"body\":\"x\",\"collapse_id\":\"a\\r\\nb: c\"}", "payload.collapse_id: must be"},
        {"{\"body\":\"x\",\"collapse_id\":\"한\"}", "payload.collapse_id: must be"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = message_of(rows[i].payload);
        check_rejected(settings, &message, rows[i].reason);
    }
    static const char *const tokens[] = {"", "abc", "xyz1", "00 1", "001g", "00\r\n", "../../00"};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        struct message message = message_of("{\"body\":\"x\"}");
        message.recipient = tokens[i][0] != '\0' ? tokens[i] : "0";
        check_rejected(settings, &message, "recipient: is not a device token");
    }
    struct message message = message_of("{\"body\":\"x\"}");
    message.recipient = "";
    struct request request;
    struct verdict verdict;
    ck_assert(!apns_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
}
END_TEST

START_TEST(test_very_large_payload)
{
    static char payload[70000];
    snprintf(payload, sizeof payload, "{\"aps\":{\"alert\":\"%0*d\"}}", 66000, 0);
    struct message message = message_of(payload);
    check_rejected(settings, &message, "payload: is more than 65536 octets");
}
END_TEST

/* One text per key and window, whoever makes it; iat is the window's start. */
START_TEST(test_bearer)
{
    struct message message = message_of("{\"body\":\"x\"}");
    int64_t start_ms = TEST_NOW_MS / 2400000 * 2400000;
    static const int64_t offsets[] = {0, 1, 1200000, 2399999};
    char first[1024] = "";
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        void *other = account_of("");
        struct request request;
        struct verdict verdict;
        ck_assert(
            apns_adapter.build(other, &message, NULL, start_ms + offsets[i], arena, &request, &verdict));
        const char *bearer = test_header(&request, "authorization");
        if (i == 0)
            snprintf(first, sizeof first, "%s", bearer);
        ck_assert_str_eq(bearer, first);
        apns_adapter.settings_free(other);
    }
    struct buf decoded;
    buf_init(&decoded, 512);
    char *dot = strchr(first, '.');
    ck_assert_int_eq(strncmp(first, "bearer ", 7), 0);
    ck_assert(base64_decode(&decoded, first + 7, (size_t)(dot - first - 7)));
    ck_assert_str_eq(buf_string(&decoded), "{\"alg\":\"ES256\",\"kid\":\"ABC123DEFG\"}");
    buf_reset(&decoded);
    ck_assert(base64_decode(&decoded, dot + 1, strcspn(dot + 1, ".")));
    char claims[128];
    snprintf(claims, sizeof claims, "{\"iss\":\"DEF123GHIJ\",\"iat\":%lld}", (long long)(start_ms / 1000));
    ck_assert_str_eq(buf_string(&decoded), claims);
    buf_free(&decoded);

    /* The next window has another one; a step back gives the old one again. */
    struct request next, back;
    struct verdict verdict;
    ck_assert(apns_adapter.build(settings, &message, NULL, start_ms + 2400000, arena, &next, &verdict));
    ck_assert_str_ne(test_header(&next, "authorization"), first);
    ck_assert(apns_adapter.build(settings, &message, NULL, start_ms, arena, &back, &verdict));
    ck_assert_str_eq(test_header(&back, "authorization"), first);
    ck_assert_str_ne(test_header(&next, "authorization"), first);
}
END_TEST

START_TEST(test_judge)
{
    static const struct {
        int status;
        const char *body, *verdict;
        bool renew;
        int64_t wait_ms;
        const char *retry_after;
    } rows[] = {
        {400, "{\"reason\":\"BadCollapseId\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"BadExpirationDate\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"BadMessageId\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"BadPriority\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"InvalidPushType\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"DuplicateHeaders\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"PayloadEmpty\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"MissingDeviceToken\"}", "rejected", false, 0, NULL},
        {400, "{\"reason\":\"BadDeviceToken\"}", "address_gone", false, 0, NULL},
        {400, "{\"reason\":\"DeviceTokenNotForTopic\"}", "address_gone", false, 0, NULL},
        {400, "{\"reason\":\"BadTopic\"}", "stopped", false, 0, NULL},
        {400, "{\"reason\":\"MissingTopic\"}", "stopped", false, 0, NULL},
        {400, "{\"reason\":\"TopicDisallowed\"}", "stopped", false, 0, NULL},
        {400, "{\"reason\":\"IdleTimeout\"}", "retry", true, 0, NULL},
        {403, "{\"reason\":\"ExpiredProviderToken\"}", "refresh", true, 0, NULL},
        {403, "{\"reason\":\"InvalidProviderToken\"}", "stopped", false, 0, NULL},
        {403, "{\"reason\":\"MissingProviderToken\"}", "stopped", false, 0, NULL},
        {403, "{\"reason\":\"BadCertificate\"}", "stopped", false, 0, NULL},
        {403, "{\"reason\":\"BadCertificateEnvironment\"}", "stopped", false, 0, NULL},
        {403, "{\"reason\":\"BadEnvironmentKeyIdInToken\"}", "stopped", false, 0, NULL},
        {403, "{\"reason\":\"UnrelatedKeyIdInToken\"}", "refresh", true, 0, NULL},
        {403, "{\"reason\":\"Forbidden\"}", "stopped", false, 0, NULL},
        {404, "{\"reason\":\"BadPath\"}", "rejected", false, 0, NULL},
        {405, "{\"reason\":\"MethodNotAllowed\"}", "stopped", false, 0, NULL},
        {410, "{\"reason\":\"Unregistered\",\"timestamp\":1699999999123}", "address_gone", false, 0, NULL},
        {410, "{\"reason\":\"ExpiredToken\",\"timestamp\":1699999999123}", "address_gone", false, 0, NULL},
        {413, "{\"reason\":\"PayloadTooLarge\"}", "rejected", false, 0, NULL},
        {429, "{\"reason\":\"TooManyProviderTokenUpdates\"}", "throttled", false, 600000, NULL},
        {429, "{\"reason\":\"TooManyProviderTokenUpdates\"}", "throttled", false, 1200000, "1200"},
        {429, "{\"reason\":\"TooManyRequests\"}", "retry", false, 0, NULL},
        {429, "{\"reason\":\"TooManyRequests\"}", "retry", false, 2000, "2"},
        {500, "{\"reason\":\"InternalServerError\"}", "retry", false, 0, NULL},
        {503, "{\"reason\":\"ServiceUnavailable\"}", "retry", false, 0, NULL},
        {503, "{\"reason\":\"ServiceUnavailable\"}", "retry", false, 1000, "1"},
        {503, "{\"reason\":\"Shutdown\"}", "retry", true, 0, NULL},
        /* not in Apple's table */
        {400, "{\"reason\":\"SomethingNew\"}", "rejected", false, 0, NULL},
        {403, "{\"reason\":\"SomethingNew\"}", "stopped", false, 0, NULL},
        {418, "", "rejected", false, 0, NULL},
        {429, "", "retry", false, 0, NULL},
        {400, "<html>", "in_doubt", false, 0, NULL},
        {400, "[1", "in_doubt", false, 0, NULL},
        {502, "<html>", "retry", false, 0, NULL},
        {301, "", "stopped", false, 0, NULL},
        {204, "", "in_doubt", false, 0, NULL},
    };
    struct message message = message_of("{\"body\":\"x\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        if (rows[i].retry_after != NULL)
            response.headers[response.header_count++] = (struct header){"retry-after", rows[i].retry_after};
        struct verdict verdict = adapter_judge(&apns_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s, not %s",
                      rows[i].status, rows[i].body, verdict_name(verdict.kind), rows[i].verdict);
        ck_assert_msg(verdict.renew == rows[i].renew, "%s", rows[i].body);
        ck_assert_int_eq(verdict.not_before_ms, rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0);
        ck_assert_int_eq(verdict.gone_since_ms, rows[i].status == 410 ? 1699999999123 : 0);
        ck_assert(verdict.reason[0] != '\0');
    }
}
END_TEST

START_TEST(test_judge_sent)
{
    struct message message = message_of("{\"body\":\"x\"}");
    struct response response = test_answer(200, "");
    struct verdict verdict = adapter_judge(&apns_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.kind, VERDICT_SENT);
    ck_assert_str_eq(verdict.provider_id, TEST_UUID);
    response = test_answer(200, "anything");
    response.headers[response.header_count++] = (struct header){"apns-id", "the-id"};
    verdict = adapter_judge(&apns_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.kind, VERDICT_SENT);
    ck_assert_str_eq(verdict.provider_id, "the-id");
}
END_TEST

START_TEST(test_settings)
{
    const char *pem = test_text(vectors, "rfc7515/2/private_key_pkcs8_pem");
    static const struct {
        const char *json, *error;
    } rows[] = {
        {"{\"key_id\":\"K\",\"topic\":\"t\"}", "settings.team_id: is required"},
        {"{\"team_id\":\"T\",\"topic\":\"t\"}", "settings.key_id: is required"},
        {"{\"team_id\":\"T\",\"key_id\":\"K\"}", "settings.topic: is required"},
        {"{\"team_id\":\"T T\",\"key_id\":\"K\",\"topic\":\"t\"}", "settings.team_id: must not contain"},
        {"{\"team_id\":7,\"key_id\":\"K\",\"topic\":\"t\"}", "settings.team_id: must be a string"},
        {"{" SETTINGS ",\"url\":\"http://api.push.apple.com\"}", "settings.url: must be https://"},
        {"{" SETTINGS ",\"url\":\"https://user@host\"}", "settings.url: must be https://"},
        {"{" SETTINGS ",\"url\":\"https://host/path\"}", "settings.url: must be https://"},
        {"{" SETTINGS ",\"push_type\":\"alarm\"}", "settings.push_type: must be one of"},
        {"{" SETTINGS ",\"push_type\":\"voip\"}", "settings.topic: must end in .voip"},
        {"{" SETTINGS ",\"ca_file\":\"\"}", "settings.ca_file: must not be empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = test_settings_error(&apns_adapter, rows[i].json, pem);
        ck_assert_msg(strstr(text, rows[i].error) != NULL, "%s: %s", rows[i].json, text);
    }
    ck_assert_str_eq(test_settings_error(&apns_adapter, "{" SETTINGS "}", "no key"),
                     "secret key: must be a PEM private key without a passphrase");

    struct endpoint_options options = {.connections = 3};
    apns_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://api.push.apple.com");
    ck_assert(options.http2 && options.ca_file == NULL && options.connections == 3);
    void *other = account_of(",\"url\":\"https://127.0.0.1:2197/\",\"ca_file\":\"/tmp/a b.pem\"");
    apns_adapter.endpoint(other, &options);
    ck_assert_str_eq(options.url, "https://127.0.0.1:2197");
    ck_assert_str_eq(options.ca_file, "/tmp/a b.pem");
    apns_adapter.settings_free(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("apns");
    TCase *tests = tcase_create("apns");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_build_headers);
    tcase_add_test(tests, test_build_raw);
    tcase_add_test(tests, test_build_rejected);
    tcase_add_test(tests, test_very_large_payload);
    tcase_add_test(tests, test_bearer);
    tcase_add_test(tests, test_judge);
    tcase_add_test(tests, test_judge_sent);
    tcase_add_test(tests, test_settings);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
