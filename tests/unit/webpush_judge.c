#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "providers/push/webpush.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define MOZILLA "https://updates.push.services.mozilla.com"

static void *settings;
static struct arena *arena;

static void setup(void)
{
    struct json_object *jose = vectors_load("jose.json");
    settings = test_settings_of(
        &webpush_adapter,
        "{\"subject\":\"mailto:push@example.com\",\"trusted_origins\":[\"https://127.0.0.1:8443\"]}",
        test_text(jose, "rfc7515/2/private_key_pkcs8_pem"));
    arena = arena_new();
    json_object_put(jose);
}

static void teardown(void)
{
    arena_free(arena);
    webpush_adapter.settings_free(settings);
}

static const char *subscription(const char *endpoint)
{
    return arena_printf(arena, "{\"endpoint\":\"%s\"}", endpoint);
}

#define FCM     "https://fcm.googleapis.com/fcm/send/x"
#define APPLE   "https://web.push.apple.com/x"
#define WINDOWS "https://sg2p.notify.windows.com/w/?token=x"
#define OTHER   "https://push.example.net/x"
#define ERRNO(code, number)                                                                                  \
    "{\"code\":" #code ",\"errno\":" #number ",\"error\":\"E\",\"message\":\"M said\"}"

START_TEST(test_judge)
{
    static const struct {
        const char *endpoint;
        int status;
        const char *body, *verdict;
        int64_t wait_ms;
        struct header header;
    } rows[] = {
        {FCM, 201, "", "sent", 0, {"location", "https://fcm.googleapis.com/0:17%4060"}},
        {FCM, 200, "", "sent", 0, {0}},
        {FCM, 202, "", "sent", 0, {0}},
        {FCM, 204, "", "sent", 0, {0}},
        {WINDOWS, 201, "", "sent", 0, {"x-wns-status", "received"}},
        {WINDOWS, 200, "", "rejected", 0, {"x-wns-status", "dropped"}},
        {WINDOWS, 200, "", "retry", 60000, {"x-wns-status", "channelthrottled"}},
        {FCM, 301, "", "rejected", 0, {"location", "https://127.0.0.1/"}},
        {FCM, 302, "", "rejected", 0, {0}},
        {FCM, 307, "", "rejected", 0, {0}},
        {OTHER, 308, "", "rejected", 0, {0}},
        {FCM, 400, "UnauthorizedRegistration", "address_gone", 0, {0}},
        {APPLE, 400, "{\"reason\":\"VapidPkHashMismatch\"}", "address_gone", 0, {0}},
        {APPLE, 400, "{\"reason\":\"BadWebPushTopic\"}", "rejected", 0, {0}},
        {FCM, 400, "<html>bad", "rejected", 0, {0}},
        {MOZILLA "/x",
         401,
         "{\"code\":401,\"errno\":109,\"message\":\"VAPID public key mismatch\"}",
         "address_gone",
         0,
         {0}},
        {MOZILLA "/x", 401, ERRNO(401, 109), "stopped", 0, {0}},
        {FCM, 401, "", "stopped", 0, {0}},
        {OTHER, 401, "", "rejected", 0, {0}},
        {FCM,
         403,
         "the VAPID credentials in the authorization header do not correspond to the credentials used to "
         "create "
         "the subscriptions.\n",
         "address_gone",
         0,
         {0}},
        {FCM,
         403,
         "the key in the authorization header does not correspond to the sender ID used to subscribe this "
         "user.",
         "address_gone",
         0,
         {0}},
        {FCM, 403, "invalid JWT provided\n", "stopped", 0, {0}},
        {APPLE, 403, "{\"reason\":\"BadJwtToken\"}", "stopped", 0, {0}},
        {"https://other.push.apple.com/x", 403, "{\"reason\":\"BadJwtToken\"}", "stopped", 0, {0}},
        {"https://127.0.0.1:8443/x", 403, "", "stopped", 0, {0}},
        {OTHER, 403, "{\"reason\":\"BadJwtToken\"}", "rejected", 0, {0}},
        {"https://push.apple.com.evil.example/x", 403, "", "rejected", 0, {0}},
        {FCM, 404, "", "address_gone", 0, {0}},
        {OTHER, 404, "", "address_gone", 0, {0}},
        {FCM, 405, "", "rejected", 0, {0}},
        {WINDOWS, 406, "", "retry", 60000, {0}},
        {WINDOWS, 406, "", "retry", 5000, {"retry-after", "5"}},
        {FCM, 408, "", "retry", 0, {0}},
        {FCM, 410, "", "address_gone", 0, {0}},
        {FCM, 413, "", "rejected", 0, {0}},
        {FCM, 429, "", "retry", 60000, {0}},
        {FCM, 429, "", "retry", 7000, {"retry-after", "7"}},
        {FCM, 429, "", "retry", 60000, {"retry-after", "Tue, 14 Nov 2023 22:14:20 GMT"}},
        {FCM, 500, "", "retry", 0, {0}},
        {FCM, 502, "<html>", "retry", 0, {0}},
        {FCM, 503, "", "retry", 9000, {"retry-after", "9"}},
        {FCM, 504, "", "retry", 0, {0}},
        {FCM, 100, "", "in_doubt", 0, {0}},
        {MOZILLA "/x", 400, ERRNO(400, 101), "rejected", 0, {0}},
        {MOZILLA "/x", 404, ERRNO(404, 102), "address_gone", 0, {0}},
        {MOZILLA "/x", 410, ERRNO(410, 103), "address_gone", 0, {0}},
        {MOZILLA "/x", 413, ERRNO(413, 104), "rejected", 0, {0}},
        {MOZILLA "/x", 404, ERRNO(404, 105), "address_gone", 0, {0}},
        {MOZILLA "/x", 400, ERRNO(400, 106), "address_gone", 0, {0}},
        {MOZILLA "/x", 400, ERRNO(400, 108), "rejected", 0, {0}},
        {MOZILLA "/x", 401, ERRNO(401, 110), "rejected", 0, {0}},
        {MOZILLA "/x", 400, ERRNO(400, 111), "rejected", 0, {0}},
        {MOZILLA "/x", 400, ERRNO(400, 112), "rejected", 0, {0}},
        {MOZILLA "/x", 400, ERRNO(400, 113), "rejected", 0, {0}},
        {MOZILLA "/x", 503, ERRNO(503, 201), "retry", 60000, {0}},
        {MOZILLA "/x", 503, ERRNO(503, 202), "retry", 0, {0}},
        {MOZILLA "/x", 502, ERRNO(502, 900), "retry", 0, {0}},
        {MOZILLA "/x", 502, ERRNO(502, 901), "retry", 0, {0}},
        {MOZILLA "/x", 502, ERRNO(502, 902), "retry", 0, {0}},
        {MOZILLA "/x", 502, ERRNO(502, 903), "retry", 0, {0}},
        {MOZILLA "/x", 500, ERRNO(500, 999), "retry", 0, {0}},
        /* garbage */
        {MOZILLA "/x", 401, "{\"errno\":", "stopped", 0, {0}},
        {MOZILLA "/x", 410, "[]", "address_gone", 0, {0}},
        {MOZILLA "/x", 503, "{\"errno\":\"201\"}", "retry", 0, {0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message message = test_message(subscription(rows[i].endpoint), "{\"body\":\"b\"}");
        struct response response = test_answer(rows[i].status, rows[i].body);
        response.headers[0] = rows[i].header;
        response.header_count = rows[i].header.name != NULL ? 1 : 0;
        struct verdict verdict = adapter_judge(&webpush_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %d %s: %s, %s", i,
                      rows[i].status, rows[i].body, verdict_name(verdict.kind), verdict.reason);
        int64_t wait = verdict.not_before_ms == 0 ? 0 : verdict.not_before_ms - TEST_NOW_MS;
        ck_assert_msg(wait == rows[i].wait_ms, "row %zu: %lld", i, (long long)wait);
        ck_assert_msg((verdict.kind == VERDICT_SENT) == (verdict.reason[0] == '\0'), "row %zu", i);
        ck_assert_int_eq(verdict.blame, verdict.kind == VERDICT_SENT ? BLAME_NOBODY : BLAME_RECIPIENT);
    }
}
END_TEST

START_TEST(test_judge_texts)
{
    static const struct {
        const char *endpoint;
        int status;
        const char *body, *reason;
    } rows[] = {
        {MOZILLA "/x", 401, ERRNO(401, 109), "HTTP 401 errno 109 M said"},
        {APPLE, 403, "{\"reason\":\"BadJwtToken\"}", "HTTP 403 BadJwtToken"},
        {FCM, 403, "invalid JWT", "HTTP 403"},
        {OTHER, 403, "{\"reason\":\"visit https://evil\"}", "HTTP 403"},
        {OTHER, 500, "{\"message\":\"visit https://evil\"}", "HTTP 500"},
        {APPLE, 400, "VapidPkHashMismatch", "HTTP 400, the subscription was made with another VAPID key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message message = test_message(subscription(rows[i].endpoint), "{\"body\":\"b\"}");
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict = adapter_judge(&webpush_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_str_eq(verdict.reason, rows[i].reason);
    }
    static const struct {
        struct header header;
        const char *id;
    } ids[] = {
        {{"location", "https://fcm.googleapis.com/0:1700%4060"}, "0:1700%4060"},
        {{"apns-id", "C5A3"}, "C5A3"},
        {{"x-wns-msg-id", "2B4D"}, "2B4D"},
        {{"location", "https://x.example/"}, ""},
        {{"etag", "x"}, ""},
    };
    struct message message = test_message(subscription(OTHER), "{\"body\":\"b\"}");
    struct response response = test_answer(201, "");
    response.header_count = 1;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        response.headers[0] = ids[i].header;
        ck_assert_str_eq(
            adapter_judge(&webpush_adapter, settings, &message, &response, TEST_NOW_MS).provider_id,
            ids[i].id);
    }
    response.headers[0] = (struct header){"location", arena_printf(arena, "https://m.example/m/%0160d", 0)};
    ck_assert_str_eq(adapter_judge(&webpush_adapter, settings, &message, &response, TEST_NOW_MS).provider_id,
                     "");
}
END_TEST

START_TEST(test_judge_failures)
{
    static const struct {
        const char *endpoint;
        enum send_state state;
        enum send_fault fault;
        const char *error, *verdict;
    } rows[] = {
        {FCM, SEND_UNSENT, FAULT_CONNECT, "connect: refused", "unsent"},
        {FCM, SEND_UNSENT, FAULT_CONNECT, "address not allowed", "unsent"},
        {FCM, SEND_UNSENT, FAULT_RESOLVE, "", "unsent"},
        {FCM, SEND_UNSENT, FAULT_TLS, "", "unsent"},
        {FCM, SEND_UNSENT, FAULT_NOT_ALLOWED, "address not allowed", "retry"},
        {"https://none.push.apple.com/x", SEND_UNSENT, FAULT_RESOLVE, "", "retry"},
        {OTHER, SEND_UNSENT, FAULT_TLS, "", "retry"},
        {OTHER, SEND_UNSENT, FAULT_RESOLVE, "", "retry"},
        {OTHER, SEND_UNSENT, FAULT_NOT_ALLOWED, "address not allowed", "retry"},
        {FCM, SEND_IN_DOUBT, FAULT_TIMEOUT, "", "in_doubt"},
        {OTHER, SEND_IN_DOUBT, FAULT_CONNECT, "", "in_doubt"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message message = test_message(subscription(rows[i].endpoint), "{\"body\":\"b\"}");
        struct response response = {.state = rows[i].state, .fault = rows[i].fault, .body = ""};
        snprintf(response.error, sizeof response.error, "%s", rows[i].error);
        struct verdict verdict = adapter_judge(&webpush_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
        ck_assert_int_eq(verdict.blame, BLAME_RECIPIENT);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("webpush_judge");
    TCase *tests = tcase_create("webpush_judge");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_judge);
    tcase_add_test(tests, test_judge_texts);
    tcase_add_test(tests, test_judge_failures);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
