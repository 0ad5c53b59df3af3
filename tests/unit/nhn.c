#include "providers/sms/nhn.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"

#define MOBILE  "+821012345678"
#define SENDER  "\"from\":\"0212345678\""
#define ACCOUNT "{" SENDER ",\"app_key\":\"App_Key-1\",\"advertising\":true,\"abroad\":true}"
#define SENDING "/sms/v3.0/appKeys/App_Key-1/sender/"
#define AD_TEXT "(광고) 세일\\n무료수신거부 0801234567"

static void *settings;
static struct arena *arena;

static void setup(void)
{
    settings = test_settings_of(&nhn_adapter, ACCOUNT, "S3cret");
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    nhn_adapter.settings_free(settings);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *secret, *error;
    } rows[] = {
        {"{}", "s", "settings.from: is required"},
        {"{" SENDER "}", "s", "settings.app_key: is required"},
        {"{" SENDER ",\"app_key\":\"a/b\"}", "s", "settings.app_key: must have letters"},
        {"{" SENDER ",\"app_key\":\"a?b\"}", "s", "settings.app_key: must have letters"},
        {"{" SENDER ",\"app_key\":\"a\"}", "a\r\nx: y", "secret secret_key: must be visible ASCII"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = test_settings_error(&nhn_adapter, rows[i].json, rows[i].secret);
        ck_assert_msg(strstr(text, rows[i].error) == text, "%s: %s", rows[i].json, text);
    }
    struct endpoint_options options = {.http2 = true};
    nhn_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://sms.api.nhncloudservice.com");
    ck_assert(!options.http2);
}
END_TEST

static struct json_object *built(const struct message *message, const char *path)
{
    struct request request = test_built(&nhn_adapter, settings, message, arena);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, path);
    ck_assert_str_eq(test_header(&request, "x-secret-key"), "S3cret");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/json; charset=utf-8");
    ck_assert_uint_eq(request.body_size, strlen(request.body));
    return test_json(request.body);
}

START_TEST(test_build)
{
    struct message message = test_message(MOBILE, "{\"text\":\"안녕 \\\"A\\\"\"}");
    struct json_object *body = built(&message, SENDING "sms");
    ck_assert_int_eq(json_object_object_length(body), 4);
    ck_assert_str_eq(test_text(body, "body"), "안녕 \"A\"");
    ck_assert_str_eq(test_text(body, "sendNo"), "0212345678");
    ck_assert_str_eq(test_text(body, "senderGroupingKey"), "pgoutbox");
    ck_assert_int_eq((int)json_object_array_length(test_at(body, "recipientList")), 1);
    ck_assert_int_eq(json_object_object_length(test_at(body, "recipientList/0")), 2);
    ck_assert_str_eq(test_text(body, "recipientList/0/recipientNo"), "01012345678");
    ck_assert_str_eq(test_text(body, "recipientList/0/recipientGroupingKey"), TEST_UUID);
    json_object_put(body);

    message = test_message("+14155550100", "{\"text\":\"a\",\"from\":\"15880000\"}");
    body = built(&message, SENDING "sms");
    ck_assert_str_eq(test_text(body, "recipientList/0/internationalRecipientNo"), "14155550100");
    ck_assert_ptr_null(test_at(body, "recipientList/0/recipientNo"));
    ck_assert_str_eq(test_text(body, "sendNo"), "15880000");
    json_object_put(body);
}
END_TEST

