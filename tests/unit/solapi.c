#include "providers/sms/solapi.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define MOBILE   "+821012345678"
#define SETTINGS "{\"from\":\"0212345678\",\"abroad\":true}"
#define TEXT     "{\"text\":\"안녕 \\\"A\\\"\\n\"}"

static void *settings;
static struct arena *arena;

static void *account_of(const char *json, const char *key, const char *secret, struct error *err)
{
    const char *secrets[ADAPTER_MAX_SECRETS] = {key, secret};
    return test_settings_new(&solapi_adapter, json, secrets, err);
}

static void setup(void)
{
    struct error err;
    settings = account_of(SETTINGS, "NCSAYU7YDBXYORXC", "LOCALTESTSECRET0123456789ABCDEF0", &err);
    ck_assert_msg(settings != NULL, "%s", err.text);
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    solapi_adapter.settings_free(settings);
}

START_TEST(test_settings)
{
    struct error err;
    ck_assert_ptr_null(account_of("{}", "k", "s", &err));
    ck_assert_str_eq(err.text, "settings.from: is required");
    ck_assert_ptr_null(account_of(SETTINGS, "a b", "s", &err));
    ck_assert(strstr(err.text, "secret api_key: must be visible ASCII") == err.text);
    ck_assert_ptr_null(account_of(SETTINGS, "k", "", &err));
    ck_assert(strstr(err.text, "secret api_secret: must be visible ASCII") == err.text);
    struct endpoint_options options = {.http2 = true};
    solapi_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://api.solapi.com");
    ck_assert(!options.http2);
}
END_TEST

START_TEST(test_vector)
{
    struct json_object *vectors = vectors_load("request_signatures.json");
    struct json_object *vector = test_at(vectors, "solapi");
    ck_assert_str_eq(solapi_authorization(test_text(vector, "api_key"), test_text(vector, "api_secret"),
                                          test_text(vector, "date"), test_text(vector, "salt"), arena),
                     test_text(vector, "authorization"));
    json_object_put(vectors);
}
END_TEST

static const char *authorization(const struct message *message, int64_t now_ms)
{
    struct request request;
    struct verdict verdict;
    ck_assert(solapi_adapter.build(settings, message, NULL, now_ms, arena, &request, &verdict));
    return test_header(&request, "authorization");
}

/* Each header has a date and a salt of its own, and a signature that fits them. */
START_TEST(test_authorization)
{
    struct message message = test_message(MOBILE, TEXT);
    const char *first = authorization(&message, TEST_NOW_MS);
    char key[32], date[32], salt[80], signature[80];
    ck_assert_int_eq(sscanf(first, "HMAC-SHA256 apiKey=%31[^,], date=%31[^,], salt=%79[^,], signature=%79s",
                            key, date, salt, signature),
                     4);
    ck_assert_str_eq(key, "NCSAYU7YDBXYORXC");
    ck_assert_str_eq(date, "2023-11-14T22:13:20Z");
    ck_assert_uint_ge(strlen(salt), 12);
    ck_assert_uint_le(strlen(salt), 64);
    ck_assert_str_eq(first, solapi_authorization(key, "LOCALTESTSECRET0123456789ABCDEF0", date, salt, arena));
    ck_assert_str_eq(authorization(&message, TEST_NOW_MS), first);
    ck_assert_str_ne(authorization(&message, TEST_NOW_MS + 1), first);
    message.attempt = 2;
    ck_assert_str_ne(authorization(&message, TEST_NOW_MS), first);
    message.attempt = 1;
    message.uuid = "00000000-0000-4000-8000-000000000000";
    ck_assert_str_ne(authorization(&message, TEST_NOW_MS), first);
    message.uuid = TEST_UUID;
    struct request request;
    ck_assert(solapi_adapter.inquiry_build(settings, &message,
                                           &(struct sent_span){TEST_NOW_MS - 60000, TEST_NOW_MS - 60000},
                                           TEST_NOW_MS, arena, &request));
    ck_assert_str_ne(test_header(&request, "authorization"), first);
}
END_TEST

static struct json_object *built(const struct message *message)
{
    struct request request = test_built(&solapi_adapter, settings, message, arena);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/messages/v4/send");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/json; charset=utf-8");
    ck_assert_uint_eq(request.body_size, strlen(request.body));
    return test_json(request.body);
}

