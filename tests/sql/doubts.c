/* What providers say when they are asked about messages in doubt. */
#include <check.h>
#include <stdio.h>

#include "support/pg.h"
#include "support/suite.h"

/* Four messages that provider p was given from 09:00:00 to 09:00:20, whose answers were lost. */
static struct db_session *start(void)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    pg_exec(
        db,
        "UPDATE outbox.channel SET max_attempts = 3, backoff_base = '10 seconds', backoff_cap = '1 hour' "
        "WHERE name = 'sms';"
        "INSERT INTO outbox.message (channel, recipient, payload) "
        "SELECT 'sms', '+8210' || (10000000 + n), '{\"text\": \"x\"}' FROM generate_series(1, 4) AS n;"
        "SET ROLE outbox_dispatcher;"
        "SELECT outbox.settle('sms', 1, '{1,2,3,4}', array_fill('in_doubt'::text, '{4}'), "
        "array_fill('p'::text, '{4}'), array_fill(NULL::text, '{4}'), array_fill('timeout'::text, '{4}'), "
        "array_fill('2026-01-01 09:00:20+00'::timestamptz, '{4}'), "
        "array_fill(NULL::timestamptz, '{4}'), "
        "array_fill('2026-01-01 09:00:00+00'::timestamptz, '{4}'))");
    return db;
}

/* As take_doubts.sql does. */
static void take(struct db_session *db)
{
    pg_exec(db, "UPDATE outbox.doubt SET next_at = now() + interval '5 minutes'");
}

#define STATES "SELECT string_agg(status || ' ' || attempts, ', ' ORDER BY id) FROM outbox.message"

START_TEST(test_a_doubt_is_queued)
{
    struct db_session *db = start();
    pg_expect(db, STATES, "in_doubt 1, in_doubt 1, in_doubt 1, in_doubt 1");
    pg_expect(db,
              "SELECT string_agg(DISTINCT concat_ws(' ', channel, provider, sent_from AT TIME ZONE 'UTC', "
              "sent_upto AT TIME ZONE 'UTC', next_at <= now(), asked), ', ') FROM outbox.doubt",
              "sms p 2026-01-01 09:00:00 2026-01-01 09:00:20 t 0");
}
END_TEST

START_TEST(test_answers)
{
    struct db_session *db = start();
    take(db);
    pg_expect(db,
              "SELECT outbox.settle_doubts('sms', 2, '{4,3,2,1}', '{deferred,in_doubt,unsent,sent}', "
              "'{NULL,NULL,NULL,p}', '{NULL,NULL,NULL,abc}', '{later,unclear,absent,NULL}', "
              "'{NULL,NULL,NULL,0.05}', '{NULL,NULL,NULL,EUR}')",
              "2");
    pg_expect(db, STATES, "sent 1, pending 0, in_doubt 1, in_doubt 1");
    pg_expect(db,
              "SELECT concat_ws(' ', provider, provider_message_id, sent_at AT TIME ZONE 'UTC', "
              "finished_at IS NOT NULL, last_error IS NULL, cost, currency) FROM outbox.message WHERE id = 1",
              "p abc 2026-01-01 09:00:20 t t 0.05 EUR");
    pg_expect(db,
              "SELECT concat_ws(' ', queue_pos > 4, sent_at IS NULL, finished_at IS NULL, last_error) "
              "FROM outbox.message WHERE id = 2",
              "t t t absent");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', message_id, asked, next_at > now()), ', ' ORDER BY message_id) "
        "FROM outbox.doubt",
        "3 1 t, 4 0 t");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', message_id, dispatcher, verdict, provider, reason), ', ' ORDER BY "
        "message_id) FROM outbox.attempt WHERE dispatcher = 2",
        "1 2 sent p the provider was asked and has it, 2 2 unsent p absent");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT outbox.record_receipt('p', 'abc', 'delivered')", "t");
    pg_expect(db, "SELECT status FROM outbox.message WHERE id = 1", "delivered");
}
END_TEST

START_TEST(test_asked_as_often_as_it_may_be_tried)
{
    struct db_session *db = start();
    for (int i = 0; i < 3; i++) {
        take(db);
        pg_expect(db, "SELECT outbox.settle_doubts('sms', 2, '{1}', '{in_doubt}', '{NULL}', '{NULL}', '{x}')",
                  "0");
    }
    pg_expect(db, "SELECT string_agg(message_id::text, ',' ORDER BY message_id) FROM outbox.doubt", "2,3,4");
    pg_expect(db, "SELECT status FROM outbox.message WHERE id = 1", "in_doubt");
}
END_TEST

/* The answer is about an attempt before the last one. */
START_TEST(test_an_answer_that_came_too_late)
{
    struct db_session *db = start();
    take(db);
    pg_exec(db,
            "RESET ROLE; SELECT outbox.retry(1), outbox.resolve_doubt(2, true); SET ROLE outbox_dispatcher;"
            "SELECT outbox.settle('sms', 1, '{1}', '{in_doubt}', '{p}', '{NULL}', '{eof}', ARRAY[now()], "
            "'{NULL}', ARRAY[now()])");
    pg_expect(db, STATES, "in_doubt 1, sent 1, in_doubt 1, in_doubt 1");
    pg_expect(
        db,
        "SELECT outbox.settle_doubts('sms', 2, '{1,2}', '{unsent,unsent}', '{NULL,NULL}', '{NULL,NULL}', "
        "'{absent,absent}')",
        "0");
    pg_expect(db, STATES, "in_doubt 1, sent 1, in_doubt 1, in_doubt 1");
    pg_expect(db, "SELECT asked = 0 AND next_at <= now() FROM outbox.doubt WHERE message_id = 1", "t");
}
END_TEST

START_TEST(test_old_doubts_are_dropped)
{
    struct db_session *db = start();
    pg_exec(db, "UPDATE outbox.doubt SET sent_upto = now() WHERE message_id = 1;"
                "RESET ROLE; SET ROLE outbox_scheduler; SELECT outbox.drop_old_days()");
    pg_expect(db, "SELECT string_agg(message_id::text, ',') FROM outbox.doubt", "1");
    pg_expect(db, STATES, "in_doubt 1, in_doubt 1, in_doubt 1, in_doubt 1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("doubts");
    pg_case_add(suite, "queued", test_a_doubt_is_queued);
    pg_case_add(suite, "answers", test_answers);
    pg_case_add(suite, "in vain", test_asked_as_often_as_it_may_be_tried);
    pg_case_add(suite, "too late", test_an_answer_that_came_too_late);
    pg_case_add(suite, "old", test_old_doubts_are_dropped);
    return suite_run(suite);
}
