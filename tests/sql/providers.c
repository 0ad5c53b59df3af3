/* Limits of providers over all dispatchers, and what is told of providers' health. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/country.h"
#include "support/pg.h"
#include "support/suite.h"

/* A provider p with these limits, and dispatchers 1 to 3. */
static struct db_session *start(const char *columns, const char *values)
{
    struct db_session *db = pg_case_session();
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.provider (name, channel, adapter%s) VALUES ('p', 'sms', 'twilio'%s);"
             "INSERT INTO outbox.dispatcher (name, channels) SELECT 'd' || n, '{sms}' FROM "
             "generate_series(1, 3) AS n",
             columns, values);
    pg_exec(db, sql);
    return db;
}

/* column: tokens or slots. */
static int lease(struct db_session *db, const char *column, int dispatcher, int wanted, int unused,
                 int in_flight)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT %s FROM outbox.lease_budget('p', %d, %d, %d, %d)", column, dispatcher,
             wanted, unused, in_flight);
    return (int)pg_int(db, sql);
}

static int tokens(struct db_session *db, int dispatcher, int wanted, int unused)
{
    return lease(db, "tokens", dispatcher, wanted, unused, 0);
}

static int slots(struct db_session *db, int dispatcher, int wanted, int in_flight)
{
    return lease(db, "slots", dispatcher, wanted, 0, in_flight);
}

static void expect_lease(struct db_session *db, const char *lease, const char *condition)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT %s FROM outbox.lease_budget%s AS l (tokens, slots, more_in)", condition,
             lease);
    pg_expect(db, sql, "t");
}

/* The bucket was filled at a moment that lies so far before the next lease. */
static void pass(struct db_session *db, double seconds)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "UPDATE outbox.provider_budget SET filled_at = clock_timestamp() - make_interval(secs => %f)",
             seconds);
    pg_exec(db, sql);
}

/* No time passes until the next lease: the bucket was filled later than now, as when a clock was set back. */
static void stop_clock(struct db_session *db)
{
    pass(db, -3600);
}

/* How many of a backlog go out in `ticks` steps of a tenth of a second, asked for by dispatchers in turn. */
static int drain(struct db_session *db, int ticks)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "DO $$ DECLARE sum bigint := 0; got integer; BEGIN "
             "FOR i IN 1..%d LOOP "
             "UPDATE outbox.provider_budget SET filled_at = clock_timestamp() - interval '0.1 s';"
             "SELECT l.tokens INTO got FROM outbox.lease_budget('p', 1 + i %% 3, 1000000, 0, 0) AS l;"
             "sum := sum + got; END LOOP; PERFORM set_config('test.sum', sum::text, false); END $$",
             ticks);
    pg_exec(db, sql);
    return (int)pg_int(db, "SELECT current_setting('test.sum')::integer");
}

/* Slow rates, too, come out whole though each step brings only a fraction of a token. What the loop itself
 * takes, some 20 us a step, is time as well. */
START_TEST(test_rate)
{
    static const double rates[] = {0.5, 1, 3, 7, 9.9, 13, 100, 2500};
    struct db_session *db = start("", "");
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        char sql[128];
        snprintf(sql, sizeof sql,
                 "DELETE FROM outbox.provider_budget; UPDATE outbox.provider SET rate_per_second = %f",
                 rates[i]);
        pg_exec(db, sql);
        tokens(db, 1, 0, 0);
        int got = drain(db, 600);
        ck_assert_msg(got <= 60 * rates[i] * 1.01 + 1, "%g/s: %d in 60 s", rates[i], got);
        ck_assert_msg(got >= 60 * rates[i] * 0.95 - 1, "%g/s: only %d in 60 s", rates[i], got);
    }
}
END_TEST

