#include "providers/mail/mailgun.h"

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
    settings = test_settings_of(&mailgun_adapter,
                                "{\"from\":\"Shop <noreply@mg.example.com>\",\"domain\":\"mg.example.com\"}",
                                "key-1");
}

static void teardown(void)
{
    mailgun_adapter.settings_free(settings);
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
        {"{\"from\":\"a@b.c\"}", "k", "settings.domain: is required"},
        {"{\"from\":\"a@b.c\",\"domain\":\"a/b\"}", "k", "settings.domain: the domain has a character"},
        {"{\"from\":\"a@b.c\",\"domain\":\"a@b\"}", "k", "settings.domain: "},
        {"{\"from\":\"a@b.c\",\"domain\":\"..\"}", "k", "settings.domain: is not an address at a domain"},
        {"{\"domain\":\"b.c\"}", "k", "settings.from: is required"},
        {"{\"from\":\"a@b.c\",\"domain\":\"b.c\",\"url\":\"ftp://h\"}", "k", "settings.url: must be https"},
        {"{\"from\":\"a@b.c\",\"domain\":\"b.c\"}", "k\nk", "secret api_key: must not contain"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = test_settings_error(&mailgun_adapter, rows[i].json, rows[i].key);
        ck_assert_msg(strstr(text, rows[i].error) == text, "%s: %s", rows[i].json, text);
    }
    struct endpoint_options options = {.http2 = true};
    mailgun_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://api.mailgun.net");
    ck_assert(!options.http2);
    void *other =
        test_settings_of(&mailgun_adapter,
                         "{\"from\":\"a@b.c\",\"domain\":\"b.c\",\"url\":\"https://api.eu.mailgun.net\","
                         "\"ca_file\":\"/ca.pem\"}",
                         "k");
    mailgun_adapter.endpoint(other, &options);
    ck_assert_str_eq(options.url, "https://api.eu.mailgun.net");
    ck_assert_str_eq(options.ca_file, "/ca.pem");
    mailgun_adapter.settings_free(other);
}
END_TEST

