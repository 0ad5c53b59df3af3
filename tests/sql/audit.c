/* The audit: what should not be is made by hand, found, and mended where that is right. */
#include <check.h>
#include <stdio.h>

#include "support/pg.h"
#include "support/suite.h"

/* A database with this many messages that the ledger knows and a first audit has seen. */
static struct db_session *begin(int messages)
{
    struct db_session *db = pg_case_session();
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.message (channel, recipient, payload) "
             "SELECT 'ios', 'r', '{}' FROM generate_series(1, %d); "
             "SELECT outbox.fold_ledger(), outbox.fold_ledger()",
             messages);
    pg_exec(db, sql);
    pg_exec(db, "CALL outbox.audit()");
    pg_expect(db, "SELECT count(*) FROM outbox.audit_finding", "0");
    return db;
}

static void expect_found(struct db_session *db, const char *findings)
{
    pg_exec(db, "CALL outbox.audit()");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', kind, channel, messages, message_ids, mended), '; ' ORDER BY id) "
        "FROM outbox.audit_finding",
        findings);
    pg_expect(db, "SELECT count(*) FROM outbox.audit_run WHERE finished_at >= started_at AND block IS NULL",
              "1");
}

/* Once more, and nothing new is found: the state it left is as it should be. */
static void expect_nothing_more(struct db_session *db)
{
    pg_exec(db, "SELECT outbox.fold_ledger(), outbox.fold_ledger()");
    pg_exec(db, "CALL outbox.audit()");
    pg_expect(db, "SELECT findings FROM outbox.audit_run", "0");
}

START_TEST(test_a_state_changed_by_hand)
{
    struct db_session *db = begin(10);
    pg_exec(db, "UPDATE outbox.message SET status = 'failed', finished_at = now() WHERE id IN (2, 3)");
    expect_found(db, "ledger ios 4 {} the states follow the rows");
    pg_expect(db, "SELECT concat_ws(' ', accepted, pending, failed, adds_up) FROM outbox.conservation",
              "10 8 2 t");
    expect_nothing_more(db);
}
END_TEST

START_TEST(test_a_row_deleted_without_triggers)
{
    struct db_session *db = begin(10);
    pg_exec(db, "SET session_replication_role = replica; DELETE FROM outbox.message WHERE id = 4; "
                "RESET session_replication_role");
    pg_expect(db, "SELECT adds_up FROM outbox.conservation", "t");
    expect_found(db, "ledger ios 1 {} the states follow the rows");
    pg_expect(db, "SELECT concat_ws(' ', accepted, pending, missing, adds_up) FROM outbox.conservation",
              "10 9 1 f");
    expect_nothing_more(db);
    pg_expect(db, "SELECT adds_up FROM outbox.conservation", "f");
    pg_expect(db, "SELECT outbox.write_off('ios', (now() AT TIME ZONE 'UTC')::date)", "1");
    pg_expect(db, "SELECT concat_ws(' ', accepted, written_off, missing, adds_up) FROM outbox.conservation",
              "10 1 0 t");
}
END_TEST

START_TEST(test_stranded_rows_are_queued_again)
{
    struct db_session *db = begin(10);
    pg_force(db, "queue_pos = CASE id WHEN 9 THEN NULL ELSE queue_pos END");
    pg_exec(db, "SELECT outbox.raise_low_water('ios', 'transactional', (SELECT queue_pos FROM outbox.message "
                "WHERE id = 3)); "
                "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "VALUES (1, 1, now() + interval '1 hour', 'ios', '{2}')");
    struct db_session *holder = pg_session(pg_case_conninfo());
    pg_exec(holder, "BEGIN; SELECT FROM outbox.message WHERE id = 8 FOR UPDATE");
    expect_found(db, "stranded ios 2 {1,9} queued again");
    pg_expect(db,
              "SELECT count(*) FROM outbox.message WHERE id IN (1, 9) AND queue_pos > (SELECT max(queue_pos) "
              "FROM outbox.message WHERE id NOT IN (1, 9))",
              "2");
    expect_nothing_more(db);
    pg_exec(holder, "ROLLBACK");
    db_close(holder);
}
END_TEST

START_TEST(test_a_channel_that_does_not_exist)
{
    struct db_session *db = begin(3);
    pg_exec(
        db,
        "SET session_replication_role = replica; UPDATE outbox.message SET channel = 'gone' WHERE id = 2; "
        "RESET session_replication_role");
    expect_found(db,
                 "ledger gone 1 {} the states follow the rows; ledger ios 1 {} the states follow the rows; "
                 "channel gone 1 {2}");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', channel, accepted, missing), '; ' ORDER BY channel) "
              "FROM outbox.conservation",
              "gone 0 -1; ios 3 1");
}
END_TEST

