#include "providers/http/webhook.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"

/* 24 octets, as base64 and as they are. */
#define KEY        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define FORMER_KEY "abcdefghijklmnopqrstuvwxyz"
#define URL        "https://hooks.example.com/in?a=1"

static struct arena *arena;

static void setup(void)
{
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
}

static void *account_with(const char *json, const char *former, struct error *err)
{
    const char *secrets[ADAPTER_MAX_SECRETS] = {KEY, former};
    return test_settings_new(&webhook_adapter, json, secrets, err);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *key, *error;
    } rows[] = {
        {"{}", "whsec_",
         "secret signing_key: must be whsec_ and 24 to 64 octets in base64, or the octets themselves"},
        {"{}", "whsec_!!!", "secret signing_key: must be whsec_"},
        {"{}",
         "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ=", "secret signing_key: must be whsec_"}, /* 23 octets */
        {"{}", "abcdefghijklmnopqrstuvw", "secret signing_key: must be whsec_"},
        {"{\"allow\":[]}", KEY, "settings.allow: must be a list with at least one text"},
        {"{\"trusted_origins\":[\"http://a.example\"]}", KEY,
         "settings.trusted_origins[0]: must be https://host or"},
        {"{\"ca_file\":5}", KEY, "settings.ca_file: must be a string"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *error = test_settings_error(&webhook_adapter, rows[i].json, rows[i].key);
        ck_assert_msg(strncmp(error, rows[i].error, strlen(rows[i].error)) == 0, "%s: %s", rows[i].json,
                      error);
    }
    struct error err;
    ck_assert_ptr_null(account_with("{}", "short", &err));
    ck_assert(strncmp(err.text, "secret former_signing_key: must be", 34) == 0);
    webhook_adapter.settings_free(NULL);

    struct endpoint_options options = {0};
    void *settings =
        account_with("{\"ca_file\":\"/x\",\"trusted_origins\":[\"https://localhost:1\"]}", NULL, &err);
    webhook_adapter.endpoint(settings, &options);
    ck_assert_ptr_null(options.url);
    ck_assert(options.guarded);
    ck_assert(!options.http2);
    ck_assert_str_eq(options.ca_file, "/x");
    ck_assert_str_eq(options.trusted_origins[0], "https://localhost:1");
    ck_assert_ptr_null(options.trusted_origins[1]);
    webhook_adapter.settings_free(settings);
}
END_TEST

/* Signed by npm standardwebhooks 1.1.1 with each key. */
#define BODY                                                                                                 \
    "{\"id\":\"" TEST_UUID "\",\"type\":\"order.paid\",\"timestamp\":\"2023-11-14T22:13:20.000Z\","          \
    "\"data\":{\"type\":\"order.paid\",\"order\":\"한 \\\"1\\\"\",\"n\":[1,null]}}"
#define SIGNATURE        "v1,YvMlkHQktKGjAbp0E0g10AhRhNi7RsUwYMyl1hFOvG4="
#define FORMER_SIGNATURE "v1,KpQxOC2lSL8gr94FvXvVhtwxoa+0jpHh0t+vt/Vh6TE="

START_TEST(test_build)
{
    static const char *const formers[] = {NULL, FORMER_KEY};
    static const char *const signatures[] = {SIGNATURE, SIGNATURE " " FORMER_SIGNATURE};
    struct message message =
        test_message(URL, "{\"type\":\"order.paid\",\"order\":\"한 \\\"1\\\"\",\"n\":[1,null]}");
    for (size_t i = 0; i < 2; i++) {
        struct error err;
        struct request request;
        struct verdict verdict;
        void *settings = account_with("{}", formers[i], &err);
        ck_assert(
            webhook_adapter.build(settings, &message, NULL, TEST_NOW_MS + 61999, arena, &request, &verdict));
        ck_assert_str_eq(request.method, "POST");
        ck_assert_str_eq(request.origin, "https://hooks.example.com");
        ck_assert_str_eq(request.path, "/in?a=1");
        ck_assert_str_eq(request.body, BODY);
        ck_assert_uint_eq(request.body_size, strlen(BODY));
        ck_assert_uint_eq(request.header_count, 5);
        ck_assert_str_eq(test_header(&request, "content-type"), "application/json");
        ck_assert(strncmp(test_header(&request, "user-agent"), "pgoutbox/", 9) == 0);
        ck_assert_str_eq(test_header(&request, "webhook-id"), TEST_UUID);
        ck_assert_str_eq(test_header(&request, "webhook-timestamp"), "1700000061");
        ck_assert_str_eq(test_header(&request, "webhook-signature"), signatures[i]);
        webhook_adapter.settings_free(settings);
    }
}
END_TEST