START_TEST(test_build)
{
    struct request request;
    struct verdict verdict = {.reason = ""};
    struct message message =
        message_of("{\"subject\":\"Paid\",\"text\":\"Hello\",\"unsubscribe_url\":\"https://h.example/u\"}");
    message.bulk = true;
    ck_assert_msg(mailgun_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict),
                  "%s", verdict.reason);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/v3/mg.example.com/messages.mime");
    ck_assert_uint_eq(request.header_count, 2);
    /* base64 of "api:key-1" */
    ck_assert_str_eq(test_header(&request, "authorization"), "Basic YXBpOmtleS0x");
    const char *type = test_header(&request, "content-type");
    static const char start[] = "multipart/form-data; boundary=";
    ck_assert_msg(strncmp(type, start, strlen(start)) == 0, "%s", type);
    const char *boundary = type + strlen(start);
    ck_assert_uint_le(strlen(boundary), 70);

    char wanted[800], end[100];
    snprintf(wanted, sizeof wanted,
             "--%s\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nkim@example.org\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"v:outbox_id\"\r\n\r\n" TEST_UUID "\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"message\"; filename=\"mail.eml\"\r\n"
             "Content-Type: message/rfc822\r\n\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
             boundary, boundary, boundary);
    ck_assert_msg(strncmp(request.body, wanted, strlen(wanted)) == 0, "%s", request.body);
    snprintf(end, sizeof end, "\r\n\r\nHello\r\n\r\n--%s--\r\n", boundary);
    ck_assert_str_eq(request.body + request.body_size - strlen(end), end);
    ck_assert_ptr_nonnull(strstr(request.body, "\r\nMessage-ID: <" TEST_UUID "@mg.example.com>\r\n"));
    ck_assert_ptr_nonnull(strstr(request.body, "\r\nList-Unsubscribe: <https://h.example/u>\r\n"
                                               "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));

    message = message_of("{\"subject\":\"s\",\"text\":\"t\"}");
    message.recipient = "a@b\"\r\n--x";
    ck_assert(!mailgun_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
    ck_assert_str_eq(verdict.reason, "recipient: must not contain control characters");
}
END_TEST

static struct verdict judged(int status, const char *body)
{
    struct message message = message_of("{}");
    struct response response = test_answer(status, body);
    return adapter_judge(&mailgun_adapter, settings, &message, &response, TEST_NOW_MS);
}

START_TEST(test_codes)
{
    static const struct {
        int status;
        const char *text, *verdict;
    } rows[] = {
        {400, "to parameter is not a valid address. please check documentation", "rejected"},
        {400, "Sandbox subdomains are for test purposes only.", "stopped"},
        {400, "Domain mg.example.com is not verified", "stopped"},
        {400, "The domain is unverified and requires DNS configuration.", "stopped"},
        {400, "cannot send to <sandbox@example.org>", "rejected"},
        {401, "Forbidden", "stopped"},
        {402, "Payment required", "stopped"},
        {403, "Domain is not allowed to send", "stopped"},
        {404, "Domain not found", "stopped"},
        {413, "too large", "rejected"},
        {429, "slow down", "throttled"},
        {500, "x", "in_doubt"},
        {502, "x", "in_doubt"},
        {503, "x", "in_doubt"},
        {504, "x", "in_doubt"},
        {301, "x", "stopped"},
        {408, "x", "retry"},
        {422, "x", "rejected"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"message\":\"%s\"}", rows[i].text);
        struct verdict verdict = judged(rows[i].status, body);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s", rows[i].status,
                      rows[i].text, verdict_name(verdict.kind));
        ck_assert_int_eq(verdict.not_before_ms, rows[i].status == 429 ? TEST_NOW_MS + 60000 : 0);
    }
    struct message message = message_of("{}");
    struct response response = test_answer(429, "{}");
    response.headers[0] = (struct header){"retry-after", "9"};
    response.header_count = 1;
    ck_assert_int_eq(
        adapter_judge(&mailgun_adapter, settings, &message, &response, TEST_NOW_MS).not_before_ms,
        TEST_NOW_MS + 9000);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_TLS};
    ck_assert_int_eq(adapter_judge(&mailgun_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_UNSENT);
}
END_TEST

START_TEST(test_answers)
{
    struct verdict verdict =
        judged(200, "{\"id\":\"<2023@mg.example.com>\",\"message\":\"Queued. Thank you.\"}");
    ck_assert_int_eq(verdict.kind, VERDICT_SENT);
    ck_assert_str_eq(verdict.provider_id, "2023@mg.example.com");
    static const char *const garbage[] = {"", "{", "[]", "{}", "{\"id\":5}", "Mailgun Magnificent API"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        ck_assert_int_eq(judged(200, garbage[i]).kind, VERDICT_IN_DOUBT);
        ck_assert_int_eq(judged(401, garbage[i]).kind, VERDICT_STOPPED);
        ck_assert_int_eq(judged(400, garbage[i]).kind, VERDICT_REJECTED);
    }
    ck_assert_str_eq(judged(400, "{\"message\":\"bad kim@example.org\"}").reason, "HTTP 400 bad [hidden]");
    struct message message = message_of("{}");
    struct response response = test_answer(200, "{\"id\":\"<1@x>\"}");
    response.body_truncated = true;
    ck_assert_int_eq(adapter_judge(&mailgun_adapter, settings, &message, &response, TEST_NOW_MS).kind,
                     VERDICT_IN_DOUBT);
}
END_TEST

START_TEST(test_webhook_signature)
{
    struct json_object *vectors = vectors_load("webhook_signatures.json");
    const char *key = test_text(vectors, "mailgun/signing_key");
    const char *timestamp = test_text(vectors, "mailgun/timestamp");
    const char *token = test_text(vectors, "mailgun/token");
    const char *signature = test_text(vectors, "mailgun/signature_hex");
    ck_assert(mail_signature_mailgun_ok(key, timestamp, token, signature));
    ck_assert(!mail_signature_mailgun_ok("key-x", timestamp, token, signature));
    ck_assert(!mail_signature_mailgun_ok(key, "1529006855", token, signature));
    ck_assert(!mail_signature_mailgun_ok(key, timestamp, "", signature));
    ck_assert(!mail_signature_mailgun_ok(key, timestamp, token, ""));
    ck_assert(!mail_signature_mailgun_ok(key, timestamp, token, signature + 1));
    ck_assert(!mail_signature_mailgun_ok(key, "", "", signature));
    char longer[2000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ck_assert(!mail_signature_mailgun_ok(key, timestamp, longer, signature));
    json_object_put(vectors);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mailgun");
    TCase *tests = tcase_create("mailgun");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_codes);
    tcase_add_test(tests, test_answers);
    tcase_add_test(tests, test_webhook_signature);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