START_TEST(test_build_kinds)
{
    static const struct {
        const char *payload;
        bool bulk;
        const char *path, *title; /* title NULL: none */
    } rows[] = {
        {"{\"text\":\"a\",\"type\":\"lms\",\"subject\":\"제목\"}", false, SENDING "mms", "제목"},
        {"{\"text\":\"\\n 첫 줄\\n둘째 줄\",\"type\":\"lms\"}", false, SENDING "mms", "첫 줄"},
        {"{\"text\":\"가나다라마바사아자차가나다라마바사아자차카타\",\"type\":\"lms\"}", false, SENDING "mms",
         "가나다라마바사아자차가나다라마바사아자차"},
        {"{\"text\":\"" AD_TEXT "\"}", true, SENDING "ad-sms", NULL},
        {"{\"text\":\"" AD_TEXT "\",\"type\":\"lms\"}", true, SENDING "ad-mms", "(광고) 세일"},
        {"{\"text\":\"" AD_TEXT "\"}", false, SENDING "sms", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = test_message(MOBILE, rows[i].payload);
        message.bulk = rows[i].bulk;
        struct json_object *body = built(&message, rows[i].path);
        ck_assert_str_eq(test_text(body, "title"), rows[i].title != NULL ? rows[i].title : "(none)");
        json_object_put(body);
    }
    struct request request;
    struct verdict verdict;
    struct message message = test_message(MOBILE, "{\"text\":\"세일\"}");
    message.bulk = true;
    ck_assert(!nhn_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
}
END_TEST

/* Answers whose first or second level has the code. */
static const char *header_with(const char *code)
{
    static char body[256];
    snprintf(body, sizeof body,
             "{\"header\":{\"isSuccessful\":false,\"resultCode\":%s,\"resultMessage\":\"m\"},\"body\":null}",
             code);
    return body;
}

static const char *result_with(const char *code)
{
    static char body[512];
    snprintf(
        body, sizeof body,
        "{\"header\":{\"isSuccessful\":true,\"resultCode\":0,\"resultMessage\":\"SUCCESS\"},\"body\":{"
        "\"data\":"
        "{\"requestId\":\"R1\",\"statusCode\":\"2\",\"sendResultList\":[{\"recipientNo\":\"01012345678\","
        "\"resultCode\":%s,\"resultMessage\":\"m\",\"recipientSeq\":1}]}}}",
        code);
    return body;
}

static struct verdict judge_text_of(int status, const char *body, const char *recipient, const char *payload)
{
    struct message message = test_message(recipient, payload);
    struct response response = test_answer(status, body);
    return adapter_judge(&nhn_adapter, settings, &message, &response, TEST_NOW_MS);
}

static const char *judged(const char *body)
{
    return verdict_name(judge_text_of(200, body, MOBILE, "{\"text\":\"a\"}").kind);
}

START_TEST(test_result_codes)
{
    static const struct {
        const char *verdict;
        int codes[24];
    } rows[] = {
        {"rejected",
         {4, -2000, -2001, -2012, -2014, -2015, -2016, -2018, -2022, -2023, -2024, -2048, -8000, -6003, -9996,
          -9997}},
        {"address_gone", {-2019}},
        {"stopped", {-1000, -1001, -1002, -1003, -1004, -1007, -1008, -9995, -9998}},
        {"stopped", {-2312, -2313, -6000, -6004, -2110}},
        {"stopped", {-2044, -2045, -2046, -2050}},
        {"stopped", {-2047, -2051, -2052, -2053}},
        {"address_gone", {-6001}},
        {"retry", {-2021, -9999}},
        {"in_doubt", {-1, 7, -20000}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; rows[i].codes[k] != 0; k++) {
            char code[16];
            snprintf(code, sizeof code, "%d", rows[i].codes[k]);
            ck_assert_msg(strcmp(judged(header_with(code)), rows[i].verdict) == 0, "%s: %s", code,
                          judged(header_with(code)));
            ck_assert_msg(strcmp(judged(result_with(code)), rows[i].verdict) == 0, "%s", code);
        }
    }
}
END_TEST

START_TEST(test_receive_codes)
{
    static const struct {
        const char *verdict;
        const char *codes[24];
    } rows[] = {
        {"sent", {"1000"}},
        {"retry", {"1001", "3011", "4009"}},
        {"address_gone", {"1002", "3001", "3003", "4003", "4005"}},
        {"stopped", {"1003", "3017", "3018", "3019", "4001", "4002"}},
        {"rejected",
         {"1019", "2000", "2001", "2002", "2003", "2004", "2005", "2006", "2007", "3004", "3005", "3008",
          "4004"}},
        {"rejected",
         {"3000", "3006", "3007", "3010", "3013", "3014", "3015", "3016", "4006", "4007", "E900", "E999"}},
        {"rejected", {"3002"}},
        {"rejected", {"3009", "E911", "E913"}},
        {"rejected", {"3012", "4008", "4010"}},
        {"sent", {"E915"}},
        {"retry", {"E919"}},
        {"in_doubt", {"E000", "5000", ""}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; rows[i].codes[k] != NULL; k++) {
            char code[16];
            snprintf(code, sizeof code, "\"%s\"", rows[i].codes[k]);
            ck_assert_msg(strcmp(judged(result_with(code)), rows[i].verdict) == 0, "%s: %s", code,
                          judged(result_with(code)));
        }
    }
    /* E919: from 08:00 in Korea, which is 23:00Z. */
    struct verdict verdict = judge_text_of(200, result_with("\"E919\""), MOBILE, "{\"text\":\"a\"}");
    ck_assert_int_eq(verdict.not_before_ms, INT64_C(1700002800000));
}
END_TEST

#define HEADER "\"header\":{\"isSuccessful\":true,\"resultCode\":0}"

START_TEST(test_judge)
{
    static const struct {
        int status;
        const char *body, *verdict;
    } rows[] = {
        {200, "{" HEADER ",\"body\":{\"data\":{\"requestId\":\"R1\",\"statusCode\":\"2\"}}}", "sent"},
        {200,
         "{" HEADER ",\"body\":{\"data\":{\"requestId\":\"R1\",\"statusCode\":\"1\",\"sendResultList\":[]}}}",
         "sent"},
        {200, "{" HEADER ",\"body\":{\"data\":{\"requestId\":\"R1\",\"statusCode\":\"3\"}}}", "rejected"},
        {200, "{" HEADER ",\"body\":{\"data\":{\"statusCode\":\"2\"}}}", "in_doubt"},
        {200, "{" HEADER ",\"body\":null}", "in_doubt"},
        {200, "{" HEADER ",\"body\":{\"data\":{\"requestId\":\"R1\",\"sendResultList\":[null]}}}",
         "in_doubt"},
        {200,
         "{\"header\":{\"isSuccessful\":false,\"resultCode\":0},\"body\":{\"data\":{\"requestId\":\"R1\"}}}",
         "in_doubt"},
        {200, "{\"header\":{}}", "in_doubt"},
        {200, "{\"header\":5}", "in_doubt"},
        {200, "[]", "in_doubt"},
        {200, "", "in_doubt"},
        {200, "<html>", "in_doubt"},
        {200, "{" HEADER ",\"body\":{\"da", "in_doubt"},
        {400, "{\"header\":{\"resultMessage\":\"bad\"}}", "rejected"},
        {401, "", "stopped"},
        {403, "", "stopped"},
        {404, "", "stopped"},
        {429, "", "throttled"},
        {500, "", "in_doubt"},
        {502, "<html>", "in_doubt"},
        {503, "", "in_doubt"},
        {302, "", "stopped"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict verdict = judge_text_of(rows[i].status, rows[i].body, MOBILE, "{\"text\":\"a\"}");
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s", rows[i].status,
                      rows[i].body, verdict_name(verdict.kind));
        ck_assert_msg((verdict.kind == VERDICT_SENT) == (verdict.reason[0] == '\0'), "%s", verdict.reason);
        ck_assert_str_eq(verdict.provider_id, verdict.kind == VERDICT_SENT ? "R1" : "");
    }
    /* What only one message asked for does not stop the provider. */
    struct verdict verdict =
        judge_text_of(200, header_with("-2312"), MOBILE, "{\"text\":\"a\",\"from\":\"15880000\"}");
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    verdict = judge_text_of(200, header_with("-2045"), "+14155550100", "{\"text\":\"a\"}");
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    ck_assert_str_eq(verdict.reason, "-2045: m");

    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    struct response response = test_answer(200, result_with("0"));
    ck_assert_int_eq(adapter_judge(&nhn_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_SENT);
    response.body_truncated = true;
    ck_assert_int_eq(adapter_judge(&nhn_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = ""};
    ck_assert_int_eq(adapter_judge(&nhn_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_UNSENT);
}
END_TEST

START_TEST(test_inquiry_build)
{
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    struct request request;
    ck_assert(!nhn_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 1000, arena, &request));
    ck_assert(nhn_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 60000, arena, &request));
    ck_assert_str_eq(request.method, "GET");
    ck_assert_str_eq(request.path,
                     SENDING "sms?startCreateDate=2023-11-15%2007%3A08%3A20"
                             "&endCreateDate=2023-11-15%2008%3A13%3A20&recipientGroupingKey=" TEST_UUID);
    ck_assert_str_eq(test_header(&request, "x-secret-key"), "S3cret");
    ck_assert(!nhn_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 659999, arena,
                                         &request));
    ck_assert(nhn_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 660000, arena,
                                        &request));
    ck_assert_str_eq(request.path,
                     SENDING "sms?startCreateDate=2023-11-15%2007%3A08%3A20"
                             "&endCreateDate=2023-11-15%2008%3A23%3A20&recipientGroupingKey=" TEST_UUID);
    message = test_message(MOBILE, "{\"text\":\"a\",\"type\":\"lms\"}");
    ck_assert(nhn_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 60000, arena, &request));
    ck_assert(strstr(request.path, SENDING "mms?startCreateDate=") == request.path);
}
END_TEST