START_TEST(test_bucket)
{
    struct db_session *db = start(", rate_per_second", ", 100");
    ck_assert_int_le(tokens(db, 1, 50, 0), 1); /* it begins empty */
    pass(db, 3600);
    ck_assert_int_eq(tokens(db, 1, 5, 0), 5);
    stop_clock(db);
    ck_assert_int_eq(tokens(db, 2, 1000, 0), 16); /* a fifth of a second and one, not an hour */
    stop_clock(db);
    ck_assert_int_eq(tokens(db, 3, 1000, 0), 0);
    stop_clock(db);
    ck_assert_int_eq(tokens(db, 1, 1000, 5), 5); /* dispatcher 1 used none of its five */
    ck_assert_int_eq(tokens(db, 1, 0, 1000000), 0);
    ck_assert_int_le(tokens(db, 1, 1000, 0), 21);
    pass(db, 0.1);
    ck_assert_int_ge(tokens(db, 1, 1000, 0), 10);
    /* Nonsense gets nothing. */
    ck_assert_int_eq(tokens(db, 1, -1, 0), 0);
    ck_assert_int_eq(tokens(db, 1, 1, -5), 0);
    pg_expect(db, "SELECT tokens || ' ' || slots FROM outbox.lease_budget('q', 1, 5, 0, 0)", "0 0");
    /* Without limits everything is granted. */
    pg_exec(db, "UPDATE outbox.provider SET rate_per_second = NULL");
    ck_assert_int_eq(tokens(db, 1, 1000, 0), 1000);
    ck_assert_int_eq(slots(db, 1, 1000, 7), 1007);
}
END_TEST

START_TEST(test_limits_are_sane)
{
    struct db_session *db = start("", "");
    static const char *const bad[] = {"rate_per_second = 0", "rate_per_second = 'NaN'",
                                      "rate_per_second = 1e300", "regions = '{NULL}'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE outbox.provider SET %s", bad[i]);
        pg_refused(db, sql, "23514 ");
    }
    pg_exec(db, "UPDATE outbox.provider SET rate_per_second = 1000000");
    tokens(db, 1, 0, 0);
    pass(db, 10);
    ck_assert_int_eq(tokens(db, 1, 2147483647, 0), 200001);
}
END_TEST

START_TEST(test_regions_are_places)
{
    struct db_session *db = start("", "");
    static const char *const good[] = {"{}", "{KR}", "{US,CA,+1}", "{+123456789012345}", "{kr,KOR,K1,token}"};
    static const struct {
        const char *regions, *refusal;
    } bad[] = {{"{XX}", "OB006 regions \"XX\" is no country that has phone numbers"},
               {"{KR,UK}", "OB006 regions \"UK\" is no country that has phone numbers"},
               {"{AQ}", "OB006 regions \"AQ\" is no country that has phone numbers"},
               {"{+}", "OB006 regions \"+\" must be + and 1 to 15 digits"},
               {"{KR,+0}", "OB006 regions \"+0\" must be + and 1 to 15 digits"},
               {"{+82-10}", "OB006 regions \"+82-10\" must be + and 1 to 15 digits"},
               {"{+1234567890123456}", "OB006 regions \"+1234567890123456\" must be + and 1 to 15 digits"},
               {"{\"\"}", "OB006 regions must not be empty texts"}};
    char sql[256];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(sql, sizeof sql, "UPDATE outbox.provider SET regions = '%s'", good[i]);
        pg_exec(db, sql);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(sql, sizeof sql, "UPDATE outbox.provider SET regions = '%s'", bad[i].regions);
        pg_refused(db, sql, bad[i].refusal);
        snprintf(sql, sizeof sql,
                 "INSERT INTO outbox.provider (name, channel, adapter, regions) VALUES ('q', 'sms', "
                 "'twilio', '%s')",
                 bad[i].regions);
        pg_refused(db, sql, bad[i].refusal);
    }
}
END_TEST

/* SQL and the dispatcher know the same countries. */
START_TEST(test_countries)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "CREATE TEMP TABLE known (code text)");
    for (size_t i = 0; i < country_prefix_count; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "INSERT INTO known VALUES ('%s')", country_prefixes[i].code);
        pg_exec(db, sql);
    }
    pg_expect(db,
              "SELECT string_agg(coalesce(k.code, c.code), ' ') FROM (SELECT DISTINCT code FROM known) AS k "
              "FULL JOIN unnest(outbox.countries()) AS c (code) USING (code) WHERE k.code IS NULL OR c.code "
              "IS NULL",
              NULL);
    pg_expect(db, "SELECT cardinality(outbox.countries()) - count(DISTINCT code) FROM known", "0");
}
END_TEST

