/* Settling: what each verdict makes of a message, and what it leaves in the log and the suppression list. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"

/* The channel of these tests: backoff 10 s, cap 60 s, 5 attempts. */
static struct db_session *start(const char *policy)
{
    struct db_session *db = pg_case_session();
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.channel (name, max_attempts, backoff_base, backoff_cap, in_doubt) "
             "VALUES ('test', 5, '10 s', '60 s', '%s')",
             policy);
    pg_exec(db, sql);
    pg_guard_transitions(db);
    return db;
}

struct row {
    const char *verdict, *policy;
    int attempts;           /* used before */
    const char *not_before; /* SQL */
    const char *expires;    /* SQL */
    const char *state;      /* status, attempts, finished, last_error */
    double next_min, next_max;
    int logged, suppressed;
};

static const struct row rows[] = {
    {"sent", "resend", 0, "NULL", "NULL", "sent 1 t -", 0, 0, 0, 0},
    {"sent", "hold", 4, "NULL", "NULL", "sent 5 t -", 0, 0, 0, 0},
    {"retry", "resend", 0, "NULL", "NULL", "scheduled 1 f why", 1, 10, 1, 0},
    {"retry", "resend", 1, "NULL", "NULL", "scheduled 2 f why", 1, 20, 1, 0},
    {"retry", "resend", 3, "NULL", "NULL", "scheduled 4 f why", 1, 60, 1, 0},
    {"retry", "resend", 0, "now() + interval '90 s'", "NULL", "scheduled 1 f why", 90, 90, 1, 0},
    {"retry", "resend", 0, "now() - interval '90 s'", "NULL", "scheduled 1 f why", 1, 10, 1, 0},
    {"retry", "resend", 4, "NULL", "NULL", "failed 5 t why", 0, 0, 1, 0},
    {"retry", "resend", 4, "now() + interval '90 s'", "NULL", "failed 5 t why", 0, 0, 1, 0},
    {"retry", "resend", 0, "NULL", "now() + interval '0.5 s'", "expired 1 t why", 0, 0, 1, 0},
    {"retry", "resend", 0, "now() + interval '90 s'", "now() + interval '90 s'", "expired 1 t why", 0, 0, 1,
     0},
    {"retry", "resend", 0, "now() + interval '90 s'", "now() + interval '91 s'", "scheduled 1 f why", 90, 90,
     1, 0},
    {"unsent", "resend", 0, "NULL", "NULL", "scheduled 0 f why", 1, 5, 1, 0},
    {"unsent", "resend", 4, "NULL", "NULL", "scheduled 4 f why", 1, 5, 1, 0},
    {"throttled", "resend", 4, "now() + interval '30 s'", "NULL", "scheduled 4 f why", 30, 30, 1, 0},
    {"throttled", "resend", 0, "now() + interval '30 s'", "now() + interval '20 s'", "expired 0 t why", 0, 0,
     1, 0},
    {"refresh", "resend", 0, "NULL", "NULL", "scheduled 0 f why", 1, 5, 1, 0},
    {"stopped", "resend", 4, "NULL", "NULL", "scheduled 4 f why", 1, 5, 1, 0},
    {"rejected", "resend", 0, "NULL", "NULL", "failed 1 t why", 0, 0, 1, 0},
    {"address_gone", "resend", 0, "NULL", "NULL", "failed 1 t why", 0, 0, 1, 1},
    {"in_doubt", "resend", 0, "NULL", "NULL", "scheduled 1 f why", 1, 10, 1, 0},
    {"in_doubt", "resend", 4, "NULL", "NULL", "failed 5 t why", 0, 0, 1, 0},
    {"in_doubt", "hold", 0, "NULL", "NULL", "in_doubt 1 t why", 0, 0, 1, 0},
    {"in_doubt", "hold", 4, "NULL", "NULL", "in_doubt 5 t why", 0, 0, 1, 0},
    {"expired", "resend", 0, "NULL", "NULL", "expired 0 t why", 0, 0, 0, 0},
    {"suppressed", "resend", 0, "NULL", "NULL", "suppressed 0 t why", 0, 0, 0, 0},
};

