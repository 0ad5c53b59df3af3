/* Flights whose dispatcher died or whose deadline passed: nothing is lost, and each doubt is treated by
 * policy. */
#include <check.h>
#include <stdio.h>

#include "support/pg.h"
#include "support/suite.h"

/* Flight 1 of dispatcher 1 with messages 1..4: 1 was noted as sent, 2 first as in doubt and then as rejected,
 * 3 and 4 were not answered. */
static struct db_session *start(const char *policy, const char *deadline)
{
    struct db_session *db = pg_case_session(), *dispatcher = pg_session(pg_case_conninfo());
    char sql[512];
    pg_guard_transitions(db);
    snprintf(sql, sizeof sql, "UPDATE outbox.channel SET in_doubt = '%s', max_attempts = 3", policy);
    pg_exec(db, sql);
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) "
                "SELECT 'ios', 'r' || n, '{}' FROM generate_series(1, 4) AS n");
    pg_exec(dispatcher, "SET ROLE outbox_dispatcher");
    pg_expect(dispatcher, "SELECT outbox.register_dispatcher('d', 'h', 42, '{ios}')", "1");
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.flight (dispatcher, seq, channel, message_ids, deadline) "
             "VALUES (1, 1, 'ios', '{1,2,3,4}', now() + interval '%s')",
             deadline);
    pg_exec(dispatcher, sql);
    pg_exec(
        dispatcher,
        "INSERT INTO outbox.flight_note (dispatcher, seq, n, message_ids, verdicts, providers, provider_ids, "
        "reasons, at) VALUES "
        "(1, 1, 1, '{1,2}', '{sent,in_doubt}', '{p,p}', '{a,NULL}', '{NULL,eof}', "
        "ARRAY[now() - interval '1 hour', now() - interval '1 hour']), "
        "(1, 1, 2, '{2}', '{rejected}', '{p}', '{NULL}', '{bad}', ARRAY[now()])");
    return dispatcher;
}

/* Ends the dispatcher's control connection and waits until the server has noticed. */
static void kill_dispatcher(struct db_session *dispatcher)
{
    db_close(dispatcher);
    pg_exec(pg_case_session(), "SELECT pg_advisory_lock(7302, 1), pg_advisory_unlock(7302, 1)");
}

#define RECOVER(arguments)                                                                                   \
    "SELECT concat_ws(' ', flights, settled, in_doubt) FROM outbox.recover_flights(" arguments ")"
#define STATES "SELECT string_agg(status || ' ' || attempts, ', ' ORDER BY id) FROM outbox.message"

static void nothing_left(struct db_session *db)
{
    pg_expect(db, "SELECT count(*) FROM outbox.flight", "0");
    pg_expect(db, "SELECT count(*) FROM outbox.flight_note", "0");
}

START_TEST(test_dead_resend)
{
    struct db_session *db = pg_case_session();
    kill_dispatcher(start("resend", "1 hour"));
    pg_exec(db, "SET ROLE outbox_scheduler");
    pg_expect(db, RECOVER("grace => '0'"), "1 2 2");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, STATES, "sent 1, failed 1, pending 1, pending 1");
    pg_expect(db, "SELECT bool_and(queue_pos > 4) FROM outbox.message WHERE status = 'pending'", "t");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', message_id, verdict, reason, attempt, dispatcher), ', ' "
              "ORDER BY message_id) FROM outbox.attempt",
              "2 rejected bad 1 1, 3 in_doubt dispatcher died 1 1, 4 in_doubt dispatcher died 1 1");
    pg_expect(db,
              "SELECT provider_message_id || ' ' || (sent_at = greatest(created_at, now() - interval '1 "
              "hour')) FROM outbox.message WHERE id = 1",
              "a true");
    nothing_left(db);
    pg_expect(db, "SELECT count(*) FROM outbox.dispatcher", "0");
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");
}
END_TEST

START_TEST(test_dead_hold)
{
    struct db_session *db = pg_case_session();
    kill_dispatcher(start("hold", "1 hour"));
    pg_expect(db, RECOVER("grace => '0'"), "1 2 2");
    pg_expect(db, STATES, "sent 1, failed 1, in_doubt 1, in_doubt 1");
    nothing_left(db);
}
END_TEST

