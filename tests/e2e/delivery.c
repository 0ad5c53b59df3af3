/* One message at a time through the real programs: each channel, each answer of a provider. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"

enum { DEADLINE_MS = 20000 };

static struct engine *engine;

static void setup(void)
{
    engine = engine_start("delivery");
    engine_dispatcher(engine, "ios,android,email");
    engine_scheduler(engine);
}

static void teardown(void)
{
    engine_stop(engine);
}

static int64_t repeats(void)
{
    return sandbox_count(engine->sandbox, "apns", "repeats") +
           sandbox_count(engine->sandbox, "fcm", "repeats") +
           sandbox_count(engine->sandbox, "smtp", "repeats");
}

START_TEST(test_each_channel_delivers_once)
{
    char *producer = mem_alloc(1024);
    snprintf(producer, 1024, "%s user=test_producer", engine->conninfo);
    struct db_session *session = pg_session(producer);
    static const char insert[] =
        "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES"
        " ('ios', repeat('ab', 32), '{\"title\":\"Paid\",\"body\":\"Thanks\"}', 'i'),"
        " ('android', 'token-1', '{\"title\":\"Paid\",\"body\":\"Thanks\"}', 'a'),"
        " ('email', 'kim@example.com', '{\"subject\":\"Paid\",\"text\":\"Thanks\"}', 'e')"
        " ON CONFLICT (idempotency_key) DO NOTHING";
    pg_exec(session, insert);
    engine_wait(engine, "SELECT count(*) FROM outbox.delivery WHERE status = 'sent'", "3", DEADLINE_MS);
    pg_exec(session, insert);
    engine_wait(engine, "SELECT count(*) FROM outbox.message", "3", DEADLINE_MS);
    db_close(session);
    mem_free(producer);
    pg_expect(engine->sql, "SELECT string_agg(provider, ',' ORDER BY provider) FROM outbox.delivery",
              "apns,fcm,smtp");
    pg_expect(engine->sql,
              "SELECT bool_and(attempts = 1 AND sent_at >= created_at AND finished_at >= sent_at AND "
              "last_error IS NULL"
              " AND provider_message_id <> '') FROM outbox.delivery",
              "t");
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.attempt", "0");
    engine_wait(engine, "SELECT count(*) FROM outbox.flight", "0", DEADLINE_MS);
    static const char *const channels[] = {"apns", "fcm", "smtp"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(sandbox_count(engine->sandbox, channels[i], "arrived"), 1);
        ck_assert_int_eq(sandbox_count(engine->sandbox, channels[i], "distinct"), 1);
    }
}
END_TEST

struct answer {
    const char *channel, *recipient;
    const char *status;
    int attempts; /* 0 = unsent or in doubt: it depends on whether the mail had left when the peer closed */
    const char *reason; /* LIKE pattern of last_error; NULL = none */
    bool suppressed;
};

/* Expectations are those of the sandbox's table of magic recipients and of the in-doubt policy "resend". */
static const struct answer answers[] = {
    {"ios", "fa17041000", "failed", 1, "%Unregistered%", true},
    {"ios", "fa17040000", "failed", 1, "%BadDeviceToken%", true},
    {"ios", "fa17041300", "failed", 1, "%PayloadTooLarge%", false},
    {"ios", "fa17042901", "sent", 2, NULL, false},
    {"ios", "fa17050001", "sent", 2, NULL, false},
    {"ios", "fa17050301", "sent", 2, NULL, false},
    {"ios", "fa17000101", "sent", 1, NULL, false},
    {"ios", "fa17000301", "sent", 2, NULL, false},
    {"ios", "fa17000401", "sent", 1, NULL, false},
    {"ios", "fa17000501", "sent", 2, NULL, false},
    {"ios", "fa17000701", "sent", 1, NULL, false},
    {"ios", "fa17000801", "sent", 2, NULL, false},
    {"ios", "fa17040301", "sent", 1, NULL, false},
    {"android", "fa17041000-x", "failed", 1, "%UNREGISTERED%", true},
    {"android", "fa17040000-x", "failed", 1, "%INVALID_ARGUMENT%", true},
    {"android", "fa17041300-x", "failed", 1, "%INVALID_ARGUMENT%", false},
    {"android", "fa17040301-x", "sent", 1, NULL, false},
    {"android", "fa17050001-x", "sent", 2, NULL, false},
    {"android", "fa17000601-x", "sent", 2, NULL, false},
    {"android", "fa17000701-x", "sent", 1, NULL, false},
    {"email", "fa17045001@example.com", "sent", 2, NULL, false},
    {"email", "fa17045101@example.com", "sent", 2, NULL, false},
    {"email", "fa17055000@example.com", "failed", 1, "%550%5.1.1%", true},
    {"email", "fa17055200@example.com", "failed", 1, "%552%5.3.4%", false},
    {"email", "fa17055400@example.com", "failed", 1, "%554%5.7.1%", false},
    {"email", "fa17000901@example.com", "sent", 0, NULL, false},
    {"email", "fa17000501@example.com", "sent", 2, NULL, false},
};