static void check_row(struct db_session *db, const struct row *row)
{
    char sql[1024];
    snprintf(
        sql, sizeof sql,
        "TRUNCATE outbox.message, outbox.attempt, outbox.suppression RESTART IDENTITY;"
        "UPDATE outbox.channel SET in_doubt = '%s' WHERE name = 'test';"
        "INSERT INTO outbox.message (channel, recipient, payload, attempts) VALUES ('test', 'r', '{}', %d)",
        row->policy, row->attempts);
    pg_exec(db, sql);
    /* One transaction, so that now() is the same for the row, for settle and here. */
    pg_exec(db, "BEGIN");
    snprintf(sql, sizeof sql, "expires_at = %s", row->expires);
    pg_force(db, sql);
    snprintf(sql, sizeof sql,
             "SELECT outbox.settle('test', 7, '{1}', '{%s}', '{prov}', '{pid}', "
             "ARRAY[CASE WHEN '%s' <> 'sent' THEN 'why' END], ARRAY[now() - interval '1 s'], "
             "ARRAY[%s]::timestamptz[])",
             row->verdict, row->verdict, row->not_before);
    pg_expect(db, sql, "1");
    pg_expect(db,
              "SELECT concat_ws(' ', status, attempts, finished_at IS NOT NULL, coalesce(last_error, '-')) "
              "FROM outbox.message",
              row->state);
    pg_expect(db, "SELECT provider FROM outbox.message", "prov");
    char *next = pg_value(db, "SELECT extract(epoch FROM next_attempt_at - now()) FROM outbox.message");
    if (row->next_max <= 0) {
        ck_assert_msg(next == NULL, "%s after %d: next attempt in %s s", row->verdict, row->attempts, next);
    } else {
        ck_assert_msg(next != NULL && atof(next) >= row->next_min && atof(next) <= row->next_max,
                      "%s after %d: next attempt in %s s, not %g..%g", row->verdict, row->attempts, next,
                      row->next_min, row->next_max);
    }
    mem_free(next);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM outbox.attempt AS a JOIN outbox.message AS m ON m.id = a.message_id "
             "WHERE a.verdict = '%s' AND a.attempt = m.attempts AND a.dispatcher = 7 AND a.provider = 'prov' "
             "AND a.reason = 'why' AND a.at = now() - interval '1 s'",
             row->verdict);
    ck_assert_int_eq(pg_int(db, sql), row->logged);
    ck_assert_int_eq(pg_int(db, "SELECT count(*) FROM outbox.attempt"), row->logged);
    ck_assert_int_eq(pg_int(db,
                            "SELECT count(*) FROM outbox.suppression WHERE (channel, address, message_id) = "
                            "('test', 'r', 1)"),
                     row->suppressed);
    pg_exec(db, "COMMIT");
}

START_TEST(test_verdicts)
{
    struct db_session *db = start("resend");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(db, &rows[i]);
}
END_TEST

START_TEST(test_sent_fields)
{
    struct db_session *db = start("resend");
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('test', 'r', '{}');");
    pg_force(db, "last_error = 'earlier', created_at = now() - interval '1 hour'");
    pg_expect(db,
              "SELECT outbox.settle('test', 7, '{1}', '{sent}', '{p}', '{abc}', '{NULL}', "
              "ARRAY[(SELECT created_at FROM outbox.message) + interval '5 s'], '{NULL}')",
              "1");
    pg_expect(db,
              "SELECT concat_ws(' ', provider, provider_message_id, sent_at - created_at, "
              "finished_at BETWEEN now() - interval '1 min' AND now(), last_error IS NULL, queue_pos) "
              "FROM outbox.message",
              "p abc 00:00:05 t t 1");
}
END_TEST

START_TEST(test_mixed_batch)
{
    struct db_session *db = start("resend");
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) "
                "SELECT 'test', 'r' || n, '{}' FROM generate_series(1, 6) AS n;"
                "INSERT INTO outbox.suppression (channel, address, reason) VALUES ('test', 'r4', 'earlier')");
    pg_exec(db, "SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id = 6");
    pg_expect(db,
              "SELECT outbox.settle('test', 7, '{1,2,3,4,5,6}', "
              "'{sent,retry,rejected,address_gone,sent,sent}', '{p,p,p,p,p,p}', '{a,b,c,d,e,f}', "
              "'{NULL,w,w,w,NULL,NULL}', array_fill(now(), '{6}'), array_fill(NULL::timestamptz, '{6}'))",
              "5");
    pg_expect(db, "SELECT string_agg(status::text, ' ' ORDER BY id) FROM outbox.message",
              "sent scheduled failed failed sent cancelled");
    pg_expect(db, "SELECT string_agg(reason, ',') FROM outbox.suppression", "earlier");
    /* Settled once, never again. */
    pg_expect(db,
              "SELECT outbox.settle('test', 7, '{1,3}', '{retry,sent}', '{p,p}', '{a,b}', '{w,NULL}', "
              "array_fill(now(), '{2}'), array_fill(NULL::timestamptz, '{2}'))",
              "0");
    pg_expect(db, "SELECT outbox.settle('test', 7, '{}', '{}', '{}', '{}', '{}', '{}', '{}')", "0");
    pg_refused(db,
               "SELECT outbox.settle('test', 7, '{2}', '{perhaps}', '{p}', '{a}', '{w}', '{now}', '{NULL}')",
               "22023 verdict \"perhaps\" does not exist");
}
END_TEST

