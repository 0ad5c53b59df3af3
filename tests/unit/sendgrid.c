#include "providers/mail/sendgrid.h"

#include <stdio.h>
#include <string.h>

#include "providers/mail/mail_signatures.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

static struct arena *arena;
static void *settings;

static void setup(void)
{
    arena = arena_new();
    settings =
        test_settings_of(&sendgrid_adapter,
                         "{\"from\":\"Shop <noreply@example.com>\",\"attachments_dir\":\"/srv\"}", "SG.key");
}

static void teardown(void)
{
    sendgrid_adapter.settings_free(settings);
    arena_free(arena);
}

static struct message message_of(const char *payload)
{
    return test_message("kim@example.org", payload);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *key, *error;
    } rows[] = {
        {"{}", "k", "settings.from: is required"},
        {"{\"from\":\"a\"}", "k", "settings.from: is not a mail address"},
        {"{\"from\":\"a@b.c\",\"url\":\"http://h\"}", "k", "settings.url: must be https://host"},
        {"{\"from\":\"a@b.c\"}", "k\r\nX: y", "secret api_key: must not contain"},
        {"{\"from\":\"a@b.c\"}", "k k", "secret api_key: must not contain"},
        {"{\"from\":\"a@b.c\",\"reply_to\":\"x\"}", "k", "settings.reply_to: is not a mail address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = test_settings_error(&sendgrid_adapter, rows[i].json, rows[i].key);
        ck_assert_msg(strstr(text, rows[i].error) == text, "%s", text);
    }
    struct endpoint_options options = {.http2 = true};
    sendgrid_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://api.sendgrid.com");
    ck_assert(!options.http2);
    void *other = test_settings_of(
        &sendgrid_adapter,
        "{\"from\":\"a@b.c\",\"url\":\"https://api.eu.sendgrid.com\",\"ca_file\":\"/ca.pem\"}", "k");
    sendgrid_adapter.endpoint(other, &options);
    ck_assert_str_eq(options.url, "https://api.eu.sendgrid.com");
    ck_assert_str_eq(options.ca_file, "/ca.pem");
    sendgrid_adapter.settings_free(other);
}
END_TEST

static struct json_object *built(const struct message *message, struct request *request)
{
    *request = test_built(&sendgrid_adapter, settings, message, arena);
    ck_assert_uint_eq(request->body_size, strlen(request->body));
    return test_json(request->body);
}