#define ITEM_WITH(id, key, status) "{\"requestId\":\"" id "\"," status "\"recipientGroupingKey\":\"" key "\"}"
#define STATUS(digit)              "\"msgStatus\":\"" digit "\","
#define ITEM(id, key)              ITEM_WITH(id, key, STATUS("3"))
#define OURS(id, digit)            ITEM_WITH(id, TEST_UUID, STATUS(digit))
#define LIST(items)                "{" HEADER ",\"body\":{\"totalCount\":2,\"data\":[" items "]}}"

START_TEST(test_inquiry_judge)
{
    static const struct {
        int status;
        const char *body, *verdict;
    } rows[] = {
        {200,
         "{" HEADER ",\"body\":{\"totalCount\":2,\"data\":[" ITEM("R0", "x") "," ITEM("R1", TEST_UUID) "]}}",
         "sent"},
        {200, "{" HEADER ",\"body\":{\"totalCount\":0,\"data\":[]}}", "unsent"},
        {200, "{" HEADER ",\"body\":{\"totalCount\":1,\"data\":[" ITEM("R0", "x") "]}}", "in_doubt"},
        {200, "{" HEADER ",\"body\":{\"totalCount\":3,\"data\":[]}}", "in_doubt"},
        {200, "{" HEADER ",\"body\":{\"totalCount\":0,\"data\":[" ITEM("R0", "x") "]}}", "in_doubt"},
        {200, "{" HEADER ",\"body\":{\"data\":[]}}", "in_doubt"},
        {200, "{" HEADER ",\"body\":{\"totalCount\":0}}", "in_doubt"},
        {200, "{" HEADER ",\"body\":null}", "in_doubt"},
        {200,
         "{\"header\":{\"isSuccessful\":false,\"resultCode\":-1000},\"body\":{\"totalCount\":0,\"data\":[]}}",
         "in_doubt"},
        {200, "", "in_doubt"},
        {200, "[]", "in_doubt"},
        {401, "", "in_doubt"},
        {500, "{" HEADER ",\"body\":{\"totalCount\":0,\"data\":[]}}", "in_doubt"},
    };
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict =
            adapter_judge_inquiry(&nhn_adapter, settings, &message, &response, TEST_SENT);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%s: %s", rows[i].body,
                      verdict_name(verdict.kind));
        ck_assert_str_eq(verdict.provider_id, verdict.kind == VERDICT_SENT ? "R1" : "");
    }
    struct response lost = {.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = ""};
    ck_assert_int_eq(adapter_judge_inquiry(&nhn_adapter, settings, &message, &lost, TEST_SENT).kind,
                     VERDICT_IN_DOUBT);
}
END_TEST