static const char *signatures_and_body(struct json_object *entry, struct arena *memory)
{
    struct error err;
    struct request request;
    struct verdict verdict;
    const char *secrets[ADAPTER_MAX_SECRETS] = {test_text(entry, "key"), json_get_text(entry, "former")};
    void *settings = test_settings_new(&webhook_adapter, "{}", secrets, &err);
    ck_assert_ptr_nonnull(settings);
    struct message message = test_message(URL, "{}");
    message.uuid = test_text(entry, "id");
    message.payload = json_get(entry, "payload");
    message.created_ms = json_get_int(entry, "created_ms", 0);
    int64_t now_ms = json_get_int(entry, "now_ms", 0);
    ck_assert(webhook_adapter.build(settings, &message, NULL, now_ms, memory, &request, &verdict));
    webhook_adapter.settings_free(settings);
    return arena_printf(memory, "%s\t%s\t%s", test_header(&request, "webhook-timestamp"),
                        test_header(&request, "webhook-signature"), request.body);
}

START_TEST(test_cases)
{
    test_answer_cases(signatures_and_body);
}
END_TEST

START_TEST(test_type_is_optional)
{
    struct error err;
    struct request request;
    struct verdict verdict;
    void *settings = account_with("{}", NULL, &err);
    static const char *const payloads[] = {"{\"a\":1}", "{\"type\":5}"};
    for (size_t i = 0; i < 2; i++) {
        struct message message = test_message(URL, payloads[i]);
        ck_assert(webhook_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
        struct json_object *body = test_json(request.body);
        ck_assert_ptr_null(test_at(body, "type"));
        ck_assert_str_eq(json_object_to_json_string_ext(test_at(body, "data"), JSON_C_TO_STRING_PLAIN),
                         payloads[i]);
        json_object_put(body);
    }
    webhook_adapter.settings_free(settings);
}
END_TEST

/* A recipient's URL is a secret: the reason does not repeat it. */
START_TEST(test_url)
{
    struct error err;
    void *settings = account_with("{}", NULL, &err);
    struct message message = test_message("https://10.0.0.1/key", "{}");
    struct request request;
    struct verdict verdict;
    ck_assert(!webhook_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    ck_assert_str_eq(verdict.reason, "recipient: must have a full host name, not an address");
    webhook_adapter.settings_free(settings);
}
END_TEST

START_TEST(test_judge)
{
    static const struct {
        int status;
        const char *retry_after, *verdict, *reason;
        int64_t wait_ms;
    } rows[] = {
        {200, NULL, "sent", "", 0},
        {201, NULL, "sent", "", 0},
        {204, NULL, "sent", "", 0},
        {299, NULL, "sent", "", 0},
        {301, NULL, "rejected", "HTTP 301 redirects are not followed", 0},
        {308, NULL, "rejected", "HTTP 308 redirects are not followed", 0},
        {400, NULL, "retry", "HTTP 400", 0},
        {401, NULL, "retry", "HTTP 401", 0},
        {403, NULL, "retry", "HTTP 403", 0},
        {404, NULL, "retry", "HTTP 404", 0},
        {409, NULL, "retry", "HTTP 409", 0},
        {410, NULL, "address_gone", "HTTP 410 the receiver wants no more", 0},
        {413, NULL, "rejected", "HTTP 413 too large for the receiver", 0},
        {429, NULL, "retry", "HTTP 429", 0},
        {429, "120", "retry", "HTTP 429", 120000},
        {429, "Tue, 14 Nov 2023 22:14:20 GMT", "retry", "HTTP 429", 60000},
        {500, NULL, "retry", "HTTP 500", 0},
        {502, NULL, "retry", "HTTP 502", 0},
        {503, "5", "retry", "HTTP 503", 5000},
        {504, NULL, "retry", "HTTP 504", 0},
        {101, NULL, "retry", "HTTP 101", 0},
        {999, NULL, "retry", "HTTP 999", 0},
    };
    struct message message = test_message(URL, "{}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, "<html>not read</html>");
        if (rows[i].retry_after != NULL)
            response.headers[response.header_count++] = (struct header){"retry-after", rows[i].retry_after};
        struct verdict verdict = adapter_judge(&webhook_adapter, NULL, &message, &response, TEST_NOW_MS);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d: %s", rows[i].status,
                      verdict_name(verdict.kind));
        ck_assert_str_eq(verdict.reason, rows[i].reason);
        ck_assert_int_eq(verdict.not_before_ms, rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0);
    }
    /* One receiver's trouble is never the provider's. */
    static const enum send_fault faults[] = {FAULT_RESOLVE,  FAULT_CONNECT, FAULT_TLS,        FAULT_TIMEOUT,
                                             FAULT_PROTOCOL, FAULT_REFUSED, FAULT_NOT_ALLOWED};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        for (enum send_state state = SEND_UNSENT; state <= SEND_IN_DOUBT; state += SEND_IN_DOUBT) {
            struct response response = {.state = state, .fault = faults[i], .body = "", .error = "why"};
            struct verdict verdict = adapter_judge(&webhook_adapter, NULL, &message, &response, TEST_NOW_MS);
            ck_assert_int_eq(verdict.kind, VERDICT_RETRY);
            ck_assert(strstr(verdict.reason, ": why") != NULL);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("webhook");
    TCase *tests = tcase_create("webhook");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_type_is_optional);
    tcase_add_test(tests, test_url);
    tcase_add_test(tests, test_judge);
    suite_add_tcase(suite, tests);
    suite_add(suite, test_cases);
    return suite_run(suite);
}