START_TEST(test_day)
{
    struct db_session *db = start(", rate_per_day", ", 100");
    ck_assert_int_eq(tokens(db, 1, 60, 0), 60);
    ck_assert_int_eq(tokens(db, 2, 60, 0), 40);
    ck_assert_int_eq(tokens(db, 3, 60, 0), 0);
    ck_assert_int_eq(tokens(db, 3, 60, 10), 10); /* what is given back may be taken again */
    ck_assert_int_eq(tokens(db, 1, 60, 0), 0);
    pg_exec(db, "UPDATE outbox.provider SET rate_per_day = 50");
    ck_assert_int_eq(tokens(db, 1, 60, 0), 0);
    pg_expect(db, "SELECT used_today || ' of ' || rate_per_day FROM outbox.provider_health", "100 of 50");
    pg_exec(db, "UPDATE outbox.provider_budget SET day = day - 1");
    pg_expect(db, "SELECT used_today FROM outbox.provider_health", NULL);
    ck_assert_int_eq(tokens(db, 1, 30, 20), 30); /* yesterday's are not given back to today */
    ck_assert_int_eq(tokens(db, 1, 30, 0), 20);
    /* A clock that is set back over midnight begins no new day. */
    pg_exec(db, "UPDATE outbox.provider_budget SET day = day + 1");
    ck_assert_int_eq(tokens(db, 1, 30, 0), 0);
    /* Both limits hold. */
    pg_exec(
        db,
        "UPDATE outbox.provider_budget SET day = day - 2; UPDATE outbox.provider SET rate_per_second = 100");
    pass(db, 1);
    ck_assert_int_le(tokens(db, 1, 30, 0), 21);
}
END_TEST

/* Who gets nothing is told when it may ask again. */
START_TEST(test_when_there_is_more)
{
    struct db_session *db = start(", rate_per_second", ", 0.5");
    expect_lease(db, "('p', 1, 0, 0, 0)", "tokens = 0");
    stop_clock(db);
    pg_exec(db, "UPDATE outbox.provider_budget SET tokens = 0.25");
    expect_lease(db, "('p', 1, 5, 0, 0)", "tokens = 0 AND more_in = '1.5 s'");
    pass(db, 1.5);
    expect_lease(db, "('p', 1, 5, 0, 0)", "tokens = 1 AND more_in = '0'");
    pg_exec(db, "UPDATE outbox.provider SET rate_per_second = NULL, rate_per_day = 7");
    expect_lease(db, "('p', 1, 10, 0, 0)", "tokens = 6 AND more_in = '0'");
    expect_lease(
        db, "('p', 1, 10, 0, 0)",
        "tokens = 0 AND clock_timestamp() + more_in - (now() AT TIME ZONE 'UTC')::date::timestamp AT "
        "TIME ZONE 'UTC' BETWEEN '23:59:59' AND '24:00:01'");
    pg_expect(db, "SELECT state FROM outbox.provider_health", "exhausted");
    expect_lease(db, "('p', 2, 10, 3, 0)", "tokens = 3 AND more_in = '0'"); /* given back */
    /* Both limits: the day's is the longer one. */
    pg_exec(db, "UPDATE outbox.provider SET rate_per_second = 0.5");
    expect_lease(db, "('p', 1, 10, 0, 0)",
                 "tokens = 0 AND more_in > '2 s' IS DISTINCT FROM "
                 "(clock_timestamp() AT TIME ZONE 'UTC')::time >= '23:59:58'");
    pg_exec(db, "UPDATE outbox.provider SET rate_per_day = 8");
    stop_clock(db);
    expect_lease(db, "('p', 1, 10, 0, 0)", "tokens = 0 AND more_in BETWEEN '0.1 s' AND '2 s'");
    pg_expect(db, "SELECT state FROM outbox.provider_health", "working");
    pg_exec(db, "UPDATE outbox.provider SET rate_per_second = NULL, rate_per_day = NULL, max_in_flight = 1");
    expect_lease(db, "('p', 1, 10, 0, 0)", "slots = 1 AND more_in = '0'");
    expect_lease(db, "('p', 2, 10, 0, 0)", "slots = 0 AND more_in = '0'");
}
END_TEST