START_TEST(test_answers)
{
    const struct answer *answer = &answers[_i];
    char recipient[128], sql[1024];
    bool ios = strcmp(answer->channel, "ios") == 0;
    snprintf(recipient, sizeof recipient, "%s%s", answer->recipient,
             ios ? "000000000000000000000000000000000000000000000000000000" : "");
    bool mail = strcmp(answer->channel, "email") == 0;
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES ('%s', '%s', "
             "'%s', 'k')",
             answer->channel, recipient,
             mail ? "{\"subject\":\"Hi\",\"text\":\"Hi\"}" : "{\"title\":\"Hi\",\"body\":\"Hi\"}");
    pg_exec(engine->sql, sql);
    engine_wait(engine, "SELECT status FROM outbox.delivery WHERE idempotency_key = 'k'", answer->status,
                DEADLINE_MS);
    char attempts[16];
    snprintf(attempts, sizeof attempts, "%d", answer->attempts);
    if (answer->attempts > 0)
        pg_expect(engine->sql, "SELECT attempts FROM outbox.delivery", attempts);
    snprintf(sql, sizeof sql, "SELECT coalesce(last_error, '') LIKE '%s' FROM outbox.delivery",
             answer->reason ? answer->reason : "");
    pg_expect(engine->sql, sql, "t");
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.suppression", answer->suppressed ? "1" : "0");
    if (!answer->suppressed)
        return;
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES ('%s', '%s', "
             "'{}', 'later')",
             answer->channel, recipient);
    pg_exec(engine->sql, sql);
    engine_wait(engine, "SELECT status FROM outbox.delivery WHERE idempotency_key = 'later'", "suppressed",
                DEADLINE_MS);
    ck_assert_int_eq(repeats(), 0);
}
END_TEST

START_TEST(test_throttling_burns_no_attempt)
{
    pg_exec(engine->sql, "INSERT INTO outbox.message (channel, recipient, payload) "
                         "SELECT 'android', CASE i WHEN 1 THEN 'fa17042901-x' ELSE 'device-' || i END, "
                         "'{\"title\":\"Hi\"}' FROM generate_series(1, 50) AS i");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "50", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT max(attempts) FROM outbox.message", "1");
    pg_expect(engine->sql,
              "SELECT count(*) FROM outbox.attempt WHERE verdict = 'throttled' AND reason LIKE '%QUOTA%'",
              "1");
}
END_TEST

START_TEST(test_timed_and_expiring_rows)
{
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, send_at, expires_at) "
            "VALUES "
            "('ios', repeat('01', 32), '{\"title\":\"Hi\"}', 'timed', now() + interval '300 ms', NULL),"
            "('ios', 'fa170500' || repeat('00', 28), '{\"title\":\"Hi\"}', 'hopeless', NULL, now() + "
            "interval '500 ms')");
    pg_expect(engine->sql, "SELECT status FROM outbox.message WHERE idempotency_key = 'timed'", "scheduled");
    engine_wait(engine, "SELECT status FROM outbox.message WHERE idempotency_key = 'timed'", "sent",
                DEADLINE_MS);
    pg_expect(engine->sql, "SELECT sent_at >= send_at FROM outbox.message WHERE idempotency_key = 'timed'",
              "t");
    engine_wait(engine, "SELECT status FROM outbox.message WHERE idempotency_key = 'hopeless'", "expired",
                DEADLINE_MS);
}
END_TEST

START_TEST(test_attempts_are_limited)
{
    pg_exec(engine->sql, "UPDATE outbox.channel SET max_attempts = 3");
    pg_exec(engine->sql, "INSERT INTO outbox.message (channel, recipient, payload) VALUES "
                         "('ios', 'fa170500' || repeat('00', 28), '{\"title\":\"Hi\"}')");
    engine_wait(engine, "SELECT status || ' ' || attempts FROM outbox.message", "failed 3", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT string_agg(attempt || verdict, ' ' ORDER BY id) FROM outbox.attempt",
              "1retry 2retry 3retry");
}
END_TEST

