/* Messages in doubt: what is asked about, whose turn it is, and what the answers do. */
#include <check.h>
#include <stdio.h>

#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"

#define NHN "'{\"from\": \"0212345678\", \"app_key\": \"a\", \"secret_key_file\": \"/k\"}'"

/* Three messages that provider p was given from 09:00:00 to 09:00:20, whose answers were lost. */
static struct db_session *start(void)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    pg_exec(db, "UPDATE outbox.channel SET max_attempts = 3, backoff_base = '10 seconds', "
                "backoff_cap = '1 hour' WHERE name = 'sms';"
                "INSERT INTO outbox.provider (name, channel, adapter, settings) VALUES "
                "('p', 'sms', 'nhn', " NHN "), ('q', 'sms', 'nhn', " NHN ")");
    pg_exec(
        db,
        "UPDATE outbox.provider SET identity_since = '2026-01-01 08:00:00+00';"
        "INSERT INTO outbox.message (channel, recipient, payload) "
        "SELECT 'sms', '+8210' || (10000000 + n), '{\"text\": \"x\"}' FROM generate_series(1, 3) AS n;"
        "SET ROLE outbox_dispatcher;"
        "SELECT outbox.settle('sms', 1, '{1,2,3}', array_fill('in_doubt'::text, '{3}'), "
        "array_fill('p'::text, '{3}'), array_fill(NULL::text, '{3}'), array_fill('timeout'::text, '{3}'), "
        "array_fill('2026-01-01 09:00:20+00'::timestamptz, '{3}'), "
        "array_fill(NULL::timestamptz, '{3}'), "
        "array_fill('2026-01-01 09:00:00+00'::timestamptz, '{3}'));"
        "UPDATE outbox.doubt SET next_at = next_at - make_interval(secs => 9 - message_id)");
    return db;
}

#define STATES "SELECT string_agg(status || ' ' || attempts, ', ' ORDER BY id) FROM outbox.message"
#define TAKE   "SELECT concat_ws(' ', message_id, provider) FROM outbox.take_doubt('sms', '{p,\"\"}')"

/* The rest of settle_doubt's arguments come after the message and its turn. */
static void settle(struct db_session *db, int message, const char *turn, const char *rest,
                   const char *expected)
{
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT outbox.settle_doubt(%d, %s, 2, %s)", message, turn, rest);
    pg_expect(db, sql, expected);
}

static void answer(struct db_session *db, int message, const char *rest, const char *expected)
{
    char sql[128];
    snprintf(sql, sizeof sql,
             "SELECT (extract(epoch FROM next_at) * 1000000)::bigint FROM outbox.doubt WHERE message_id = %d",
             message);
    char *turn = pg_value(db, sql);
    settle(db, message, turn, rest, expected);
    mem_free(turn);
}

START_TEST(test_a_doubt_is_taken)
{
    struct db_session *db = start();
    pg_expect(db, STATES, "in_doubt 1, in_doubt 1, in_doubt 1");
    pg_expect(db,
              "SELECT concat_ws(' ', message_id, provider, sent_from AT TIME ZONE 'UTC', sent_upto > "
              "now() - interval '1 minute', waited < '1 minute', to_timestamp(turn / 1000000.0) > now() + "
              "interval '4 minutes') FROM outbox.take_doubt('sms', '{p}')",
              "1 p 2026-01-01 09:00:00 t t t");
    pg_expect(db, TAKE, "2 p");
    pg_expect(db, TAKE, "3 p");
    pg_expect(db, TAKE, "");
    pg_exec(db, "UPDATE outbox.doubt SET next_at = now()");
    pg_expect(db, "SELECT message_id FROM outbox.take_doubt('sms', '{q,\"\"}')", NULL);
    pg_expect(db, "SELECT message_id FROM outbox.take_doubt('email', '{p}')", NULL);
}
END_TEST

/* Those of one provider that come back again and again do not keep out another's. */
START_TEST(test_turns)
{
    struct db_session *db = start();
    pg_exec(db, "UPDATE outbox.doubt SET provider = 'q' WHERE message_id = 3;"
                "UPDATE outbox.doubt SET provider = '' WHERE message_id = 2");
    for (int i = 1; i <= 3; i++) {
        char expected[2] = {(char)('0' + i), '\0'};
        pg_expect(db, "SELECT message_id FROM outbox.take_doubt('sms', '{p,q,\"\"}')", expected);
        pg_exec(db, "UPDATE outbox.doubt SET next_at = clock_timestamp() - interval '1 second' "
                    "WHERE next_at > now() + interval '4 minutes'");
    }
}
END_TEST

/* Absence proves nothing unless the name stood for this provider well before the message was sent, and
 * nothing where the provider is unknown unless all of the channel were asked. */
