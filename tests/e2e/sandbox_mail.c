/* Mail through the sandbox: each adapter builds, the transport sends, the stand-in checks, the adapter
 * judges. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "crypto/base64.h"
#include "providers/mail/mailgun.h"
#include "providers/mail/sendgrid.h"
#include "providers/mail/ses.h"
#include "providers/mail/smtp.h"
#include "support/sandbox.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"
#include "support/vendor_client.h"

enum { CONNECT_TIMEOUT_MS = 5000, TIMEOUT_MS = 20000, LARGE = 10 << 20 };

#define RECIPIENT "kim@example.org"
#define FROM      ",\"from\":\"Shop <noreply@mg.example.com>\",\"attachments_dir\":\"/srv/files\""
#define PAYLOAD                                                                                              \
    "{\"subject\":\"안녕\",\"text\":\"Hello\\n.dot\\n\",\"html\":\"<p>Hello</p>\","                        \
    "\"unsubscribe_url\":\"https://h.example/u/1\",\"unsubscribe_mailto\":\"u@h.example\","                  \
    "\"reply_to\":\"help@mg.example.com\",\"headers\":{\"X-Order\":\"12\"},"                                 \
    "\"attachments\":[{\"name\":\"a.pdf\",\"type\":\"application/pdf\",\"file\":\"a.pdf\","                  \
    "\"data\":\"%PDF-1.7 and more\"}]}"
#define PLAIN "{\"subject\":\"s\",\"text\":\"t\"}"

static struct sandbox *sandbox;
static struct loop *loop;
static struct transport *transport;
static struct arena *arena;

static void setup(void)
{
    struct error err = {""};
    sandbox = sandbox_start(NULL);
    loop = loop_new();
    transport = transport_new(loop, &(struct transport_options){.ca_file = sandbox_ca(sandbox)}, &err);
    ck_assert_msg(transport != NULL, "%s", err.text);
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    transport_free(transport);
    loop_free(loop);
    sandbox_stop(sandbox);
}

/* An adapter's settings for the sandbox and the endpoint. */
struct mailer {
    const struct adapter *adapter;
    void *settings;
    struct endpoint *endpoint;
    struct message message;
    struct verdict verdict;
    bool done;
};

static const struct vendor {
    const struct adapter *adapter;
    const char *url, *channel, *json; /* settings: without url */
} ses = {&ses_adapter, "VENDORS", "mail",
         "\"region\":\"eu-central-1\",\"access_key_id\":\"AKIASANDBOX00000000\"" FROM},
  sendgrid = {&sendgrid_adapter, "VENDORS", "mail", "\"ca_file\":null" FROM},
  mailgun = {&mailgun_adapter, "VENDORS", "mail", "\"domain\":\"mg.example.com\"" FROM},
  smtp = {&smtp_adapter, "SMTP", "smtp", "\"username\":\"sandbox\"" FROM};

static const struct vendor *const vendors[] = {&ses, &sendgrid, &mailgun, &smtp};

enum { VENDORS = sizeof vendors / sizeof *vendors };

/* secrets: the adapter's; settings: in place of the vendor's, unless NULL. */
static void mailer_open(struct mailer *mailer, const struct vendor *vendor, const char *json,
                        const char *const *secrets)
{
    struct error err = {""};
    const char *whole = arena_printf(arena, "{\"url\":\"%s\",%s}", sandbox_url(sandbox, vendor->url),
                                     json != NULL ? json : vendor->json);
    *mailer = (struct mailer){.adapter = vendor->adapter,
                              .settings = test_settings_new(vendor->adapter, whole, secrets, &err)};
    ck_assert_msg(mailer->settings != NULL, "%s", err.text);
    struct endpoint_options options = {
        .connections = 1, .streams = 1, .connect_timeout_ms = CONNECT_TIMEOUT_MS, .timeout_ms = TIMEOUT_MS};
    vendor->adapter->endpoint(mailer->settings, &options);
    mailer->endpoint = endpoint_new(transport, &options, &err);
    ck_assert_msg(mailer->endpoint != NULL, "%s", err.text);
}

static void mailer_close(struct mailer *mailer)
{
    endpoint_free(mailer->endpoint);
    mailer->adapter->settings_free(mailer->settings);
}

/* With the sandbox's own secret. */
static void mailer_log_in(struct mailer *mailer, const struct vendor *vendor, const char *json)
{
    char *secret = sandbox_file(sandbox, vendor == &smtp ? "smtp.password" : "vendor.secret");
    mailer_open(mailer, vendor, json, (const char *const[ADAPTER_MAX_SECRETS]){secret});
    mem_free(secret);
}

