/* Each vendor's adapter through the real dispatcher to the sandbox, and the receipts that come later. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"
#include "support/wait.h"

enum { DEADLINE_MS = 20000 };

static struct engine *engine;
static struct process *dispatcher;

#define SMS  "sms", "+821012345678", "{\"text\": \"Hello\"}"
#define MAIL "email", "kim@example.org", "{\"subject\": \"Paid\", \"text\": \"Thank you.\"}"

/* In settings, @ is the file of the vendors' secret, ! that of the fixed key "sandbox". */
static const struct vendor {
    const char *adapter, *settings, *channel, *recipient, *payload, *sandbox_channel;
    const char *cost;
} vendors[] = {
    {"twilio",
     "{\"account_sid\": \"AC00000000000000000000000000000001\", \"from\": \"+14155550100\", \"secret_file\": "
     "\"@\"}",
     SMS, "sms", NULL},
    {"vonage", "{\"api_key\": \"sandbox\", \"from\": \"ACME\", \"api_secret_file\": \"@\"}", SMS, "sms",
     "0.03330000 EUR"},
    {"sns",
     "{\"region\": \"eu-central-1\", \"access_key_id\": \"AKIASANDBOX00000000\", \"secret_access_key_file\": "
     "\"@\"}",
     SMS, "sms", NULL},
    {"solapi", "{\"from\": \"0212345678\", \"api_key_file\": \"!\", \"api_secret_file\": \"@\"}", SMS, "sms",
     NULL},
    {"sens",
     "{\"from\": \"0212345678\", \"service_id\": \"ncp:sms:kr:1:sandbox\", \"access_key\": \"sandbox\", "
     "\"secret_key_file\": \"@\"}",
     SMS, "sms", NULL},
    {"nhn", "{\"from\": \"0212345678\", \"app_key\": \"sandbox\", \"secret_key_file\": \"@\"}", SMS, "sms",
     NULL},
    {"ses",
     "{\"region\": \"eu-central-1\", \"access_key_id\": \"AKIASANDBOX00000000\", \"secret_access_key_file\": "
     "\"@\", "
     "\"from\": \"noreply@mg.example.com\"}",
     MAIL, "mail", NULL},
    {"sendgrid", "{\"api_key_file\": \"@\", \"from\": \"noreply@mg.example.com\"}", MAIL, "mail", NULL},
    {"mailgun",
     "{\"api_key_file\": \"@\", \"domain\": \"mg.example.com\", \"from\": \"noreply@mg.example.com\"}", MAIL,
     "mail", NULL},
};

static void setup(void)
{
    engine = engine_start("vendors");
    dispatcher = engine_dispatcher(engine, "web,sms,email,webhook");
    engine_scheduler(engine);
}

static void teardown(void)
{
    engine_stop(engine);
}

static void file_path(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", sandbox_dir(engine->sandbox), name);
}

/* The only provider of its channel. */
static void use_provider(const char *adapter, const char *channel, const char *settings)
{
    char key_file[512];
    snprintf(key_file, sizeof key_file, "%.400s/sandbox.key", engine->log_directory);
    FILE *file = fopen(key_file, "w");
    ck_assert_ptr_nonnull(file);
    fputs("sandbox", file);
    fclose(file);
    char secret_file[512];
    file_path(secret_file, sizeof secret_file, "vendor.secret");
    struct buf full;
    buf_init(&full, 16384);
    buf_printf(&full, "{\"url\": \"%s\", \"ca_file\": \"%s\", ", sandbox_url(engine->sandbox, "VENDORS"),
               sandbox_ca(engine->sandbox));
    for (const char *p = settings + 1; *p != '\0'; p++) {
        if (p[0] == '@' && p[-1] == '"')
            buf_text(&full, secret_file);
        else if (p[0] == '!' && p[-1] == '"')
            buf_text(&full, key_file);
        else
            buf_char(&full, *p);
    }
    struct error err;
    pg_exec(engine->sql, "BEGIN");
    struct db_result *result = db_query(engine->sql, "DELETE FROM outbox.provider WHERE channel = $1", 1,
                                        (const char *const[]){channel}, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    db_result_free(result);
    result = db_query(
        engine->sql, "INSERT INTO outbox.provider (name, channel, adapter, settings) VALUES ($1, $2, $3, $4)",
        4, (const char *const[]){adapter, channel, adapter, buf_string(&full)}, &err);
    ck_assert_msg(result != NULL, "%s: %s", adapter, err.text);
    db_result_free(result);
    pg_exec(engine->sql, "COMMIT");
    buf_free(&full);
}

static void insert(const char *channel, const char *recipient, const char *payload, const char *key)
{
    struct error err;
    struct db_result *result = db_query(
        engine->sql,
        "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES ($1, $2, $3, $4)",
        4, (const char *const[]){channel, recipient, payload, key}, &err);
    ck_assert_msg(result != NULL, "%s: %s", key, err.text);
    db_result_free(result);
}

static void expect_status(const char *key, const char *expected)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT CASE WHEN status = '%s' THEN status::text ELSE concat_ws(' ', status, last_error) END"
             " FROM outbox.delivery WHERE idempotency_key = '%s'",
             expected, key);
    engine_wait(engine, sql, expected, DEADLINE_MS);
}

