/* The sandbox's Web Push service: it takes what the adapter makes and refuses whatever is wrong with it. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "crypto/base64.h"
#include "crypto/jose.h"
#include "providers/push/webpush.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"
#include "support/vendor_client.h"

enum { BODY_AT = 86, HOUR_MS = 3600 * 1000 };

static struct sandbox *sandbox;
static struct vendor_client *client;
static struct json_object *jose;
static void *settings;
static struct arena *arena;

static void *settings_new(const char *pem)
{
    const char *json =
        arena_printf(arena, "{\"subject\":\"mailto:push@example.com\",\"trusted_origins\":[\"%s\"]}",
                     sandbox_url(sandbox, "VENDORS"));
    return test_settings_of(&webpush_adapter, json, pem);
}

static void setup(void)
{
    arena = arena_new();
    sandbox = sandbox_start(NULL);
    client = vendor_client_new(sandbox, true);
    jose = vectors_load("jose.json");
    settings = settings_new(test_text(jose, "rfc7515/2/private_key_pkcs8_pem"));
}

static void teardown(void)
{
    webpush_adapter.settings_free(settings);
    json_object_put(jose);
    vendor_client_free(client);
    sandbox_stop(sandbox);
    arena_free(arena);
}

static const char *subscription(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "/subscription?name=%s", name);
    char *text = sandbox_get(sandbox, path);
    const char *copy = arena_strdup(arena, text);
    mem_free(text);
    return copy;
}

static struct message message_to(const char *name, const char *payload)
{
    struct message message = test_message(subscription(name), payload);
    message.created_ms = clock_ms();
    return message;
}

static struct request build(const void *by, const struct message *message, int64_t now_ms)
{
    struct request request;
    struct verdict verdict;
    bool ok = webpush_adapter.build(by, message, NULL, now_ms, arena, &request, &verdict);
    ck_assert_msg(ok, "%s", verdict.reason);
    return request;
}

static struct verdict judge(const struct message *message, const struct response *response)
{
    return adapter_judge(&webpush_adapter, settings, message, response, clock_ms());
}

static void expect_taken(const char *payload, const char *path, const char *wanted)
{
    struct message message = message_to("ann", payload);
    struct request request = build(settings, &message, clock_ms());
    const struct response *response = vendor_client_send(client, &request);
    struct verdict verdict = judge(&message, response);
    ck_assert_msg(verdict.kind == VERDICT_SENT, "HTTP %d %s", response->status, response->body);
    ck_assert_int_eq(response->status, 201);
    ck_assert(verdict.provider_id[0] != '\0');
    struct json_object *arrival = vendor_arrival(sandbox, "web");
    ck_assert_str_eq(test_text(arrival, "id"), TEST_UUID);
    ck_assert_str_eq(test_text(arrival, "recipient"), "ann");
    ck_assert_str_eq(test_text(arrival, path), wanted);
    json_object_put(arrival);
}

START_TEST(test_takes_what_the_adapter_makes)
{
    expect_taken("{\"title\":\"안녕\",\"body\":\"x\"}", "body/title", "안녕");
    expect_taken("{\"title\":\"a\",\"ttl\":77}", "headers/ttl", "77");
    expect_taken("{\"title\":\"a\",\"urgency\":\"very-low\"}", "headers/urgency", "very-low");
    expect_taken("{\"title\":\"a\",\"topic\":\"a-topic_1\"}", "headers/topic", "a-topic_1");
    expect_taken("{\"title\":\"a\"}", "headers/vendor", "webpush");
    ck_assert_int_eq(sandbox_count(sandbox, "web", "arrived"), 5);
    ck_assert_int_eq(sandbox_count(sandbox, "web", "distinct"), 1);
    ck_assert_int_eq(sandbox_count(sandbox, "web", "repeats"), 4);
    ck_assert_int_eq(sandbox_count(sandbox, "web", "tokens_seen"), 1);

    vendor_client_free(client);
    client = vendor_client_new(sandbox, false);
    expect_taken("{\"title\":\"HTTP/1.1\"}", "body/title", "HTTP/1.1");
}
END_TEST

START_TEST(test_a_subscription_outlives_a_restart)
{
    const char *before = subscription("ann");
    ck_assert_str_eq(subscription("ann"), before);
    ck_assert_str_ne(subscription("bob"), before);
    sandbox_kill(sandbox);
    sandbox_restart(sandbox);
    ck_assert_str_eq(subscription("ann"), before);
    expect_taken("{\"title\":\"after\"}", "body/title", "after");
}
END_TEST

/* ---- what is refused ---- */