static struct request built(struct mailer *mailer, const char *recipient, const char *payload)
{
    struct request request;
    mailer->message = test_message(recipient, payload);
    bool ok = mailer->adapter->build(mailer->settings, &mailer->message, NULL, clock_ms(), arena, &request,
                                     &mailer->verdict);
    ck_assert_msg(ok, "%s", mailer->verdict.reason);
    return request;
}

static void on_response(void *arg, const struct response *response)
{
    struct mailer *mailer = arg;
    mailer->verdict =
        adapter_judge(mailer->adapter, mailer->settings, &mailer->message, response, clock_ms());
    mailer->done = true;
    loop_stop(loop);
}

static struct verdict *send_request(struct mailer *mailer, const struct request *request)
{
    mailer->done = false;
    endpoint_send(mailer->endpoint, request, on_response, mailer);
    while (!mailer->done)
        loop_run(loop);
    return &mailer->verdict;
}

static struct verdict *send_mail(struct mailer *mailer, const char *recipient, const char *payload)
{
    struct request request = built(mailer, recipient, payload);
    return send_request(mailer, &request);
}

static void expect(const struct mailer *mailer, enum verdict_kind kind, const char *what)
{
    ck_assert_msg(mailer->verdict.kind == kind, "%s %s: %s, %s", mailer->adapter->name, what,
                  verdict_name(mailer->verdict.kind), mailer->verdict.reason);
}

static void expect_note(struct json_object *arrival, const char *name, const char *value)
{
    const char *found = test_text(test_at(arrival, "headers"), name);
    ck_assert_msg(strcmp(found, value) == 0, "%s is %s", name, found);
}

/* The attachment as it stands in a mail. */
static void expect_part(const char *mail)
{
    struct buf data;
    buf_init(&data, 64);
    base64_append(&data, "%PDF-1.7 and more", strlen("%PDF-1.7 and more"));
    ck_assert_msg(strstr(mail, "Content-Type: application/pdf\r\n") != NULL, "%s", mail);
    ck_assert_msg(strstr(mail, "filename=\"a.pdf\"") != NULL, "%s", mail);
    ck_assert_msg(strstr(mail, data.data) != NULL, "%s", mail);
    ck_assert_msg(strstr(mail, "\r\nX-Order: 12\r\n") != NULL, "%s", mail);
    buf_free(&data);
}

static void expect_json(struct json_object *body)
{
    struct buf data;
    buf_init(&data, 64);
    const char *content = test_text(body, "attachments/0/content");
    ck_assert(base64_decode(&data, content, strlen(content)));
    ck_assert_str_eq(buf_string(&data), "%PDF-1.7 and more");
    buf_free(&data);
    ck_assert_str_eq(test_text(body, "attachments/0/type"), "application/pdf");
    ck_assert_str_eq(test_text(body, "headers/X-Order"), "12");
    ck_assert_str_eq(test_text(body, "content/1/value"), "<p>Hello</p>");
}

START_TEST(test_good_mail_arrives)
{
    struct mailer mailer;
    for (size_t i = 0; i < VENDORS; i++) {
        const struct vendor *vendor = vendors[i];
        mailer_log_in(&mailer, vendor, NULL);
        struct verdict *verdict = send_mail(&mailer, RECIPIENT, PAYLOAD);
        expect(&mailer, VERDICT_SENT, "good mail");
        ck_assert_str_ne(verdict->provider_id, "");
        struct json_object *arrival = vendor_arrival(sandbox, vendor->channel);
        ck_assert_str_eq(test_text(arrival, "id"), TEST_UUID);
        ck_assert_str_eq(test_text(arrival, "recipient"), RECIPIENT);
        expect_note(arrival, "list-unsubscribe-post", "List-Unsubscribe=One-Click");
        expect_note(arrival, "list-unsubscribe", "<https://h.example/u/1>, <mailto:u@h.example>");
        expect_note(arrival, "reply-to", "help@mg.example.com");
        expect_note(arrival, "subject", vendor == &sendgrid ? "안녕" : "=?UTF-8?B?7JWI64WV?=");
        if (vendor != &smtp)
            expect_note(arrival, "vendor", vendor->adapter->name);
        if (vendor == &sendgrid)
            expect_json(test_at(arrival, "body"));
        else
            expect_part(test_text(arrival, "body"));
        json_object_put(arrival);
        mailer_close(&mailer);
    }
    ck_assert_int_eq(sandbox_count(sandbox, "mail", "arrived"), 3);
    ck_assert_int_eq(sandbox_count(sandbox, "mail", "distinct"), 1);
    ck_assert_int_eq(sandbox_count(sandbox, "mail", "repeats"), 2);
}
END_TEST

