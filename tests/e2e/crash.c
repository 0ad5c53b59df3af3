/*
 * Faults on purpose under load: dispatchers killed, connections cut, the server restarted. Nothing may be
 * lost, nothing repeated unless the attempt log says that it was in doubt.
 */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/buf.h"
#include "core/json.h"
#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"

enum { DEADLINE_MS = 60000 };

static struct engine *engine;

static void setup(void)
{
    engine = engine_start("crash");
    engine_scheduler(engine);
}

static void teardown(void)
{
    engine_stop(engine);
}

/* Whatever died, each message that was accepted is in one place, and the audit finds the rows as the ledger
 * says. */
static void check_conservation(void)
{
    engine_wait(
        engine,
        "SELECT (SELECT sum(accepted) FROM outbox.conservation) = (SELECT count(*) FROM outbox.message)", "t",
        DEADLINE_MS);
    engine_wait(engine, "SELECT count(*) FROM outbox.conservation WHERE NOT adds_up OR uncounted > 0", "0",
                DEADLINE_MS);
    pg_exec(engine->sql, "SELECT outbox.request_audit('test')");
    engine_wait(
        engine,
        "SELECT block IS NULL AND NOT EXISTS (SELECT FROM outbox.audit_request) FROM outbox.audit_run", "t",
        DEADLINE_MS);
    pg_expect(engine->sql, "SELECT string_agg(kind || ' ' || detail, '; ') FROM outbox.audit_finding", NULL);
}

static void wait_all_sent(int count)
{
    char expected[16];
    snprintf(expected, sizeof expected, "%d", count);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", expected, DEADLINE_MS);
}

/* Each message that arrived more than once is named as in doubt in the attempt log. */
static void check_repeats_were_in_doubt(void)
{
    struct json_object *repeats = sandbox_get_json(engine->sandbox, "/repeats");
    struct buf ids;
    buf_init(&ids, 1024 * 1024);
    db_array_start(&ids);
    for (size_t i = 0; i < json_object_array_length(repeats); i++)
        db_array_text(&ids, json_get_text(json_object_array_get_idx(repeats, i), "id"));
    db_array_finish(&ids);
    struct error err;
    struct db_result *result =
        db_query(engine->sql,
                 "SELECT count(*) FROM unnest($1::text[]) AS r (uuid) WHERE NOT EXISTS ("
                 "SELECT FROM outbox.attempt AS a JOIN outbox.message AS m ON m.id = a.message_id "
                 "WHERE a.verdict = 'in_doubt' AND outbox.message_uuid(m.idempotency_key) = r.uuid)",
                 1, (const char *const[]){buf_string(&ids)}, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    ck_assert_msg(db_int(result, 0, 0) == 0, "%" PRId64 " messages were repeated without doubt",
                  db_int(result, 0, 0));
    db_result_free(result);
    buf_free(&ids);
    json_object_put(repeats);
    int64_t doubts = pg_int(engine->sql, "SELECT count(*) FROM outbox.attempt WHERE verdict = 'in_doubt'");
    ck_assert_int_le(sandbox_count(engine->sandbox, "apns", "repeats"), doubts);
}

START_TEST(test_kill_nine_under_load)
{
    enum { KILLS = 10, COUNT = 20000 };
    struct process *dispatcher = engine_dispatcher(engine, "ios");
    engine_insert(engine, "ios", "k", COUNT);
    for (int kill = 1; kill <= KILLS; kill++) {
        char query[256];
        snprintf(query, sizeof query, "SELECT count(*) >= %d FROM outbox.message WHERE status = 'sent'",
                 kill * COUNT / (KILLS + 2));
        engine_wait(engine, query, "t", DEADLINE_MS);
        engine_kill(engine, dispatcher);
        dispatcher = engine_dispatcher(engine, "ios");
    }
    wait_all_sent(COUNT);
    engine_check_all_sent(engine, "apns", COUNT);
    check_repeats_were_in_doubt();
    engine_wait(engine, "SELECT count(*) FROM outbox.flight", "0", DEADLINE_MS);
    engine_wait(engine, "SELECT count(*) FROM outbox.flight_note", "0", DEADLINE_MS);
    check_conservation();
}
END_TEST

START_TEST(test_noted_verdicts_are_not_sent_again)
{
    /* One message that is never answered keeps the batch in the air; all others are answered and noted. */
    pg_exec(engine->sql, "UPDATE outbox.channel SET in_doubt = 'hold'");
    struct process *dispatcher = engine_dispatcher(engine, "ios");
    pg_exec(engine->sql, "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
                         "SELECT 'ios', CASE i WHEN 1 THEN 'fa17000200' || repeat('0', 54) ELSE "
                         "encode(sha256(i::text::bytea), 'hex') END, '{\"title\":\"Hi\"}', 'n-' || i "
                         "FROM generate_series(1, 100) AS i");
    engine_wait(engine, "SELECT coalesce(sum(cardinality(message_ids)), 0) FROM outbox.flight_note", "99",
                DEADLINE_MS);
    engine_kill(engine, dispatcher);
    engine_dispatcher(engine, "ios");
    wait_all_sent(99);
    engine_wait(engine, "SELECT status FROM outbox.message WHERE idempotency_key = 'n-1'", "in_doubt",
                DEADLINE_MS);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "distinct"), 100);
    pg_exec(engine->sql,
            "SELECT outbox.resolve_doubt(id, true) FROM outbox.message WHERE status = 'in_doubt'");
    wait_all_sent(100);
}
END_TEST