START_TEST(test_a_flight_without_its_message)
{
    struct db_session *db = begin(3);
    pg_exec(db, "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "VALUES (1, 1, now() + interval '1 hour', 'ios', '{2,77}')");
    expect_found(db, "flight ios 1 {77}");
}
END_TEST

START_TEST(test_the_archive)
{
    struct db_session *db = begin(4);
    pg_exec(db, "SELECT outbox.cancel(idempotency_key) FROM outbox.message; "
                "UPDATE outbox.message SET finished_at = now() - interval '2 hours'");
    pg_exec(db, "UPDATE outbox.walk SET position = 0, next_round_at = '-infinity'");
    pg_exec(db, "SELECT outbox.archive_finished()");
    pg_expect(db, "SELECT outbox.archive_finished()", "4");
    expect_nothing_more(db);
    /* One comes back by hand without leaving, the key of one is lost, and one of a message that never was is
     * kept. */
    pg_exec(db,
            "SET session_replication_role = replica; INSERT INTO outbox.message (id, channel, recipient, "
            "payload, "
            "status, finished_at) OVERRIDING SYSTEM VALUE VALUES (1, 'ios', 'r', '{}', 'cancelled', now()); "
            "DELETE FROM outbox.used_key WHERE id = 2; "
            "INSERT INTO outbox.used_key (key, kind, id) VALUES ('nobody', 'message', 99); "
            "RESET session_replication_role");
    expect_found(
        db, "ledger ios 1 {} the states follow the rows; twice ios 1 {1}; key 1 {2} recorded; key 1 {99}");
    pg_expect(db, "SELECT count(*) FROM outbox.used_key WHERE id = 2", "1");
    pg_expect(db, "SELECT concat_ws(' ', accepted, cancelled, missing) FROM outbox.conservation", "4 5 -1");
}
END_TEST

/* What moves while the audit walks is no finding, whether it is counted yet or not. */
START_TEST(test_moving_rows_are_right)
{
    struct db_session *db = begin(10);
    struct db_session *late = pg_session(pg_case_conninfo());
    pg_exec(late,
            "BEGIN; INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'late', '{}')");
    pg_exec(
        db,
        "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'sms', 'r', '{}' FROM "
        "generate_series(1, 10); SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id % 2 = 0; "
        "SELECT outbox.fold_ledger()");
    struct db_session *other = pg_session(pg_case_conninfo());
    pg_exec(other, "BEGIN; SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id = 1");
    pg_exec(db, "CALL outbox.audit()");
    pg_expect(db, "SELECT count(*) FROM outbox.audit_finding", "0");
    pg_exec(other, "COMMIT");
    pg_exec(late, "COMMIT");
    pg_exec(db, "CALL outbox.audit()");
    pg_expect(db, "SELECT count(*) FROM outbox.audit_finding", "0");
    db_close(other);
    db_close(late);
}
END_TEST

/* A database that was used before it had a ledger: the first run takes the rows as they are. */
START_TEST(test_the_first_run_opens_the_books)
{
    struct db_session *db = pg_case_session();
    pg_exec(
        db,
        "SET session_replication_role = replica; INSERT INTO outbox.message (channel, recipient, payload, "
        "status, created_at) SELECT 'ios', 'r', '{}', (ARRAY['sent', 'failed', 'pending'])[1 + i % 3]"
        "::outbox.message_status, now() - interval '2 days' FROM generate_series(1, 30) AS i; "
        "RESET session_replication_role");
    pg_exec(db, "SELECT outbox.fold_ledger(), outbox.fold_ledger()");
    pg_exec(db, "CALL outbox.audit()");
    pg_expect(db, "SELECT concat_ws(' ', accepted, sent, failed, pending, adds_up) FROM outbox.conservation",
              "30 10 10 10 t");
    pg_expect(db, "SELECT count(*) FROM outbox.audit_finding", "0");
}
END_TEST

START_TEST(test_when_it_runs)
{
    struct db_session *db = begin(3);
    pg_exec(db, "SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.audit_step()", "0");
    pg_exec(db, "SELECT outbox.request_audit('test')");
    pg_expect(db, "SELECT outbox.audit_step()", "1");
    pg_expect(db, "SELECT outbox.audit_step()", "0");
    pg_expect(db, "SELECT outbox.audit_step()", "0");
    pg_expect(db, "SELECT count(*) FROM outbox.audit_request", "0");
    pg_exec(db, "UPDATE outbox.audit_run SET started_at = now() - interval '25 hours'");
    pg_expect(db, "SELECT outbox.audit_step()", "1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("audit");
    pg_case_add(suite, "a state by hand", test_a_state_changed_by_hand);
    pg_case_add(suite, "deleted without triggers", test_a_row_deleted_without_triggers);
    pg_case_add(suite, "stranded", test_stranded_rows_are_queued_again);
    pg_case_add(suite, "no channel", test_a_channel_that_does_not_exist);
    pg_case_add(suite, "flights", test_a_flight_without_its_message);
    pg_case_add(suite, "archive", test_the_archive);
    pg_case_add(suite, "moving rows", test_moving_rows_are_right);
    pg_case_add(suite, "first run", test_the_first_run_opens_the_books);
    pg_case_add(suite, "when it runs", test_when_it_runs);
    return suite_run(suite);
}