START_TEST(test_bad_content_is_rejected_with_the_field)
{
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES "
            "('email', E'kim@example.com>RCPT', '{\"subject\":\"x\",\"text\":\"x\"}', 'recipient'),"
            "('email', 'kim@example.com', '{\"subject\":\"a\\r\\nBcc: eve@example.com\",\"text\":\"x\"}', "
            "'subject'),"
            "('ios', 'not-a-token', '{\"title\":\"x\"}', 'token')");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'failed' AND last_error <> ''",
                "3", DEADLINE_MS);
    pg_expect(engine->sql,
              "SELECT last_error LIKE '%subject%' FROM outbox.message WHERE idempotency_key = 'subject'",
              "t");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "smtp", "arrived"), 0);
}
END_TEST

START_TEST(test_pause_and_resume)
{
    pg_exec(engine->sql, "SELECT outbox.pause('ios')");
    engine_insert(engine, "ios", "p", 10);
    engine_insert(engine, "android", "q", 10);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "10", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE channel = 'ios' AND status = 'pending'",
              "10");
    pg_exec(engine->sql, "SELECT outbox.resume('ios')");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "20", DEADLINE_MS);
}
END_TEST

START_TEST(test_a_broken_provider_row_is_stopped_with_a_reason)
{
    pg_exec(engine->sql, "UPDATE outbox.provider SET settings = settings || "
                         "'{\"key_file\":\"/nonexistent\"}' WHERE name = 'apns'");
    engine_wait(engine, "SELECT stop_reason LIKE '%/nonexistent%' FROM outbox.provider WHERE name = 'apns'",
                "t", DEADLINE_MS);
    engine_insert(engine, "ios", "p", 5);
    engine_insert(engine, "android", "q", 5);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "5", DEADLINE_MS);
    char sql[1024];
    snprintf(sql, sizeof sql,
             "UPDATE outbox.provider SET settings = settings || '{\"key_file\":\"%s/apns.p8\"}' WHERE name = "
             "'apns'",
             sandbox_dir(engine->sandbox));
    pg_exec(engine->sql, sql);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "10", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT max(attempts) FROM outbox.message", "1");
}
END_TEST

START_TEST(test_wrong_credentials_stop_the_provider_and_keep_its_messages)
{
    pg_exec(
        engine->sql,
        "UPDATE outbox.provider SET settings = settings || '{\"username\":\"nobody\"}' WHERE name = 'smtp'");
    engine_insert(engine, "email", "p", 3);
    engine_wait(engine, "SELECT stop_reason <> '' FROM outbox.provider WHERE name = 'smtp'", "t",
                DEADLINE_MS);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE status IN ('pending', 'scheduled')",
              "3");
    pg_exec(
        engine->sql,
        "UPDATE outbox.provider SET settings = settings || '{\"username\":\"sandbox\"}' WHERE name = 'smtp'");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "3", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT max(attempts) FROM outbox.message", "1");
}
END_TEST

START_TEST(test_a_provider_that_is_down_costs_no_attempts)
{
    sandbox_kill(engine->sandbox);
    engine_insert(engine, "ios", "p", 20);
    engine_wait(engine, "SELECT count(*) > 0 FROM outbox.attempt WHERE verdict = 'unsent'", "t", DEADLINE_MS);
    sandbox_restart(engine->sandbox);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "20", 2 * DEADLINE_MS);
    pg_expect(engine->sql, "SELECT max(attempts) FROM outbox.message", "1");
    ck_assert_int_eq(repeats(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery");
    TCase *tcase = tcase_create("delivery");
    tcase_set_timeout(tcase, 90);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_each_channel_delivers_once);
    tcase_add_loop_test(tcase, test_answers, 0, sizeof answers / sizeof answers[0]);
    tcase_add_test(tcase, test_throttling_burns_no_attempt);
    tcase_add_test(tcase, test_timed_and_expiring_rows);
    tcase_add_test(tcase, test_attempts_are_limited);
    tcase_add_test(tcase, test_bad_content_is_rejected_with_the_field);
    tcase_add_test(tcase, test_pause_and_resume);
    tcase_add_test(tcase, test_a_broken_provider_row_is_stopped_with_a_reason);
    tcase_add_test(tcase, test_wrong_credentials_stop_the_provider_and_keep_its_messages);
    tcase_add_test(tcase, test_a_provider_that_is_down_costs_no_attempts);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