START_TEST(test_killed_between_claim_and_flight)
{
    enum { COUNT = 700 };
    struct process *victim = engine_dispatcher(engine, "ios");
    struct db_session *blocker = pg_session(engine->conninfo);
    pg_exec(blocker, "BEGIN; LOCK TABLE outbox.flight IN SHARE MODE");
    engine_insert(engine, "ios", "c", COUNT);
    /* The victim has claimed and waits for its flight to be committed. */
    engine_wait(engine,
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND "
                "wait_event_type = 'Lock' "
                "AND query LIKE '%outbox.flight%' AND pid <> pg_backend_pid()",
                "t", DEADLINE_MS);
    int64_t session = pg_int(engine->sql, "SELECT session FROM outbox.dispatcher");
    engine_dispatcher(engine, "ios");
    engine_kill(engine, victim);
    /* Its last statement ends with it, so that no flight of the victim is ever seen. */
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%" PRId64 ")", session);
    pg_exec(engine->sql, sql);
    pg_exec(blocker, "ROLLBACK");
    db_close(blocker);
    wait_all_sent(COUNT);
    engine_check_all_sent(engine, "apns", COUNT);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.attempt", "0");
}
END_TEST

START_TEST(test_two_dispatchers_never_send_the_same)
{
    enum { COUNT = 20000 };
    engine_dispatcher(engine, "ios");
    engine_dispatcher(engine, "ios");
    for (int part = 0; part < 10; part++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "t%d", part);
        engine_insert(engine, "ios", prefix, COUNT / 10);
    }
    wait_all_sent(COUNT);
    engine_check_all_sent(engine, "apns", COUNT);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.attempt", "0");
}
END_TEST

START_TEST(test_straggler)
{
    enum { COUNT = 20000 };
    engine_dispatcher(engine, "ios");
    struct db_session *late = pg_session(engine->conninfo);
    pg_exec(late, "BEGIN; INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES "
                  "('ios', repeat('cd', 32), '{\"title\":\"Late\"}', 'late')");
    /* An unrelated transaction that stays open must not delay it. */
    struct db_session *unrelated = pg_session(engine->conninfo);
    pg_exec(unrelated, "BEGIN; SELECT pg_current_xact_id()");
    engine_insert(engine, "ios", "s", COUNT);
    wait_all_sent(COUNT);
    pg_exec(late, "COMMIT");
    engine_wait(engine, "SELECT status FROM outbox.message WHERE idempotency_key = 'late'", "sent",
                DEADLINE_MS);
    pg_exec(unrelated, "COMMIT");
    db_close(late);
    db_close(unrelated);
    engine_check_all_sent(engine, "apns", COUNT + 1);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    check_conservation();
}
END_TEST