START_TEST(test_provider_ids)
{
    struct mailer mailer;
    mailer_log_in(&mailer, &mailgun, NULL);
    ck_assert_str_eq(send_mail(&mailer, RECIPIENT, PLAIN)->provider_id, TEST_UUID "@mg.example.com");
    mailer_close(&mailer);
    mailer_log_in(&mailer, &sendgrid, NULL);
    char *first = mem_strdup(send_mail(&mailer, RECIPIENT, PLAIN)->provider_id);
    ck_assert_str_ne(send_mail(&mailer, RECIPIENT, PLAIN)->provider_id, first);
    mem_free(first);
    mailer_close(&mailer);
}
END_TEST

START_TEST(test_wrong_secret_stops)
{
    static const char *const reasons[] = {"ses: bad signature", "sendgrid: bad key", "mailgun: bad key"};
    struct mailer mailer;
    for (size_t i = 0; i < VENDORS; i++) {
        mailer_open(&mailer, vendors[i], NULL, (const char *const[ADAPTER_MAX_SECRETS]){"wrong"});
        send_mail(&mailer, RECIPIENT, PLAIN);
        expect(&mailer, VERDICT_STOPPED, "with a wrong secret");
        mailer_close(&mailer);
        if (vendors[i] != &smtp)
            ck_assert_int_eq(vendor_rejected(sandbox, "mail", reasons[i]), 1);
    }
    ck_assert_int_eq(sandbox_count(sandbox, "mail", "arrived"), 0);
    ck_assert_int_eq(sandbox_count(sandbox, "smtp", "arrived"), 0);
}
END_TEST

START_TEST(test_wrong_account_stops)
{
    static const struct {
        const struct vendor *vendor;
        const char *json, *reason;
    } rows[] = {
        {&ses, "\"region\":\"eu-central-1\",\"access_key_id\":\"AKIAOTHER\"" FROM,
         "HTTP 403 UnrecognizedClientException"},
        {&ses, "\"region\":\"us-east-1\",\"access_key_id\":\"AKIASANDBOX00000000\"" FROM,
         "HTTP 403 SignatureDoesNotMatch"},
        {&mailgun, "\"domain\":\"other.example.com\"" FROM, "HTTP 404"},
        {&smtp, "\"username\":\"nobody\"" FROM, "login"},
    };
    struct mailer mailer;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mailer_log_in(&mailer, rows[i].vendor, rows[i].json);
        send_mail(&mailer, RECIPIENT, PLAIN);
        expect(&mailer, VERDICT_STOPPED, rows[i].json);
        ck_assert_msg(strstr(mailer.verdict.reason, rows[i].reason) == mailer.verdict.reason, "%s",
                      mailer.verdict.reason);
        mailer_close(&mailer);
    }
}
END_TEST

START_TEST(test_magic)
{
    static const struct {
        int code;
        enum verdict_kind kinds[3]; /* of ses, sendgrid, mailgun */
    } rows[] = {
        {400, {VERDICT_REJECTED, VERDICT_REJECTED, VERDICT_REJECTED}},
        {401, {VERDICT_STOPPED, VERDICT_STOPPED, VERDICT_STOPPED}},
        {403, {VERDICT_STOPPED, VERDICT_STOPPED, VERDICT_STOPPED}},
        {404, {VERDICT_STOPPED, VERDICT_STOPPED, VERDICT_STOPPED}},
        {410, {VERDICT_REJECTED, VERDICT_REJECTED, VERDICT_REJECTED}},
        {413, {VERDICT_REJECTED, VERDICT_REJECTED, VERDICT_REJECTED}},
        {429, {VERDICT_THROTTLED, VERDICT_THROTTLED, VERDICT_THROTTLED}},
        {500, {VERDICT_IN_DOUBT, VERDICT_IN_DOUBT, VERDICT_IN_DOUBT}},
        {503, {VERDICT_RETRY, VERDICT_IN_DOUBT, VERDICT_IN_DOUBT}},
        {5, {VERDICT_IN_DOUBT, VERDICT_IN_DOUBT, VERDICT_IN_DOUBT}},
        {6, {VERDICT_IN_DOUBT, VERDICT_SENT, VERDICT_IN_DOUBT}}, /* SendGrid's answer has no body */
    };
    struct mailer mailer;
    for (size_t i = 0; i < 3; i++) {
        mailer_log_in(&mailer, vendors[i], NULL);
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            char recipient[64];
            snprintf(recipient, sizeof recipient, "fa17%04d00@example.org", rows[j].code);
            int64_t before = clock_ms();
            struct verdict *verdict = send_mail(&mailer, recipient, PLAIN);
            expect(&mailer, rows[j].kinds[i], recipient);
            if (rows[j].code == 429)
                ck_assert_msg(verdict->not_before_ms >= before + 500 &&
                                  verdict->not_before_ms <= clock_ms() + 3000,
                              "%lld ms", (long long)(verdict->not_before_ms - before));
        }
        mailer_close(&mailer);
    }
    /* Only what was cut off or got no sense for an answer had arrived. */
    ck_assert_int_eq(sandbox_count(sandbox, "mail", "arrived"), 6);
}
END_TEST