START_TEST(test_as_dispatcher)
{
    struct db_session *db = start("resend");
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) "
                "SELECT 'test', 'r' || n, '{}' FROM generate_series(1, 3) AS n;"
                "SET ROLE outbox_dispatcher");
    pg_expect(db,
              "SELECT outbox.settle('test', 7, '{1,2,3}', '{sent,retry,address_gone}', '{p,p,p}', '{a,b,c}', "
              "'{NULL,w,w}', array_fill(now(), '{3}'), array_fill(NULL::timestamptz, '{3}'))",
              "3");
    pg_exec(db, "RESET ROLE");
    pg_exec(db, "INSERT INTO outbox.provider (name, channel, adapter) VALUES ('p', 'test', 'apns')");
    pg_exec(db,
            "SET ROLE outbox_dispatcher; SELECT outbox.stop_provider('p', 'bad key', '1 hour'); RESET ROLE");
    pg_expect(db, "SELECT stop_reason || ' ' || (stopped_until - stopped_at) FROM outbox.provider",
              "bad key 01:00:00");
    pg_exec(db, "UPDATE outbox.provider SET settings = '{\"url\": \"x\"}'");
    pg_expect(
        db,
        "SELECT stopped_until IS NULL AND stop_reason IS NULL AND stopped_at IS NULL FROM outbox.provider",
        "t");
    pg_exec(db, "SELECT outbox.stop_provider('p', 'bad key', '1 hour')");
    pg_expect(db, "SELECT outbox.resume_provider('p')", "t");
    pg_expect(
        db,
        "SELECT stopped_until IS NULL AND stop_reason IS NULL AND stopped_at IS NULL FROM outbox.provider",
        "t");
    pg_expect(db, "SELECT outbox.resume_provider('q')", "f");
}
END_TEST

/* What settling costs depends on this: no index is touched, even while no old version may be pruned. */
START_TEST(test_hot)
{
    enum { ROWS = 10000, BATCH = 500 };
    struct db_session *db = pg_case_session();
    char sql[1024];
    for (int pinned = 0; pinned < 2; pinned++) {
        pg_exec(
            db,
            "TRUNCATE outbox.message RESTART IDENTITY;"
            "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'ios', "
            "repeat('0123456789abcdef', 4), jsonb_build_object('title', 'Order ' || n, 'body', 'Shipped') "
            "FROM generate_series(1, 10000) AS n");
        struct db_session *pin = pg_session(pg_case_conninfo());
        if (pinned)
            pg_exec(pin, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox.channel");
        int64_t hot = 0;
        for (int first = 1; first <= ROWS; first += BATCH) {
            snprintf(sql, sizeof sql,
                     "SELECT outbox.settle('ios', 1, array_agg(n), array_agg(CASE WHEN n %% 100 = 0 THEN "
                     "'rejected' "
                     "ELSE 'sent' END), array_fill('apns-main'::text, '{500}'), "
                     "array_agg(gen_random_uuid()::text), "
                     "array_fill('why'::text, '{500}'), array_fill(now(), '{500}'), "
                     "array_fill(NULL::timestamptz, '{500}')) FROM generate_series(%d::bigint, %d) AS n",
                     first, first + BATCH - 1);
            pg_exec(db, "BEGIN");
            pg_expect(db, sql, "500");
            hot += pg_int(db, "SELECT pg_stat_get_xact_tuples_hot_updated('outbox.message'::regclass)");
            pg_exec(db, "COMMIT");
        }
        ck_assert_msg(hot >= ROWS * 99 / 100, "%s: only %lld of %d updates were HOT",
                      pinned ? "pinned horizon" : "free horizon", (long long)hot, ROWS);
        db_close(pin);
    }
}
END_TEST

/* The plan must not depend on what the planner believed when the session made it. */
START_TEST(test_plan_made_on_an_empty_table)
{
    struct db_session *db = pg_case_session();
    const char *settle = "SELECT outbox.settle('ios', 1, array_agg(n), array_fill('sent'::text, '{500}'), "
                         "array_fill('p'::text, '{500}'), array_fill('i'::text, '{500}'), "
                         "array_fill(NULL::text, '{500}'), array_fill(now(), '{500}'), "
                         "array_fill(NULL::timestamptz, '{500}')) FROM generate_series(1, 500) AS n";
    pg_exec(db,
            "SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off; SET enable_mergejoin = off;"
            "SET enable_sort = off; SET enable_bitmapscan = off");
    pg_exec(db, "VACUUM ANALYZE outbox.message");
    pg_expect(db, settle, "0");
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) "
                "SELECT 'ios', 'r', '{}' FROM generate_series(1, 50000)");
    pg_exec(db, "BEGIN");
    pg_expect(db, settle, "500");
    pg_expect(db, "SELECT pg_stat_get_xact_tuples_returned('outbox.message'::regclass) < 2000", "t");
    pg_expect(db, "SELECT pg_stat_get_xact_tuples_returned('outbox.message_pkey'::regclass) < 2000", "t");
    pg_exec(db, "COMMIT");
}
END_TEST

