/* The sandbox's receiver of webhooks: it takes what the adapter makes and refuses whatever is wrong with it.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "providers/http/webhook.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vendor_client.h"

#define FORMER_KEY "abcdefghijklmnopqrstuvwxyz"

static struct sandbox *sandbox;
static struct vendor_client *client;
static char *secret;
static struct arena *arena;

static void setup(void)
{
    arena = arena_new();
    sandbox = sandbox_start(NULL);
    client = vendor_client_new(sandbox, false);
    secret = sandbox_file(sandbox, "vendor.secret");
}

static void teardown(void)
{
    mem_free(secret);
    vendor_client_free(client);
    sandbox_stop(sandbox);
    arena_free(arena);
}

static void *settings_new(const char *key, const char *former)
{
    struct error err;
    const char *secrets[ADAPTER_MAX_SECRETS] = {key, former};
    const char *json = arena_printf(arena, "{\"trusted_origins\":[\"%s\"]}", sandbox_url(sandbox, "VENDORS"));
    void *settings = test_settings_new(&webhook_adapter, json, secrets, &err);
    ck_assert_msg(settings != NULL, "%s", err.text);
    return settings;
}

static struct message message_to(const char *name)
{
    struct message message =
        test_message(arena_printf(arena, "%s/hook/%s", sandbox_url(sandbox, "VENDORS"), name),
                     "{\"type\":\"order.paid\",\"order\":\"한 1\"}");
    message.created_ms = clock_ms();
    return message;
}

/* The adapter's request, signed with these keys at this time. */
static struct request build(const char *key, const char *former, const char *name, int64_t now_ms)
{
    struct request request;
    struct verdict verdict;
    struct message message = message_to(name);
    void *settings = settings_new(key, former);
    bool ok = webhook_adapter.build(settings, &message, NULL, now_ms, arena, &request, &verdict);
    ck_assert_msg(ok, "%s", verdict.reason);
    webhook_adapter.settings_free(settings);
    return request;
}

static struct verdict judge(const struct response *response)
{
    struct message message = message_to("ann");
    return adapter_judge(&webhook_adapter, NULL, &message, response, clock_ms());
}

START_TEST(test_takes_what_the_adapter_makes)
{
    for (int i = 0; i < 3; i++) {
        const char *key = i == 2 ? FORMER_KEY : secret, *former = i == 0   ? NULL
                                                                  : i == 1 ? FORMER_KEY
                                                                           : secret;
        struct request request = build(key, former, "ann", clock_ms());
        const struct response *response = vendor_client_send(client, &request);
        ck_assert_msg(judge(response).kind == VERDICT_SENT, "HTTP %d %s", response->status, response->body);
    }
    struct json_object *arrival = vendor_arrival(sandbox, "webhook");
    ck_assert_str_eq(test_text(arrival, "id"), TEST_UUID);
    ck_assert_str_eq(test_text(arrival, "recipient"), "ann");
    ck_assert_str_eq(test_text(arrival, "body/data/order"), "한 1");
    ck_assert_str_eq(test_text(arrival, "body/type"), "order.paid");
    json_object_put(arrival);
    ck_assert_int_eq(sandbox_count(sandbox, "webhook", "arrived"), 3);
    ck_assert_int_eq(sandbox_count(sandbox, "webhook", "distinct"), 1);
}
END_TEST

/* ---- what is refused ---- */

static void expect_refused(const struct request *request, int status, const char *reason)
{
    int64_t before = vendor_rejected(sandbox, "webhook", reason);
    const struct response *response = vendor_client_send(client, request);
    ck_assert_msg(response->status == status, "%s: %d %s", reason, response->status, response->body);
    ck_assert_msg(vendor_rejected(sandbox, "webhook", reason) == before + 1, "%s: %s", reason,
                  response->body);
}