static struct header *header_of(struct request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, name) == 0)
            return &request->headers[i];
    ck_abort_msg("no header %s", name);
    return NULL;
}

static void drop_header(struct request *request, const char *name)
{
    *header_of(request, name) = request->headers[--request->header_count];
}

/* A name beginning with '-' drops the header. */
static void set_header(struct request *request, const char *name, const char *value)
{
    if (name[0] == '-')
        drop_header(request, name + 1);
    else
        header_of(request, name)->value = value;
}

START_TEST(test_refuses_headers)
{
    static const struct {
        const char *name, *value;
        int status;
        const char *reason;
    } rows[] = {
        {"-authorization", NULL, 401, "web: no authorization"},
        {"authorization", "Bearer abc", 401, "web: authorization is not vapid"},
        {"authorization", "vapid abc", 401, "web: authorization without t and k"},
        {"authorization", "vapid t=a.b.c", 401, "web: authorization without t and k"},
        {"authorization", "vapid t=a.b.c, k=AAAA", 401, "web: k is no point of P-256"},
        {"-ttl", NULL, 400, "web: bad ttl"},
        {"ttl", "", 400, "web: bad ttl"},
        {"ttl", "-1", 400, "web: bad ttl"},
        {"ttl", "1.5", 400, "web: bad ttl"},
        {"ttl", "12345678901", 400, "web: bad ttl"},
        {"urgency", "urgent", 400, "web: bad urgency"},
        {"topic", "", 400, "web: bad topic"},
        {"topic", "a b", 400, "web: bad topic"},
        {"topic", "abcdefghijabcdefghijabcdefghij123", 400, "web: bad topic"},
        {"-content-encoding", NULL, 400, "web: content-encoding is not aes128gcm"},
        {"content-encoding", "aesgcm", 400, "web: content-encoding is not aes128gcm"},
    };
    struct message message = message_to("ann", "{\"title\":\"a\",\"topic\":\"t\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request request = build(settings, &message, clock_ms());
        set_header(&request, rows[i].name, rows[i].value);
        int64_t before = vendor_rejected(sandbox, "web", rows[i].reason);
        const struct response *response = vendor_client_send(client, &request);
        ck_assert_msg(response->status == rows[i].status, "%s %s: %d %s", rows[i].name, rows[i].value,
                      response->status, response->body);
        ck_assert_msg(vendor_rejected(sandbox, "web", rows[i].reason) == before + 1, "%s %s", rows[i].name,
                      rows[i].value);
    }
    ck_assert_int_eq(sandbox_count(sandbox, "web", "arrived"), 0);
}
END_TEST

/* An authorization header with these claims, %s being the sandbox's origin, and the settings' own key. */
static const char *sign(const char *claims_format, int64_t exp_s)
{
    struct error err;
    struct buf claims, token;
    buf_init(&claims, 1024);
    buf_init(&token, 4096);
    const char *pem = test_text(jose, "rfc7515/2/private_key_pkcs8_pem");
    struct jose_key *key = jose_key_new(JOSE_ES256, pem, &err);
    ck_assert_msg(key != NULL, "%s", err.text);
    const char *origin = strstr(claims_format, "ORIGIN");
    if (origin)
        buf_printf(&claims, "{%.*s%s%s", (int)(origin - claims_format), claims_format,
                   sandbox_url(sandbox, "VENDORS"), origin + 6);
    else
        buf_printf(&claims, "{%s", claims_format);
    buf_printf(&claims, "%s\"exp\":%lld}", claims.size > 1 ? "," : "", (long long)exp_s);
    ck_assert(jose_sign(key, "{\"typ\":\"JWT\",\"alg\":\"ES256\"}", buf_string(&claims), &token));
    unsigned char point[65];
    struct buf text;
    buf_init(&text, 128);
    ck_assert(jose_public_point(key, point) && base64url_append(&text, point, sizeof point));
    const char *header = arena_printf(arena, "vapid t=%s, k=%s", buf_string(&token), buf_string(&text));
    jose_key_free(key);
    buf_free(&text);
    buf_free(&token);
    buf_free(&claims);
    return header;
}