START_TEST(test_slots_are_shared)
{
    struct db_session *db = start(", max_in_flight", ", 10");
    ck_assert_int_eq(slots(db, 1, 100, 0), 10);
    ck_assert_int_eq(slots(db, 2, 100, 0), 0); /* it waits until 1 gives way */
    ck_assert_int_eq(slots(db, 1, 100, 8), 8); /* these are in the air */
    ck_assert_int_eq(slots(db, 2, 100, 0), 2);
    ck_assert_int_eq(slots(db, 1, 100, 3), 5);
    ck_assert_int_eq(slots(db, 2, 100, 2), 5);
    /* What 2 does not want is 1's. */
    ck_assert_int_eq(slots(db, 2, 1, 0), 1);
    ck_assert_int_eq(slots(db, 1, 100, 5), 9);
    ck_assert_int_eq(slots(db, 2, 100, 1), 1);
    ck_assert_int_eq(slots(db, 1, 100, 0), 5);
    ck_assert_int_eq(slots(db, 2, 100, 1), 5);
    /* A dispatcher that is done, and one that died. */
    ck_assert_int_eq(slots(db, 1, 0, 0), 0);
    ck_assert_int_eq(slots(db, 2, 100, 5), 10);
    ck_assert_int_eq(slots(db, 1, 100, 0), 0);
    pg_exec(db, "DELETE FROM outbox.dispatcher WHERE id = 2");
    ck_assert_int_eq(slots(db, 1, 100, 0), 10);
    pg_expect(db, "SELECT string_agg(dispatcher::text, ' ') FROM outbox.provider_share", "1");
    /* A lowered maximum holds as soon as what is in the air has come down. */
    pg_exec(db, "UPDATE outbox.provider SET max_in_flight = 4");
    ck_assert_int_eq(slots(db, 1, 100, 10), 10);
    ck_assert_int_eq(slots(db, 3, 100, 0), 0);
    ck_assert_int_eq(slots(db, 1, 100, 1), 2);
    ck_assert_int_eq(slots(db, 3, 100, 0), 2);
}
END_TEST

/* Random demand of three dispatchers, each within what it was told: never more than the maximum in sum. */
START_TEST(test_slots_never_exceed)
{
    struct db_session *db = start(", max_in_flight", ", 7");
    int told[4] = {0}, most = 0;
    unsigned int seed = 7;
    for (int i = 0; i < 600; i++) {
        int who = 1 + rand_r(&seed) % 3;
        int in_flight = told[who] > 0 ? rand_r(&seed) % (told[who] + 1) : 0;
        told[who] = slots(db, who, rand_r(&seed) % 9, in_flight);
        int sum = told[1] + told[2] + told[3];
        ck_assert_msg(sum <= 7, "step %d: %d in the air", i, sum);
        most = sum > most ? sum : most;
    }
    ck_assert_int_eq(most, 7);
}
END_TEST

/* One slot and two that want it: neither has it for good. */
START_TEST(test_one_slot_goes_round)
{
    struct db_session *db = start(", max_in_flight", ", 1");
    slots(db, 1, 5, 0);
    slots(db, 2, 5, 0);
    int first = slots(db, 1, 5, 0), second = slots(db, 2, 5, 0);
    bool moved = false;
    time_t deadline = time(NULL) + 15;
    while (!moved && time(NULL) < deadline) {
        int a = slots(db, 1, 5, 0), b = slots(db, 2, 5, 0);
        ck_assert_int_le(a + b, 1);
        moved = first + second == 1 ? (a + b == 1 && a != first) : (first = a, second = b, false);
    }
    ck_assert(moved);
}
END_TEST

/* Who may not begin anything does not keep the one slot, and who has no slot keeps no request. */
START_TEST(test_a_slot_needs_a_request)
{
    struct db_session *db = start(", rate_per_second, max_in_flight", ", 0.1, 1");
    expect_lease(db, "('p', 1, 0, 0, 0)", "tokens = 0");
    stop_clock(db);
    pg_exec(db, "UPDATE outbox.provider_budget SET tokens = 0.5");
    expect_lease(db, "('p', 1, 5, 0, 0)", "tokens = 0 AND slots = 0 AND more_in = '5 s'");
    pass(db, 5);
    expect_lease(db, "('p', 2, 5, 0, 0)", "tokens = 1 AND slots = 1");
    pg_exec(db, "UPDATE outbox.provider SET rate_per_second = NULL, rate_per_day = 100");
    pg_exec(db, "UPDATE outbox.provider_budget SET used_today = 1");
    expect_lease(db, "('p', 2, 5, 0, 1)", "tokens = 5 AND slots = 1");
    expect_lease(db, "('p', 1, 5, 0, 0)", "tokens = 0 AND slots = 0 AND more_in = '0'");
    pg_expect(db, "SELECT used_today FROM outbox.provider_budget", "6");
}
END_TEST

#define WAITS                                                                                                \
    "DO $$ DECLARE until timestamptz := clock_timestamp() + interval '15 s'; BEGIN "                         \
    "WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP "                                        \
    "IF clock_timestamp() > until THEN RAISE 'nobody waits'; END IF; "                                       \
    "PERFORM pg_sleep(0.01); END LOOP; END $$"