START_TEST(test_build)
{
    struct message message = test_message(MOBILE, TEXT);
    struct json_object *body = built(&message);
    ck_assert_int_eq(json_object_object_length(body), 1);
    ck_assert_int_eq(json_object_object_length(test_at(body, "message")), 7);
    ck_assert_str_eq(test_text(body, "message/to"), "01012345678");
    ck_assert_str_eq(test_text(body, "message/from"), "0212345678");
    ck_assert_str_eq(test_text(body, "message/text"), "안녕 \"A\"\n");
    ck_assert_str_eq(test_text(body, "message/type"), "SMS");
    ck_assert_str_eq(test_text(body, "message/country"), "82");
    ck_assert_str_eq(test_text(body, "message/customFields/outbox_id"), TEST_UUID);
    ck_assert(!json_get_bool(test_at(body, "message"), "autoTypeDetect", true));
    json_object_put(body);

    message = test_message("+14155550100",
                           "{\"text\":\"a\",\"type\":\"lms\",\"subject\":\"제목\",\"from\":\"15880000\"}");
    body = built(&message);
    ck_assert_str_eq(test_text(body, "message/to"), "4155550100");
    ck_assert_str_eq(test_text(body, "message/country"), "1");
    ck_assert_str_eq(test_text(body, "message/type"), "LMS");
    ck_assert_str_eq(test_text(body, "message/subject"), "제목");
    ck_assert_str_eq(test_text(body, "message/from"), "15880000");
    json_object_put(body);

    struct request request;
    struct verdict verdict;
    message = test_message(MOBILE, "{\"text\":\"똠\"}");
    ck_assert(!solapi_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
}
END_TEST

static const char *judged(int status, const char *body)
{
    static struct verdict verdict;
    struct message message = test_message(MOBILE, TEXT);
    struct response response = test_answer(status, body);
    verdict = adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_msg((verdict.kind == VERDICT_SENT) == (verdict.reason[0] == '\0'), "%s: %s", body,
                  verdict.reason);
    return verdict_name(verdict.kind);
}

/* Every statusCode of a reply, and as errorCode of a refusal. */
START_TEST(test_status_codes)
{
    static const struct {
        const char *verdict;
        int codes[32];
    } rows[] = {
        {"sent", {2000, 3000, 4000}},
        {"rejected", {1010, 1011, 1013, 1014, 1025, 1027, 1028, 1029, 1031, 1032, 1033, 1034, 2011, 3011}},
        {"stopped", {1020, 2063}},
        {"stopped", {1030, 2230}},
        {"retry", {1024, 2024, 3012, 3024, 3053}},
        {"rejected", {1026}},
        {"retry", {1058, 3058}},
        {"address_gone", {1060, 2060, 1061, 2061, 3055}},
        {"stopped", {1062, 2062, 3013, 3059}},
        {"rejected", {1064, 2064, 2254, 3054}},
        {"address_gone", {3010, 3032}},
        {"rejected", {3040, 3041, 3042, 3043, 3044, 3045, 3046, 3051, 3052, 3056, 3057}},
        {"rejected", {3047, 3050}},
        {"rejected", {3014, 3031, 3048}},
        {"rejected", {3060}},
        {"rejected", {1041, 1042, 1043, 1044, 1045, 1046, 1047, 1048, 1049, 1050, 1051, 1052}},
        {"rejected", {3101, 3102, 3103, 3104, 3105, 3106, 3107, 3108}},
        {"in_doubt", {1, 200, 1099, 3099, 9999}},
    };
    char body[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; rows[i].codes[k] != 0; k++) {
            int code = rows[i].codes[k];
            snprintf(body, sizeof body,
                     "{\"messageId\":\"M1\",\"statusCode\":\"%d\",\"statusMessage\":\"설명\"}", code);
            ck_assert_msg(strcmp(judged(200, body), rows[i].verdict) == 0, "%d: %s", code, judged(200, body));
            if (i == 0 || strcmp(rows[i].verdict, "in_doubt") == 0)
                continue;
            snprintf(body, sizeof body, "{\"errorCode\":\"%d\",\"errorMessage\":\"설명\"}", code);
            ck_assert_msg(strcmp(judged(400, body), rows[i].verdict) == 0, "%d", code);
        }
    }
}
END_TEST

#define ERROR(name) "{\"errorCode\":\"" name "\",\"errorMessage\":\"m\"}"