START_TEST(test_refuses_claims)
{
    static const struct {
        const char *claims;
        int hours;
        const char *reason; /* NULL: good */
    } rows[] = {
        {"\"aud\":\"ORIGIN\",\"sub\":\"mailto:a@example.com\"", 12, NULL},
        {"\"aud\":\"ORIGIN\",\"sub\":\"https://example.com/contact\"", 23, NULL},
        {"\"aud\":\"ORIGIN/\",\"sub\":\"mailto:a@example.com\"", 12, "web: aud is not this origin"},
        {"\"aud\":\"https://push.example.com\",\"sub\":\"mailto:a@example.com\"", 12,
         "web: aud is not this origin"},
        {"\"sub\":\"mailto:a@example.com\"", 12, "web: aud is not this origin"},
        {"\"aud\":\"ORIGIN\",\"sub\":\"mailto:a@example.com\"", -1, "web: exp is over"},
        {"\"aud\":\"ORIGIN\",\"sub\":\"mailto:a@example.com\"", 25, "web: exp is more than 24 hours ahead"},
        {"\"aud\":\"ORIGIN\"", 12, "web: sub is no contact"},
        {"\"aud\":\"ORIGIN\",\"sub\":\"a@example.com\"", 12, "web: sub is no contact"},
        {"\"aud\":\"ORIGIN\",\"sub\":\"mailto: <a@example.com>\"", 12, "web: sub is no contact"},
        {"\"aud\":\"ORIGIN\",\"sub\":\"https://localhost\"", 12, "web: sub is no contact"},
    };
    struct message message = message_to("ann", "{\"title\":\"a\"}");
    struct request request = build(settings, &message, clock_ms());
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_header(&request, "authorization",
                   sign(rows[i].claims, (clock_ms() + rows[i].hours * (int64_t)HOUR_MS) / 1000));
        int64_t before = rows[i].reason ? vendor_rejected(sandbox, "web", rows[i].reason) : 0;
        const struct response *response = vendor_client_send(client, &request);
        ck_assert_msg(response->status == (rows[i].reason ? 401 : 201), "%s: %d %s", rows[i].claims,
                      response->status, response->body);
        if (rows[i].reason)
            ck_assert_msg(vendor_rejected(sandbox, "web", rows[i].reason) == before + 1, "%s",
                          rows[i].claims);
    }
}
END_TEST

/* One letter of the token or of the key changed, here and there. */
START_TEST(test_refuses_an_altered_token)
{
    struct message message = message_to("ann", "{\"title\":\"a\"}");
    struct request request = build(settings, &message, clock_ms());
    const char *good = header_of(&request, "authorization")->value;
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 201);
    const char *end = strstr(good, ", k=");
    ck_assert_ptr_nonnull(end);
    for (const char *at = strstr(good, "t=") + 2; at < good + strlen(good); at += 7) {
        if (at >= end && at < end + 4)
            continue;
        char *bad = arena_strdup(arena, good);
        char *letter = bad + (at - good);
        *letter = *letter == 'B' ? 'C' : 'B';
        set_header(&request, "authorization", bad);
        const struct response *response = vendor_client_send(client, &request);
        ck_assert_msg(response->status == 401, "%s: %d", bad, response->status);
        ck_assert_int_eq(judge(&message, response).kind, VERDICT_STOPPED);
    }
    ck_assert_int_eq(sandbox_count(sandbox, "web", "arrived"), 1);
}
END_TEST

static void expect_body_refused(struct request *request, char *body, size_t size, int status,
                                const char *reason)
{
    request->body = body;
    request->body_size = size;
    int64_t before = vendor_rejected(sandbox, "web", reason);
    const struct response *response = vendor_client_send(client, request);
    ck_assert_msg(response->status == status, "%d %s", response->status, response->body);
    ck_assert_msg(vendor_rejected(sandbox, "web", reason) == before + 1, "%s", reason);
}

START_TEST(test_refuses_bodies)
{
    struct message message = message_to("ann", "{\"title\":\"a\"}");
    struct request request = build(settings, &message, clock_ms()), other = request;
    size_t size = request.body_size;
    char *body = arena_alloc(arena, 5000);
    memcpy(body, request.body, size);

    expect_body_refused(&other, body, 0, 400, "web: body is too short");
    expect_body_refused(&other, body, BODY_AT, 400, "web: body is too short");
    expect_body_refused(&other, body, size - 1, 400, "web: does not decrypt");
    expect_body_refused(&other, body, 4097, 413, "web: too large");
    expect_body_refused(&other, body, 5000, 413, "web: too large");
    body[BODY_AT + 5] ^= 1;
    expect_body_refused(&other, body, size, 400, "web: does not decrypt");
    body[BODY_AT + 5] ^= 1;
    body[30] ^= 1;
    expect_body_refused(&other, body, size, 400, "web: key id is no point");
    body[30] ^= 1;
    body[18] = body[19] = 0;
    expect_body_refused(&other, body, size, 400, "web: bad record size");

    /* Encrypted for ann, sent to bob. */
    other = request;
    other.path = "/push/bob";
    expect_body_refused(&other, arena_strndup(arena, request.body, size), size, 400, "web: does not decrypt");
    other.path = "/push/a%20b";
    expect_body_refused(&other, arena_strndup(arena, request.body, size), size, 404,
                        "web: no such subscription");
    ck_assert_int_eq(sandbox_count(sandbox, "web", "arrived"), 0);
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 201);
}
END_TEST

