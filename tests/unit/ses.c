#include "providers/mail/ses.h"

#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "support/suite.h"
#include "support/test_adapter.h"

#define SETTINGS                                                                                             \
    "{\"region\":\"us-east-1\",\"access_key_id\":\"AKIDEXAMPLE\",\"from\":\"Shop <noreply@example.com>\"}"

static struct arena *arena;
static void *settings;

static void *account_of(const char *text, const char *session_token, struct error *err)
{
    const char *secrets[ADAPTER_MAX_SECRETS] = {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session_token};
    return test_settings_new(&ses_adapter, text, secrets, err);
}

static void setup(void)
{
    struct error err = {""};
    arena = arena_new();
    settings = account_of(SETTINGS, NULL, &err);
    ck_assert_msg(settings != NULL, "%s", err.text);
}

static void teardown(void)
{
    ses_adapter.settings_free(settings);
    arena_free(arena);
}

static struct message message_of(const char *payload)
{
    return test_message("kim@example.org", payload);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *token, *error;
    } rows[] = {
        {"{}", NULL, "settings.region: is required"},
        {"{\"region\":\"us/east\"}", NULL, "settings.region: must be a region such as eu-west-1"},
        {"{\"region\":\"US-EAST-1\"}", NULL, "settings.region: must be a region"},
        {"{\"region\":\"aaaaaaaaaabbbbbbbbbbccccccccccddd\"}", NULL, "settings.region: must be a region"},
        {"{\"region\":\"us-east-1\"}", NULL, "settings.access_key_id: is required"},
        {"{\"region\":\"us-east-1\",\"access_key_id\":\"A\",\"url\":\"http://x\"}", NULL,
         "settings.url: must be https://host"},
        {"{\"region\":\"us-east-1\",\"access_key_id\":\"A/B\"}", NULL, "settings.access_key_id: must be an"},
        {"{\"region\":\"us-east-1\",\"access_key_id\":\"A\"}", "a\nb", "secret session_token: must not"},
        {"{\"region\":\"us-east-1\",\"access_key_id\":\"A\"}", NULL, "settings.from: is required"},
        {"{\"region\":\"us-east-1\",\"access_key_id\":\"A\",\"from\":\"a@b.c\",\"configuration_set\":5}",
         NULL, "settings.configuration_set: must be a string"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = {""};
        ck_assert_msg(account_of(rows[i].json, rows[i].token, &err) == NULL, "accepted: %s", rows[i].json);
        ck_assert_msg(strstr(err.text, rows[i].error) == err.text, "%s", err.text);
    }
    struct endpoint_options options = {.http2 = true};
    ses_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://email.us-east-1.amazonaws.com");
    ck_assert(!options.http2);
    ck_assert_ptr_null(options.ca_file);
}
END_TEST

static struct request built(const void *for_settings, const struct message *message)
{
    struct request request = test_built(&ses_adapter, for_settings, message, arena);
    ck_assert_uint_eq(request.body_size, strlen(request.body));
    return request;
}

START_TEST(test_build)
{
    struct message message =
        message_of("{\"subject\":\"Paid\",\"text\":\"Hello\",\"from\":\"Kim <k@other.example>\","
                   "\"unsubscribe_url\":\"https://h.example/u\",\"headers\":{\"X-Order\":\"7\"}}");
    struct request request = built(settings, &message);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/v2/email/outbound-emails");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/json");
    ck_assert_str_eq(test_header(&request, "x-amz-date"), "20231114T221320Z");
    static const char start[] =
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/us-east-1/ses/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature=";
    const char *authorization = test_header(&request, "authorization");
    ck_assert_msg(strncmp(authorization, start, strlen(start)) == 0, "%s", authorization);
    ck_assert_uint_eq(strlen(authorization), strlen(start) + 64);

    struct json_object *body = test_json(request.body);
    ck_assert_int_eq(json_object_object_length(body), 4);
    ck_assert_str_eq(test_text(body, "FromEmailAddress"), "k@other.example");
    ck_assert_str_eq(test_text(body, "Destination/ToAddresses/0"), "kim@example.org");
    ck_assert_str_eq(test_text(body, "EmailTags/0/Name"), "outbox_id");
    ck_assert_str_eq(test_text(body, "EmailTags/0/Value"), TEST_UUID);
    const char *raw = test_text(body, "Content/Raw/Data");
    struct buf mail;
    buf_init(&mail, 10000);
    ck_assert(base64_decode(&mail, raw, strlen(raw)));
    static const char *const lines[] = {
        "\r\nFrom: \"Kim\" <k@other.example>\r\n",
        "\r\nTo: kim@example.org\r\n",
        "\r\nSubject: Paid\r\n",
        "\r\nX-Order: 7\r\n",
        "\r\nList-Unsubscribe: <https://h.example/u>\r\n",
        "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        "\r\n\r\nHello\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(strstr(mail.data, lines[i]) != NULL, "no %s in:\n%s", lines[i], mail.data);
    buf_free(&mail);
    json_object_put(body);
}
END_TEST