START_TEST(test_vendor)
{
    const struct vendor *vendor = &vendors[_i];
    use_provider(vendor->adapter, vendor->channel, vendor->settings);
    insert(vendor->channel, vendor->recipient, vendor->payload, "k");
    expect_status("k", "sent");
    ck_assert_int_eq(sandbox_count(engine->sandbox, vendor->sandbox_channel, "arrived"), 1);
    pg_expect(engine->sql, "SELECT provider FROM outbox.delivery", vendor->adapter);
    pg_expect(engine->sql, "SELECT provider_message_id <> '' FROM outbox.delivery", "t");
    pg_expect(engine->sql, "SELECT cost || ' ' || currency FROM outbox.delivery", vendor->cost);
    pg_exec(engine->sql,
            "SELECT outbox.record_receipt(provider, provider_message_id, 'delivered') FROM outbox.delivery");
    expect_status("k", "delivered");
}
END_TEST

/* Files are read while the dispatcher goes on; one that is not there fails its message only. */
START_TEST(test_attachments)
{
    char settings[1024], file[256];
    file_path(file, sizeof file, "");
    snprintf(
        settings, sizeof settings,
        "{\"api_key_file\": \"@\", \"domain\": \"mg.example.com\", \"from\": \"noreply@mg.example.com\", "
        "\"attachments_dir\": \"%s\"}",
        file);
    use_provider("mailgun", "email", settings);
    pg_exec(
        engine->sql,
        "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key)"
        " SELECT 'email', 'kim@example.org', jsonb_build_object('subject', 's', 'text', 't', 'attachments',"
        "   jsonb_build_array(jsonb_build_object('name', 'a', 'file',"
        "     CASE i WHEN 20 THEN 'nothing' ELSE 'vendor.secret' END))), 'file-' || i"
        " FROM generate_series(1, 40) AS i");
    engine_wait(engine, "SELECT count(*) FROM outbox.delivery WHERE status = 'sent'", "39", DEADLINE_MS);
    engine_wait(engine,
                "SELECT status || ' ' || last_error FROM outbox.delivery WHERE idempotency_key = 'file-20'",
                "failed payload.attachments.0.file: No such file or directory", DEADLINE_MS);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "mail", "arrived"), 39);
}
END_TEST