START_TEST(test_dead_without_notes)
{
    struct db_session *db = pg_case_session();
    kill_dispatcher(start("resend", "1 hour"));
    pg_exec(db, "DELETE FROM outbox.flight_note; UPDATE outbox.message SET attempts = 2 WHERE id = 4");
    pg_expect(db, RECOVER("grace => '0'"), "1 0 4");
    pg_expect(db, STATES, "pending 1, pending 1, pending 1, failed 3");
    nothing_left(db);
}
END_TEST

START_TEST(test_settled_rows_stay)
{
    struct db_session *db = pg_case_session();
    kill_dispatcher(start("resend", "1 hour"));
    pg_exec(db, "SELECT outbox.settle('ios', 1, '{2,3}', '{sent,sent}', '{q,q}', '{x,y}', '{NULL,NULL}', "
                "'{now,now}', '{NULL,NULL}')");
    pg_expect(db, RECOVER("grace => '0'"), "1 1 1");
    pg_expect(db, STATES, "sent 1, sent 1, sent 1, pending 1");
}
END_TEST

START_TEST(test_alive)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = start("resend", "1 hour");
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");
    /* Its own session could take its lock a second time; it says who it is. */
    pg_expect(dispatcher, RECOVER("grace => '0', self => 1"), "0 0 0");
    pg_expect(db, STATES, "pending 0, pending 0, pending 0, pending 0");
    pg_expect(db, "SELECT lost_at FROM outbox.dispatcher", NULL);
    db_close(dispatcher);
}
END_TEST

/* It lives and answers, so it will land, and it alone knows what became of its messages. */
START_TEST(test_deadline_passed)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = start("resend", "-10 s");
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");
    pg_exec(db, "UPDATE outbox.flight SET deadline = now() - interval '9 minutes'");
    pg_exec(db, "UPDATE outbox.server SET seen_at = now() - interval '1 hour'");
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");
    pg_expect(db, "SELECT lost_at FROM outbox.dispatcher", NULL);

    /* There is an end to that, but the time of another server does not count. */
    pg_exec(db, "UPDATE outbox.flight SET deadline = now() - interval '11 minutes'");
    pg_exec(db, "UPDATE outbox.server SET started_at = '2001-01-01'");
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");
    pg_exec(db, "UPDATE outbox.server SET seen_at = now() - interval '1 hour'");
    pg_expect(dispatcher, RECOVER("grace => '0', self => 1, own => '{1}'"), "0 0 0"); /* not by itself */
    pg_expect(db, RECOVER("grace => '0'"), "1 2 2");
    pg_expect(db, STATES, "sent 1, failed 1, pending 1, pending 1");
    pg_expect(db, "SELECT string_agg(DISTINCT reason, ',') FROM outbox.attempt WHERE verdict = 'in_doubt'",
              "deadline passed");
    nothing_left(db);
    pg_expect(db, "SELECT count(*) FROM outbox.dispatcher", "1");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_hanging)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = start("resend", "1 hour");
    pg_exec(db, "UPDATE outbox.dispatcher SET seen_at = now() - interval '61 s'");
    pg_exec(db,
            "SELECT outbox.server_seen_at(); UPDATE outbox.server SET seen_at = now() - interval '1 hour'");
    pg_expect(db, RECOVER(""), "0 0 0");
    pg_expect(db, "SELECT lost_at IS NOT NULL FROM outbox.dispatcher", "t");
    /* It was the server that slept, and all are back at the same time. */
    pg_expect(dispatcher, RECOVER("self => 1, own => '{1}'"), "0 0 0");
    pg_expect(db, "SELECT concat(lost_at, now() - seen_at < interval '5 s') FROM outbox.dispatcher", "t");

    pg_exec(db, "UPDATE outbox.dispatcher SET seen_at = now() - interval '71 s', "
                "lost_at = now() - interval '11 s'");
    pg_expect(db, RECOVER(""), "0 0 0"); /* its requests may go on until the deadline */
    pg_exec(db, "UPDATE outbox.flight SET deadline = now() - interval '9 s'");
    pg_expect(db, RECOVER(""), "0 0 0");
    pg_exec(db, "UPDATE outbox.flight SET deadline = now() - interval '11 s'");
    pg_expect(db, RECOVER(""), "1 2 2");
    pg_expect(db, "SELECT string_agg(DISTINCT reason, ',') FROM outbox.attempt WHERE verdict = 'in_doubt'",
              "dispatcher hangs");
    pg_expect(db, "SELECT count(*) FROM outbox.dispatcher", "1");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_grace)
{
    struct db_session *db = pg_case_session();
    kill_dispatcher(start("resend", "1 hour"));
    pg_expect(db, RECOVER(""), "0 0 0");
    pg_expect(db, "SELECT lost_at IS NOT NULL FROM outbox.dispatcher", "t");
    pg_exec(db, "UPDATE outbox.server SET seen_at = now() - interval '1 hour'");
    pg_exec(db, "UPDATE outbox.dispatcher SET lost_at = now() - interval '9 s'");
    pg_expect(db, RECOVER(""), "0 0 0");
    /* Another server, or this one was started again: the dispatcher may still be on its way, however long
     * ago it was lost there. */
    pg_exec(db, "UPDATE outbox.dispatcher SET lost_at = now() - interval '301 days'");
    pg_exec(db, "UPDATE outbox.server SET started_at = started_at - interval '1 day'");
    pg_expect(db, RECOVER(""), "0 0 0");
    pg_expect(db, "SELECT started_at = pg_postmaster_start_time() FROM outbox.server", "t");
    pg_exec(db, "UPDATE outbox.server SET seen_at = now() - interval '9 s'");
    pg_expect(db, RECOVER(""), "0 0 0");
    pg_exec(db, "UPDATE outbox.server SET seen_at = now() - interval '11 s'");
    pg_expect(db, RECOVER(""), "1 2 2");
}
END_TEST