START_TEST(test_certainty)
{
#define INSERT_R(enabled)                                                                                    \
    "INSERT INTO outbox.provider (name, channel, adapter, settings, enabled) VALUES ('r', 'sms', "           \
    "'nhn', " NHN ", " enabled ")"
    static const struct {
        const char *change, *asked, *known, *unknown;
    } rows[] = {
        {"SELECT 1", "{p,q}", "t", "t"},
        {"SELECT 1", "{p}", "t", "f"},
        {"SELECT 1", "{q}", "f", "f"},
        {"UPDATE outbox.provider SET priority = 3, settings = settings, regions = '{+82}'", "{p,q}", "t",
         "t"},
        {"UPDATE outbox.provider SET settings = settings || '{\"app_key\": \"b\"}' WHERE name = 'p'", "{p,q}",
         "f", "f"},
        {"UPDATE outbox.provider SET settings = settings || '{\"app_key\": \"b\"}' WHERE name = 'q'", "{p,q}",
         "t", "f"},
        {"UPDATE outbox.provider SET identity_since = '2026-01-01 08:58:00+00' WHERE name = 'p'", "{p,q}",
         "f", "f"},
        {"UPDATE outbox.provider SET channel = 'email', adapter = 'http', settings = '{\"url\": "
         "\"https://a.example\", \"response\": {\"sent\": {\"status\": [200]}}}' WHERE name = 'q'",
         "{p,q}", "t", "f"},
        {"UPDATE outbox.provider SET name = 'r' WHERE name = 'p'", "{p,q,r}", "f", "f"},
        {"DELETE FROM outbox.provider WHERE name = 'q'", "{p,q}", "t", "f"},
        {"DELETE FROM outbox.provider WHERE name = 'p'", "{p,q}", "f", "f"},
        {"TRUNCATE outbox.provider CASCADE", "{p,q}", "f", "f"},
        {INSERT_R("true"), "{p,q,r}", "t", "f"},
        {INSERT_R("false") "; SET CONSTRAINTS ALL IMMEDIATE;"
                           "UPDATE outbox.provider SET identity_since = '2026-01-01' WHERE name = 'r'",
         "{p,q}", "t", "f"},
    };
    struct db_session *db = start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sql[512];
        pg_exec(db, "RESET ROLE; BEGIN");
        pg_exec(db, rows[i].change);
        pg_exec(db, "SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL ROLE outbox_dispatcher");
        snprintf(sql, sizeof sql,
                 "SELECT outbox.is_surely_unsent(d, '%s') FROM outbox.doubt AS d WHERE d.message_id = 1",
                 rows[i].asked);
        pg_expect(db, sql, rows[i].known);
        pg_exec(db, "UPDATE outbox.doubt SET provider = '' WHERE message_id = 1");
        pg_expect(db, sql, rows[i].unknown);
        pg_exec(db, "ROLLBACK");
    }
}
END_TEST

/* Until it is committed, messages go through the old provider. */
START_TEST(test_a_change_counts_from_its_commit)
{
    struct db_session *db = start();
    pg_exec(db,
            "RESET ROLE; BEGIN; UPDATE outbox.provider SET settings = settings || '{\"app_key\": \"b\"}'");
    pg_exec(db, "CREATE TABLE public.later AS SELECT clock_timestamp() AS at");
    pg_exec(db, "COMMIT");
    pg_expect(db, "SELECT bool_and(identity_since > at) FROM outbox.provider, public.later", "t");
}
END_TEST

START_TEST(test_answers)
{
    struct db_session *db = start();
    for (int i = 0; i < 3; i++)
        pg_exec(db, TAKE);
    answer(db, 1, "'sent', 'p', 'abc', NULL, '{p}', 0.05, 'EUR'", "t");
    answer(db, 2, "'unsent', NULL, NULL, 'absent', '{p}'", "t");
    answer(db, 3, "'in_doubt', NULL, NULL, 'unclear', '{p}'", "f");
    pg_expect(db, STATES, "sent 1, pending 1, in_doubt 1");
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
    answer(db, 1, "'deferred', NULL, NULL, NULL, '{p}'", "f");
    for (int i = 0; i < 3; i++) {
        pg_expect(db, "SELECT count(*) FROM outbox.doubt WHERE message_id = 1", "1");
        answer(db, 1, "'in_doubt', NULL, NULL, 'x', '{p}'", "f");
    }
    pg_expect(db, "SELECT string_agg(message_id::text, ',' ORDER BY message_id) FROM outbox.doubt", "2,3");
    pg_expect(db, "SELECT status FROM outbox.message WHERE id = 1", "in_doubt");
}
END_TEST