START_TEST(test_web_push)
{
    const char *origin = sandbox_url(engine->sandbox, "VENDORS");
    char key[512];
    file_path(key, sizeof key, "apns.p8");
    char settings[2048];
    snprintf(settings, sizeof settings,
             "{\"subject\": \"mailto:push@example.com\", \"vapid_key_file\": \"%s\", \"trusted_origins\": "
             "[\"%s\"]}",
             key, origin);
    struct error err;
    struct db_result *result;
    struct buf full;
    buf_init(&full, 8192);
    buf_printf(&full, "{\"ca_file\": \"%s\", %s", sandbox_ca(engine->sandbox), settings + 1);
    result = db_query(engine->sql,
                      "INSERT INTO outbox.provider (name, channel, adapter, settings) VALUES ('push', 'web', "
                      "'webpush', $1)",
                      1, (const char *const[]){buf_string(&full)}, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    db_result_free(result);
    pg_exec(engine->sql, "INSERT INTO outbox.template (name, channel, content) VALUES"
                         " ('hello', 'web', '{\"title\": \"Hello {{name}}\"}')");
    static const char *const names[] = {"/subscription?name=laptop", "/subscription?name=fa17041000-desktop"};
    for (size_t i = 0; i < 2; i++) {
        char *subscription = sandbox_get(engine->sandbox, names[i]);
        result = db_query(engine->sql, "SELECT outbox.register_device('u1', 'web', $1)", 1,
                          (const char *const[]){subscription}, &err);
        ck_assert_msg(result != NULL, "%s", err.text);
        db_result_free(result);
        mem_free(subscription);
    }
    pg_exec(engine->sql,
            "SELECT outbox.notify('u1', 'hello', '{\"name\": \"Kim\"}', idempotency_key => 'n')");
    engine_wait(engine, "SELECT string_agg(status::text, ',' ORDER BY id) FROM outbox.delivery",
                "sent,failed", DEADLINE_MS);
    pg_expect(engine->sql,
              "SELECT string_agg((retired_at IS NOT NULL)::text, ',' ORDER BY id) FROM outbox.device",
              "false,true");
    struct json_object *arrivals = sandbox_get_json(engine->sandbox, "/arrivals?channel=web");
    ck_assert_uint_eq(json_object_array_length(arrivals), 1);
    struct json_object *body = json_get(json_object_array_get_idx(arrivals, 0), "body");
    ck_assert_str_eq(json_get_text(body, "title"), "Hello Kim");
    json_object_put(arrivals);
    buf_free(&full);
}
END_TEST

START_TEST(test_webhook)
{
    const char *origin = sandbox_url(engine->sandbox, "VENDORS");
    char secret[512];
    file_path(secret, sizeof secret, "vendor.secret");
    struct buf settings;
    buf_init(&settings, 8192);
    buf_printf(&settings,
               "{\"ca_file\": \"%s\", \"signing_key_file\": \"%s\", \"trusted_origins\": [\"%s\"]}",
               sandbox_ca(engine->sandbox), secret, origin);
    struct error err;
    struct db_result *result = db_query(engine->sql,
                                        "INSERT INTO outbox.provider (name, channel, adapter, settings) "
                                        "VALUES ('hooks', 'webhook', 'webhook', $1)",
                                        1, (const char *const[]){buf_string(&settings)}, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    db_result_free(result);
    char recipient[512];
    snprintf(recipient, sizeof recipient, "%s/hook/orders", origin);
    insert("webhook", recipient, "{\"type\": \"order.paid\", \"order\": 12}", "w");
    expect_status("w", "sent");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "webhook", "arrived"), 1);
    insert("webhook", "https://127.0.0.1:1/inside", "{\"type\": \"x\"}", "guarded");
    engine_wait(engine,
                "SELECT last_error IS NOT NULL FROM outbox.delivery WHERE idempotency_key = 'guarded'", "t",
                DEADLINE_MS);
    pg_expect(engine->sql, "SELECT status <> 'sent' FROM outbox.delivery WHERE idempotency_key = 'guarded'",
              "t");
    buf_free(&settings);
}
END_TEST

#define NHN                                                                                                  \
    "{\"from\": \"0212345678\", \"app_key\": \"sandbox\", \"secret_key_file\": \"@\", \"abroad\": true, "    \
    "\"inquire_after\": 0}"
#define SENS                                                                                                 \
    "{\"from\": \"0212345678\", \"service_id\": \"ncp:sms:kr:1:sandbox\", \"access_key\": \"sandbox\", "     \
    "\"secret_key_file\": \"@\", \"abroad\": true, \"inquire_after\": 0}"

/* The providers of sms as if they had been there for long: else what they do not have proves nothing. */
static void providers_are_old(void)
{
    pg_exec(engine->sql, "UPDATE outbox.provider SET identity_since = now() - interval '1 hour';"
                         "UPDATE outbox.channel SET provider_removed_at = NULL");
}