/* Its own dispatcher has landed it, and this database has lost that. */
START_TEST(test_flights_that_their_dispatcher_does_not_know)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = start("resend", "1 hour");
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r5', '{}');"
                "INSERT INTO outbox.flight (dispatcher, seq, channel, message_ids, deadline) "
                "VALUES (1, 2, 'ios', '{5}', now() + interval '1 hour')");
    pg_expect(dispatcher, RECOVER("self => 1, own => '{1,2,3}'"), "0 0 0");
    pg_expect(dispatcher, RECOVER("self => 1, own => '{2,3}'"), "1 2 2");
    pg_expect(db, STATES, "sent 1, failed 1, pending 1, pending 1, pending 0");
    pg_expect(db, "SELECT string_agg(reason, ',') FROM outbox.attempt WHERE verdict = 'in_doubt'",
              "its landing was lost,its landing was lost");
    pg_expect(db, "SELECT string_agg(seq::text, ',') FROM outbox.flight", "2");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_flights_of_nobody)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = start("resend", "-11 minutes");
    pg_expect(dispatcher, RECOVER("self => 1, own => '{1}', marked => '{1}', marks => '{1}'"), "0 0 0");
    pg_exec(db,
            "DELETE FROM outbox.dispatcher; UPDATE outbox.server SET seen_at = now() - interval '1 hour'");
    pg_expect(dispatcher, RECOVER("self => 7, own => '{}', marked => '{1}', marks => '{2}'"), "0 0 0");
    pg_expect(db, RECOVER(""), "1 2 2");
    nothing_left(db);
    db_close(dispatcher);
}
END_TEST

