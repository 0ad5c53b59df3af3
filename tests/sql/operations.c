/* What people and the scheduler do: cancel, retry, resolve a doubt, pause, release what is due, watch. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/pg.h"
#include "support/suite.h"

static const char *const statuses[] = {"scheduled", "pending", "sent",      "delivered",  "bounced",
                                       "failed",    "expired", "cancelled", "suppressed", "in_doubt"};
enum { STATUSES = sizeof statuses / sizeof *statuses };

static void insert_one(struct db_session *db, const char *status)
{
    char sql[256];
    pg_exec(db, "TRUNCATE outbox.message RESTART IDENTITY;"
                "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, send_at) "
                "VALUES ('ios', 'r', '{}', 'k', now() + interval '1 hour')");
    if (strcmp(status, "scheduled") != 0) {
        snprintf(sql, sizeof sql,
                 "status = '%s', queue_pos = 5, next_attempt_at = NULL, attempts = 3, last_error = 'why', "
                 "finished_at = CASE WHEN '%s' <> 'pending' THEN now() END",
                 status, status);
        pg_force(db, sql);
    }
}

/* Calls a function on a message of each state; allowed: the states in which it must return true. */
static void each_status(struct db_session *db, const char *call, const char *allowed, const char *becomes)
{
    for (int i = 0; i < STATUSES; i++) {
        insert_one(db, statuses[i]);
        bool may = strstr(allowed, statuses[i]) != NULL;
        pg_expect(db, call, may ? "t" : "f");
        pg_expect(db, "SELECT status FROM outbox.message", may ? becomes : statuses[i]);
    }
}

START_TEST(test_cancel)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    each_status(db, "SELECT outbox.cancel('k')", "scheduled pending", "cancelled");
    pg_expect(db, "SELECT outbox.cancel('unknown')", "f");

    struct db_session *dispatcher = pg_session(pg_case_conninfo());
    insert_one(db, "pending");
    pg_exec(dispatcher, "BEGIN; SELECT FROM outbox.message FOR UPDATE");
    pg_exec(db, "SET lock_timeout = '10 s'");
    pg_expect(db, "SELECT outbox.cancel('k')", "f");
    pg_exec(dispatcher, "ROLLBACK");
    pg_exec(db, "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "VALUES (1, 1, now(), 'ios', '{1}')");
    pg_expect(db, "SELECT outbox.cancel('k')", "f");
    pg_exec(db, "DELETE FROM outbox.flight");
    pg_expect(db, "SELECT outbox.cancel('k')", "t");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_retry)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    each_status(db, "SELECT outbox.retry(1)", "failed expired cancelled suppressed in_doubt", "pending");
    insert_one(db, "expired");
    pg_force(db, "expires_at = now() - interval '1 s'");
    pg_expect(db, "SELECT outbox.retry(1)", "t");
    pg_expect(db,
              "SELECT concat_ws(' ', attempts, last_error, queue_pos <> 5, expires_at IS NULL, finished_at "
              "IS NULL) "
              "FROM outbox.message",
              "0 why t t t");
    pg_expect(db, "SELECT outbox.retry(999)", "f");
}
END_TEST

START_TEST(test_resolve_doubt)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    each_status(db, "SELECT outbox.resolve_doubt(1, true)", "in_doubt", "sent");
    each_status(db, "SELECT outbox.resolve_doubt(1, false)", "in_doubt", "pending");
    insert_one(db, "in_doubt");
    pg_expect(db, "SELECT outbox.resolve_doubt(1, NULL)", "f");
    pg_expect(db, "SELECT outbox.resolve_doubt(1, true)", "t");
    pg_expect(db, "SELECT sent_at = finished_at AND last_error IS NULL FROM outbox.message", "t");
}
END_TEST

START_TEST(test_pause)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SET ROLE outbox_admin; SELECT outbox.pause('ios')");
    pg_expect(db, "SELECT string_agg(name, ',') FROM outbox.channel WHERE paused", "ios");
    pg_exec(db, "SELECT outbox.resume('ios')");
    pg_expect(db, "SELECT string_agg(name, ',') FROM outbox.channel WHERE paused", NULL);
    pg_refused(db, "SELECT outbox.pause('pigeon')", "OB001 channel \"pigeon\" does not exist");
    pg_refused(db, "SELECT outbox.resume('pigeon')", "OB001 channel \"pigeon\" does not exist");
}
END_TEST

