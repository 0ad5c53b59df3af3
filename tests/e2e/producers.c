/* Transactions of producers: prepared, as XA and distributed databases do it, serializable, nested. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/engine.h"
#include "support/pg.h"
#include "support/server.h"
#include "support/suite.h"

enum { DEADLINE_MS = 20000 };

#define MESSAGE                                                                                              \
    "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', repeat('ab', 32), "             \
    "'{\"title\":\"Hi\"}')"
#define SENT "SELECT count(*) FROM outbox.message WHERE status = 'sent'"

static struct engine *engine;
static struct db_session *producer;

static void setup_server(void)
{
    server_start((const char *const[]){"max_prepared_transactions=10", NULL});
}

static void setup(void)
{
    engine = engine_start("producers");
    pg_exec(engine->sql, "INSERT INTO outbox.template (name, channel, locale, content) "
                         "VALUES ('t', 'ios', 'default', '{\"title\": \"Hi\"}');"
                         "SELECT outbox.register_device('u', 'ios', repeat('cd', 32))");
    engine_dispatcher(engine, "ios,email");
    producer = pg_session(engine->conninfo);
    pg_exec(producer, "SET outbox.notify = auto"); /* what another program's session has without saying so */
}

static void teardown(void)
{
    db_close(producer);
    engine_stop(engine);
}

static void wait_asleep(void)
{
    engine_wait(engine,
                "SELECT count(*) FROM pg_locks AS l, outbox.channel AS c WHERE l.locktype = 'advisory' AND "
                "l.classid = 7301 AND l.objid = c.id AND c.name IN ('ios', 'email') AND "
                "l.mode = 'ExclusiveLock' AND l.granted",
                "2", DEADLINE_MS);
}

static void prepare(const char *statements)
{
    pg_exec(producer, "BEGIN");
    pg_exec(producer, statements);
    pg_exec(producer, "PREPARE TRANSACTION 'p'");
}

START_TEST(test_what_is_prepared_while_all_sleep_is_sent_when_it_is_committed)
{
    wait_asleep();
    pg_exec(producer, "SET outbox.notify = on; BEGIN; " MESSAGE);
    pg_refused(producer, "PREPARE TRANSACTION 'p'", "0A000 cannot PREPARE");
    pg_exec(producer, "SET outbox.notify = auto");
    static const char *const senders[] = {
        MESSAGE,
        "SELECT outbox.send('ios', repeat('ab', 32), '{\"title\":\"Hi\"}')",
        "SELECT outbox.notify('u', 't', category => 'billing')",
        "SAVEPOINT s; " MESSAGE "; ROLLBACK TO s; " MESSAGE,
    };
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        wait_asleep();
        prepare(senders[i]);
        wait_asleep();
        char count[16];
        snprintf(count, sizeof count, "%zu", i);
        pg_expect(engine->sql, SENT, count);
        pg_exec(producer, "COMMIT PREPARED 'p'");
        snprintf(count, sizeof count, "%zu", i + 1);
        engine_wait(engine, SENT, count, DEADLINE_MS);
    }
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
}
END_TEST

/* It may bring an id below those that are there already, so these wait, too. */
START_TEST(test_what_is_prepared_is_counted_when_it_is_committed)
{
    prepare(MESSAGE);
    pg_exec(engine->sql, MESSAGE);
    engine_wait(engine, SENT, "1", DEADLINE_MS);
    engine_wait(engine,
                "SELECT CASE WHEN outbox.fold_ledger() >= 0 THEN prepared AND running <> '{}' END FROM "
                "outbox.ledger_mark",
                "t", DEADLINE_MS);
    pg_exec(engine->sql, "SELECT outbox.fold_ledger(), outbox.fold_ledger()");
    pg_expect(engine->sql,
              "SELECT concat_ws(' ', accepted, uncounted, sent, adds_up) FROM outbox.conservation",
              "0 1 1 t");
    pg_exec(producer, "COMMIT PREPARED 'p'");
    engine_wait(engine, SENT, "2", DEADLINE_MS);
    engine_wait(engine, "SELECT sum(messages) + 0 * outbox.fold_ledger() FROM outbox.accepted", "2",
                DEADLINE_MS);
    pg_expect(engine->sql,
              "SELECT concat_ws(' ', accepted, uncounted, sent, adds_up) FROM outbox.conservation",
              "2 0 2 t");
}
END_TEST