START_TEST(test_errors)
{
    static const struct {
        int status;
        const char *body, *verdict;
    } rows[] = {
        {400, ERROR("ValidationError"), "rejected"},
        {402, ERROR("BalanceInsufficient"), "stopped"},
        {400, ERROR("NotEnoughBalance"), "stopped"},
        {402, "", "stopped"},
        {403, ERROR("InvalidAPIKey"), "stopped"},
        {403, ERROR("SignatureDoesNotMatch"), "stopped"},
        {403, ERROR("Forbidden"), "stopped"},
        {403, ERROR("RequestTimeTooSkewed"), "stopped"},
        {403, ERROR("DuplicatedSignature"), "retry"},
        {403, ERROR("Other"), "stopped"},
        {401, "", "stopped"},
        {404, ERROR("ResourceNotFound"), "stopped"},
        {404, "<html>", "stopped"},
        {429, "", "throttled"},
        {429, ERROR("TooManyRequests"), "throttled"},
        {500, ERROR("InternalError"), "in_doubt"},
        {502, "<html>", "in_doubt"},
        {503, "", "in_doubt"},
        {400, "garbage", "rejected"},
        {400, ERROR("2000"), "rejected"}, /* no success without 200 */
        {302, "", "stopped"},
        {200, "", "in_doubt"},
        {200, "<html>", "in_doubt"},
        {200, "{}", "in_doubt"},
        {200, "[]", "in_doubt"},
        {200, "{\"statusCode\":\"20", "in_doubt"},
        {200, "{\"statusCode\":[2000]}", "in_doubt"},
        {200, "{\"statusCode\":\"2000 \"}", "in_doubt"},
        {204, "", "in_doubt"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(strcmp(judged(rows[i].status, rows[i].body), rows[i].verdict) == 0, "%d %s: %s",
                      rows[i].status, rows[i].body, judged(rows[i].status, rows[i].body));
}
END_TEST

START_TEST(test_judge_details)
{
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    struct response response =
        test_answer(200, "{\"groupId\":\"G4V\",\"messageId\":\"M4V2018\",\"to\":\"01012345678\","
                         "\"statusCode\":\"2000\",\"statusMessage\":\"정상 접수\"}");
    struct verdict verdict = adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.kind, VERDICT_SENT);
    ck_assert_str_eq(verdict.provider_id, "M4V2018");
    response.body_truncated = true;
    ck_assert_int_eq(adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);

    /* No route: three attempts, then for good. */
    response = test_answer(200, "{\"statusCode\":\"3058\"}");
    message.attempt = 2;
    ck_assert_int_eq(adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_RETRY);
    message.attempt = 3;
    ck_assert_int_eq(adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_REJECTED);

    /* A sender that the payload chose is the message's fault. */
    message = test_message(MOBILE, "{\"text\":\"a\",\"from\":\"15880000\"}");
    response = test_answer(400, ERROR("1062"));
    ck_assert_int_eq(adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_REJECTED);

    response = test_answer(429, "");
    verdict = adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.not_before_ms, TEST_NOW_MS + 10000);
    response.headers[response.header_count++] = (struct header){"retry-after", "3"};
    verdict = adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.not_before_ms, TEST_NOW_MS + 3000);

    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = ""};
    ck_assert_int_eq(adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_UNSENT);
    response = (struct response){.state = SEND_IN_DOUBT, .fault = FAULT_TIMEOUT, .body = ""};
    ck_assert_int_eq(adapter_judge(&solapi_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
}
END_TEST

START_TEST(test_inquiry_build)
{
    struct message message = test_message(MOBILE, TEXT);
    struct request request;
    ck_assert(
        !solapi_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 59999, arena, &request));
    ck_assert(
        solapi_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 60000, arena, &request));
    ck_assert_str_eq(request.method, "GET");
    ck_assert_str_eq(request.path, "/messages/v4/list?criteria=to&cond=eq&value=01012345678&dateType=CREATED"
                                   "&startDate=2023-11-14T22:08:20Z&endDate=2023-11-14T23:13:20Z&limit=20");
    ck_assert_uint_eq(request.body_size, 0);
    ck_assert(strstr(test_header(&request, "authorization"), "date=2023-11-14T22:14:20Z") != NULL);
    ck_assert(!solapi_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 659999, arena,
                                            &request));
    ck_assert(solapi_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 660000, arena,
                                           &request));
    ck_assert(strstr(request.path, "&startDate=2023-11-14T22:08:20Z&endDate=2023-11-14T23:23:20Z&") != NULL);
}
END_TEST

#define ITEM(id, uuid, code)                                                                                 \
    "\"" id "\":{\"messageId\":\"" id "\",\"statusCode\":\"" code                                            \
    "\",\"customFields\":{\"outbox_id\":\"" uuid "\"}}"
#define LIST(items) "{\"startKey\":null,\"limit\":20,\"messageList\":{" items "}}"
#define OTHER       "00000000-0000-4000-8000-000000000000"

