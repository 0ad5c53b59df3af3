#include "providers/sms/sns.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define PHONE      "+15005550001"
#define SECRET     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define WITH(more) "{\"region\":\"us-east-1\",\"access_key_id\":\"AKIDEXAMPLE\"" more "}"
#define PLAIN      WITH("")
/* 2015-08-30T12:36:00Z, the time of the vector. */
#define VECTOR_MS INT64_C(1440938160000)

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
        {"{\"access_key_id\":\"A\"}", SECRET, "settings.region: is required"},
        {"{\"region\":\"us-east-1/\",\"access_key_id\":\"A\"}", SECRET, "settings.region: must be a region"},
        {"{\"region\":\"us-east-1\"}", SECRET, "settings.access_key_id: is required"},
        {"{\"region\":\"us-east-1\",\"access_key_id\":\"A,B\"}", SECRET,
         "settings.access_key_id: must be an"},
        {WITH(",\"max_price\":\"0.5.\""), SECRET, "settings.max_price: must be US dollars"},
        {WITH(",\"max_price\":\".5\""), SECRET, "settings.max_price: must be US dollars"},
        {WITH(",\"max_price\":\"1.\""), SECRET, "settings.max_price: must be US dollars"},
        {WITH(",\"max_price\":0.5"), SECRET, "settings.max_price: must be a string"},
        {WITH(",\"from\":\"ACME!\""), SECRET, "settings.from: must be a number"},
        {WITH(",\"max_segments\":1000"), SECRET, "settings.max_segments: must be"},
        {PLAIN, "", "secret secret_access_key: must not be empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *error = test_settings_error(&sns_adapter, rows[i].json, rows[i].secret);
        ck_assert_msg(strstr(error, rows[i].error) != NULL, "row %zu: %s", i, error);
    }
    const char *const secrets[ADAPTER_MAX_SECRETS] = {SECRET, "a\r\nb"};
    struct error err = {""};
    ck_assert_ptr_null(test_settings_new(&sns_adapter, PLAIN, secrets, &err));
    ck_assert_str_eq(err.text, "secret session_token: must not contain control characters");
    void *settings = test_settings_of(&sns_adapter, PLAIN, SECRET);
    struct endpoint_options options = {.http2 = true};
    sns_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://sns.us-east-1.amazonaws.com");
    ck_assert(!options.http2);
    sns_adapter.settings_free(settings);
    sns_adapter.settings_free(NULL);
}
END_TEST

static void build(void *settings, const struct message *message, int64_t now_ms, struct request *request)
{
    struct verdict verdict = {.reason = ""};
    ck_assert_msg(sns_adapter.build(settings, message, NULL, now_ms, arena, request, &verdict), "%s",
                  verdict.reason);
    ck_assert_str_eq(request->method, "POST");
    ck_assert_str_eq(request->path, "/");
    ck_assert_uint_eq(request->body_size, strlen(request->body));
}

START_TEST(test_vector)
{
    struct json_object *vectors = vectors_load("sigv4.json"), *vector = test_at(vectors, "local/1");
    struct message message = test_message("+821012345678", "{\"text\":\"hello world\"}");
    struct request request;
    void *settings = test_settings_of(&sns_adapter, PLAIN, test_text(vectors, "secret_access_key"));
    build(settings, &message, VECTOR_MS, &request);
    ck_assert_str_eq(test_text(vector, "name"), "sns Publish SMS");
    ck_assert_str_eq(request.body, test_text(vector, "body"));
    ck_assert_str_eq(test_header(&request, "content-type"), test_text(vector, "content_type"));
    ck_assert_str_eq(test_header(&request, "authorization"), test_text(vector, "authorization"));
    ck_assert_str_eq(test_header(&request, "x-amz-date"), "20150830T123600Z");
    ck_assert_ptr_null(test_header(&request, "x-amz-security-token"));
    sns_adapter.settings_free(settings);
    json_object_put(vectors);
}
END_TEST