START_TEST(test_refuses_headers)
{
    static const struct {
        const char *name, *value; /* NULL: without it */
        int status;
        const char *reason;
    } rows[] = {
        {"content-type", "text/plain", 400, "webhook: content type is not JSON"},
        {"webhook-id", NULL, 401, "webhook: bad id"},
        {"webhook-id", "", 401, "webhook: bad id"},
        {"webhook-id", "a.b", 401, "webhook: bad id"},
        {"webhook-id", "6f1d2c3a-0b4e-4d5f-8a9b-0c1d2e3f4a5c", 401, "webhook: bad signature"},
        {"webhook-timestamp", NULL, 401, "webhook: bad timestamp"},
        {"webhook-timestamp", "now", 401, "webhook: bad timestamp"},
        {"webhook-timestamp", "1700000000", 401, "webhook: bad timestamp"},
        {"webhook-signature", NULL, 401, "webhook: bad signature"},
        {"webhook-signature", "", 401, "webhook: bad signature"},
        {"webhook-signature", "v1,", 401, "webhook: bad signature"},
        {"webhook-signature", "v1,AAAA v1,", 401, "webhook: bad signature"},
        {"webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 401,
         "webhook: bad signature"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request request = build(secret, NULL, "ann", clock_ms());
        for (size_t j = 0; j < request.header_count; j++) {
            if (strcmp(request.headers[j].name, rows[i].name) != 0)
                continue;
            request.headers[j].value = rows[i].value;
            if (rows[i].value == NULL)
                request.headers[j] = request.headers[--request.header_count];
        }
        expect_refused(&request, rows[i].status, rows[i].reason);
    }
    ck_assert_int_eq(sandbox_count(sandbox, "webhook", "arrived"), 0);
}
END_TEST

START_TEST(test_refuses_wrong_signatures)
{
    struct request request = build(FORMER_KEY, NULL, "ann", clock_ms());
    expect_refused(&request, 401, "webhook: bad signature");
    request = build(secret, NULL, "ann", clock_ms() - 6 * 60 * 1000);
    expect_refused(&request, 401, "webhook: bad timestamp");
    request = build(secret, NULL, "ann", clock_ms() + 6 * 60 * 1000);
    expect_refused(&request, 401, "webhook: bad timestamp");
    request = build(secret, NULL, "ann", clock_ms() - 4 * 60 * 1000);
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 200);

    request = build(secret, NULL, "ann", clock_ms());
    char *body = arena_strndup(arena, request.body, request.body_size);
    request.body = body;
    body[20] ^= 1;
    expect_refused(&request, 401, "webhook: bad signature");
    body[20] ^= 1;
    request.body_size--;
    expect_refused(&request, 401, "webhook: bad signature");
    request.body_size++;
    ck_assert_int_eq(vendor_client_send(client, &request)->status, 200);
}
END_TEST

START_TEST(test_magic)
{
    static const struct {
        const char *name;
        enum verdict_kind kind;
        int status; /* 0 = none */
        int arrived;
    } rows[] = {
        {"fa17040000", VERDICT_RETRY, 400, 0},        {"fa17040100", VERDICT_RETRY, 401, 0},
        {"fa17041000", VERDICT_ADDRESS_GONE, 410, 0}, {"fa17041300", VERDICT_REJECTED, 413, 0},
        {"fa17042900", VERDICT_RETRY, 429, 0},        {"fa17050000", VERDICT_RETRY, 500, 0},
        {"fa17000500", VERDICT_RETRY, 0, 1},          {"fa17000900", VERDICT_RETRY, 0, 0},
        {"fa17000600", VERDICT_SENT, 200, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request request = build(secret, NULL, rows[i].name, clock_ms());
        int64_t before = sandbox_count(sandbox, "webhook", "arrived");
        const struct response *response = vendor_client_send(client, &request);
        struct verdict verdict = judge(response);
        ck_assert_msg(response->status == rows[i].status && verdict.kind == rows[i].kind, "%s: %d %s, %s %s",
                      rows[i].name, response->status, response->error, verdict_name(verdict.kind),
                      verdict.reason);
        ck_assert_msg(sandbox_count(sandbox, "webhook", "arrived") == before + rows[i].arrived, "%s",
                      rows[i].name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox_webhook");
    TCase *tests = tcase_create("sandbox_webhook");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_takes_what_the_adapter_makes);
    tcase_add_test(tests, test_refuses_headers);
    tcase_add_test(tests, test_refuses_wrong_signatures);
    tcase_add_test(tests, test_magic);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