START_TEST(test_whatever_else_is_called_can_be_prepared)
{
    wait_asleep();
    static const char *const calls[] = {
        "SELECT outbox.pause('ios')",
        "SELECT outbox.resume('ios')",
        "UPDATE outbox.channel SET max_attempts = 7",
        "UPDATE outbox.provider SET priority = 7",
        "SELECT outbox.resume_provider('apns')",
        "SELECT outbox.send('ios', 'r', '{}', 'later', send_at => now() + interval '1 day')",
        "SELECT outbox.cancel('later')",
        "SELECT outbox.retry(id) FROM outbox.message WHERE idempotency_key = 'later'",
        ("SELECT outbox.notify('u', 't', category => 'billing', idempotency_key => 'n', "
         "send_at => now() + interval '1 day')"),
        "SELECT outbox.cancel_notification('n')",
        "SELECT outbox.register_device('u2', 'ios', repeat('ef', 32))",
        "SELECT outbox.retire_device('u2', 'ios', repeat('ef', 32))",
        "SELECT outbox.set_contact('u', email => 'kim@example.com')",
        "SELECT outbox.set_preference('u', 'billing', allowed => false)",
        "SELECT outbox.stop_user('u'), outbox.resume_user('u')",
        "SELECT outbox.record_receipt('apns', 'id', 'delivered')",
        "SELECT outbox.release_due()",
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        wait_asleep();
        prepare(calls[i]);
        pg_exec(producer, "COMMIT PREPARED 'p'");
    }
}
END_TEST

/* What is prepared keeps the dispatcher awake, and lies behind the cursor when it is committed at last. */
START_TEST(test_what_is_prepared_for_long_is_found)
{
    pg_exec(engine->sql, "BEGIN; " MESSAGE); /* nobody can sleep */
    prepare(MESSAGE);
    pg_exec(engine->sql, "COMMIT");
    for (int i = 1; i <= 3; i++) {
        char count[16];
        snprintf(count, sizeof count, "%d", i);
        engine_wait(engine, SENT, count, DEADLINE_MS);
        pg_exec(producer, MESSAGE);
    }
    engine_wait(engine, SENT, "4", DEADLINE_MS);
    pg_exec(producer, "COMMIT PREPARED 'p'");
    engine_wait(engine, SENT, "5", DEADLINE_MS);
    wait_asleep();
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
}
END_TEST

