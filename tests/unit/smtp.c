#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "providers/mail/smtp.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define SETTINGS "{\"url\":\"smtp://mail.example.com:587\",\"from\":\"Shop <noreply@example.com>\"}"

static struct arena *arena;
static void *settings;

static void setup(void)
{
    arena = arena_new();
    settings = test_settings_of(&smtp_adapter, SETTINGS, NULL);
}

static void teardown(void)
{
    smtp_adapter.settings_free(settings);
    arena_free(arena);
}

/* Its payload lives until the next one. */
static struct message message_of(const char *payload)
{
    return test_message("kim@example.org", payload);
}

static struct verdict judged(enum smtp_phase phase, const char *reply)
{
    struct message message = message_of("{\"subject\":\"s\",\"text\":\"t\"}");
    int status = 0;
    sscanf(reply, "%3d", &status);
    struct response response = test_answer(status, reply);
    response.phase = phase;
    return adapter_judge(&smtp_adapter, settings, &message, &response, TEST_NOW_MS);
}

/*
 * How an action with its scope folds into a verdict. A provider-wide RETRY or THROTTLE is THROTTLED, so that
 * it costs the message no attempt; one of a message or of its destination is RETRY. OK before the end of
 * data, and CONTINUE, are no final answer: the mail was not taken.
 */
static const char *verdict_for(const char *action, const char *scope, bool final)
{
    static const char *const rows[][3] = {
        {"OK", "message", "sent"},
        {"CONTINUE", "message", "retry"},
        {"RETRY", "message", "retry"},
        {"RETRY", "provider", "throttled"},
        {"THROTTLE", "provider", "throttled"},
        {"PROVIDER_STOP", "provider", "stopped"},
        {"CONFIG", "configuration", "stopped"},
        {"SUPPRESS", "recipient", "address_gone"},
        {"PERMANENT", "message", "rejected"},
        {"PERMANENT", "reputation", "rejected"},
        {"PAYLOAD", "message", "rejected"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i][0], action) == 0 && strcmp(rows[i][1], scope) == 0)
            return i == 0 && !final ? "retry" : rows[i][2];
    }
    ck_abort_msg("no verdict for %s of %s", action, scope);
}

static void check_case(struct json_object *one, enum smtp_phase phase)
{
    const char *reply = test_text(one, "reply");
    struct verdict verdict = judged(phase, reply);
    const char *wanted =
        verdict_for(test_text(one, "action"), test_text(one, "scope"), phase == SMTP_END_OF_DATA);
    ck_assert_msg(strcmp(verdict_name(verdict.kind), wanted) == 0, "%s at phase %d: %s, not %s", reply,
                  (int)phase, verdict_name(verdict.kind), wanted);
    ck_assert(verdict.kind != VERDICT_THROTTLED || verdict.not_before_ms > TEST_NOW_MS);
    ck_assert((verdict.reason[0] == '\0') == (verdict.kind == VERDICT_SENT));
}

START_TEST(test_vectors)
{
    static const struct {
        const char *name;
        enum smtp_phase first, last;
    } phases[] = {
        {"any", SMTP_CONNECT, SMTP_END_OF_DATA},  {"connect", SMTP_CONNECT, SMTP_CONNECT},
        {"starttls", SMTP_CONNECT, SMTP_CONNECT}, {"auth", SMTP_AUTH, SMTP_AUTH},
        {"mail", SMTP_MAIL, SMTP_MAIL},           {"rcpt", SMTP_RCPT, SMTP_RCPT},
        {"data", SMTP_DATA, SMTP_DATA},           {"end-of-data", SMTP_END_OF_DATA, SMTP_END_OF_DATA},
    };
    struct json_object *vectors = vectors_load("smtp_replies.json");
    struct json_object *cases = json_get(vectors, "cases");
    size_t checked = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        struct json_object *one = json_object_array_get_idx(cases, i);
        for (size_t k = 0; k < sizeof phases / sizeof *phases; k++) {
            if (strcmp(phases[k].name, test_text(one, "phase")) != 0)
                continue;
            checked++;
            for (enum smtp_phase phase = phases[k].first; phase <= phases[k].last; phase++)
                check_case(one, phase);
        }
    }
    ck_assert_uint_eq(checked, json_object_array_length(cases));
    ck_assert_uint_ge(checked, 49);
    json_object_put(vectors);
}
END_TEST

