/* Verdicts that come after their flight was taken over: what is still open is settled as it truly was, what
 * was sent again is named. */
#include <check.h>
#include <stdio.h>

#include "support/pg.h"
#include "support/suite.h"

/* Messages 1..4 were in flight 1 of dispatcher 1, which was lost: all are in doubt. */
static struct db_session *start(const char *policy, int max_attempts)
{
    struct db_session *db = pg_case_session();
    char sql[256];
    pg_guard_transitions(db);
    snprintf(sql, sizeof sql, "UPDATE outbox.channel SET in_doubt = '%s', max_attempts = %d", policy,
             max_attempts);
    pg_exec(db, sql);
    pg_exec(
        db,
        "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, created_at) "
        "SELECT 'ios', 'r' || n, '{}', 'key ' || n, now() - interval '1 day' FROM generate_series(1, 4) AS n;"
        "INSERT INTO outbox.flight (dispatcher, seq, channel, message_ids, deadline) "
        "VALUES (1, 1, 'ios', '{1,2,3,4}', now());"
        "SELECT outbox.recover_flight(1, 1, 'dispatcher died')");
    return db;
}

/* The late verdict of each message; how many were settled, how many sent twice, and which were left. */
#define LATE(verdicts)                                                                                       \
    "SELECT concat_ws(' ', settled, repeated, left_alone) FROM outbox.settle_late('ios', 1, '{1,2,3,4}', "   \
    "ARRAY(SELECT outbox.message_uuid('key ' || n) FROM generate_series(1, 4) AS n), '{" verdicts "}', "     \
    "'{p,p,p,p}', '{a,b,c,d}', '{w,x,y,z}', ARRAY(SELECT (SELECT min(created_at) + interval '1 min' FROM "   \
    "outbox.message) FROM "                                                                                  \
    "generate_series(1, 4)), '{NULL,NULL,NULL,NULL}')"
#define STATES                                                                                               \
    "SELECT string_agg(concat(id, ' ', status, ' ', attempts), ', ' ORDER BY id) FROM outbox.message"
#define LOG                                                                                                  \
    "SELECT string_agg(concat(message_id, ' ', verdict, ' ', attempt, ' ', reason), ', ' ORDER BY id) "      \
    "FROM outbox.attempt WHERE reason <> 'dispatcher died'"

START_TEST(test_waiting_to_be_sent_again)
{
    struct db_session *db = start("resend", 5);
    pg_expect(db, STATES, "1 pending 1, 2 pending 1, 3 pending 1, 4 pending 1");
    pg_exec(db, "SET ROLE outbox_dispatcher");
    pg_expect(db, LATE("sent,rejected,unsent,in_doubt"), "3 0 {4}");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, STATES, "1 sent 1, 2 failed 1, 3 scheduled 0, 4 pending 1");
    pg_expect(db, LOG, "2 rejected 1 x, 3 unsent 0 y, 1 sent 1 answered after it was put in doubt");
    pg_expect(
        db,
        "SELECT concat(provider, ' ', provider_message_id, ' ', sent_at - created_at) FROM outbox.message "
        "WHERE id = 1",
        "p a 00:01:00");
    pg_expect(db, LATE("sent,rejected,unsent,in_doubt"), "0 0 {1,2,3,4}"); /* its commit was not seen */
    pg_expect(db, "SELECT count(*) FROM outbox.attempt", "7");
}
END_TEST

START_TEST(test_held)
{
    struct db_session *db = start("hold", 5);
    pg_expect(db, STATES, "1 in_doubt 1, 2 in_doubt 1, 3 in_doubt 1, 4 in_doubt 1");
    pg_expect(db, LATE("sent,retry,in_doubt,sent"), "3 0 {3}");
    pg_expect(db, STATES, "1 sent 1, 2 scheduled 1, 3 in_doubt 1, 4 sent 1");
    pg_expect(db, "SELECT string_agg(message_id::text, ',') FROM outbox.doubt", "3");
}
END_TEST

START_TEST(test_failed_by_the_doubt)
{
    struct db_session *db = start("resend", 1);
    pg_expect(db, STATES, "1 failed 1, 2 failed 1, 3 failed 1, 4 failed 1");
    pg_expect(db, LATE("sent,unsent,in_doubt,rejected"), "3 0 {3}");
    pg_expect(db, STATES, "1 sent 1, 2 scheduled 0, 3 failed 1, 4 failed 1");
}
END_TEST