/* Each attempt has an entry of its own, in any order. */
START_TEST(test_inquiry_states)
{
    static const struct {
        const char *body, *verdict, *reason;
    } rows[] = {
        {LIST(OURS("R1", "1")), "sent", ""},
        {LIST(OURS("R1", "2")), "sent", ""},
        {LIST(OURS("R1", "3")), "sent", ""},
        {LIST(OURS("R1", "7")), "sent", ""},
        {LIST(ITEM_WITH("R1", TEST_UUID, "\"msgStatus\":2,")), "sent", ""},
        {LIST(OURS("R0", "0")), "in_doubt", "failed"},
        {LIST(OURS("R0", "4")), "in_doubt", "cancelled"},
        {LIST(OURS("R0", "5")), "in_doubt", "duplicate"},
        {LIST(OURS("R0", "6")), "in_doubt", "failed by the advertising limit"},
        {LIST(OURS("R0", "8")), "in_doubt", "in no known state"},
        {LIST(OURS("R0", "33")), "in_doubt", "in no known state"},
        {LIST(ITEM_WITH("R0", TEST_UUID, "")), "in_doubt", "in no known state"},
        {LIST(ITEM_WITH("R0", TEST_UUID, "\"msgStatus\":null,")), "in_doubt", "in no known state"},
        {LIST(OURS("R0", "0") "," OURS("R1", "2")), "sent", ""},
        {LIST(OURS("R1", "3") "," OURS("R0", "0")), "sent", ""},
        {LIST(ITEM_WITH("R0", TEST_UUID, "") "," OURS("R1", "1")), "sent", ""},
        {LIST(OURS("R0", "4") "," OURS("R2", "0")), "in_doubt", "failed"},
        {LIST(OURS("R0", "0") "," ITEM("R2", "x")), "in_doubt", "failed"},
    };
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(200, rows[i].body);
        struct verdict verdict =
            adapter_judge_inquiry(&nhn_adapter, settings, &message, &response, TEST_SENT);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%s: %s", rows[i].body,
                      verdict_name(verdict.kind));
        ck_assert_str_eq(verdict.provider_id, verdict.kind == VERDICT_SENT ? "R1" : "");
        const char *state = strstr(verdict.reason, ": ");
        ck_assert_str_eq(state != NULL ? state + 2 : "", rows[i].reason);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nhn");
    TCase *tests = tcase_create("nhn");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_build_kinds);
    tcase_add_test(tests, test_result_codes);
    tcase_add_test(tests, test_receive_codes);
    tcase_add_test(tests, test_judge);
    tcase_add_test(tests, test_inquiry_build);
    tcase_add_test(tests, test_inquiry_judge);
    tcase_add_test(tests, test_inquiry_states);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