/* What the vectors leave open. */
START_TEST(test_more_replies)
{
    static const struct {
        enum smtp_phase phase;
        const char *reply, *verdict;
        int64_t wait_ms;
    } rows[] = {
        {SMTP_END_OF_DATA, "250 queued", "sent", 0},
        {SMTP_END_OF_DATA, "garbage", "in_doubt", 0},
        {SMTP_END_OF_DATA, "999 what", "in_doubt", 0},
        {SMTP_END_OF_DATA, "354 go on", "in_doubt", 0},
        {SMTP_RCPT, "garbage", "retry", 0},
        {SMTP_RCPT, "421 4.3.2 closing", "throttled", 30000},
        {SMTP_CONNECT, "421 4.7.0 too many connections", "throttled", 60000},
        {SMTP_CONNECT, "450 busy", "throttled", 30000},
        {SMTP_END_OF_DATA, "454 Throttling failure: Maximum sending rate exceeded.", "throttled", 60000},
        {SMTP_END_OF_DATA, "454 4.3.0 try later", "retry", 0},
        {SMTP_RCPT, "451 4.7.650 rate of the destination", "retry", 0},
        {SMTP_RCPT, "450 greylisted", "retry", 0},
        {SMTP_RCPT, "550 5.7.1 <kim@example.org>: Relay access denied", "stopped", 0},
        {SMTP_RCPT, "550 relay not permitted", "stopped", 0},
        {SMTP_RCPT, "550 5.7.1 only members may write to this list", "rejected", 0},
        {SMTP_RCPT, "550 5.7.1 <relay@example.org> refused", "rejected", 0},
        {SMTP_RCPT, "550 <no.such@user.unknown> refused", "rejected", 0},
        {SMTP_RCPT, "550 User unknown in virtual mailbox table", "address_gone", 0},
        {SMTP_RCPT, "550 mailbox unavailable", "rejected", 0},
        {SMTP_END_OF_DATA, "550 no such user", "rejected", 0},
        {SMTP_END_OF_DATA, "550 5.1.1 no such user", "address_gone", 0},
        {SMTP_RCPT, "553 mailbox name not allowed", "rejected", 0},
        {SMTP_MAIL, "553 sender not allowed", "stopped", 0},
        {SMTP_MAIL, "552 too big", "rejected", 0},
        {SMTP_RCPT, "556 no mail here", "address_gone", 0},
        {SMTP_RCPT, "501 bad address", "rejected", 0},
        {SMTP_MAIL, "550 5.1.1 sender unknown", "stopped", 0},
        {SMTP_RCPT, "550 5.4.4 cannot route", "rejected", 0},
        {SMTP_RCPT, "599 strange", "rejected", 0},
        {SMTP_CONNECT, "554 no service", "stopped", 0},
        {SMTP_AUTH, "501 cannot decode", "stopped", 0},
        /* the enhanced code wins over the basic one */
        {SMTP_RCPT, "550 4.2.2 mailbox full", "retry", 0},
        {SMTP_RCPT, "450 5.1.1 no such user", "address_gone", 0},
        {SMTP_RCPT, "550 2.1.1 contradiction", "rejected", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict verdict = judged(rows[i].phase, rows[i].reply);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%s: %s, not %s",
                      rows[i].reply, verdict_name(verdict.kind), rows[i].verdict);
        ck_assert_msg(verdict.not_before_ms == (rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0),
                      "%s", rows[i].reply);
    }
}
END_TEST