START_TEST(test_build)
{
    struct request request;
    struct message message = message_of(
        "{\"subject\":\"안녕 \\\"x\\\"\",\"text\":\"Hello\",\"html\":\"<p>Hello</p>\",\"reply_to\":\"r@b.c\","
        "\"unsubscribe_url\":\"https://h.example/u\",\"unsubscribe_mailto\":\"u@h.example\","
        "\"headers\":{\"X-Order\":\"7\"},\"attachments\":["
        "{\"name\":\"청구서.pdf\",\"type\":\"application/pdf\",\"file\":\"1.pdf\",\"data\":\"abc\"},"
        "{\"name\":\"b\",\"file\":\"b\",\"data\":\"\"}]}");
    struct json_object *body = built(&message, &request);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/v3/mail/send");
    ck_assert_uint_eq(request.header_count, 2);
    ck_assert_str_eq(test_header(&request, "authorization"), "Bearer SG.key");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/json");
    static const char *const rows[][2] = {
        {"personalizations/0/to/0/email", "kim@example.org"},
        {"from/email", "noreply@example.com"},
        {"from/name", "Shop"},
        {"reply_to/email", "r@b.c"},
        {"reply_to/name", "(none)"},
        {"subject", "안녕 \"x\""},
        {"content/0/type", "text/plain"},
        {"content/0/value", "Hello"},
        {"content/1/type", "text/html"},
        {"content/1/value", "<p>Hello</p>"},
        {"attachments/0/filename", "청구서.pdf"},
        {"attachments/0/type", "application/pdf"},
        {"attachments/0/disposition", "attachment"},
        {"attachments/0/content", "YWJj"},
        {"attachments/1/type", "application/octet-stream"},
        {"attachments/1/content", ""},
        {"headers/Auto-Submitted", "auto-generated"},
        {"headers/List-Unsubscribe", "<https://h.example/u>, <mailto:u@h.example>"},
        {"headers/List-Unsubscribe-Post", "List-Unsubscribe=One-Click"},
        {"headers/X-Order", "7"},
        {"custom_args/outbox_id", TEST_UUID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(strcmp(test_text(body, rows[i][0]), rows[i][1]) == 0, "%s: %s", rows[i][0],
                      test_text(body, rows[i][0]));
    json_object_put(body);

    message = message_of("{\"subject\":\"s\",\"html\":\"x\",\"from\":\"k@b.c\","
                         "\"unsubscribe_url\":\"https://h.example/u\"}");
    message.bulk = true;
    body = built(&message, &request);
    ck_assert_str_eq(test_text(body, "from/email"), "k@b.c");
    ck_assert_str_eq(test_text(body, "from/name"), "(none)");
    ck_assert_str_eq(test_text(body, "content/0/type"), "text/html");
    ck_assert_ptr_null(test_at(body, "content/1"));
    ck_assert_ptr_null(test_at(body, "reply_to"));
    ck_assert_ptr_null(test_at(body, "attachments"));
    ck_assert_ptr_null(test_at(body, "headers/Auto-Submitted"));
    json_object_put(body);
}
END_TEST

START_TEST(test_build_rejected)
{
    static const char *const rows[][2] = {
        {"{\"text\":\"t\"}", "payload.subject: is required"},
        {"{\"subject\":\"a\\nb\",\"text\":\"t\"}", "payload.subject: must not contain control characters"},
        {"{\"subject\":\"s\",\"text\":\"t\",\"headers\":{\"Bcc\":\"x@y\"}}",
         "payload.headers.Bcc: the name is reserved"},
        {"{\"subject\":\"s\",\"text\":\"t\",\"headers\":{\"X-A\":\"x\\r\\ny\"}}",
         "payload.headers.X-A: must not contain control characters"},
        {"{\"subject\":\"s\",\"text\":\"t\",\"unsubscribe_url\":\"http://h\"}",
         "payload.unsubscribe_url: must be an https URL"},
        {"{\"subject\":\"s\",\"text\":\"t\",\"attachments\":[{\"name\":\"a\",\"file\":\"a\"}]}",
         "payload.attachments.0.file: was not read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = message_of(rows[i][0]);
        struct request request;
        struct verdict verdict;
        ck_assert(!sendgrid_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
        ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
        ck_assert_msg(strstr(verdict.reason, rows[i][1]) == verdict.reason, "%s", verdict.reason);
    }
    /* More than the vendor takes. */
    char *text = mem_alloc((31 << 20) + 1);
    memset(text, 'x', 31 << 20);
    struct message message = message_of("{\"subject\":\"s\",\"text\":\"t\"}");
    json_object_object_add(message.payload, "text", json_object_new_string_len(text, 31 << 20));
    mem_free(text);
    struct request request;
    struct verdict verdict;
    ck_assert(!sendgrid_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_str_eq(verdict.reason, "payload: the mail is larger than 31457280 octets");
}
END_TEST

static struct verdict judged(int status, const char *body, const char *header, const char *value)
{
    struct message message = message_of("{}");
    struct response response = test_answer(status, body);
    if (header != NULL) {
        response.headers[0] = (struct header){header, value};
        response.header_count = 1;
    }
    return adapter_judge(&sendgrid_adapter, settings, &message, &response, TEST_NOW_MS);
}

START_TEST(test_codes)
{
    static const struct {
        int status;
        const char *verdict;
    } rows[] = {
        {200, "sent"},     {202, "sent"},     {400, "rejected"}, {401, "stopped"},  {403, "stopped"},
        {404, "stopped"},  {405, "stopped"},  {413, "rejected"}, {415, "stopped"},  {429, "throttled"},
        {500, "in_doubt"}, {502, "in_doubt"}, {503, "in_doubt"}, {504, "in_doubt"}, {302, "stopped"},
        {408, "retry"},    {406, "rejected"},
    };
    static const char *const bodies[] = {"{\"errors\":[{\"message\":\"no\",\"field\":null}]}",
                                         "",
                                         "{",
                                         "[]",
                                         "{\"errors\":5}",
                                         "{\"errors\":[]}",
                                         "{\"errors\":[{}]}"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++) {
            struct verdict verdict = judged(rows[i].status, bodies[k], NULL, NULL);
            ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s",
                          rows[i].status, bodies[k], verdict_name(verdict.kind));
            ck_assert_int_eq(verdict.not_before_ms, rows[i].status == 429 ? TEST_NOW_MS + 60000 : 0);
        }
    }
    ck_assert_str_eq(judged(202, "", "x-message-id", "abc").provider_id, "abc");
    ck_assert_str_eq(judged(202, "", NULL, NULL).provider_id, "");
    ck_assert_str_eq(
        judged(403, "{\"errors\":[{\"message\":\"kim@example.org may not\"}]}", NULL, NULL).reason,
        "HTTP 403 [hidden] may not");
    struct message message = message_of("{}");
    struct response response = {.state = SEND_IN_DOUBT, .fault = FAULT_TIMEOUT};
    ck_assert_int_eq(adapter_judge(&sendgrid_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
}
END_TEST

/* X-RateLimit-Reset is a point in time, in seconds; waits are 1 s to 1 day. */
START_TEST(test_throttled)
{
    static const struct {
        const char *name, *value;
        int64_t wait_ms;
    } rows[] = {
        {"x-ratelimit-reset", "1700000042", 42000},
        {"x-ratelimit-reset", "1600000000", 1000},
        {"x-ratelimit-reset", "9900000000", 86400000},
        {"x-ratelimit-reset", "soon", 60000},
        {"retry-after", "5", 5000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict verdict = judged(429, "{}", rows[i].name, rows[i].value);
        ck_assert_int_eq(verdict.kind, VERDICT_THROTTLED);
        ck_assert_int_eq(verdict.not_before_ms, TEST_NOW_MS + rows[i].wait_ms);
    }
}
END_TEST

START_TEST(test_event_signature)
{
    struct json_object *vectors = vectors_load("webhook_signatures.json");
    const char *key = test_text(vectors, "sendgrid/public_key_b64_der");
    const char *timestamp = test_text(vectors, "sendgrid/header_timestamp");
    const char *body = test_text(vectors, "sendgrid/body");
    const char *signature = test_text(vectors, "sendgrid/signature_b64_der");
    size_t size = strlen(body);
    ck_assert(mail_signature_sendgrid_ok(key, timestamp, body, size, signature));
    ck_assert(!mail_signature_sendgrid_ok(key, timestamp, body, size - 2, signature));
    ck_assert(!mail_signature_sendgrid_ok(key, "1600112503", body, size, signature));
    ck_assert(!mail_signature_sendgrid_ok(key, timestamp, body, size, ""));
    ck_assert(!mail_signature_sendgrid_ok(key, timestamp, body, size, "!!"));
    ck_assert(!mail_signature_sendgrid_ok(key, timestamp, body, size, "AAAA"));
    ck_assert(!mail_signature_sendgrid_ok("", timestamp, body, size, signature));
    ck_assert(!mail_signature_sendgrid_ok("AAAA", timestamp, body, size, signature));
    char longer[2000];
    memset(longer, 'A', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ck_assert(!mail_signature_sendgrid_ok(key, timestamp, body, size, longer));
    json_object_put(vectors);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sendgrid");
    TCase *tests = tcase_create("sendgrid");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_build_rejected);
    tcase_add_test(tests, test_codes);
    tcase_add_test(tests, test_throttled);
    tcase_add_test(tests, test_event_signature);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
