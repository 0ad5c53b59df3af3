#include "providers/sms/sens.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define MOBILE  "+821012345678"
#define SERVICE "ncp:sms:kr:123456789012:sens"
#define REST    ",\"from\":\"0212345678\",\"access_key\":\"ACCESSKEYEXAMPLE0000\""
#define ACCOUNT "{\"service_id\":\"" SERVICE "\"" REST
#define SECRET  "SECRETKEYEXAMPLE000000000000000000000000"
#define PATH    "/sms/v2/services/" SERVICE "/messages"

static void *settings;
static struct arena *arena;

static void setup(void)
{
    settings = test_settings_of(&sens_adapter, ACCOUNT ",\"advertising\":true}", SECRET);
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    sens_adapter.settings_free(settings);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *secret, *error;
    } rows[] = {
        {"{}", SECRET, "settings.from: is required"},
        {"{\"from\":\"0212345678\"}", SECRET, "settings.service_id: is required"},
        {"{\"service_id\":\"a/b\"" REST "}", SECRET, "settings.service_id: must be a service id"},
        {"{\"service_id\":\"a?b\"" REST "}", SECRET, "settings.service_id: must be a service id"},
        {"{\"service_id\":\"a\\r\\nb\"" REST "}", SECRET, "settings.service_id: must not contain"},
        {"{\"service_id\":\"s\",\"from\":\"0212345678\"}", SECRET, "settings.access_key: is required"},
        {ACCOUNT "}", "a\nb", "secret secret_key: must be visible ASCII"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = test_settings_error(&sens_adapter, rows[i].json, rows[i].secret);
        ck_assert_msg(strstr(text, rows[i].error) == text, "%s: %s", rows[i].json, text);
    }
    char json[512];
    snprintf(json, sizeof json, "{\"service_id\":\"%0*d\"" REST "}", 129, 0);
    ck_assert(strstr(test_settings_error(&sens_adapter, json, SECRET), "settings.service_id: must be") !=
              NULL);
    struct endpoint_options options = {.http2 = true};
    sens_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://sens.apigw.ntruss.com");
    ck_assert(!options.http2);
}
END_TEST