static void add_http_provider(const char *name, bool enabled)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.provider (name, channel, adapter, priority, enabled, settings) VALUES "
             "('%s', 'sms', 'http', 999, %s, '{\"url\": \"https://127.0.0.1:1\", \"path\": \"/\", "
             "\"response\": {\"sent\": {\"status\": [200]}}}')",
             name, enabled ? "true" : "false");
    pg_exec(engine->sql, sql);
}

/* Its answer was lost: the vendor's list has it, with its id. */
START_TEST(test_a_doubt_that_was_sent)
{
    use_provider("nhn", "sms", NHN);
    pg_exec(engine->sql, "INSERT INTO outbox.template (name, channel, content) VALUES"
                         " ('code', 'sms', '{\"text\": \"Code {{code}}\"}');"
                         "SELECT outbox.set_contact('u1', phone => '+9990005007701');"
                         "SELECT outbox.notify('u1', 'code', '{\"code\": 123}', idempotency_key => 'n')");
    engine_wait(engine, "SELECT status FROM outbox.delivery", "sent", DEADLINE_MS);
    pg_expect(engine->sql,
              "SELECT provider_message_id <> '' AND attempts = 1 AND last_error IS NULL FROM outbox.delivery",
              "t");
    pg_expect(engine->sql, "SELECT string_agg(verdict, ',' ORDER BY id) FROM outbox.attempt",
              "in_doubt,sent");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "sms", "arrived"), 1);
    pg_exec(engine->sql,
            "SELECT outbox.record_receipt(provider, provider_message_id, 'delivered') FROM outbox.delivery");
    engine_wait(engine, "SELECT status FROM outbox.delivery", "delivered", DEADLINE_MS);
}
END_TEST

/* The connection broke before the vendor had read it: it is sent now. */
START_TEST(test_a_doubt_that_was_not_sent)
{
    use_provider("nhn", "sms", NHN);
    providers_are_old();
    insert("sms", "+9990009017702", "{\"text\": \"Hello\"}", "k");
    expect_status("k", "sent");
    pg_expect(engine->sql, "SELECT string_agg(verdict, ',' ORDER BY id) FROM outbox.attempt",
              "in_doubt,unsent");
    pg_expect(engine->sql, "SELECT attempts FROM outbox.delivery", "2");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "sms", "arrived"), 1);
}
END_TEST

/* This vendor's list cannot tell two messages to one number apart: a person decides. */
START_TEST(test_a_doubt_that_stays)
{
    pg_exec(engine->sql, "UPDATE outbox.channel SET max_attempts = 2 WHERE name = 'sms'");
    use_provider("sens", "sms", SENS);
    insert("sms", "+9990005007703", "{\"text\": \"Hello\"}", "k");
    engine_wait(engine, "SELECT status FROM outbox.delivery", "in_doubt", DEADLINE_MS);
    engine_wait(engine, "SELECT count(*) FROM outbox.doubt", "0", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT status FROM outbox.delivery", "in_doubt");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "sms", "arrived"), 1);
}
END_TEST

/* The vendor is asked only when its list is complete. */
START_TEST(test_a_doubt_that_waits)
{
    use_provider("nhn", "sms",
                 "{\"from\": \"0212345678\", \"app_key\": \"sandbox\", \"secret_key_file\": \"@\", "
                 "\"abroad\": true, \"inquire_after\": 2}");
    insert("sms", "+9990005007704", "{\"text\": \"Hello\"}", "k");
    expect_status("k", "sent");
    pg_expect(
        engine->sql,
        "SELECT max(at) - min(at) >= '2 seconds' FROM outbox.attempt WHERE verdict IN ('in_doubt', 'sent')",
        "t");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "sms", "arrived"), 1);
}
END_TEST

struct arrivals {
    const char *channel;
    int count;
};

static bool have_arrived(void *arg)
{
    const struct arrivals *arrivals = arg;
    return sandbox_count(engine->sandbox, arrivals->channel, "arrived") == arrivals->count;
}