START_TEST(test_inquiry_judge)
{
    static const struct {
        int status;
        const char *body, *verdict, *id;
    } rows[] = {
        {200, LIST(ITEM("M1", OTHER, "4000") "," ITEM("M2", TEST_UUID, "4000")), "sent", "M2"},
        {200, LIST(ITEM("M2", TEST_UUID, "2000")), "sent", "M2"},
        /* failed later: perhaps an earlier attempt */
        {200, LIST(ITEM("M2", TEST_UUID, "3040")), "in_doubt", ""},
        {200, LIST(ITEM("M2", TEST_UUID, "2024") "," ITEM("M1", TEST_UUID, "3000")), "sent", "M1"},
        {200, LIST(ITEM("M2", TEST_UUID, "1062")), "unsent", ""},
        {200, LIST(ITEM("M1", OTHER, "4000")), "unsent", ""},
        /* each attempt has an entry of its own, in any order */
        {200, LIST(ITEM("M1", TEST_UUID, "1062") "," ITEM("M2", TEST_UUID, "2000")), "sent", "M2"},
        {200, LIST(ITEM("M2", TEST_UUID, "4000") "," ITEM("M1", TEST_UUID, "1024")), "sent", "M2"},
        {200, LIST(ITEM("M1", TEST_UUID, "1024") "," ITEM("M2", TEST_UUID, "1062")), "unsent", ""},
        {200, LIST(ITEM("M1", TEST_UUID, "1024") "," ITEM("M2", OTHER, "4000")), "unsent", ""},
        {200, LIST(ITEM("M1", TEST_UUID, "1024") "," ITEM("M2", TEST_UUID, "")), "in_doubt", ""},
        {200, LIST(ITEM("M1", TEST_UUID, "") "," ITEM("M2", TEST_UUID, "3000")), "sent", "M2"},
        {200, LIST("\"M2\":{\"messageId\":\"M2\",\"customFields\":{\"outbox_id\":\"" TEST_UUID "\"}}"),
         "in_doubt", ""},
        /* a refused one, and more pages */
        {200, "{\"nextKey\":\"M9\",\"messageList\":{" ITEM("M1", TEST_UUID, "1062") "}}", "in_doubt", ""},
        {200, "{\"nextKey\":\"M9\",\"messageList\":{" ITEM("M1", TEST_UUID, "2000") "}}", "sent", "M1"},
        {200, "{\"nextKey\":9,\"messageList\":{}}", "in_doubt", ""},
        {200, "{\"nextKey\":null,\"messageList\":{}}", "unsent", ""},
        {200, LIST("\"M1\":{\"customFields\":{}},\"M3\":null,\"M4\":5"), "unsent", ""},
        {200, LIST(""), "unsent", ""},
        {200, "{\"nextKey\":\"M9\",\"messageList\":{}}", "in_doubt", ""},
        {200, "{\"messageList\":[]}", "in_doubt", ""},
        {200, "{}", "in_doubt", ""},
        {200, "", "in_doubt", ""},
        {200, "{\"messageList\":{", "in_doubt", ""},
        {403, ERROR("InvalidAPIKey"), "in_doubt", ""},
        {404, "", "in_doubt", ""},
        {500, LIST(""), "in_doubt", ""},
    };
    struct message message = test_message(MOBILE, TEXT);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict =
            adapter_judge_inquiry(&solapi_adapter, settings, &message, &response, TEST_SENT);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%s: %s", rows[i].body,
                      verdict_name(verdict.kind));
        ck_assert_str_eq(verdict.provider_id, rows[i].id);
    }
    /* A full page may have another behind it. */
    char body[4096];
    size_t used = (size_t)snprintf(body, sizeof body, "{\"messageList\":{");
    for (int i = 0; i < 20; i++)
        used += (size_t)snprintf(body + used, sizeof body - used, "%s\"M%d\":{}", i > 0 ? "," : "", i);
    snprintf(body + used, sizeof body - used, "}}");
    struct response response = test_answer(200, body);
    ck_assert_int_eq(adapter_judge_inquiry(&solapi_adapter, settings, &message, &response, TEST_SENT).kind,
                     VERDICT_IN_DOUBT);
    used -= strlen("\"M19\":{}");
    snprintf(body + used, sizeof body - used, "%s}}", ITEM("M19", TEST_UUID, "1062"));
    response = test_answer(200, body);
    ck_assert_int_eq(adapter_judge_inquiry(&solapi_adapter, settings, &message, &response, TEST_SENT).kind,
                     VERDICT_IN_DOUBT);
    response = test_answer(200, LIST(""));
    response.body_truncated = true;
    ck_assert_int_eq(adapter_judge_inquiry(&solapi_adapter, settings, &message, &response, TEST_SENT).kind,
                     VERDICT_IN_DOUBT);
    /* A question that was not sent says nothing about the message. */
    response =
        (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = "", .error = "refused"};
    struct verdict verdict = adapter_judge_inquiry(&solapi_adapter, settings, &message, &response, TEST_SENT);
    ck_assert_int_eq(verdict.kind, VERDICT_IN_DOUBT);
    ck_assert_str_eq(verdict.reason, "the vendor could not be asked: refused");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solapi");
    TCase *tests = tcase_create("solapi");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_vector);
    tcase_add_test(tests, test_authorization);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_status_codes);
    tcase_add_test(tests, test_errors);
    tcase_add_test(tests, test_judge_details);
    tcase_add_test(tests, test_inquiry_build);
    tcase_add_test(tests, test_inquiry_judge);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