/* Two dispatchers in sessions of their own ask without a pause, each time for what it can get. */
START_TEST(test_two_sessions)
{
    enum { RATE = 500 };
    struct db_session *db = start(", rate_per_second, max_in_flight", ", 500, 1000");
    struct db_session *other = pg_session(pg_case_conninfo());
    /* Who waits for the other one sees what is left after it. */
    tokens(db, 1, 0, 0);
    pg_exec(db, "CREATE EXTENSION dblink SCHEMA public");
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT public.dblink_connect('c', '%s')", pg_case_conninfo());
    pg_exec(db, sql);
    pg_exec(db, "UPDATE outbox.provider SET rate_per_second = NULL, rate_per_day = 100;"
                "UPDATE outbox.provider_budget SET used_today = 0");
    pg_exec(other, "BEGIN");
    ck_assert_int_eq(tokens(other, 2, 90, 0), 90);
    pg_exec(db, "SELECT public.dblink_send_query('c', "
                "'SELECT tokens FROM outbox.lease_budget(''p'', 1, 90, 0, 0)');" WAITS);
    pg_exec(other, "COMMIT");
    pg_expect(db, "SELECT tokens FROM public.dblink_get_result('c') AS t (tokens integer)", "10");
    pg_exec(db, "SELECT * FROM public.dblink_get_result('c') AS t (tokens integer);"
                "SELECT public.dblink_disconnect('c');"
                "UPDATE outbox.provider SET rate_per_second = 500, rate_per_day = NULL");
    struct timespec begin, now;
    double passed = 0;
    long got = 0;
    tokens(db, 1, 1000, 0); /* what piled up meanwhile */
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (passed < 2) {
        got += tokens(db, 1, 40, 0) + tokens(other, 2, 40, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
        passed = (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9;
    }
    ck_assert_msg((double)got <= RATE * passed * 1.01 + 1, "%ld in %g s", got, passed);
    ck_assert_msg((double)got >= RATE * passed * 0.95, "only %ld in %g s", got, passed);
    db_close(other);
}
END_TEST

START_TEST(test_health)
{
    struct db_session *db = start("", "");
    const char *state =
        "SELECT concat_ws('|', state, reason, open_in_dispatchers) FROM outbox.provider_health";
    pg_expect(db, state, "working|0");
    pg_exec(db, "SELECT outbox.report_provider('p', 1, 'open', '503')");
    pg_expect(db, state, "partly open|503|1"); /* the others never had cause to report */
    pg_exec(db, "SELECT outbox.report_provider('p', 2, 'open', 'timeout');"
                "SELECT outbox.report_provider('p', 3, 'open', '503');"
                "UPDATE outbox.provider_state SET since = now() - interval '1 hour'");
    pg_expect(db, state, "open|timeout|3");
    /* Probing does not make it younger. */
    pg_exec(db, "SELECT outbox.report_provider('p', d, 'probing', NULL) FROM generate_series(1, 3) AS d");
    pg_expect(db, state, "open|timeout|3");
    pg_expect(db, "SELECT since < now() - interval '59 minutes' FROM outbox.provider_health", "t");
    /* A dispatcher of another channel, and one that was lost, have no say. */
    pg_exec(db, "INSERT INTO outbox.dispatcher (name, channels) VALUES ('mail', '{email}');"
                "SELECT outbox.report_provider('p', 1, 'closed', NULL);"
                "UPDATE outbox.dispatcher SET lost_at = now() WHERE id = 1");
    pg_expect(db, state, "open|timeout|2");
    pg_exec(db, "UPDATE outbox.dispatcher SET lost_at = NULL");
    pg_expect(db, state, "partly open|timeout|2");
    pg_exec(db, "SELECT outbox.stop_provider('p', 'bad key', '1 hour')");
    pg_expect(db, state, "stopped|bad key|2");
    pg_expect(db, "SELECT stopped_until > now() AND since <= now() FROM outbox.provider_health", "t");
    pg_exec(db, "UPDATE outbox.provider SET enabled = false");
    pg_expect(db, state, "disabled|2");
    pg_exec(
        db,
        "UPDATE outbox.provider SET enabled = true; SELECT outbox.report_provider('p', d, 'closed', NULL) "
        "FROM generate_series(1, 3) AS d");
    pg_expect(db, state, "working|0");
    pg_exec(db, "SELECT outbox.report_provider('gone', 1, 'open', 'x')"); /* deleted meanwhile */
    pg_expect(db, "SELECT count(*) FROM outbox.provider_state", "3");
    pg_refused(db, "SELECT outbox.report_provider('p', 1, 'ajar', 'x')", "23514 ");
}
END_TEST

START_TEST(test_privileges)
{
    struct db_session *db = start(", rate_per_second, max_in_flight", ", 10, 5");
    pg_exec(
        db,
        "SET ROLE outbox_dispatcher; SELECT outbox.lease_budget('p', 1, 1, 0, 0);"
        "SELECT outbox.report_provider('p', 1, 'open', 'x'), outbox.report_provider('p', 1, 'open', 'x')");
    pg_refused(db, "UPDATE outbox.provider_budget SET tokens = 1000", "42501 ");
    pg_refused(db, "UPDATE outbox.provider_share SET slots = 1000", "42501 ");
    pg_refused(db, "SELECT outbox.record_receipt('p', 'x', 'delivered')", "42501 ");
    pg_exec(db, "SET ROLE outbox_reader");
    pg_expect(db, "SELECT count(*) FROM outbox.provider_health", "1");
    pg_refused(db, "SELECT outbox.lease_budget('p', 1, 1, 0, 0)", "42501 ");
    pg_exec(db, "SET ROLE outbox_producer");
    pg_refused(db, "SELECT outbox.lease_budget('p', 1, 1, 0, 0)", "42501 ");
    pg_refused(db, "SELECT outbox.report_provider('p', 1, 'open', 'x')", "42501 ");
    pg_exec(db, "SET ROLE outbox_admin; SELECT * FROM outbox.provider_budget, outbox.provider_share, "
                "outbox.provider_state, outbox.provider_health, outbox.provider_message, outbox.receipt;"
                "SELECT outbox.lease_budget('p', 1, 1, 0, 0)");
}
END_TEST

START_TEST(test_secrets)
{
    struct db_session *db = start("", "");
    static const char *const secrets[] = {
        "key",          "private_key",       "password",      "passwd",          "token",
        "access_token", "auth_token",        "secret",        "client_secret",   "api_secret",
        "secret_key",   "secret_access_key", "session_token", "signing_key",     "former_signing_key",
        "vapid_key",    "dkim_key",          "dkim_key2",     "service_account", "credentials"};
    char sql[256];
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        snprintf(sql, sizeof sql, "UPDATE outbox.provider SET settings = '{\"%s\": \"x\"}'", secrets[i]);
        pg_refused(db, sql, "OB006 settings must not hold a secret: name it by NAME_file");
        snprintf(sql, sizeof sql,
                 "UPDATE outbox.provider SET settings = '{\"%s_file\": \"x\", \"%s_env\": \"x\"}'",
                 secrets[i], secrets[i]);
        pg_exec(db, sql);
    }
    /* An api_key is a name with some vendors and a secret with the others. */
    static const char *const adapters[] = {"solapi", "sendgrid", "mailgun", "smtp"};
    for (size_t i = 0; i < sizeof adapters / sizeof *adapters; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO outbox.provider (name, channel, adapter, settings) VALUES ('q', 'sms', '%s', "
                 "'{\"api_key\": \"x\"}')",
                 adapters[i]);
        pg_refused(db, sql, "OB006 settings must not hold a secret");
    }
    pg_exec(db, "UPDATE outbox.provider SET settings = '{\"api_key\": \"SK1\"}', adapter = 'vonage';"
                "UPDATE outbox.provider SET adapter = 'twilio'");
    pg_refused(db, "UPDATE outbox.provider SET adapter = 'solapi'", "OB006 settings must not hold a secret");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("providers");
    pg_case_add(suite, "rate", test_rate);
    pg_case_add(suite, "bucket", test_bucket);
    pg_case_add(suite, "limits are sane", test_limits_are_sane);
    pg_case_add(suite, "regions are places", test_regions_are_places);
    pg_case_add(suite, "countries", test_countries);
    pg_case_add(suite, "day", test_day);
    pg_case_add(suite, "when there is more", test_when_there_is_more);
    pg_case_add(suite, "slots are shared", test_slots_are_shared);
    pg_case_add(suite, "slots never exceed", test_slots_never_exceed);
    pg_case_add(suite, "one slot goes round", test_one_slot_goes_round);
    pg_case_add(suite, "a slot needs a request", test_a_slot_needs_a_request);
    pg_case_add(suite, "two sessions", test_two_sessions);
    pg_case_add(suite, "health", test_health);
    pg_case_add(suite, "privileges", test_privileges);
    pg_case_add(suite, "secrets", test_secrets);
    return suite_run(suite);
}