START_TEST(test_vector)
{
    struct json_object *vectors = vectors_load("request_signatures.json");
    struct json_object *vector = test_at(vectors, "ncp_sens");
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    struct request request;
    struct verdict verdict;
    ck_assert(sens_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_str_eq(request.method, test_text(vector, "method"));
    ck_assert_str_eq(request.path, test_text(vector, "uri"));
    ck_assert_str_eq(test_header(&request, "x-ncp-apigw-timestamp"), test_text(vector, "timestamp_ms"));
    ck_assert_str_eq(test_header(&request, "x-ncp-iam-access-key"), test_text(vector, "access_key"));
    ck_assert_str_eq(test_header(&request, "x-ncp-apigw-signature-v2"), test_text(vector, "signature_b64"));
    ck_assert_str_eq(test_header(&request, "content-type"), "application/json; charset=utf-8");
    json_object_put(vectors);
}
END_TEST

static struct json_object *built(const struct message *message)
{
    struct request request = test_built(&sens_adapter, settings, message, arena);
    ck_assert_uint_eq(request.body_size, strlen(request.body));
    return test_json(request.body);
}

START_TEST(test_build)
{
    struct message message = test_message(MOBILE, "{\"text\":\"안녕 \\\"A\\\"\"}");
    struct json_object *body = built(&message);
    ck_assert_int_eq(json_object_object_length(body), 6);
    ck_assert_str_eq(test_text(body, "type"), "SMS");
    ck_assert_str_eq(test_text(body, "contentType"), "COMM");
    ck_assert_str_eq(test_text(body, "countryCode"), "82");
    ck_assert_str_eq(test_text(body, "from"), "0212345678");
    ck_assert_str_eq(test_text(body, "content"), "안녕 \"A\"");
    ck_assert_str_eq(test_text(body, "messages/0/to"), "01012345678");
    ck_assert_int_eq((int)json_object_array_length(test_at(body, "messages")), 1);
    json_object_put(body);

    message = test_message(
        MOBILE, "{\"text\":\"(광고) 세일 무료수신거부 0801234567\",\"type\":\"lms\",\"subject\":\"제목\","
                "\"from\":\"1588-0000\"}");
    message.bulk = true;
    body = built(&message);
    ck_assert_str_eq(test_text(body, "type"), "LMS");
    ck_assert_str_eq(test_text(body, "contentType"), "AD");
    ck_assert_str_eq(test_text(body, "subject"), "제목");
    ck_assert_str_eq(test_text(body, "from"), "15880000");
    json_object_put(body);

    struct request request;
    struct verdict verdict;
    message = test_message(MOBILE, "{\"text\":\"세일\"}");
    message.bulk = true;
    ck_assert(!sens_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    message = test_message("+14155550100", "{\"text\":\"a\"}");
    ck_assert(!sens_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
}
END_TEST

#define GATEWAY(text) "{\"error\":{\"errorCode\":\"200\",\"message\":\"" text "\",\"details\":\"d\"}}"

START_TEST(test_judge)
{
    static const struct {
        int status;
        const char *body, *verdict, *text; /* text: the provider id of SENT, else what the reason has */
    } rows[] = {
        {202,
         "{\"requestId\":\"VRSS-1\",\"requestTime\":\"t\",\"statusCode\":\"202\",\"statusName\":\"success\"}",
         "sent", "VRSS-1"},
        {202, "{\"requestId\":\"VRSS-1\",\"statusCode\":202}", "sent", "VRSS-1"},
        {202, "{\"requestId\":\"VRSS-1\",\"statusCode\":\"400\",\"statusName\":\"fail\"}", "rejected", "400"},
        {202, "{\"requestId\":\"VRSS-1\",\"statusName\":\"fail\",\"statusMessage\":\"오류\"}", "rejected",
         "fail: 오류"},
        {202, "{\"requestId\":\"VRSS-1\",\"statusCode\":\"500\"}", "in_doubt", "not SENS's"},
        {202, "{\"statusCode\":\"202\",\"statusName\":\"success\"}", "in_doubt", "not SENS's"},
        {202, "{\"requestId\":5,\"statusCode\":\"2", "in_doubt", "not SENS's"},
        {202, "{}", "in_doubt", "not SENS's"},
        {202, "", "in_doubt", "not SENS's"},
        {202, "<html>", "in_doubt", "not SENS's"},
        {200, "{}", "in_doubt", "HTTP 200"},
        {400, "{\"status\":400,\"errorMessage\":\"bad content\"}", "rejected", "HTTP 400 bad content"},
        {400, "", "rejected", "HTTP 400"},
        {401, GATEWAY("Authentication Failed"), "stopped", "HTTP 401 Authentication Failed"},
        {403, GATEWAY("Permission Denied"), "stopped", "HTTP 403 Permission Denied"},
        {404, GATEWAY("Not Found"), "stopped", "HTTP 404 Not Found"},
        {404, "<html>", "stopped", "HTTP 404"},
        {429, GATEWAY("Quota"), "throttled", "HTTP 429 Quota"},
        {500, "{}", "in_doubt", "HTTP 500"},
        {502, "<html>", "in_doubt", "HTTP 502"},
        {503, "", "in_doubt", "HTTP 503"},
        {504, "", "in_doubt", "HTTP 504"},
        {302, "", "stopped", "HTTP 302"},
        {400, "{\"error\":\"text\"}", "rejected", "HTTP 400"},
        {400, GATEWAY("to 01012345678"), "rejected", "to ***********"},
    };
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict = adapter_judge(&sens_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s", rows[i].status,
                      rows[i].body, verdict_name(verdict.kind));
        if (verdict.kind == VERDICT_SENT)
            ck_assert_str_eq(verdict.provider_id, rows[i].text);
        else
            ck_assert_msg(strstr(verdict.reason, rows[i].text) != NULL, "%s", verdict.reason);
    }
    struct response response = test_answer(202, "{\"requestId\":\"V\",\"statusCode\":\"202\"}");
    response.body_truncated = true;
    ck_assert_int_eq(adapter_judge(&sens_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = ""};
    ck_assert_int_eq(adapter_judge(&sens_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_UNSENT);
}
END_TEST

START_TEST(test_inquiry)
{
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    struct request request;
    ck_assert(
        !sens_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 1000, arena, &request));
    ck_assert(
        sens_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 60000, arena, &request));
    ck_assert_str_eq(request.method, "GET");
    ck_assert_str_eq(request.path, PATH "?requestStartTime=2023-11-15%2007%3A08%3A20"
                                        "&requestEndTime=2023-11-15%2008%3A13%3A20&to=01012345678");
    ck_assert_str_eq(test_header(&request, "x-ncp-apigw-timestamp"), "1700000060000");
    ck_assert_ptr_nonnull(test_header(&request, "x-ncp-apigw-signature-v2"));
    ck_assert(!sens_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 659999, arena,
                                          &request));
    ck_assert(sens_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 660000, arena,
                                         &request));
    ck_assert_str_eq(request.path, PATH "?requestStartTime=2023-11-15%2007%3A08%3A20"
                                        "&requestEndTime=2023-11-15%2008%3A23%3A20&to=01012345678");
    static const struct {
        int status;
        const char *body, *verdict;
    } rows[] = {
        {200, "{\"statusCode\":\"200\",\"statusName\":\"success\",\"messages\":[]}", "unsent"},
        {202, "{\"statusCode\":\"202\",\"statusName\":\"success\",\"messages\":[]}", "unsent"},
        {200, "{\"messages\":[{\"requestId\":\"V\",\"messageId\":\"0\",\"to\":\"01012345678\"}]}",
         "in_doubt"},
        {200, "{\"messages\":{}}", "in_doubt"},
        {200, "{}", "in_doubt"},
        {200, "", "in_doubt"},
        {401, GATEWAY("Authentication Failed"), "in_doubt"},
        {404, "", "in_doubt"},
        {500, "{\"messages\":[]}", "in_doubt"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict =
            adapter_judge_inquiry(&sens_adapter, settings, &message, &response, TEST_SENT);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%s: %s", rows[i].body,
                      verdict_name(verdict.kind));
    }
    struct response lost = {.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = ""};
    ck_assert_int_eq(adapter_judge_inquiry(&sens_adapter, settings, &message, &lost, TEST_SENT).kind,
                     VERDICT_IN_DOUBT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sens");
    TCase *tests = tcase_create("sens");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_vector);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_judge);
    tcase_add_test(tests, test_inquiry);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