START_TEST(test_magic_ends)
{
    struct mailer mailer;
    mailer_log_in(&mailer, &ses, NULL);
    send_mail(&mailer, "fa17042901@example.org", PLAIN);
    expect(&mailer, VERDICT_THROTTLED, "the first time");
    send_mail(&mailer, "fa17042901@example.org", PLAIN);
    expect(&mailer, VERDICT_SENT, "the second time");
    mailer_close(&mailer);
}
END_TEST

/* A copy of the request with one text in its body replaced by another of the same size. */
static struct request altered(const struct request *request, const char *old, const char *new)
{
    struct request copy = *request;
    char *body = arena_strndup(arena, request->body, request->body_size);
    char *place = memmem(body, request->body_size, old, strlen(old));
    ck_assert_msg(place != NULL, "the request has no %s", old);
    ck_assert_uint_eq(strlen(old), strlen(new));
    memcpy(place, new, strlen(new));
    copy.body = body;
    return copy;
}

START_TEST(test_bad_requests)
{
    static const struct {
        const struct vendor *vendor;
        const char *old, *new;
        enum verdict_kind kind;
    } rows[] = {
        {&ses, "ToAddresses", "ToAddressez", VERDICT_STOPPED}, /* it is not what was signed */
        {&sendgrid, "\"content\"", "\"kontent\"", VERDICT_REJECTED},
        {&sendgrid, "noreply@", "noreply#", VERDICT_REJECTED},
        {&sendgrid, "text/plain", "text/other", VERDICT_SENT},
        {&sendgrid, "\"personalizations\":[{", "\"personalizations\":[[", VERDICT_REJECTED},
        {&sendgrid, "\"X-Order\"", "\"SUBJECT\"", VERDICT_REJECTED},
        {&mailgun, "name=\"to\"", "name=\"ta\"", VERDICT_REJECTED},
        {&mailgun, "filename=", "filenome=", VERDICT_REJECTED},
        {&mailgun, "\r\nDate: ", "\r\nDote: ", VERDICT_REJECTED},
        {&mailgun, "--outbox-", "--outbax-", VERDICT_REJECTED},
    };
    struct mailer mailer;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mailer_log_in(&mailer, rows[i].vendor, NULL);
        struct request request = built(&mailer, RECIPIENT, PAYLOAD);
        request = altered(&request, rows[i].old, rows[i].new);
        send_request(&mailer, &request);
        expect(&mailer, rows[i].kind, rows[i].new);
        mailer_close(&mailer);
    }
}
END_TEST

/* A signature covers method, path, the host and its headers too, and the time must be near. */
START_TEST(test_ses_signature)
{
    struct mailer mailer;
    mailer_log_in(&mailer, &ses, NULL);
    struct request request = built(&mailer, RECIPIENT, PLAIN);
    for (size_t i = 0; i < request.header_count; i++) {
        struct request other = request;
        char *value = arena_strdup(arena, request.headers[i].value);
        value[strlen(value) - 1] ^= 1;
        other.headers[i].value = value;
        send_request(&mailer, &other);
        expect(&mailer, VERDICT_STOPPED, request.headers[i].name);
    }
    send_request(&mailer, &request);
    expect(&mailer, VERDICT_SENT, "as it was built");

    mailer.message = test_message(RECIPIENT, PLAIN);
    bool ok = ses_adapter.build(mailer.settings, &mailer.message, NULL, clock_ms() - 301 * 1000, arena,
                                &request, &mailer.verdict);
    ck_assert(ok);
    send_request(&mailer, &request);
    expect(&mailer, VERDICT_STOPPED, "signed too long ago");
    ck_assert_msg(strstr(mailer.verdict.reason, "Signature expired") != NULL, "%s", mailer.verdict.reason);
    mailer_close(&mailer);
}
END_TEST