/* The answer is about an attempt before the last one, whose doubt somebody else has taken meanwhile. */
START_TEST(test_an_answer_that_came_too_late)
{
    struct db_session *db = start();
    char *turn = pg_value(db, "SELECT turn FROM outbox.take_doubt('sms', '{p}')");
    pg_exec(db, "RESET ROLE; SELECT outbox.retry(1); SET ROLE outbox_dispatcher;"
                "SELECT outbox.settle('sms', 1, '{1}', '{in_doubt}', '{p}', '{NULL}', '{eof}', ARRAY[now()], "
                "'{NULL}', ARRAY[now()]);"
                "UPDATE outbox.doubt SET next_at = now() + interval '1 day' WHERE message_id <> 1");
    settle(db, 1, turn, "'unsent', NULL, NULL, 'absent', '{p}'", "f");
    pg_expect(db, TAKE, "1 p");
    settle(db, 1, turn, "'unsent', NULL, NULL, 'absent', '{p}'", "f");
    pg_expect(db, STATES, "in_doubt 1, in_doubt 1, in_doubt 1");
    pg_expect(db, "SELECT asked FROM outbox.doubt WHERE message_id = 1", "0");
    mem_free(turn);
}
END_TEST

/* Found by number and text: one message of the vendor cannot be two of ours. */
START_TEST(test_two_messages_of_one_text)
{
    struct db_session *db = start();
    answer(db, 1, "'sent', 'p', 'abc', NULL, '{p}'", "t");
    answer(db, 2, "'sent', 'p', 'abc', NULL, '{p}'", "f");
    answer(db, 3, "'sent', 'q', 'abc', NULL, '{q}'", "f"); /* perhaps another name of the account */
    pg_expect(db, STATES, "sent 1, in_doubt 1, in_doubt 1");
    pg_expect(db, "SELECT string_agg(asked::text, ',') FROM outbox.doubt", "1,1");
    answer(db, 2, "'sent', 'p', 'def', NULL, '{p}'", "t");
}
END_TEST

START_TEST(test_two_messages_of_one_text_at_once)
{
    struct db_session *db = start(), *other = pg_session(pg_case_conninfo());
    pg_exec(other, "SET ROLE outbox_dispatcher; BEGIN");
    answer(other, 1, "'sent', 'p', 'abc', NULL, '{p}'", "t");
    answer(db, 2, "'sent', 'p', 'abc', NULL, '{p}'", "f");
    pg_exec(other, "COMMIT");
    answer(db, 2, "'sent', 'p', 'abc', NULL, '{p}'", "f");
    pg_expect(db, STATES, "sent 1, in_doubt 1, in_doubt 1");
    db_close(other);
}
END_TEST

/* Which ids other messages have is not known there. */
START_TEST(test_without_receipts)
{
    struct db_session *db = start();
    pg_exec(db, "RESET ROLE; UPDATE outbox.channel SET receipts = false; SET ROLE outbox_dispatcher");
    answer(db, 1, "'sent', 'p', 'abc', NULL, '{p}'", "f");
    pg_expect(db, "SELECT status FROM outbox.message WHERE id = 1", "in_doubt");
}
END_TEST

/* A vendor that takes messages, answers none and lists them late is not sent the same one without end. */
START_TEST(test_sent_again_while_attempts_are_left)
{
    struct db_session *db = start();
    for (int i = 1; i <= 2; i++) {
        answer(db, 1, "'unsent', NULL, NULL, 'absent', '{p}'", "t");
        pg_exec(db, "SELECT outbox.settle('sms', 1, '{1}', '{in_doubt}', '{p}', '{NULL}', '{eof}', "
                    "'{2026-01-01 09:00:20+00}', '{NULL}', '{2026-01-01 09:00:00+00}')");
    }
    answer(db, 1, "'unsent', NULL, NULL, 'absent', '{p}'", "f");
    pg_expect(db, "SELECT status || ' ' || attempts FROM outbox.message WHERE id = 1", "in_doubt 3");
}
END_TEST

START_TEST(test_what_a_person_holds_is_left_alone)
{
    struct db_session *db = start(), *person = pg_session(pg_case_conninfo());
    pg_exec(db, TAKE);
    pg_exec(person, "BEGIN; SELECT outbox.resolve_doubt(1, true)");
    answer(db, 1, "'unsent', NULL, NULL, 'absent', '{p}'", "f");
    pg_exec(person,
            "COMMIT; UPDATE outbox.doubt SET next_at = now() - make_interval(secs => 9 - message_id)");
    pg_expect(db, TAKE, "2 p");
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
    pg_case_add(suite, "turns", test_turns);
    pg_case_add(suite, "certainty", test_certainty);
    pg_case_add(suite, "commit", test_a_change_counts_from_its_commit);
    pg_case_add(suite, "answers", test_answers);
    pg_case_add(suite, "in vain", test_asked_as_often_as_it_may_be_tried);
    pg_case_add(suite, "too late", test_an_answer_that_came_too_late);
    pg_case_add(suite, "one text", test_two_messages_of_one_text);
    pg_case_add(suite, "at once", test_two_messages_of_one_text_at_once);
    pg_case_add(suite, "without receipts", test_without_receipts);
    pg_case_add(suite, "again", test_sent_again_while_attempts_are_left);
    pg_case_add(suite, "person", test_what_a_person_holds_is_left_alone);
    pg_case_add(suite, "old", test_old_doubts_are_dropped);
    return suite_run(suite);
}