START_TEST(test_cut_connections)
{
    enum { COUNT = 20000, CUTS = 10 };
    engine_dispatcher(engine, "ios");
    engine_insert(engine, "ios", "x", COUNT);
    for (int cut = 1; cut <= CUTS; cut++) {
        char query[256];
        snprintf(query, sizeof query, "SELECT count(*) >= %d FROM outbox.message WHERE status = 'sent'",
                 cut * COUNT / (CUTS + 2));
        engine_wait(engine, query, "t", DEADLINE_MS);
        pg_exec(engine->sql,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND usename = 'test_dispatcher'");
    }
    wait_all_sent(COUNT);
    engine_check_all_sent(engine, "apns", COUNT);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    check_conservation();
}
END_TEST

START_TEST(test_graceful_stop_loses_and_burns_nothing)
{
    enum { COUNT = 20000 };
    struct process *first = engine_dispatcher(engine, "ios");
    engine_insert(engine, "ios", "g", COUNT);
    engine_wait(engine, "SELECT count(*) >= 2000 FROM outbox.message WHERE status = 'sent'", "t",
                DEADLINE_MS);
    int status = engine_end(engine, first);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.flight", "0");
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.dispatcher", "0");
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE status NOT IN ('sent', 'pending')",
              "0");
    engine_dispatcher(engine, "ios");
    wait_all_sent(COUNT);
    engine_check_all_sent(engine, "apns", COUNT);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    pg_expect(engine->sql, "SELECT max(attempts) FROM outbox.message", "1");
}
END_TEST

START_TEST(test_second_signal_aborts)
{
    struct process *dispatcher = engine_dispatcher(engine, "ios");
    pg_exec(engine->sql, "INSERT INTO outbox.message (channel, recipient, payload) VALUES "
                         "('ios', 'fa17000200' || repeat('0', 54), '{\"title\":\"Hi\"}')");
    ck_assert_int_eq(sandbox_wait_count(engine->sandbox, "apns", "arrived", 1, DEADLINE_MS), 1);
    process_signal(dispatcher, SIGTERM);
    ck_assert(!process_wait(dispatcher, 300, NULL));
    process_signal(dispatcher, SIGTERM);
    int status;
    ck_assert(process_wait(dispatcher, 5000, &status));
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 5);
    engine_kill(engine, dispatcher);
    pg_expect(engine->sql, "SELECT status FROM outbox.message", "pending");
}
END_TEST

START_TEST(test_unknown_channel_is_a_usage_error)
{
    struct process *dispatcher = engine_dispatcher_with(engine, "ios,pigeon", NULL);
    int status;
    ck_assert(process_wait(dispatcher, 10000, &status));
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    engine_kill(engine, dispatcher);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crash");
    TCase *tcase = tcase_create("crash");
    tcase_set_timeout(tcase, 180);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_unknown_channel_is_a_usage_error);
    tcase_add_test(tcase, test_second_signal_aborts);
    tcase_add_test(tcase, test_graceful_stop_loses_and_burns_nothing);
    tcase_add_test(tcase, test_two_dispatchers_never_send_the_same);
    tcase_add_test(tcase, test_straggler);
    tcase_add_test(tcase, test_noted_verdicts_are_not_sent_again);
    tcase_add_test(tcase, test_killed_between_claim_and_flight);
    tcase_add_test(tcase, test_cut_connections);
    tcase_add_test(tcase, test_kill_nine_under_load);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