#define HEAD "Action=Publish&Version=2010-03-31&PhoneNumber=%2B15005550001&Message=x"
#define ATTRIBUTE(n, name, type, value)                                                                      \
    "&MessageAttributes.entry." n ".Name=" name "&MessageAttributes.entry." n ".Value.DataType=" type        \
    "&MessageAttributes.entry." n ".Value.StringValue=" value
#define TRANSACTIONAL ATTRIBUTE("1", "AWS.SNS.SMS.SMSType", "String", "Transactional")

START_TEST(test_build)
{
    static const struct {
        const char *json, *payload;
        bool bulk;
        const char *body;
    } rows[] = {
        {PLAIN, "{\"text\":\"x\"}", false, HEAD TRANSACTIONAL},
        {PLAIN, "{\"text\":\"x\"}", true,
         HEAD ATTRIBUTE("1", "AWS.SNS.SMS.SMSType", "String", "Promotional")},
        {WITH(",\"from\":\"ACME\",\"max_price\":\"0.50\""), "{\"text\":\"x\"}", false,
         HEAD TRANSACTIONAL ATTRIBUTE("2", "AWS.SNS.SMS.SenderID", "String", "ACME")
             ATTRIBUTE("3", "AWS.SNS.SMS.MaxPrice", "Number", "0.50")},
        {WITH(",\"from\":\"ACME\""), "{\"text\":\"x\",\"from\":\"+15005550006\"}", false,
         HEAD TRANSACTIONAL ATTRIBUTE("2", "AWS.MM.SMS.OriginationNumber", "String", "%2B15005550006")},
        {WITH(",\"from\":\"12345\",\"max_price\":\"1\""), "{\"text\":\"x\"}", false,
         HEAD TRANSACTIONAL ATTRIBUTE("2", "AWS.MM.SMS.OriginationNumber", "String", "12345")
             ATTRIBUTE("3", "AWS.SNS.SMS.MaxPrice", "Number", "1")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *settings = test_settings_of(&sns_adapter, rows[i].json, SECRET);
        struct message message = test_message(PHONE, rows[i].payload);
        message.bulk = rows[i].bulk;
        struct request request;
        build(settings, &message, TEST_NOW_MS, &request);
        ck_assert_str_eq(request.body, rows[i].body);
        sns_adapter.settings_free(settings);
    }
}
END_TEST

START_TEST(test_session_token)
{
    const char *const secrets[ADAPTER_MAX_SECRETS] = {SECRET, "session/token+1="};
    struct error err = {""};
    void *settings = test_settings_new(&sns_adapter, PLAIN, secrets, &err);
    ck_assert_msg(settings != NULL, "%s", err.text);
    struct message message = test_message(PHONE, "{\"text\":\"x\"}");
    struct request request;
    build(settings, &message, TEST_NOW_MS, &request);
    ck_assert_str_eq(test_header(&request, "x-amz-security-token"), "session/token+1=");
    ck_assert_ptr_nonnull(strstr(test_header(&request, "authorization"),
                                 "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,"));
    sns_adapter.settings_free(settings);
}
END_TEST

START_TEST(test_build_rejected)
{
    static const struct {
        const char *recipient, *payload, *reason;
    } rows[] = {
        {PHONE,
         "{\"text\":\"한국어한국어한국어한국어한국어한국어한국어한국어한국어한국어한국어한국어한국어한국"
         "어한국어한국어한국어한국어한국어한국어한국어한국어한국어한국어\"}",
         "payload.text: takes 2 segments of UCS-2, at most 1 are allowed"},
        {PHONE, "{\"text\":[]}", "payload.text: must be"},
        {PHONE, "{\"text\":\"x\",\"from\":\"12\"}", "payload.from: must be"},
        {"arn:aws:sns:us-east-1:1:t", "{\"text\":\"x\"}", "recipient: must be"},
    };
    void *settings = test_settings_of(&sns_adapter, WITH(",\"max_segments\":1"), SECRET);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = test_message(rows[i].recipient, rows[i].payload);
        struct request request;
        struct verdict verdict = {.kind = VERDICT_SENT};
        ck_assert(!sns_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
        ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
        ck_assert_msg(strstr(verdict.reason, rows[i].reason) != NULL, "row %zu: %s", i, verdict.reason);
    }
    sns_adapter.settings_free(settings);
}
END_TEST

static struct verdict judged(const struct response *response)
{
    struct message message = test_message(PHONE, "{\"text\":\"x\"}");
    return adapter_judge(&sns_adapter, NULL, &message, response, TEST_NOW_MS);
}

START_TEST(test_codes)
{
    static const struct {
        int status;
        const char *code, *text, *verdict;
        int64_t wait_ms;
    } rows[] = {
        {400, "InvalidParameter", "Invalid parameter: PhoneNumber Reason: +15005550001 is not valid",
         "address_gone", 0},
        {400, "InvalidParameter", "Invalid parameter: Message too long", "rejected", 0},
        {400, "ParameterValueInvalid", "The value of PhoneNumber is not valid", "address_gone", 0},
        {400, "ParameterValueInvalid", "m", "rejected", 0},
        {400, "ValidationException", "PhoneNumber", "address_gone", 0},
        {400, "ValidationException", "m", "rejected", 0},
        {400, "ValidationError", "PhoneNumber", "address_gone", 0},
        {400, "ValidationError", "m", "rejected", 0},
        {400, "OptedOut", "m", "address_gone", 0},
        {400, "EndpointDisabled", "m", "rejected", 0},
        {400, "PlatformApplicationDisabled", "m", "rejected", 0},
        {400, "KMSDisabled", "m", "stopped", 0},
        {400, "KMSAccessDenied", "m", "stopped", 0},
        {403, "KMSOptInRequired", "m", "stopped", 0},
        {400, "KMSThrottling", "m", "retry", 0},
        {400, "KMSThrottlingException", "m", "retry", 0},
        {403, "AuthorizationError", "m", "stopped", 0},
        {403, "InvalidSecurity", "m", "stopped", 0},
        {403, "AccessDenied", "m", "stopped", 0},
        {403, "AccessDenied", "Not authorized to publish to PhoneNumber", "stopped", 0},
        {403, "AccessDeniedException", "m", "stopped", 0},
        {403, "SignatureDoesNotMatch", "m", "stopped", 0},
        {400, "IncompleteSignature", "m", "stopped", 0},
        {403, "InvalidClientTokenId", "m", "stopped", 0},
        {403, "UnrecognizedClientException", "m", "stopped", 0},
        {403, "MissingAuthenticationToken", "m", "stopped", 0},
        {403, "OptInRequired", "m", "stopped", 0},
        {403, "ExpiredToken", "m", "refresh", 0},
        {403, "ExpiredTokenException", "m", "refresh", 0},
        {403, "RequestExpired", "m", "refresh", 0},
        {404, "NotFound", "m", "stopped", 0},
        {429, "Throttled", "m", "throttled", 1000},
        {400, "Throttling", "Rate exceeded", "throttled", 1000},
        {400, "ThrottlingException", "m", "throttled", 1000},
        {429, "TooManyRequestsException", "m", "throttled", 1000},
        {500, "InternalError", "m", "in_doubt", 0},
        {500, "InternalFailure", "m", "in_doubt", 0},
        {503, "ServiceUnavailable", "m", "retry", 0},
        /* codes that nobody knows */
        {400, "Strange", "m", "rejected", 0},
        {403, "Strange", "m", "stopped", 0},
        {404, "Strange", "m", "stopped", 0},
        {429, "Strange", "m", "throttled", 1000},
        {500, "Strange", "m", "in_doubt", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        snprintf(
            body, sizeof body,
            "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>"
            "<Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>",
            rows[i].code, rows[i].text);
        struct response response = test_answer(rows[i].status, body);
        struct verdict verdict = judged(&response);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu %s: %s", i,
                      rows[i].code, verdict_name(verdict.kind));
        ck_assert_msg(verdict.not_before_ms == (rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0),
                      "row %zu", i);
        ck_assert_msg(strstr(verdict.reason, rows[i].code) != NULL, "row %zu: %s", i, verdict.reason);
        ck_assert_msg(strstr(verdict.reason, "5005550001") == NULL, "row %zu: %s", i, verdict.reason);
        response.headers[response.header_count++] = (struct header){"retry-after", "9"};
        verdict = judged(&response);
        if (verdict.kind == VERDICT_THROTTLED || verdict.kind == VERDICT_RETRY)
            ck_assert_int_eq(verdict.not_before_ms, TEST_NOW_MS + 9000);
    }
}
END_TEST

#define PUBLISHED(id)                                                                                        \
    "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\n  <PublishResult>\n    "          \
    "<MessageId>" id "</MessageId>\n  </PublishResult>\n  <ResponseMetadata><RequestId>1</RequestId>"        \
    "</ResponseMetadata>\n</PublishResponse>"

START_TEST(test_answers)
{
    static const struct {
        int status;
        const char *body, *verdict, *id;
    } rows[] = {
        {200, PUBLISHED("94f20ce6-13c5-43a0-9a9e-ca52d816e90b"), "sent",
         "94f20ce6-13c5-43a0-9a9e-ca52d816e90b"},
        {200, PUBLISHED(""), "in_doubt", ""},
        {200, "<PublishResponse><MessageId>94f20ce6", "in_doubt", ""},
        {200, "<PublishResponse><MessageId>", "in_doubt", ""},
        {200, "<PublishResponse/>", "in_doubt", ""},
        {200, "<MessageId>1</MessageId>", "in_doubt", ""},
        {200, "{\"MessageId\":\"1\"}", "in_doubt", ""},
        {200, "", "in_doubt", ""},
        {301, "", "stopped", ""},
        {400, "", "rejected", ""},
        {400, "<Code>", "rejected", ""},
        {400, "<ErrorResponse><Error><Code>OptedOut", "rejected", ""},
        {403, "<html>", "stopped", ""},
        {404, "", "stopped", ""},
        {408, "", "retry", ""},
        {429, "", "throttled", ""},
        {500, "", "in_doubt", ""},
        {502, "<html>", "in_doubt", ""},
        {503, "<html>", "in_doubt", ""},
        {504, "", "in_doubt", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict = judged(&response);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
        ck_assert_str_eq(verdict.provider_id, rows[i].id);
        ck_assert_msg((verdict.reason[0] == '\0') == (verdict.kind == VERDICT_SENT), "row %zu", i);
    }
    /* Longer than any field */
    char body[2048];
    snprintf(body, sizeof body, PUBLISHED("%0*d"), 160, 0);
    struct response response = test_answer(200, body);
    ck_assert_int_eq(judged(&response).kind, VERDICT_IN_DOUBT);
    snprintf(body, sizeof body, "<Code>%0*d</Code><Message>%0*d</Message>", 64, 0, 1500, 0);
    response = test_answer(400, body);
    ck_assert_int_eq(judged(&response).kind, VERDICT_REJECTED);

    response = test_answer(200, PUBLISHED("1"));
    response.body_truncated = true;
    ck_assert_int_eq(judged(&response).kind, VERDICT_IN_DOUBT);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_RESOLVE};
    ck_assert_int_eq(judged(&response).kind, VERDICT_UNSENT);
    response = (struct response){.state = SEND_IN_DOUBT, .fault = FAULT_PROTOCOL};
    ck_assert_int_eq(judged(&response).kind, VERDICT_IN_DOUBT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sns");
    TCase *cases = tcase_create("sns");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_settings);
    tcase_add_test(cases, test_vector);
    tcase_add_test(cases, test_build);
    tcase_add_test(cases, test_session_token);
    tcase_add_test(cases, test_build_rejected);
    tcase_add_test(cases, test_codes);
    tcase_add_test(cases, test_answers);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