/* Times of other clocks, and what vendors say, at their extremes: one such value neither stops its batch nor
 * decides a date. */
START_TEST(test_values_from_outside)
{
    static const char *const times[] = {
        "'-infinity'",
        "'4713-01-01 BC'",
        "'epoch'",
        "now() - interval '8 days'",
        "now() + interval '1 hour'",
        "'294276-12-31'",
        "'infinity'",
        "NULL",
        "outbox.moment(-9223372036854775808)",
        "outbox.moment(-1)",
        "outbox.moment(0)",
        "outbox.moment(253402300799999)",
        "outbox.moment(9223372036854775807)",
    };
    static const char *const costs[] = {"'NaN'", "'Infinity'", "'-1'", "'1e16'", "'1e100000'", "'0.07'"};
    static const char *const verdicts[] = {"sent",     "retry",    "unsent",   "throttled",
                                           "rejected", "refresh",  "in_doubt", "address_gone",
                                           "stopped",  "deferred", "moved"};
    struct db_session *db = start("hold");
    for (size_t v = 0; v < sizeof verdicts / sizeof *verdicts; v++) {
        for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
            char sql[1024];
            pg_exec(
                db,
                "TRUNCATE outbox.message, outbox.attempt, outbox.suppression, outbox.doubt RESTART IDENTITY;"
                "INSERT INTO outbox.message (channel, recipient, payload, attempts) VALUES "
                "('test', 'r', '{}', 0), ('test', 'r', '{}', 0), ('test', 'r', '{}', 32767)");
            snprintf(sql, sizeof sql,
                     "SELECT outbox.settle('test', 7, '{1,2,3}', '{sent,%s,sent}', '{p,p,p}', '{a,b,c}', "
                     "'{x,y,z}', "
                     "ARRAY[now(), %s, now()]::timestamptz[], ARRAY[NULL, %s, NULL]::timestamptz[], "
                     "ARRAY[NULL, %s, NULL]::timestamptz[], ARRAY[1, %s, 3]::numeric[], '{EUR,EUR,EUR}')",
                     verdicts[v], times[t], times[t], times[t], costs[t % (sizeof costs / sizeof *costs)]);
            pg_expect(db, sql, "3");
            snprintf(
                sql, sizeof sql,
                "SELECT bool_and(coalesce(finished_at BETWEEN now() - interval '1 min' AND "
                "clock_timestamp(), "
                "status = 'scheduled') AND coalesce(sent_at BETWEEN created_at AND clock_timestamp(), "
                "status <> 'sent') AND coalesce(next_attempt_at BETWEEN now() - interval '1 min' AND now() + "
                "interval '32 days', status <> 'scheduled') AND coalesce(cost BETWEEN 0 AND 1e15, true) "
                "AND (currency IS NULL) = (cost IS NULL)) FROM outbox.message /* %s %s */",
                verdicts[v], times[t]);
            pg_expect(db, sql, "t");
            pg_expect(
                db,
                "SELECT (SELECT count(*) FROM outbox.attempt WHERE NOT at BETWEEN now() - interval '8 days' "
                "AND clock_timestamp()) + (SELECT count(*) FROM outbox.suppression WHERE NOT at BETWEEN "
                "'epoch' AND clock_timestamp()) + (SELECT count(*) FROM outbox.doubt WHERE NOT (sent_from "
                "BETWEEN 'epoch' AND sent_upto AND sent_upto <= clock_timestamp()))",
                "0");
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle");
    pg_case_add(suite, "verdicts", test_verdicts);
    pg_case_add(suite, "sent fields", test_sent_fields);
    pg_case_add(suite, "values from outside", test_values_from_outside);
    pg_case_add(suite, "mixed batch", test_mixed_batch);
    pg_case_add(suite, "as dispatcher", test_as_dispatcher);
    pg_case_add(suite, "hot", test_hot);
    pg_case_add(suite, "plan made on an empty table", test_plan_made_on_an_empty_table);
    return suite_run(suite);
}