START_TEST(test_what_is_prepared_and_rolled_back_is_not_sent)
{
    prepare(MESSAGE);
    pg_exec(producer, "ROLLBACK PREPARED 'p'");
    pg_exec(producer, MESSAGE);
    engine_wait(engine, SENT, "1", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message", "1");
    wait_asleep();
}
END_TEST

/* Nobody rings, so the configuration is read by itself. */
START_TEST(test_a_prepared_change_of_the_configuration_is_followed)
{
    wait_asleep();
    prepare("INSERT INTO outbox.provider (name, channel, adapter, settings, priority) "
            "SELECT 'first', channel, adapter, settings, 1 FROM outbox.provider WHERE name = 'apns'");
    pg_exec(producer, "COMMIT PREPARED 'p'");
    engine_wait(engine,
                "WITH new AS (INSERT INTO outbox.message (channel, recipient, payload) VALUES "
                "('ios', repeat('ab', 32), '{\"title\":\"Hi\"}')) "
                "SELECT count(*) > 0 FROM outbox.message WHERE provider = 'first'",
                "t", DEADLINE_MS);
}
END_TEST

START_TEST(test_what_was_rolled_back_to_a_savepoint_is_not_sent)
{
    pg_exec(producer, "SET outbox.notify = on");
    wait_asleep();
    pg_exec(producer, "BEGIN; SAVEPOINT a; " MESSAGE "; SAVEPOINT b; " MESSAGE "; ROLLBACK TO b; " MESSAGE
                      "; RELEASE a;"
                      "SAVEPOINT c; " MESSAGE "; ROLLBACK TO c; COMMIT");
    engine_wait(engine, SENT, "2", DEADLINE_MS);
    pg_exec(producer, "DO $$ BEGIN BEGIN " MESSAGE
                      "; RAISE 'no'; EXCEPTION WHEN raise_exception THEN " MESSAGE "; END; END $$");
    engine_wait(engine, SENT, "3", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message", "3");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "arrived"), 3);
}
END_TEST

START_TEST(test_a_producer_reads_what_it_wrote_and_constraints_may_come_last)
{
    pg_exec(engine->sql,
            "CREATE TABLE public.orders (id int PRIMARY KEY, message bigint REFERENCES outbox.message "
            "DEFERRABLE INITIALLY DEFERRED)");
    pg_exec(producer, "BEGIN; INSERT INTO public.orders VALUES (1, 1), (2, 7)");
    pg_exec(producer, MESSAGE);
    pg_expect(producer, "SELECT status || ' ' || attempts FROM outbox.message", "pending 0");
    pg_refused(producer, "COMMIT", "23503");
    pg_expect(producer, "SELECT count(*) FROM outbox.message", "0");
    pg_exec(producer, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
    pg_exec(producer, "WITH m AS (INSERT INTO outbox.message (channel, recipient, payload) VALUES "
                      "('ios', repeat('ab', 32), '{\"title\":\"Hi\"}') RETURNING id) "
                      "INSERT INTO public.orders SELECT 1, id FROM m");
    pg_exec(producer, "COMMIT");
    engine_wait(engine, "SELECT status FROM outbox.message JOIN public.orders ON message = message.id",
                "sent", DEADLINE_MS);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "arrived"), 1);
}
END_TEST

/* Two that would both use the last seat: one is refused, tries again, and sends once. */
START_TEST(test_a_serializable_producer_tries_again)
{
    static const char take[] = "INSERT INTO public.seats SELECT count(*) FROM public.seats; "
                               "SELECT outbox.send('ios', repeat('ab', 32), '{\"title\":\"Hi\"}', 'seat' || "
                               "max(n)) FROM public.seats";
    struct db_session *other = pg_session(engine->conninfo);
    pg_exec(engine->sql, "CREATE TABLE public.seats (n bigint)");
    pg_exec(producer, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    pg_exec(other, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    pg_exec(producer, take);
    pg_exec(other, "INSERT INTO public.seats SELECT count(*) FROM public.seats");
    pg_exec(producer, "PREPARE TRANSACTION 'p'");
    pg_exec(producer, "COMMIT PREPARED 'p'");
    pg_refused(other, "COMMIT", "40001");
    pg_exec(other, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    pg_exec(other, take);
    pg_exec(other, "COMMIT");
    engine_wait(engine, SENT, "2", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT string_agg(idempotency_key, ' ' ORDER BY id) FROM outbox.message",
              "seat0 seat1");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "arrived"), 2);
    db_close(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("producers");
    TCase *tcase = tcase_create("producers");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, setup_server, server_stop);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_what_is_prepared_while_all_sleep_is_sent_when_it_is_committed);
    tcase_add_test(tcase, test_whatever_else_is_called_can_be_prepared);
    tcase_add_test(tcase, test_what_is_prepared_is_counted_when_it_is_committed);
    tcase_add_test(tcase, test_what_is_prepared_for_long_is_found);
    tcase_add_test(tcase, test_what_is_prepared_and_rolled_back_is_not_sent);
    tcase_add_test(tcase, test_a_prepared_change_of_the_configuration_is_followed);
    tcase_add_test(tcase, test_what_was_rolled_back_to_a_savepoint_is_not_sent);
    tcase_add_test(tcase, test_a_producer_reads_what_it_wrote_and_constraints_may_come_last);
    tcase_add_test(tcase, test_a_serializable_producer_tries_again);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
