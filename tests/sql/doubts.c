/* Messages in doubt: what is asked about, whose turn it is, and what the answers do. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"

#define NHN "'{\"from\": \"0212345678\", \"app_key\": \"a\", \"secret_key_file\": \"/k\"}'"

/* Three messages that provider p was given from 09:00:00 to 09:00:20, whose answers were lost. */
static struct db_session *start(void)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    pg_exec(
        db,
        "UPDATE outbox.channel SET max_attempts = 3, backoff_base = '10 seconds', backoff_cap = '1 hour' "
        "WHERE name = 'sms';"
        "INSERT INTO outbox.provider (name, channel, adapter, settings, account_since) VALUES "
        "('p', 'sms', 'nhn', " NHN ", '2025-01-01'), ('q', 'sms', 'nhn', " NHN ", '2025-01-01');"
        "INSERT INTO outbox.message (channel, recipient, payload) "
        "SELECT 'sms', '+8210' || (10000000 + n), '{\"text\": \"x\"}' FROM generate_series(1, 3) AS n;"
        "SET ROLE outbox_dispatcher;"
        "SELECT outbox.settle('sms', 1, '{1,2,3}', array_fill('in_doubt'::text, '{3}'), "
        "array_fill('p'::text, '{3}'), array_fill(NULL::text, '{3}'), array_fill('timeout'::text, '{3}'), "
        "array_fill('2026-01-01 09:00:20+00'::timestamptz, '{3}'), "
        "array_fill(NULL::timestamptz, '{3}'), "
        "array_fill('2026-01-01 09:00:00+00'::timestamptz, '{3}'))");
    return db;
}

#define STATES "SELECT string_agg(status || ' ' || attempts, ', ' ORDER BY id) FROM outbox.message"
#define TAKE                                                                                                 \
    "SELECT concat_ws(' ', message_id, provider, certain) FROM outbox.take_doubt('sms', '{p,q}', "           \
    "'{p,\"\"}')"

/* The rest of settle_doubt's arguments come after the message and its turn. */
static void settle(struct db_session *db, int message, const char *turn, const char *rest,
                   const char *expected)
{
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT outbox.settle_doubt(%d, '%s', 2, %s)", message, turn, rest);
    pg_expect(db, sql, expected);
}

static void answer(struct db_session *db, int message, const char *rest, const char *expected)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT next_at FROM outbox.doubt WHERE message_id = %d", message);
    char *turn = pg_value(db, sql);
    settle(db, message, turn, rest, expected);
    mem_free(turn);
}

START_TEST(test_a_doubt_is_taken)
{
    struct db_session *db = start();
    pg_expect(db, STATES, "in_doubt 1, in_doubt 1, in_doubt 1");
    pg_expect(
        db,
        "SELECT concat_ws(' ', message_id, provider, sent_from AT TIME ZONE 'UTC', sent_upto > "
        "now() - interval '1 minute', waited < '1 minute', certain, turn > now() + interval '4 minutes') "
        "FROM outbox.take_doubt('sms', '{p,q}', '{p}')",
        "1 p 2026-01-01 09:00:00 t t t t");
    pg_expect(db, TAKE, "2 p t");
    pg_expect(db, TAKE, "3 p t");
    pg_expect(db, TAKE, "");
    pg_exec(db, "UPDATE outbox.doubt SET next_at = now()");
    pg_expect(db, "SELECT message_id FROM outbox.take_doubt('sms', '{p,q}', '{q,\"\"}')", NULL);
    pg_expect(db, "SELECT message_id FROM outbox.take_doubt('email', '{p,q}', '{p}')", NULL);
}
END_TEST