START_TEST(test_release_due)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    pg_expect(db, "SELECT outbox.next_due()", NULL);
    /* Row n is due at minute 10 - n: the later the id, the earlier. */
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                "SELECT 'ios', 'r', '{}', now() + make_interval(days => 1, mins => 10 - n) "
                "FROM generate_series(1, 9) AS n");
    pg_expect(db, "SELECT outbox.next_due() = min(send_at) FROM outbox.message", "t");
    pg_expect(db, "SELECT outbox.release_due()", "0");
    pg_force(db, "next_attempt_at = next_attempt_at - interval '1 day 6 minutes 30 seconds'");
    pg_force(db, "expires_at = CASE WHEN id = 8 THEN now() - interval '1 s' WHEN id = 9 THEN now() + "
                 "interval '1 s' END");
    pg_expect(db, "SELECT outbox.release_due(2)", "2");
    pg_expect(db,
              "SELECT string_agg(id || ' ' || status, ', ' ORDER BY id) FROM outbox.message "
              "WHERE status <> 'scheduled'",
              "8 expired, 9 pending");
    /* A locked row is passed over, not waited for. */
    struct db_session *other = pg_session(pg_case_conninfo());
    pg_exec(other, "BEGIN; SELECT FROM outbox.message WHERE id = 6 FOR UPDATE");
    pg_exec(db, "SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.release_due()", "3");
    pg_exec(other, "ROLLBACK");
    pg_expect(db, "SELECT outbox.release_due()", "1");
    pg_expect(db, "SELECT outbox.release_due()", "0");
    pg_exec(db, "RESET ROLE");
    pg_expect(
        db,
        "SELECT string_agg(id::text, ' ' ORDER BY queue_pos) FROM outbox.message WHERE status = 'pending'",
        "9 7 5 4 6");
    pg_expect(db, "SELECT outbox.next_due() = min(next_attempt_at) FROM outbox.message", "t");
    db_close(other);
}
END_TEST

START_TEST(test_transitions)
{
    struct db_session *db = pg_case_session();
    /* A bounce may come after all, and is the end; a message can end from wherever it waits. */
    pg_expect(db,
              "SELECT string_agg(from_status || ' ' || to_status, ',') FROM outbox.transition "
              "WHERE from_status IN ('delivered', 'bounced')",
              "delivered bounced");
    pg_expect(db, "SELECT count(*) FROM outbox.transition WHERE from_status = to_status", "0");
    pg_expect(db,
              "SELECT string_agg(to_status::text, ' ' ORDER BY to_status) FROM outbox.transition "
              "WHERE from_status = 'pending'",
              "scheduled sent failed expired cancelled suppressed in_doubt");
    pg_expect(db,
              "SELECT string_agg(from_status::text, ' ' ORDER BY from_status) FROM outbox.transition "
              "WHERE to_status = 'sent'",
              "pending in_doubt");
}
END_TEST

START_TEST(test_low_water)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SET ROLE outbox_dispatcher; SELECT outbox.raise_low_water('ios', 'bulk', 10);"
                "SELECT outbox.raise_low_water('ios', 'bulk', 5)");
    pg_expect(db, "SELECT low_water FROM outbox.queue", "10");
    pg_exec(db, "SELECT outbox.raise_low_water('ios', 'bulk', 11)");
    pg_expect(db, "SELECT low_water FROM outbox.queue", "11");
}
END_TEST

