#include "providers/sms/vonage.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"

#define PHONE    "+15005550001"
#define SECRET   "s3cr&t"
#define SETTINGS "{\"api_key\":\"abcd1234\",\"from\":\"+15005550006\"}"
#define LOGIN    "api_key=abcd1234&api_secret=s3cr%26t"
#define REF      "&client-ref=" TEST_UUID

static struct arena *arena;

static void setup(void)
{
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *secret, *error;
    } rows[] = {
        {"{}", SECRET, "settings.api_key: is required"},
        {"{\"api_key\":\"a b\",\"from\":\"ACME\"}", SECRET, "settings.api_key: must not contain spaces"},
        {"{\"api_key\":\"a\"}", SECRET, "settings.from: is required"},
        {"{\"api_key\":\"a\",\"from\":\"A name too long\"}", SECRET, "settings.from: must be a number"},
        {"{\"api_key\":\"a\",\"from\":\"ACME\",\"callback\":\"x\"}", SECRET,
         "settings.callback: must be an http or https URL"},
        {"{\"api_key\":\"a\",\"from\":\"ACME\",\"max_segments\":-1}", SECRET,
         "settings.max_segments: must be"},
        {SETTINGS, "", "secret api_secret: must not be empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *error = test_settings_error(&vonage_adapter, rows[i].json, rows[i].secret);
        ck_assert_msg(strstr(error, rows[i].error) != NULL, "row %zu: %s", i, error);
    }
    void *settings = test_settings_of(&vonage_adapter, SETTINGS, SECRET);
    struct endpoint_options options = {.http2 = true};
    vonage_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://rest.nexmo.com");
    ck_assert(!options.http2);
    vonage_adapter.settings_free(settings);
    vonage_adapter.settings_free(NULL);
}
END_TEST

START_TEST(test_build)
{
    static const struct {
        const char *json, *payload;
        int64_t expires_ms;
        const char *body;
    } rows[] = {
        {SETTINGS, "{\"text\":\"Hi + you\"}", 0,
         LOGIN "&from=15005550006&to=15005550001&text=Hi%20%2B%20you&type=text" REF},
        {SETTINGS, "{\"text\":\"안녕\",\"from\":\"ACME\"}", 0,
         LOGIN "&from=ACME&to=15005550001&text=%EC%95%88%EB%85%95&type=unicode" REF},
        {SETTINGS, "{\"text\":\"x\"}", TEST_NOW_MS + 60000,
         LOGIN "&from=15005550006&to=15005550001&text=x&type=text&ttl=60000" REF},
        {SETTINGS, "{\"text\":\"x\"}", TEST_NOW_MS + 1,
         LOGIN "&from=15005550006&to=15005550001&text=x&type=text&ttl=20000" REF},
        {SETTINGS, "{\"text\":\"x\"}", TEST_NOW_MS + 604800000,
         LOGIN "&from=15005550006&to=15005550001&text=x&type=text" REF},
        {"{\"api_key\":\"abcd1234\",\"from\":\"12345\",\"callback\":\"https://h.example/r\"}",
         "{\"text\":\"x\"}", 0,
         LOGIN "&from=12345&to=15005550001&text=x&type=text" REF "&callback=https%3A%2F%2Fh.example%2Fr"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *settings = test_settings_of(&vonage_adapter, rows[i].json, SECRET);
        struct message message = test_message(PHONE, rows[i].payload);
        message.expires_ms = rows[i].expires_ms;
        struct request request;
        struct verdict verdict = {.reason = ""};
        ck_assert_msg(vonage_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict),
                      "%s", verdict.reason);
        ck_assert_str_eq(request.method, "POST");
        ck_assert_str_eq(request.path, "/sms/json");
        ck_assert_str_eq(test_header(&request, "content-type"),
                         "application/x-www-form-urlencoded; charset=utf-8");
        ck_assert_str_eq(request.body, rows[i].body);
        ck_assert_uint_eq(request.body_size, strlen(rows[i].body));
        vonage_adapter.settings_free(settings);
    }
}
END_TEST

START_TEST(test_build_rejected)
{
    static const struct {
        const char *recipient, *payload, *reason;
    } rows[] = {
        {PHONE, "{}", "payload.text: must be"},
        {PHONE, "{\"text\":\"x\",\"from\":\"&to=1\"}", "payload.from: must be"},
        {"15005550001", "{\"text\":\"x\"}", "recipient: must be"},
    };
    void *settings = test_settings_of(&vonage_adapter, SETTINGS, SECRET);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = test_message(rows[i].recipient, rows[i].payload);
        struct request request;
        struct verdict verdict = {.kind = VERDICT_SENT};
        ck_assert(!vonage_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
        ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
        ck_assert_msg(strstr(verdict.reason, rows[i].reason) != NULL, "row %zu: %s", i, verdict.reason);
    }
    vonage_adapter.settings_free(settings);
}
END_TEST

static struct verdict judged(const struct response *response, const char *payload)
{
    struct message message = test_message(PHONE, payload);
    return adapter_judge(&vonage_adapter, NULL, &message, response, TEST_NOW_MS);
}