START_TEST(test_one_that_cannot_be_settled)
{
    struct db_session *db = pg_case_session();
    kill_dispatcher(start("resend", "1 hour"));
    pg_exec(
        db,
        "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r5', '{}');"
        "INSERT INTO outbox.flight (dispatcher, seq, channel, message_ids, deadline) "
        "VALUES (1, 0, 'ios', '{5}', now());"
        "INSERT INTO outbox.flight_note (dispatcher, seq, n, message_ids, verdicts, providers, "
        "provider_ids, reasons, at) VALUES (1, 0, 1, '{5}', '{nonsense}', '{p}', '{a}', '{NULL}', '{now}')");
    pg_expect(db,
              "SELECT concat_ws(' ', flights, settled, in_doubt, failed) FROM "
              "outbox.recover_flights(grace => '0')",
              "1 2 2 1");
    pg_expect(db, STATES, "sent 1, failed 1, pending 1, pending 1, pending 0");
    pg_expect(db, "SELECT string_agg(seq::text, ',') FROM outbox.flight", "0");
    pg_expect(db, "SELECT count(*) FROM outbox.dispatcher", "1"); /* it is tried again */
}
END_TEST

START_TEST(test_reattach)
{
    struct db_session *db = pg_case_session(), *again = pg_session(pg_case_conninfo());
    struct db_session *dispatcher = start("resend", "1 hour");
    kill_dispatcher(dispatcher);
    pg_expect(db, RECOVER("grace => '1 hour'"), "0 0 0");
    pg_expect(again, "SELECT outbox.reattach_dispatcher(1)", "t");
    pg_expect(db, "SELECT lost_at FROM outbox.dispatcher", NULL);
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");

    /* The server still keeps the former session: it is ended. */
    struct db_session *third = pg_session(pg_case_conninfo());
    pg_expect(third, "SELECT outbox.reattach_dispatcher(1)", "t");
    struct error err;
    ck_assert_ptr_null(db_query(again, "SELECT 1", 0, NULL, &err));
    db_close(again);

    pg_exec(third, "SELECT outbox.unregister_dispatcher(1)");
    pg_expect(db, "SELECT count(*) FROM outbox.dispatcher", "1"); /* it has a flight */
    pg_expect(db, RECOVER("grace => '0'"), "1 2 2");
    pg_expect(third, "SELECT outbox.reattach_dispatcher(1)", "f");
    pg_expect(third, "SELECT outbox.register_dispatcher('d', 'h', 43, '{ios}')", "2");
    pg_exec(third, "SELECT outbox.unregister_dispatcher(2)");
    pg_expect(db, "SELECT count(*) FROM outbox.dispatcher", "0");
    db_close(third);
}
END_TEST

START_TEST(test_locked)
{
    struct db_session *db = pg_case_session(), *other = pg_session(pg_case_conninfo());
    kill_dispatcher(start("resend", "1 hour"));
    pg_exec(db, "SET lock_timeout = '10 s'");
    pg_exec(other, "BEGIN; SELECT FROM outbox.message WHERE id = 3 FOR UPDATE");
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");
    pg_expect(db, STATES, "pending 0, pending 0, pending 0, pending 0");
    pg_expect(db, "SELECT count(*) FROM outbox.flight", "1");
    pg_exec(other, "ROLLBACK; BEGIN; SELECT FROM outbox.flight FOR UPDATE");
    pg_expect(db, RECOVER("grace => '0'"), "0 0 0");
    pg_exec(other, "ROLLBACK");
    pg_expect(db, "SELECT count(*) FROM outbox.dispatcher", "1");
    pg_expect(db, RECOVER("grace => '0'"), "1 2 2");
    db_close(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recovery");
    pg_case_add(suite, "dead, resend", test_dead_resend);
    pg_case_add(suite, "dead, hold", test_dead_hold);
    pg_case_add(suite, "dead without notes", test_dead_without_notes);
    pg_case_add(suite, "settled rows stay", test_settled_rows_stay);
    pg_case_add(suite, "alive", test_alive);
    pg_case_add(suite, "deadline passed", test_deadline_passed);
    pg_case_add(suite, "hanging", test_hanging);
    pg_case_add(suite, "grace", test_grace);
    pg_case_add(suite, "flights that their dispatcher does not know",
                test_flights_that_their_dispatcher_does_not_know);
    pg_case_add(suite, "flights of nobody", test_flights_of_nobody);
    pg_case_add(suite, "one that cannot be settled", test_one_that_cannot_be_settled);
    pg_case_add(suite, "reattach", test_reattach);
    pg_case_add(suite, "locked", test_locked);
    return suite_run(suite);
}