/* Absence proves nothing unless the name stood for this account when the message was sent. */
START_TEST(test_certainty)
{
    static const struct {
        const char *change;
        const char *known, *unknown;
    } rows[] = {
        {"SELECT 1", "1 p t", "2 t"},
        {"UPDATE outbox.provider SET priority = 3, enabled = true WHERE name = 'p'", "1 p t", "2 t"},
        {"UPDATE outbox.provider SET settings = settings || '{\"app_key\": \"b\"}' WHERE name = 'p'", "1 p f",
         "2 f"},
        {"UPDATE outbox.provider SET settings = settings || '{\"app_key\": \"b\"}' WHERE name = 'q'", "1 p t",
         "2 f"},
        {"UPDATE outbox.provider SET channel = 'email' WHERE name = 'q'", "1 p t", "2 f"},
        {"DELETE FROM outbox.provider WHERE name = 'q'", "1 p t", "2 f"},
        {"DELETE FROM outbox.provider WHERE name = 'p'", "1 p f", "2 f"},
        {"INSERT INTO outbox.provider (name, channel, adapter) VALUES ('r', 'sms', 'http')", "1 p t", "2 f"},
        {"INSERT INTO outbox.provider (name, channel, adapter, enabled, account_since) VALUES ('r', 'sms', "
         "'http', false, '2025-01-01')",
         "1 p t", "2 f"},
    };
    struct db_session *db = start();
    pg_exec(db, "UPDATE outbox.doubt SET provider = '' WHERE message_id = 2");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pg_exec(db, "RESET ROLE; BEGIN");
        if (strstr(rows[i].change, "'http'"))
            pg_exec(db, "ALTER TABLE outbox.provider DISABLE TRIGGER USER");
        pg_exec(db, rows[i].change);
        pg_exec(db, "SET LOCAL ROLE outbox_dispatcher");
        pg_expect(
            db,
            "SELECT concat_ws(' ', message_id, provider, certain) FROM outbox.take_doubt('sms', '{p,q}', "
            "'{p}')",
            rows[i].known);
        pg_expect(
            db, "SELECT concat_ws(' ', message_id, certain) FROM outbox.take_doubt('sms', '{p,q}', '{\"\"}')",
            rows[i].unknown);
        pg_exec(db, "ROLLBACK");
    }
}
END_TEST

START_TEST(test_answers)
{
    struct db_session *db = start();
    for (int i = 0; i < 3; i++)
        pg_exec(db, TAKE);
    answer(db, 1, "'sent', 'p', 'abc', NULL, 0.05, 'EUR'", "t");
    answer(db, 2, "'unsent', NULL, NULL, 'absent'", "t");
    answer(db, 3, "'in_doubt', NULL, NULL, 'unclear'", "f");
    pg_expect(db, STATES, "sent 1, pending 0, in_doubt 1");
    pg_expect(db,
              "SELECT concat_ws(' ', provider, provider_message_id, sent_at <= now(), "
              "finished_at IS NOT NULL, last_error IS NULL, cost, currency) FROM outbox.message WHERE id = 1",
              "p abc t t t 0.05 EUR");
    pg_expect(db,
              "SELECT concat_ws(' ', queue_pos > 3, sent_at IS NULL, finished_at IS NULL, last_error) "
              "FROM outbox.message WHERE id = 2",
              "t t t absent");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', message_id, asked, next_at > now()), ', ') FROM outbox.doubt",
              "3 1 t");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', message_id, verdict, provider, reason), ', ' ORDER BY message_id) "
        "FROM outbox.attempt WHERE dispatcher = 2",
        "1 sent p the provider was asked and has it, 2 unsent p absent");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT outbox.record_receipt('p', 'abc', 'delivered')", "t");
    pg_expect(db, "SELECT status FROM outbox.message WHERE id = 1", "delivered");
}
END_TEST

START_TEST(test_asked_as_often_as_it_may_be_tried)
{
    struct db_session *db = start();
    answer(db, 1, "'deferred', NULL, NULL, NULL", "f");
    for (int i = 0; i < 3; i++) {
        pg_expect(db, "SELECT count(*) FROM outbox.doubt WHERE message_id = 1", "1");
        answer(db, 1, "'in_doubt', NULL, NULL, 'x'", "f");
    }
    pg_expect(db, "SELECT string_agg(message_id::text, ',' ORDER BY message_id) FROM outbox.doubt", "2,3");
    pg_expect(db, "SELECT status FROM outbox.message WHERE id = 1", "in_doubt");
}
END_TEST