START_TEST(test_views)
{
    struct db_session *db = pg_case_session(), *dispatcher = pg_session(pg_case_conninfo());
    pg_exec(db, "INSERT INTO outbox.message (channel, lane, recipient, payload, send_at) VALUES "
                "('ios', 'bulk', 'a', '{}', NULL), ('ios', 'bulk', 'b', '{}', NULL), "
                "('ios', 'bulk', 'c', '{}', now() + interval '1 hour'), ('email', 'bulk', 'd', '{}', NULL)");
    pg_exec(db, "UPDATE outbox.message SET created_at = now() - interval '1 hour' WHERE id = 2");
    pg_expect(dispatcher, "SELECT outbox.register_dispatcher('d', 'h', 1, '{ios,android}')", "1");
    pg_exec(db,
            "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
            "VALUES (1, 1, now(), 'ios', '{1,2}');"
            "INSERT INTO outbox.flight_note (dispatcher, seq, n, message_ids, verdicts, providers, "
            "provider_ids, reasons, at) VALUES (1, 1, 1, '{1}', '{sent}', '{p}', '{x}', '{NULL}', '{now}')");
    pg_expect(db,
              "SELECT concat_ws(' ', pending, scheduled, in_air, dispatchers, paused, "
              "round(extract(epoch FROM oldest_ready_age) / 60)) FROM outbox.queue_stats "
              "WHERE channel = 'ios' AND lane = 'bulk'",
              "2 1 2 1 f 60");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', channel, lane, pending, dispatchers), ', ' ORDER BY channel, lane) "
        "FROM outbox.queue_stats WHERE channel IN ('android', 'email')",
        "android transactional 0 1, android bulk 0 1, email transactional 0 0, email bulk 1 0");
    pg_exec(db, "SELECT outbox.raise_low_water('ios', 'bulk', 2)");
    pg_expect(db, "SELECT pending FROM outbox.queue_stats WHERE channel = 'ios' AND lane = 'bulk'", "1");
    pg_expect(
        db,
        "SELECT concat_ws(' ', dispatcher_name, host, seq, channel, messages, noted) FROM outbox.in_the_air",
        "d h 1 ios 2 1");
    pg_expect(db, "SELECT count(*) FROM outbox.delivery WHERE uuid = idempotency_key", "4");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_impossible_states_are_refused)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r', '{}')");
    static const char *const changes[] = {
        "queue_pos = NULL",
        "next_attempt_at = now()",
        "finished_at = now()",
        "status = 'scheduled'",
        "status = 'scheduled', next_attempt_at = now()",
        "status = 'scheduled', queue_pos = NULL",
        "status = 'scheduled', queue_pos = NULL, next_attempt_at = 'infinity'",
        "status = 'scheduled', queue_pos = NULL, next_attempt_at = now(), finished_at = now()",
        "status = 'failed'",
        "status = 'sent', sent_at = now()",
        "status = 'sent', sent_at = now(), finished_at = 'infinity'",
        "status = 'cancelled', finished_at = now(), next_attempt_at = now()",
        "status = 'in_doubt'",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "UPDATE outbox.message SET %s", changes[i]);
        pg_refused(db, sql, "OB004 status must fit");
    }
    pg_exec(db, "UPDATE outbox.message SET status = 'scheduled', queue_pos = NULL, next_attempt_at = now()");
}
END_TEST

START_TEST(test_a_channel_in_use_stays)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.channel (name) VALUES ('spare');"
                "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, send_at) VALUES "
                "('spare', 'r', '{}', 'a', NULL), ('spare', 'r', '{}', 'b', now() + interval '1 day')");
    static const char *const changes[] = {"DELETE FROM outbox.channel WHERE name = 'spare'",
                                          "UPDATE outbox.channel SET name = 'new' WHERE name = 'spare'"};
    for (size_t i = 0; i < 2; i++)
        pg_refused(db, changes[i],
                   "OB001 channel \"spare\" has 1 pending and 1 scheduled messages, 0 flights");
    pg_exec(db, "UPDATE outbox.channel SET max_attempts = 3 WHERE name = 'spare'; SELECT outbox.cancel('a')");
    pg_refused(db, changes[0], "OB001 channel \"spare\" has 0 pending and 1 scheduled");
    pg_exec(db,
            "SELECT outbox.cancel('b'); INSERT INTO outbox.flight (dispatcher, seq, channel, message_ids, "
            "deadline) VALUES (1, 1, 'spare', '{1}', now())");
    pg_refused(db, changes[0], "OB001 channel \"spare\" has 0 pending and 0 scheduled messages, 1 flights");
    pg_exec(db, "DELETE FROM outbox.flight");
    pg_exec(db, changes[1]);
    pg_exec(db, "DELETE FROM outbox.channel WHERE name = 'new'");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operations");
    pg_case_add(suite, "impossible states", test_impossible_states_are_refused);
    pg_case_add(suite, "channel in use", test_a_channel_in_use_stays);
    pg_case_add(suite, "cancel", test_cancel);
    pg_case_add(suite, "retry", test_retry);
    pg_case_add(suite, "resolve doubt", test_resolve_doubt);
    pg_case_add(suite, "pause", test_pause);
    pg_case_add(suite, "release due", test_release_due);
    pg_case_add(suite, "transitions", test_transitions);
    pg_case_add(suite, "low water", test_low_water);
    pg_case_add(suite, "views", test_views);
    return suite_run(suite);
}