START_TEST(test_knows_a_changed_vapid_key)
{
    char *pem = sandbox_file(sandbox, "apns.p8");
    void *changed = settings_new(pem);
    mem_free(pem);
    struct message message = message_to("ann", "{\"title\":\"a\"}");
    struct request request = build(settings, &message, clock_ms());
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 201);
    for (int i = 0; i < 2; i++) {
        request = build(changed, &message, clock_ms());
        const struct response *response = vendor_client_send(client, &request);
        ck_assert_int_eq(response->status, 403);
        ck_assert_int_eq(judge(&message, response).kind, VERDICT_ADDRESS_GONE);
    }
    /* Another subscription may well have another key. */
    message = message_to("bob", "{\"title\":\"a\"}");
    request = build(changed, &message, clock_ms());
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 201);
    sandbox_reset(sandbox);
    message = message_to("ann", "{\"title\":\"a\"}");
    request = build(changed, &message, clock_ms());
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 201);
    webpush_adapter.settings_free(changed);
}
END_TEST

/* ---- magic ---- */

START_TEST(test_magic)
{
    static const struct {
        const char *name;
        enum verdict_kind kind;
        int status; /* 0 = none */
        int arrived;
    } rows[] = {
        {"fa17040000", VERDICT_REJECTED, 400, 0},     {"fa17040100", VERDICT_STOPPED, 401, 0},
        {"fa17040300", VERDICT_ADDRESS_GONE, 403, 0}, {"fa17040400", VERDICT_ADDRESS_GONE, 404, 0},
        {"fa17041000", VERDICT_ADDRESS_GONE, 410, 0}, {"fa17041300", VERDICT_REJECTED, 413, 0},
        {"fa17042900", VERDICT_RETRY, 429, 0},        {"fa17050300", VERDICT_RETRY, 503, 0},
        {"fa17000300", VERDICT_IN_DOUBT, 0, 1},       {"fa17000400", VERDICT_UNSENT, 0, 0},
        {"fa17000500", VERDICT_IN_DOUBT, 0, 1},       {"fa17000700", VERDICT_UNSENT, 0, 0},
        {"fa17000800", VERDICT_IN_DOUBT, 0, 1},       {"fa17000600", VERDICT_SENT, 201, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = message_to(rows[i].name, "{\"title\":\"a\"}");
        struct request request = build(settings, &message, clock_ms());
        int64_t before = sandbox_count(sandbox, "web", "arrived");
        const struct response *response = vendor_client_send(client, &request);
        struct verdict verdict = judge(&message, response);
        ck_assert_msg(response->status == rows[i].status && verdict.kind == rows[i].kind, "%s: %d %s, %s %s",
                      rows[i].name, response->status, response->error, verdict_name(verdict.kind),
                      verdict.reason);
        ck_assert_msg(sandbox_count(sandbox, "web", "arrived") == before + rows[i].arrived, "%s",
                      rows[i].name);
    }
}
END_TEST

START_TEST(test_magic_ends)
{
    struct message message = message_to("fa17050302", "{\"title\":\"a\"}");
    struct request request = build(settings, &message, clock_ms());
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 503);
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 503);
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 201);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox_web");
    TCase *tests = tcase_create("sandbox_web");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_takes_what_the_adapter_makes);
    tcase_add_test(tests, test_a_subscription_outlives_a_restart);
    tcase_add_test(tests, test_refuses_headers);
    tcase_add_test(tests, test_refuses_claims);
    tcase_add_test(tests, test_refuses_an_altered_token);
    tcase_add_test(tests, test_refuses_bodies);
    tcase_add_test(tests, test_knows_a_changed_vapid_key);
    tcase_add_test(tests, test_magic);
    tcase_add_test(tests, test_magic_ends);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