START_TEST(test_enhanced)
{
    struct json_object *vectors = vectors_load("smtp_replies.json");
    struct json_object *lines = test_at(vectors, "multiline/lines");
    char reply[500];
    snprintf(reply, sizeof reply, "%s\n%s\n%s", test_text(lines, "0"), test_text(lines, "1"),
             test_text(lines, "2"));
    struct smtp_enhanced code = smtp_enhanced_read(reply);
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", code.class, code.subject, code.detail);
    ck_assert_str_eq(text, test_text(vectors, "multiline/enhanced"));
    struct verdict verdict = judged(SMTP_RCPT, reply);
    ck_assert_int_eq(verdict.kind, VERDICT_ADDRESS_GONE);
    ck_assert_str_eq(verdict.reason, "550 5.1.1 at RCPT: The email account that you tried to reach does not "
                                     "exist. Check the address. end");
    json_object_put(vectors);

    static const char *const none[] = {"",
                                       "550",
                                       "550 no code",
                                       "550 3.1.1 x",
                                       "550 5.1 x",
                                       "550 5..1 x",
                                       "550 5.1.x x",
                                       "550 5.1.1.1 x",
                                       "550 5.1111.1",
                                       "5.1",
                                       "550 10.0.0.1 blocked"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(smtp_enhanced_read(none[i]).class == 0, "%s", none[i]);
    code = smtp_enhanced_read("452-4.123.999\n452 x");
    ck_assert(code.class == 4 && code.subject == 123 && code.detail == 999);
}
END_TEST

START_TEST(test_reason_hides_address)
{
    struct verdict verdict = judged(SMTP_RCPT, "550 5.1.1 <kim@example.org>: Recipient 'kim' rejected, see "
                                               "other@example.org");
    ck_assert_str_eq(verdict.reason, "550 5.1.1 at RCPT: [hidden] Recipient [hidden] rejected, see [hidden]");
    char reply[5000];
    snprintf(reply, sizeof reply, "550 %04000d x\n550 y", 0);
    verdict = judged(SMTP_RCPT, reply);
    ck_assert(strstr(verdict.reason, "[hidden]") != NULL);
    /* Many lines, and lines without a code. */
    reply[0] = '\0';
    for (int i = 0; i < 300; i++)
        strcat(reply, i % 2 == 0 ? "550-5.7.1 text\n" : "x\n");
    verdict = judged(SMTP_END_OF_DATA, reply);
    ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
}
END_TEST

START_TEST(test_judge_sent)
{
    struct verdict verdict = judged(SMTP_END_OF_DATA, "250 2.0.0 Ok: queued as 4F2");
    ck_assert_int_eq(verdict.kind, VERDICT_SENT);
    ck_assert_str_eq(verdict.provider_id, TEST_UUID "@example.com");
    struct message message =
        message_of("{\"subject\":\"s\",\"text\":\"t\",\"from\":\"Other <o@other.example>\"}");
    struct response response = test_answer(250, "250 OK");
    response.phase = SMTP_END_OF_DATA;
    verdict = adapter_judge(&smtp_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_str_eq(verdict.provider_id, TEST_UUID "@other.example");
}
END_TEST

static struct request built(const void *for_settings, const struct message *message)
{
    struct request request = test_built(&smtp_adapter, for_settings, message, arena);
    ck_assert_uint_eq(request.body_size, strlen(request.body));
    return request;
}

static void check_has(const struct request *request, const char *line)
{
    ck_assert_msg(strstr(request->body, line) != NULL, "no %s in:\n%s", line, request->body);
}

START_TEST(test_build)
{
    struct message message = message_of("{\"subject\":\"Paid\",\"text\":\"Hello\",\"html\":\"<p>Hello</p>\","
                                        "\"headers\":{\"X-Campaign\":\"c1\"}}");
    struct request request = built(settings, &message);
    ck_assert_str_eq(request.mail_from, "noreply@example.com");
    ck_assert_str_eq(request.mail_to, "kim@example.org");
    check_has(&request, "\r\nFrom: \"Shop\" <noreply@example.com>\r\n");
    check_has(&request, "\r\nTo: kim@example.org\r\n");
    check_has(&request, "\r\nSubject: Paid\r\n");
    check_has(&request, "\r\nMessage-ID: <" TEST_UUID "@example.com>\r\n");
    check_has(&request, "\r\nX-Campaign: c1\r\n");
    check_has(&request, "\r\nAuto-Submitted: auto-generated\r\n");
    check_has(&request, "\r\nContent-Type: multipart/alternative;");
    ck_assert(strstr(request.body, "text/plain") < strstr(request.body, "text/html"));
    ck_assert(strstr(request.body, "Reply-To") == NULL);

    /* From may be the payload's; the envelope's sender stays that of the settings. */
    message =
        message_of("{\"subject\":\"s\",\"html\":\"x\",\"from\":\"o@other.example\",\"reply_to\":\"r@b.c\","
                   "\"unsubscribe_url\":\"https://h.example/u/1\"}");
    message.bulk = true;
    request = built(settings, &message);
    ck_assert_str_eq(request.mail_from, "noreply@example.com");
    check_has(&request, "\r\nFrom: o@other.example\r\n");
    check_has(&request, "\r\nReply-To: r@b.c\r\n");
    check_has(&request, "\r\nMessage-ID: <" TEST_UUID "@other.example>\r\n");
    check_has(&request, "\r\nContent-Type: text/html; charset=UTF-8\r\n");
    ck_assert(strstr(request.body, "Auto-Submitted") == NULL);

    void *other = test_settings_of(
        &smtp_adapter, "{\"url\":\"smtps://m.example\",\"from\":\"a@b.c\",\"reply_to\":\"R <r@b.c>\"}", NULL);
    message = message_of("{\"subject\":\"s\",\"text\":\"x\"}");
    request = built(other, &message);
    check_has(&request, "\r\nReply-To: \"R\" <r@b.c>\r\n");
    smtp_adapter.settings_free(other);
}
END_TEST

START_TEST(test_build_rejected)
{
    static const struct {
        const char *recipient, *payload, *reason;
    } rows[] = {
        {"kim", "{\"subject\":\"s\",\"text\":\"t\"}", "recipient: is not a mail address"},
        {"a@b\r\nDATA", "{\"subject\":\"s\",\"text\":\"t\"}", "recipient: must not contain control"},
        {"a@b> SIZE=1", "{\"subject\":\"s\",\"text\":\"t\"}", "recipient: the domain has a character"},
        {"김@b.c", "{\"subject\":\"s\",\"text\":\"t\"}", "recipient: must be ASCII before the '@'"},
        {"a@b.c", "{\"text\":\"t\"}", "payload.subject: is required"},
        {"a@b.c", "{\"subject\":\"\",\"text\":\"t\"}", "payload.subject: is required"},
        {"a@b.c", "{\"subject\":5,\"text\":\"t\"}", "payload.subject: must be a string"},
        {"a@b.c", "{\"subject\":\"s\"}", "payload: needs text or html"},
        {"a@b.c", "{\"subject\":\"s\",\"text\":{}}", "payload.text: must be a string"},
        {"a@b.c", "{\"subject\":\"s\",\"text\":\"t\",\"html\":1}", "payload.html: must be a string"},
        {"a@b.c", "{\"subject\":\"a\\r\\nBcc: x@y\",\"text\":\"t\"}", "payload.subject: must not contain"},
        {"a@b.c", "{\"subject\":\"a\\u0000b\",\"text\":\"t\"}", "payload.subject: must not contain"},
        {"a@b.c", "{\"subject\":\"s\",\"text\":\"t\",\"from\":\"x\"}", "payload.from: is not a mail address"},
        {"a@b.c", "{\"subject\":\"s\",\"text\":\"t\",\"from\":\"a\\r\\nBcc: c <x@y>\"}",
         "payload.from: must not contain control"},
        {"a@b.c", "{\"subject\":\"s\",\"text\":\"t\",\"reply_to\":\"a <x@y>\\nX: y\"}",
         "payload.reply_to: must not contain control"},
        {"a@b.c", "{\"subject\":\"s\",\"text\":\"t\",\"headers\":{\"Bcc\":\"x\"}}",
         "payload.headers.Bcc: the name is reserved"},
        {"a@b.c", "{\"subject\":\"s\",\"text\":\"t\",\"headers\":\"x\"}",
         "payload.headers: must be an object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = message_of(rows[i].payload);
        message.recipient = rows[i].recipient;
        struct request request;
        struct verdict verdict = {.kind = VERDICT_SENT};
        ck_assert_msg(!smtp_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict),
                      "accepted: %s", rows[i].reason);
        ck_assert_str_eq(verdict_name(verdict.kind), "rejected");
        ck_assert_msg(strstr(verdict.reason, rows[i].reason) != NULL, "%s", verdict.reason);
    }
}
END_TEST

/* The rule of large mailbox providers: bulk mail can be left with one click (RFC 8058). */
START_TEST(test_unsubscribe)
{
    static const struct {
        const char *more, *json, *reason; /* NULL = accepted */
    } rows[] = {
        {"", "", "payload.unsubscribe_url: is required for the lane bulk"},
        {",\"unsubscribe_mailto\":\"u@h.example\"", "", "payload.unsubscribe_url: is required"},
        {",\"headers\":{\"List-Unsubscribe\":\"<mailto:u@h>\"}", "", "payload.unsubscribe_url: is required"},
        {",\"headers\":[]", "", "payload.unsubscribe_url: is required"},
        {",\"headers\":{\"list-unsubscribe-post\":\"List-Unsubscribe=One-Click\"}", "", NULL},
        {",\"unsubscribe_url\":\"https://h.example/u\"", "", NULL},
        {",\"unsubscribe_url\":5", "", "payload.unsubscribe_url: must be a string"},
        {",\"unsubscribe_url\":\"https://h\\u0000\"", "",
         "payload.unsubscribe_url: must not contain control"},
        {"", ",\"require_unsubscribe\":false", NULL},
        {"", ",\"require_unsubscribe\":true", "payload.unsubscribe_url: is required"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char payload[300], json[300];
        snprintf(payload, sizeof payload, "{\"subject\":\"s\",\"text\":\"t\"%s}", rows[i].more);
        snprintf(json, sizeof json, "{\"url\":\"smtp://h\",\"from\":\"a@b.c\"%s}", rows[i].json);
        void *other = test_settings_of(&smtp_adapter, json, NULL);
        struct message message = message_of(payload);
        message.bulk = true;
        struct request request;
        struct verdict verdict = {.reason = ""};
        bool ok = smtp_adapter.build(other, &message, NULL, TEST_NOW_MS, arena, &request, &verdict);
        ck_assert_msg(ok == (rows[i].reason == NULL), "%s: %s", payload, verdict.reason);
        ck_assert_msg(ok || strstr(verdict.reason, rows[i].reason) == verdict.reason, "%s", verdict.reason);
        smtp_adapter.settings_free(other);
    }
    struct message message =
        message_of("{\"subject\":\"s\",\"text\":\"t\",\"unsubscribe_mailto\":\"u@h.c\"}");
    struct request request = built(settings, &message);
    check_has(&request, "\r\nList-Unsubscribe: <mailto:u@h.c>\r\n");
    ck_assert_ptr_null(strstr(request.body, "List-Unsubscribe-Post"));
}
END_TEST

START_TEST(test_attachments)
{
    static const char item[] = "{\"subject\":\"s\",\"text\":\"t\",\"attachments\":"
                               "[{\"name\":\"a.txt\",\"file\":\"in/a.txt\",\"data\":\"abc\"}]}";
    struct message message = message_of(item);
    struct request request;
    struct verdict verdict;
    ck_assert(!smtp_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_str_eq(verdict.reason, "payload.attachments: the provider has no attachments_dir");
    void *other = test_settings_of(
        &smtp_adapter, "{\"url\":\"smtp://h\",\"from\":\"a@b.c\",\"attachments_dir\":\"/srv/files\"}", NULL);
    request = built(other, &message);
    check_has(&request, "\r\nContent-Type: application/octet-stream\r\n");
    check_has(&request, "\r\n filename=\"a.txt\"\r\n\r\nYWJj\r\n");
    smtp_adapter.settings_free(other);
}
END_TEST

static void *dkim_settings(const char *more, const char *key, const char *key2, struct error *err)
{
    char text[400];
    snprintf(text, sizeof text, "{\"url\":\"smtp://h\",\"from\":\"a@mail.example\"%s}", more);
    const char *secrets[ADAPTER_MAX_SECRETS] = {NULL, key, key2};
    return test_settings_new(&smtp_adapter, text, secrets, err);
}

static const char ed25519_key[] =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"; /* of RFC 8463, A.2 */

START_TEST(test_dkim_settings)
{
    struct json_object *vectors = vectors_load("dkim.json");
    const char *rsa = test_text(vectors, "rfc8463/rsa_private_pem");
    const struct {
        const char *more, *key, *key2, *error;
    } rows[] = {
        {"", rsa, NULL, "settings.dkim_selector: is required with a key"},
        {",\"dkim_selector\":\"s\"", NULL, NULL, "settings.dkim_selector: needs a key too"},
        {",\"dkim_selector\":\"s;x\"", rsa, NULL, "settings.dkim_selector: the domain has a character"},
        {",\"dkim_selector\":\"s\",\"dkim_domain\":\"a b\"", rsa, NULL, "settings.dkim_domain: must not"},
        {",\"dkim_selector\":\"s\",\"dkim_domain\":\"a;d=x\"", rsa, NULL, "settings.dkim_domain: the domain"},
        {",\"dkim_selector\":\"s\",\"dkim_canonicalization\":\"nofws\"", rsa, NULL,
         "settings.dkim_canonicalization: must be relaxed or simple"},
        {",\"dkim_selector\":\"s\"", "x", NULL, "secret dkim_key: must be a PEM private key"},
        {",\"dkim_selector2\":\"s\"", NULL, ed25519_key, "settings.dkim_selector2: needs dkim_selector too"},
        {",\"dkim_selector\":\"s\",\"dkim_selector2\":\"t\"", rsa, NULL,
         "settings.dkim_selector2: needs a key"},
        {",\"dkim_selector\":\"s\",\"dkim_selector2\":\"t\"", rsa, rsa,
         "secret dkim_key2: must be of another kind than dkim_key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = {""};
        ck_assert_msg(dkim_settings(rows[i].more, rows[i].key, rows[i].key2, &err) == NULL, "accepted: %s",
                      rows[i].more);
        ck_assert_msg(strstr(err.text, rows[i].error) == err.text, "%s", err.text);
    }
    json_object_put(vectors);
}
END_TEST

START_TEST(test_dkim)
{
    struct json_object *vectors = vectors_load("dkim.json");
    const char *rsa = test_text(vectors, "rfc8463/rsa_private_pem");
    struct error err = {""};
    struct message message =
        message_of("{\"subject\":\"s\",\"text\":\"t\",\"unsubscribe_url\":\"https://h.example/u\"}");

    void *one = dkim_settings(",\"dkim_selector\":\"k1\"", ed25519_key, NULL, &err);
    ck_assert_msg(one != NULL, "%s", err.text);
    struct request request = built(one, &message);
    check_has(&request, "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n");
    check_has(&request, " d=mail.example;\r\n s=k1;\r\n t=1700000000;\r\n h=From:From:");
    check_has(&request, "List-Unsubscribe:");
    smtp_adapter.settings_free(one);

    void *two =
        dkim_settings(",\"dkim_domain\":\"example\",\"dkim_selector\":\"k1\",\"dkim_selector2\":\"k2\","
                      "\"dkim_canonicalization\":\"simple\"",
                      rsa, ed25519_key, &err);
    ck_assert_msg(two != NULL, "%s", err.text);
    request = built(two, &message);
    check_has(&request, "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple;\r\n d=example;\r\n s=k1;");
    check_has(&request, "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple;\r\n d=example;\r\n s=k2;");
    smtp_adapter.settings_free(two);
    json_object_put(vectors);
}
END_TEST

START_TEST(test_settings)
{
#define HOST "\"url\":\"smtp://h:25\""
    static const struct {
        const char *json, *password, *error;
    } rows[] = {
        {"{\"from\":\"a@b.c\"}", NULL, "settings.url: is required"},
        {"{\"url\":\"https://h\",\"from\":\"a@b.c\"}", NULL, "settings.url: must be smtp://host"},
        {"{\"url\":\"smtp://h/x\",\"from\":\"a@b.c\"}", NULL, "settings.url: must be smtp://host"},
        {"{" HOST "}", NULL, "settings.from: is required"},
        {"{" HOST ",\"from\":\"a\"}", NULL, "settings.from: is not a mail address"},
        {"{" HOST ",\"from\":\"a <x@y>\\r\\nX: y\"}", NULL, "settings.from: must not contain control"},
        {"{" HOST ",\"from\":\"a@b.c\",\"reply_to\":\"x\"}", NULL, "settings.reply_to: is not a mail"},
        {"{" HOST ",\"from\":\"a@b.c\",\"helo\":\"a b\"}", NULL, "settings.helo: must be a host name"},
        {"{" HOST ",\"from\":\"a@b.c\",\"username\":\"u\"}", NULL, "settings.username: needs password_file"},
        {"{" HOST ",\"from\":\"a@b.c\"}", "p", "settings.username: is required with a password"},
        {"{" HOST ",\"from\":\"a@b.c\",\"username\":\"u\\r\\nx\"}", "p", "settings.username: must not"},
        {"{" HOST ",\"from\":\"a@b.c\",\"require_unsubscribe\":\"no\"}", NULL,
         "settings.require_unsubscribe: must"},
        {"{" HOST ",\"from\":\"a@b.c\",\"attachments_dir\":\"files\"}", NULL,
         "settings.attachments_dir: must be"},
        {"{" HOST ",\"from\":\"a@b.c\",\"username\":\"u\"}", "p\nq", "secret password: must not contain"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = test_settings_error(&smtp_adapter, rows[i].json, rows[i].password);
        ck_assert_msg(strstr(text, rows[i].error) == text, "%s: %s", rows[i].json, text);
    }
    void *login =
        test_settings_of(&smtp_adapter,
                         "{" HOST ",\"from\":\"a@b.c\",\"username\":\"u@x\",\"helo\":\"me.example\","
                         "\"ca_file\":\"/ca.pem\"}",
                         "pass word");
    struct endpoint_options options = {.http2 = true};
    smtp_adapter.endpoint(login, &options);
    ck_assert_str_eq(options.url, "smtp://h:25");
    ck_assert_str_eq(options.username, "u@x");
    ck_assert_str_eq(options.password, "pass word");
    ck_assert_str_eq(options.helo, "me.example");
    ck_assert_str_eq(options.ca_file, "/ca.pem");
    ck_assert(!options.http2);
    smtp_adapter.settings_free(login);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smtp");
    TCase *tests = tcase_create("smtp");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_vectors);
    tcase_add_test(tests, test_more_replies);
    tcase_add_test(tests, test_enhanced);
    tcase_add_test(tests, test_reason_hides_address);
    tcase_add_test(tests, test_judge_sent);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_build_rejected);
    tcase_add_test(tests, test_unsubscribe);
    tcase_add_test(tests, test_attachments);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_dkim_settings);
    tcase_add_test(tests, test_dkim);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