START_TEST(test_sent_again)
{
    struct db_session *db = start("resend", 5), *other = pg_session(pg_case_conninfo());
    pg_exec(
        db,
        "SELECT outbox.settle('ios', 2, '{1}', '{sent}', '{q}', '{x}', '{NULL}', ARRAY[now()], '{NULL}');"
        "SELECT outbox.settle('ios', 2, '{2}', '{retry}', '{q}', '{x}', '{why}', ARRAY[now()], '{NULL}')");
    pg_exec(other, "BEGIN; SELECT FROM outbox.message WHERE id = 3 FOR UPDATE"); /* claimed */
    pg_exec(db, "INSERT INTO outbox.flight (dispatcher, seq, channel, message_ids, deadline) "
                "VALUES (2, 1, 'ios', '{4}', now())"); /* in the air, although its claim broke */
    pg_expect(db, LATE("sent,rejected,sent,sent"), "0 3 {1,2,3,4}");
    pg_expect(db, STATES, "1 sent 2, 2 scheduled 2, 3 pending 1, 4 pending 1");
    pg_expect(
        db, LOG,
        "2 retry 2 why, 1 sent 2 answered too late: sent more than once, 3 sent 1 answered too late: sent "
        "more than once, 4 sent 1 answered too late: sent more than once");
    pg_expect(db, LATE("sent,sent,sent,sent"), "1 0 {1,3,4}"); /* what is to be tried again need not be */
    pg_expect(db, STATES, "1 sent 2, 2 sent 3, 3 pending 1, 4 pending 1");
    db_close(other);
}
END_TEST

START_TEST(test_settled_by_this_very_answer)
{
    struct db_session *db = start("resend", 5);
    pg_exec(db,
            "SELECT outbox.settle('ios', 1, '{1,2,3,4}', '{sent,sent,sent,sent}', '{p,p,p,p}', '{a,b,c,d}', "
            "'{NULL,NULL,NULL,NULL}', ARRAY(SELECT (SELECT min(created_at) + interval '1 min' FROM "
            "outbox.message) FROM generate_series(1, 4)), "
            "'{NULL,NULL,NULL,NULL}')");
    pg_expect(db, LATE("sent,sent,sent,sent"), "0 0 {1,2,3,4}");
    pg_expect(db, LOG, NULL);
}
END_TEST

START_TEST(test_never_in_doubt_here)
{
    struct db_session *db = start("resend", 5);
    pg_exec(db, "DELETE FROM outbox.attempt; UPDATE outbox.message SET attempts = 0;"
                "UPDATE outbox.message SET status = 'scheduled', queue_pos = NULL, next_attempt_at = now() "
                "WHERE id = 3;"
                "UPDATE outbox.message SET status = 'cancelled', finished_at = now() WHERE id = 4");
    pg_expect(db, LATE("sent,retry,sent,sent"), "3 1 {4}");
    pg_expect(db, STATES, "1 sent 1, 2 scheduled 1, 3 sent 1, 4 cancelled 0");
}
END_TEST

START_TEST(test_another_message_under_its_id)
{
    struct db_session *db = start("resend", 5);
    pg_exec(db, "UPDATE outbox.message SET idempotency_key = 'other ' || id WHERE id < 4");
    pg_expect(db, LATE("sent,rejected,sent,sent"), "1 0 {1,2,3}");
    pg_expect(db, STATES, "1 pending 1, 2 pending 1, 3 pending 1, 4 sent 1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("late");
    pg_case_add(suite, "waiting to be sent again", test_waiting_to_be_sent_again);
    pg_case_add(suite, "held", test_held);
    pg_case_add(suite, "failed by the doubt", test_failed_by_the_doubt);
    pg_case_add(suite, "sent again", test_sent_again);
    pg_case_add(suite, "settled by this very answer", test_settled_by_this_very_answer);
    pg_case_add(suite, "never in doubt here", test_never_in_doubt_here);
    pg_case_add(suite, "another message under its id", test_another_message_under_its_id);
    return suite_run(suite);
}