/* The answer is about an attempt before the last one, whose doubt somebody else has taken meanwhile. */
START_TEST(test_an_answer_that_came_too_late)
{
    struct db_session *db = start();
    char *turn = pg_value(db, "SELECT turn FROM outbox.take_doubt('sms', '{p,q}', '{p}')");
    pg_exec(db, "RESET ROLE; SELECT outbox.retry(1); SET ROLE outbox_dispatcher;"
                "SELECT outbox.settle('sms', 1, '{1}', '{in_doubt}', '{p}', '{NULL}', '{eof}', ARRAY[now()], "
                "'{NULL}', ARRAY[now()]);"
                "UPDATE outbox.doubt SET next_at = now() + interval '1 day' WHERE message_id <> 1");
    settle(db, 1, turn, "'unsent', NULL, NULL, 'absent'", "f");
    pg_expect(db, TAKE, "1 p t");
    settle(db, 1, turn, "'unsent', NULL, NULL, 'absent'", "f");
    pg_expect(db, STATES, "in_doubt 1, in_doubt 1, in_doubt 1");
    pg_expect(db, "SELECT asked FROM outbox.doubt WHERE message_id = 1", "0");
    mem_free(turn);
}
END_TEST

/* Found by number and text: one message of the vendor cannot be two of ours. */
START_TEST(test_two_messages_of_one_text)
{
    struct db_session *db = start();
    pg_exec(db, TAKE);
    answer(db, 1, "'sent', 'p', 'abc', NULL", "t");
    answer(db, 2, "'sent', 'p', 'abc', NULL", "f");
    answer(db, 3, "'sent', 'q', 'abc', NULL", "t");
    pg_expect(db, STATES, "sent 1, in_doubt 1, sent 1");
    pg_expect(db, "SELECT asked FROM outbox.doubt", "1");
}
END_TEST

START_TEST(test_what_a_person_holds_is_left_alone)
{
    struct db_session *db = start(), *person = pg_session(pg_case_conninfo());
    pg_exec(db, TAKE);
    pg_exec(person, "BEGIN; SELECT outbox.resolve_doubt(1, true)");
    answer(db, 1, "'unsent', NULL, NULL, 'absent'", "f");
    pg_exec(person,
            "COMMIT; UPDATE outbox.doubt SET next_at = now() - make_interval(secs => 9 - message_id)");
    pg_expect(db, TAKE, "2 p t");
    pg_expect(db, "SELECT string_agg(message_id::text, ',' ORDER BY message_id) FROM outbox.doubt", "2,3");
    pg_expect(db, STATES, "sent 1, in_doubt 1, in_doubt 1");
    db_close(person);
}
END_TEST

START_TEST(test_old_doubts_are_dropped)
{
    struct db_session *db = start();
    pg_exec(db, "UPDATE outbox.doubt SET sent_upto = '2026-01-01' WHERE message_id > 1;"
                "RESET ROLE; SET ROLE outbox_scheduler; SELECT outbox.drop_old_days()");
    pg_expect(db, "SELECT string_agg(message_id::text, ',') FROM outbox.doubt", "1");
    pg_expect(db, STATES, "in_doubt 1, in_doubt 1, in_doubt 1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("doubts");
    pg_case_add(suite, "taken", test_a_doubt_is_taken);
    pg_case_add(suite, "certainty", test_certainty);
    pg_case_add(suite, "answers", test_answers);
    pg_case_add(suite, "in vain", test_asked_as_often_as_it_may_be_tried);
    pg_case_add(suite, "too late", test_an_answer_that_came_too_late);
    pg_case_add(suite, "one text", test_two_messages_of_one_text);
    pg_case_add(suite, "person", test_what_a_person_holds_is_left_alone);
    pg_case_add(suite, "old", test_old_doubts_are_dropped);
    return suite_run(suite);
}