START_TEST(test_statuses)
{
    static const struct {
        int status;
        const char *verdict, *with_own_sender;
        int64_t wait_ms;
    } rows[] = {
        {1, "throttled", "throttled", 1000},
        {2, "rejected", "rejected", 0},
        {3, "rejected", "rejected", 0},
        {4, "stopped", "stopped", 0},
        {5, "retry", "retry", 0},
        {6, "rejected", "rejected", 0},
        {7, "address_gone", "address_gone", 0},
        {8, "stopped", "stopped", 0},
        {9, "stopped", "stopped", 0},
        {10, "throttled", "throttled", 1000},
        {11, "stopped", "stopped", 0},
        {12, "rejected", "rejected", 0},
        {14, "stopped", "stopped", 0},
        {15, "stopped", "rejected", 0},
        {22, "rejected", "rejected", 0},
        {23, "stopped", "stopped", 0},
        {29, "stopped", "stopped", 0},
        {32, "stopped", "stopped", 0},
        {33, "address_gone", "address_gone", 0},
        {99, "in_doubt", "in_doubt", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[256], reason[64];
        snprintf(body, sizeof body,
                 "{\"message-count\":\"1\",\"messages\":[{\"status\":\"%d\","
                 "\"error-text\":\"No 15005550001 here\"}]}",
                 rows[i].status);
        snprintf(reason, sizeof reason, "status %d: No ########### here", rows[i].status);
        struct response response = test_answer(200, body);
        struct verdict verdict = judged(&response, "{\"text\":\"x\"}");
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "status %d: %s",
                      rows[i].status, verdict_name(verdict.kind));
        ck_assert_msg(strstr(verdict.reason, reason) != NULL, "%s", verdict.reason);
        ck_assert_int_eq(verdict.not_before_ms, rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0);
        verdict = judged(&response, "{\"text\":\"x\",\"from\":\"ACME\"}");
        ck_assert_str_eq(verdict_name(verdict.kind), rows[i].with_own_sender);
    }
}
END_TEST

#define PARTS(parts) "{\"message-count\":\"1\",\"messages\":[" parts "]}"
#define OK(id, price)                                                                                        \
    "{\"to\":\"1\",\"message-id\":\"" id "\",\"status\":\"0\",\"message-price\":\"" price "\"}"
#define FAILED(status) "{\"status\":\"" status "\",\"error-text\":\"t\"}"

START_TEST(test_answers)
{
    static const struct {
        int status;
        const char *body, *verdict, *id, *cost;
    } rows[] = {
        {200, PARTS(OK("0A01", "0.03330000")), "sent", "0A01", "0.03330000"},
        {200, PARTS(OK("0A01", "0.03330000") "," OK("0A02", "0.03330000") "," OK("0A03", "0.1")), "sent",
         "0A01", "0.16660000"},
        {200, PARTS("{\"status\":0,\"message-id\":\"0A01\"}"), "sent", "0A01", ""},
        {200, PARTS(OK("0A01", "free")), "sent", "0A01", ""},
        {200, PARTS(OK("0A01", "1.2.3")), "sent", "0A01", ""},
        {200, PARTS("{\"status\":\"0\"}"), "sent", "", ""},
        {200, PARTS(OK("0A01", "1") "," FAILED("1")), "in_doubt", "", ""},
        {200, PARTS(FAILED("7") "," OK("0A01", "1")), "in_doubt", "", ""},
        {200, PARTS(FAILED("7") "," FAILED("7")), "address_gone", "", ""},
        {200, PARTS(""), "in_doubt", "", ""},
        {200, PARTS("{}"), "in_doubt", "", ""},
        {200, PARTS(OK("0A01", "1") ",{}"), "in_doubt", "", ""},
        {200, PARTS("{\"status\":\"\"}"), "in_doubt", "", ""},
        {200, PARTS("{\"status\":\"-1\"}"), "in_doubt", "", ""},
        {200, PARTS("{\"status\":\"0x\"}"), "in_doubt", "", ""},
        {200, PARTS("{\"status\":1000}"), "in_doubt", "", ""},
        {200, PARTS("{\"status\":true}"), "in_doubt", "", ""},
        {200, "{\"messages\":{}}", "in_doubt", "", ""},
        {200, "{\"messages\":[{\"status\":\"0\"", "in_doubt", "", ""},
        {200, "[]", "in_doubt", "", ""},
        {200, "<html>", "in_doubt", "", ""},
        {200, "", "in_doubt", "", ""},
        {302, "", "stopped", "", ""},
        {400, "", "rejected", "", ""},
        {401, "", "stopped", "", ""},
        {429, "", "throttled", "", ""},
        {500, PARTS(OK("0A01", "1")), "in_doubt", "", ""},
        {503, "", "in_doubt", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict = judged(&response, "{\"text\":\"x\"}");
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
        ck_assert_msg(strcmp(verdict.provider_id, rows[i].id) == 0 && strcmp(verdict.cost, rows[i].cost) == 0,
                      "row %zu: %s %s", i, verdict.provider_id, verdict.cost);
        ck_assert_str_eq(verdict.currency, rows[i].cost[0] != '\0' ? "EUR" : "");
        ck_assert_msg((verdict.reason[0] == '\0') == (verdict.kind == VERDICT_SENT), "row %zu", i);
    }
    struct response response = test_answer(200, PARTS(OK("0A01", "1")));
    response.body_truncated = true;
    ck_assert_int_eq(judged(&response, "{}").kind, VERDICT_IN_DOUBT);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_TLS};
    ck_assert_int_eq(judged(&response, "{}").kind, VERDICT_UNSENT);
    response = (struct response){.state = SEND_IN_DOUBT, .fault = FAULT_TIMEOUT};
    ck_assert_int_eq(judged(&response, "{}").kind, VERDICT_IN_DOUBT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vonage");
    TCase *cases = tcase_create("vonage");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_settings);
    tcase_add_test(cases, test_build);
    tcase_add_test(cases, test_build_rejected);
    tcase_add_test(cases, test_statuses);
    tcase_add_test(cases, test_answers);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