/* The most that the adapters take. */
START_TEST(test_large_attachment)
{
    struct mailer mailer;
    struct buf payload;
    buf_init(&payload, LARGE + 1024);
    buf_text(&payload, "{\"subject\":\"s\",\"text\":\"t\",\"attachments\":[{\"name\":\"a\",\"file\":\"a\","
                       "\"data\":\"");
    for (size_t i = 0; i < LARGE; i++)
        buf_char(&payload, (char)('a' + i % 26));
    buf_text(&payload, "\"}]}");
    ck_assert(!payload.overflowed);
    for (size_t i = 0; i < 3; i++) {
        mailer_log_in(&mailer, vendors[i], NULL);
        send_mail(&mailer, RECIPIENT, payload.data);
        expect(&mailer, VERDICT_SENT, "with a large attachment");
        mailer_close(&mailer);
    }
    buf_free(&payload);
}
END_TEST

static const char ed25519_key[] =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"; /* of RFC 8463, A.2 */

/* Registers one of RFC 8463's keys. */
static void write_record(struct json_object *record)
{
    const char *text = json_get_text(record, "txt");
    const char *path = arena_printf(arena, "%s/%s.txt", sandbox_dir(sandbox), json_get_text(record, "name"));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_msg(fd >= 0, "cannot write %s", path);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void expect_dkim(struct mailer *mailer, const struct request *request, const char *result)
{
    send_request(mailer, request);
    expect(mailer, VERDICT_SENT, "signed mail");
    struct json_object *arrival = vendor_arrival(sandbox, "smtp");
    expect_note(arrival, "dkim", result);
    json_object_put(arrival);
}

START_TEST(test_dkim)
{
    static const char *const forms[] = {"relaxed", "simple"};
    struct json_object *vectors = vectors_load("dkim.json");
    const char *rsa_key = test_text(vectors, "rfc8463/rsa_private_pem");
    char *password = sandbox_file(sandbox, "smtp.password");
    const char *const secrets[ADAPTER_MAX_SECRETS] = {password, rsa_key, ed25519_key};
    struct mailer mailer;
    for (size_t i = 0; i < 2; i++) {
        const char *json = arena_printf(arena,
                                        "%s,\"dkim_domain\":\"football.example.com\","
                                        "\"dkim_selector\":\"test\",\"dkim_selector2\":\"brisbane\","
                                        "\"dkim_canonicalization\":\"%s\"",
                                        smtp.json, forms[i]);
        mailer_open(&mailer, &smtp, json, secrets);
        struct request request = built(&mailer, RECIPIENT, PAYLOAD);
        if (i == 0) {
            expect_dkim(&mailer, &request, "fail"); /* no key is known */
            write_record(test_at(vectors, "rfc8463/rsa_dns"));
            expect_dkim(&mailer, &request, "fail"); /* one of the two */
            write_record(test_at(vectors, "rfc8463/ed25519_dns"));
        }
        expect_dkim(&mailer, &request, "pass");

        static const struct {
            const char *old, *new;
        } changes[] = {{"Hello", "Jello"},
                       {"Subject: =", "Subject: -"},
                       {"https://h.example", "https://x.example"},
                       {"v=1; a=", "v=2; a="},
                       {"a=rsa-sha256", "a=rsa-sha512"},
                       {"s=test", "s=rest"},
                       {"t=17", "t=16"},
                       {"h=From:From:", "h=From:Froj:"},
                       {"d=football.example.com", "d=baseball.example.com"}};
        for (size_t j = 0; j < sizeof changes / sizeof *changes; j++) {
            struct request changed = altered(&request, changes[j].old, changes[j].new);
            expect_dkim(&mailer, &changed, "fail");
        }
        mailer_close(&mailer);
    }
    mailer_log_in(&mailer, &smtp, NULL);
    struct request request = built(&mailer, RECIPIENT, PLAIN);
    expect_dkim(&mailer, &request, "none");
    mailer_close(&mailer);
    mem_free(password);
    json_object_put(vectors);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    Suite *suite = suite_create("sandbox_mail");
    add(suite, "good_mail_arrives", test_good_mail_arrives);
    add(suite, "provider_ids", test_provider_ids);
    add(suite, "wrong_secret_stops", test_wrong_secret_stops);
    add(suite, "wrong_account_stops", test_wrong_account_stops);
    add(suite, "magic", test_magic);
    add(suite, "magic_ends", test_magic_ends);
    add(suite, "bad_requests", test_bad_requests);
    add(suite, "ses_signature", test_ses_signature);
    add(suite, "large_attachment", test_large_attachment);
    add(suite, "dkim", test_dkim);
    return suite_run(suite);
}