/* Messages with slow answers, and a dispatcher that is killed while they are on their way. */
static void lose_a_dispatcher(int count)
{
    struct arrivals all = {"sms", count};
    char sql[512];
    pg_exec(engine->sql, "UPDATE outbox.channel SET batch_deadline = '10 seconds' WHERE name = 'sms'");
    snprintf(
        sql, sizeof sql,
        "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'sms', "
        "'+999000100' || lpad(i::text, 4, '0'), '{\"text\": \"Hello\"}' FROM generate_series(1, %d) AS i",
        count);
    pg_exec(engine->sql, sql);
    ck_assert(wait_until(have_arrived, &all, DEADLINE_MS));
    engine_kill(engine, dispatcher);
    engine_dispatcher(engine, "sms");
}

/* Who had the messages is asked, and none goes out twice. */
START_TEST(test_doubts_of_a_lost_dispatcher)
{
    int count = 20;
    use_provider("nhn", "sms", NHN);
    lose_a_dispatcher(count);
    engine_wait(engine, "SELECT string_agg(DISTINCT status::text, ',') FROM outbox.delivery", "sent",
                2 * DEADLINE_MS);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "sms", "arrived"), count);
    ck_assert_int_gt(
        pg_int(engine->sql,
               "SELECT count(*) FROM outbox.attempt WHERE verdict = 'sent' AND provider = 'nhn'"),
        0);
}
END_TEST

/* The provider they went to is another one by now, and one that was disabled meanwhile cannot be asked: that
 * the rest do not have them proves nothing. */
START_TEST(test_doubts_that_nobody_can_end)
{
    int count = 4;
    pg_exec(engine->sql, "UPDATE outbox.channel SET max_attempts = 2 WHERE name = 'sms'");
    use_provider("nhn", "sms", NHN);
    if (_i == 1)
        add_http_provider("other", false);
    providers_are_old();
    lose_a_dispatcher(count);
    if (_i == 0)
        pg_exec(engine->sql,
                "UPDATE outbox.provider SET settings = settings || '{\"app_key\": \"another\"}'");
    else
        sandbox_reset(engine->sandbox); /* nobody knows them any more */
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'in_doubt'", "4",
                2 * DEADLINE_MS);
    engine_wait(engine, "SELECT count(*) FROM outbox.doubt", "0", 2 * DEADLINE_MS);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE status = 'in_doubt'", "4");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "sms", "arrived"), _i == 0 ? count : 0);
}
END_TEST

/* The process ends while a question is open. */
START_TEST(test_the_end_does_not_wait_for_an_answer)
{
    use_provider("nhn", "sms", NHN);
    pg_exec(engine->sql, "BEGIN; LOCK outbox.doubt");
    pg_exec(engine->sql, "COMMIT");
    insert("sms", "+9990005007705", "{\"text\": \"Hello\"}", "k");
    engine_wait(engine, "SELECT count(*) FROM outbox.doubt", "1", DEADLINE_MS);
    ck_assert_int_eq(engine_end(engine, dispatcher), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vendors");
    TCase *each = tcase_create("vendor");
    tcase_add_checked_fixture(each, setup, teardown);
    tcase_set_timeout(each, 20);
    tcase_add_loop_test(each, test_vendor, 0, (int)(sizeof vendors / sizeof *vendors));
    suite_add_tcase(suite, each);
    TCase *own = tcase_create("own origins");
    tcase_add_checked_fixture(own, setup, teardown);
    tcase_set_timeout(own, 20);
    tcase_add_test(own, test_attachments);
    tcase_add_test(own, test_web_push);
    tcase_add_test(own, test_webhook);
    suite_add_tcase(suite, own);
    TCase *doubts = tcase_create("doubts");
    tcase_add_checked_fixture(doubts, setup, teardown);
    tcase_set_timeout(doubts, 60);
    tcase_add_test(doubts, test_a_doubt_that_was_sent);
    tcase_add_test(doubts, test_a_doubt_that_was_not_sent);
    tcase_add_test(doubts, test_a_doubt_that_stays);
    tcase_add_test(doubts, test_a_doubt_that_waits);
    tcase_add_test(doubts, test_doubts_of_a_lost_dispatcher);
    tcase_add_loop_test(doubts, test_doubts_that_nobody_can_end, 0, 2);
    tcase_add_test(doubts, test_the_end_does_not_wait_for_an_answer);
    suite_add_tcase(suite, doubts);
    return suite_run(suite);
}