START_TEST(test_build_options)
{
    struct error err;
    void *other = account_of("{\"region\":\"eu-west-1\",\"access_key_id\":\"A\",\"from\":\"a@b.c\","
                             "\"url\":\"https://localhost:8443\",\"ca_file\":\"/ca.pem\","
                             "\"configuration_set\":\"news\"}",
                             "session", &err);
    ck_assert_ptr_nonnull(other);
    struct message message = message_of("{\"subject\":\"s\",\"html\":\"x\"}");
    struct request request = built(other, &message);
    ck_assert_str_eq(test_header(&request, "x-amz-security-token"), "session");
    struct json_object *body = test_json(request.body);
    ck_assert_str_eq(test_text(body, "FromEmailAddress"), "a@b.c");
    ck_assert_str_eq(test_text(body, "ConfigurationSetName"), "news");
    json_object_put(body);
    struct endpoint_options options;
    ses_adapter.endpoint(other, &options);
    ck_assert_str_eq(options.url, "https://localhost:8443");
    ck_assert_str_eq(options.ca_file, "/ca.pem");
    ses_adapter.settings_free(other);

    struct verdict verdict;
    message = message_of("{\"subject\":\"a\\r\\nBcc: x@y\",\"text\":\"t\"}");
    ck_assert(!ses_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    ck_assert_str_eq(verdict.reason, "payload.subject: must not contain control characters");
    message.recipient = "a@b\r\nx";
    ck_assert(!ses_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_str_eq(verdict.reason, "recipient: must not contain control characters");
}
END_TEST

static struct verdict judged(int status, const char *type, const char *body)
{
    struct message message = message_of("{\"subject\":\"s\",\"text\":\"t\"}");
    struct response response = test_answer(status, body);
    if (type != NULL) {
        response.headers[0] = (struct header){"x-amzn-errortype", type};
        response.header_count = 1;
    }
    return adapter_judge(&ses_adapter, settings, &message, &response, TEST_NOW_MS);
}

START_TEST(test_codes)
{
    static const struct {
        int status;
        const char *type, *text, *verdict;
        int64_t wait_ms;
    } rows[] = {
        {400, "BadRequestException", "x", "rejected", 0},
        {400, "MessageRejected", "Email address is not verified. The following identities failed", "stopped",
         0},
        {400, "MessageRejected", "Email content is a virus", "rejected", 0},
        {400, "MailFromDomainNotVerifiedException", "x", "stopped", 0},
        {400, "AccountSuspendedException", "x", "stopped", 0},
        {400, "SendingPausedException", "x", "stopped", 0},
        {400, "LimitExceededException", "x", "stopped", 0},
        {404, "NotFoundException", "Configuration set <news> does not exist", "stopped", 0},
        {409, "ConflictException", "x", "retry", 0},
        {429, "TooManyRequestsException", "Maximum sending rate exceeded.", "throttled", 1000},
        {429, "TooManyRequestsException", "Daily message quota exceeded.", "stopped", 0},
        {500, "InternalServiceErrorException", "x", "in_doubt", 0},
        {500, "ConcurrentModificationException", "x", "in_doubt", 0},
        {503, "ServiceUnavailable", "x", "retry", 0},
        {403, "SignatureDoesNotMatch", "Signature expired", "stopped", 0},
        {403, "InvalidSignatureException", "x", "stopped", 0},
        {403, "IncompleteSignature", "x", "stopped", 0},
        {403, "MissingAuthenticationToken", "x", "stopped", 0},
        {403, "InvalidClientTokenId", "x", "stopped", 0},
        {403, "UnrecognizedClientException", "x", "stopped", 0},
        {403, "AccessDenied", "x", "stopped", 0},
        {403, "AccessDeniedException", "x", "stopped", 0},
        {403, "OptInRequired", "x", "stopped", 0},
        {403, "ExpiredToken", "x", "refresh", 0},
        {403, "ExpiredTokenException", "x", "refresh", 0},
        {403, "RequestExpired", "x", "refresh", 0},
        {400, "Throttling", "Rate exceeded", "throttled", 1000},
        {429, "ThrottlingException", "Rate exceeded", "throttled", 1000},
        {500, "InternalFailure", "x", "in_doubt", 0},
        /* the header's other forms */
        {400, "MessageRejected:http://internal.amazon.com/coral/", "virus", "rejected", 0},
        {409, "com.amazonaws.sesv2#ConflictException", "x", "retry", 0},
        /* without a type that is known */
        {400, NULL, "x", "rejected", 0},
        {403, "Novel", "x", "stopped", 0},
        {301, NULL, "x", "stopped", 0},
        {429, NULL, "x", "throttled", 1000},
        {500, NULL, "x", "in_doubt", 0},
        {502, NULL, "x", "in_doubt", 0},
        {503, NULL, "x", "retry", 0},
        {504, NULL, "x", "in_doubt", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"message\":\"%s\"}", rows[i].text);
        struct verdict verdict = judged(rows[i].status, rows[i].type, body);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s, not %s",
                      rows[i].status, rows[i].type, verdict_name(verdict.kind), rows[i].verdict);
        ck_assert_msg(verdict.not_before_ms == (rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0),
                      "%d %s", rows[i].status, rows[i].type);
        ck_assert(verdict.reason[0] != '\0');
    }
}
END_TEST

START_TEST(test_answers)
{
    struct verdict verdict = judged(200, NULL, "{\"MessageId\":\"0100018b-1\"}");
    ck_assert_int_eq(verdict.kind, VERDICT_SENT);
    ck_assert_str_eq(verdict.provider_id, "0100018b-1");
    static const char *const garbage[] = {"", "{", "[]", "{}", "{\"MessageId\":5}", "<html>"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        ck_assert_int_eq(judged(200, NULL, garbage[i]).kind, VERDICT_IN_DOUBT);
        ck_assert_int_eq(judged(400, NULL, garbage[i]).kind, VERDICT_REJECTED);
        ck_assert_int_eq(judged(500, NULL, garbage[i]).kind, VERDICT_IN_DOUBT);
    }
    verdict =
        judged(400, NULL, "{\"__type\":\"com.amazonaws#SendingPausedException\",\"Message\":\"paused\"}");
    ck_assert_str_eq(verdict_name(verdict.kind), "stopped");
    ck_assert_str_eq(verdict.reason, "HTTP 400 SendingPausedException: paused");
    /* A recipient cannot spell out a text that stops the provider, nor is it shown. */
    verdict = judged(400, "MessageRejected", "{\"message\":\"refused: <kim@example.org>\"}");
    ck_assert_str_eq(verdict.reason, "HTTP 400 MessageRejected: refused: [hidden]");

    struct message message = message_of("{}");
    struct response response = test_answer(200, "{\"MessageId\":\"1\"}");
    response.body_truncated = true;
    ck_assert_int_eq(adapter_judge(&ses_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
    response = test_answer(429, "{}");
    response.headers[0] = (struct header){"retry-after", "7"};
    response.header_count = 1;
    verdict = adapter_judge(&ses_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.not_before_ms, TEST_NOW_MS + 7000);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT};
    ck_assert_int_eq(adapter_judge(&ses_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_UNSENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ses");
    TCase *tests = tcase_create("ses");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_build_options);
    tcase_add_test(tests, test_codes);
    tcase_add_test(tests, test_answers);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
