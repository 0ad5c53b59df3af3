/* Schedules: what is refused, when they fire, and that each user of an audience is notified once. */
#include <check.h>
#include <stdio.h>

#include "core/buf.h"
#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"

/* N users u1 … uN with one device each, and shop.people, which lists them. */
static void add_people(int count)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_printf(&sql,
               "CREATE SCHEMA shop;"
               "CREATE TABLE shop.people AS SELECT 'u' || n AS user_id, n %% 7 AS days "
               "FROM generate_series(1, %d) AS n;"
               "INSERT INTO outbox.device (user_id, platform, token) "
               "SELECT p.user_id, 'ios', md5(p.user_id) FROM shop.people AS p;"
               "INSERT INTO outbox.template (name, channel, content) "
               "VALUES ('hello', 'ios', '{\"title\": \"{{word}} {{days}}\"}')",
               count);
    pg_exec(pg_case_session(), buf_string(&sql));
    buf_free(&sql);
}

/* A good schedule with some of its columns replaced. */
static char *insert(const char *changes)
{
    struct buf sql;
    buf_init(&sql, 8192);
    buf_printf(&sql,
               "INSERT INTO outbox.schedule (name, cron, run_at, timezone, audience, template, category, "
               "channels, variables, fallback, fallback_after, valid_for, catch_up, enabled) "
               "SELECT s.name, s.cron, s.run_at, s.timezone, s.audience, s.template, s.category, s.channels, "
               "s.variables, s.fallback, s.fallback_after, s.valid_for, s.catch_up, s.enabled "
               "FROM jsonb_populate_record(NULL::outbox.schedule, "
               "'{\"name\": \"daily\", \"cron\": \"0 9 * * *\", \"timezone\": \"Asia/Seoul\", "
               "\"audience\": \"shop.people\", \"template\": \"hello\", \"category\": \"service\", "
               "\"variables\": {\"word\": \"Hello\", \"days\": 99}, \"fallback_after\": \"5 min\", "
               "\"catch_up\": \"once\", \"enabled\": true}' || '%s'::jsonb) AS s",
               changes);
    char *text = mem_strdup(buf_string(&sql));
    buf_free(&sql);
    return text;
}

static void add_schedule(const char *changes)
{
    char *sql = insert(changes);
    pg_exec(pg_case_session(), sql);
    mem_free(sql);
}

/* One that is due now. */
static void add_due(void)
{
    add_schedule("{\"cron\": null, \"run_at\": \"now\"}");
}

START_TEST(test_refusals)
{
#define AUDIENCE "OB010 audience must be one SELECT with a column user_id: "
    static const struct {
        const char *changes, *refusal;
    } cases[] = {
        {"{\"name\": \"a/b\"}", "OB010 name must have 1 to 63 letters"},
        {"{\"name\": \"\"}", "OB010 name must have 1 to 63 letters"},
        {"{\"cron\": \"0 9 * *\"}", "OB010 cron must have 5 fields, not 4"},
        {"{\"cron\": \"61 9 * * *\"}", "OB010 cron minute: 61 is not within 0 to 59"},
        {"{\"cron\": \"0 0 30 2 *\"}", "OB010 cron \"0 0 30 2 *\" never fires"},
        {"{\"timezone\": \"Mars/Olympus\"}", "OB010 timezone \"Mars/Olympus\" does not exist"},
        {"{\"cron\": null}", "OB010 cron or run_at must be given, and not both"},
        {"{\"run_at\": \"2030-01-01\"}", "OB010 cron or run_at must be given, and not both"},
        {"{\"cron\": null, \"run_at\": \"2030-01-01\", \"timezone\": \"CEST\"}",
         "OB010 timezone \"CEST\" does not exist"},
        {"{\"cron\": null, \"run_at\": \"infinity\"}", "OB010 run_at must be finite"},
        {"{\"category\": \"gossip\"}", "OB010 category \"gossip\" does not exist; see outbox.category"},
        {"{\"template\": \"bye\"}", "OB010 template \"bye\" does not exist; see outbox.template"},
        {"{\"channels\": [\"pigeon\"]}", "OB010 channels \"pigeon\" does not exist; see outbox.channel"},
        {"{\"channels\": [\"email\"]}", "OB010 template \"hello\" has no text for any of the channels"},
        {"{\"channels\": []}", "OB010 channels must not be empty"},
        {"{\"fallback\": [\"pigeon\"]}", "OB010 fallback must name channels"},
        {"{\"fallback_after\": \"-1 s\"}", "OB010 fallback_after must be positive"},
        {"{\"variables\": [1]}", "OB010 variables must be a JSON object"},
        {"{\"valid_for\": \"-1 day\"}", "OB010 valid_for must be positive"},
        {"{\"audience\": \"SELECT user_id FROM shop.people; ; SELECT 1\"}", AUDIENCE "cannot open"},
        {"{\"audience\": \"people\"}", AUDIENCE "relation \"people\" does not exist"},
        {"{\"audience\": \"SELECT 1 AS id\"}", AUDIENCE "column a.user_id does not exist"},
        {"{\"audience\": \"SELEC user_id\"}", AUDIENCE "syntax error at or near \"SELEC\""},
        {"{\"audience\": \"\"}", AUDIENCE},
        {"{\"audience\": \"SELECT $1 AS user_id\"}", AUDIENCE "there is no parameter $1"},
        {"{\"audience\": \"SHOW timezone\"}", AUDIENCE},
        {"{\"audience\": \"SELECT user_id FROM shop.people; DELETE FROM shop.people\"}",
         AUDIENCE "cannot open multi-query plan as cursor"},
        {"{\"audience\": \"SELECT 1 AS user_id) AS a; DELETE FROM shop.people; --\"}",
         AUDIENCE "syntax error at or near \")\""},
        {"{\"audience\": \"DELETE FROM shop.people RETURNING user_id\"}",
         AUDIENCE "DELETE is not allowed in a non-volatile function"},
        {"{\"audience\": \"WITH x AS (DELETE FROM shop.people RETURNING user_id) TABLE x\"}",
         AUDIENCE "SELECT is not allowed in a non-volatile function"},
        {"{\"audience\": null}", "23502 null value in column \"audience\""},
        {"{\"name\": null}", "23502 null value in column \"name\""},
    };
    add_people(3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *sql = insert(cases[i].changes);
        pg_refused(pg_case_session(), sql, cases[i].refusal);
        mem_free(sql);
    }
    pg_expect(pg_case_session(), "SELECT count(*) FROM shop.people", "3");
    pg_expect(pg_case_session(), "SELECT count(*) FROM outbox.schedule", "0");
}
END_TEST

START_TEST(test_next_time)
{
    struct db_session *sql = pg_case_session();
    add_people(1);
    pg_exec(sql, "CREATE VIEW shop.\"my view\" AS TABLE shop.people");
    add_schedule("{}");
    pg_expect(sql, "SELECT next_fire_at = outbox.cron_next('0 9 * * *', 'Asia/Seoul') FROM outbox.schedule",
              "t");
    pg_exec(sql, "UPDATE outbox.schedule SET timezone = 'Europe/Berlin', audience = 'shop.\"my view\"'");
    pg_expect(sql,
              "SELECT next_fire_at = outbox.cron_next('0 9 * * *', 'Europe/Berlin') FROM outbox.schedule",
              "t");
    pg_exec(sql, "UPDATE outbox.schedule SET enabled = false");
    pg_expect(sql, "SELECT next_fire_at FROM outbox.schedule", NULL);
    pg_exec(sql,
            "UPDATE outbox.schedule SET enabled = true, cron = NULL, run_at = '2040-01-01 00:00:00.7+00'");
    pg_expect(sql, "SELECT next_fire_at = '2040-01-01 00:00+00' FROM outbox.schedule", "t");

    /* What is due is not lost by an edit of something else. */
    pg_exec(sql, "UPDATE outbox.schedule SET next_fire_at = now()");
    pg_exec(sql, "UPDATE outbox.schedule SET variables = '{\"word\": \"Hi\"}', "
                 "audience = 'SELECT user_id FROM shop.people -- all'");
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.fire_due()", "0");
}
END_TEST

/* Hourly ones that were not looked after since four firings ago; the last was half an hour ago. */
START_TEST(test_catch_up)
{
    struct db_session *sql = pg_case_session();
    add_people(1);
    add_schedule("{\"name\": \"skip\", \"catch_up\": \"skip\"}");
    add_schedule("{\"name\": \"once\", \"catch_up\": \"once\"}");
    add_schedule("{\"name\": \"all\", \"catch_up\": \"all\"}");
    pg_exec(sql,
            "UPDATE outbox.schedule SET timezone = 'UTC', cron = to_char(now() - interval '30 min', 'FMMI') "
            "|| ' * * * *';"
            "UPDATE outbox.schedule SET next_fire_at = date_trunc('minute', now() - interval '210 min')");
    pg_expect(sql, "SELECT outbox.fire_due(5)", "5");
    pg_expect(sql, "SELECT outbox.fire_due(5)", "5");
    pg_expect(sql, "SELECT outbox.fire_due(5)", "2");
    pg_expect(sql, "SELECT outbox.fire_due(5)", "0");
    pg_expect(
        sql,
        "SELECT string_agg(s.name || ':' || (SELECT string_agg(left(f.state::text, 1), '' ORDER BY "
        "f.fire_at) "
        "FROM outbox.firing AS f WHERE f.schedule_id = s.id), ' ' ORDER BY s.name) FROM outbox.schedule AS s",
        "all:gggg once:sssg skip:ssss");
    pg_expect(sql, "SELECT bool_and(next_fire_at > now()) FROM outbox.schedule", "t");
    pg_expect(sql, "SELECT bool_and((finished_at IS NULL) = (state = 'gathering')) FROM outbox.firing", "t");

    /* In time is not missed. */
    pg_exec(sql, "DELETE FROM outbox.firing; UPDATE outbox.schedule SET next_fire_at = now()");
    pg_expect(sql, "SELECT outbox.fire_due()", "3");
    pg_expect(sql, "SELECT count(*) FROM outbox.firing WHERE state = 'gathering'", "3");
}
END_TEST

START_TEST(test_fires_once_at_run_at)
{
    struct db_session *sql = pg_case_session();
    add_people(1);
    add_schedule("{\"name\": \"later\", \"cron\": null, \"run_at\": \"2040-01-01\"}");
    add_schedule("{\"name\": \"late\", \"cron\": null, \"run_at\": \"2020-01-01\"}");
    add_schedule(
        "{\"name\": \"too late\", \"cron\": null, \"run_at\": \"2020-01-01\", \"catch_up\": \"skip\"}");
    pg_expect(sql, "SELECT outbox.fire_due()", "2");
    pg_expect(sql,
              "SELECT string_agg(name || ' ' || coalesce(state::text, '-'), ', ' ORDER BY name) "
              "FROM outbox.schedule_status",
              "late gathering, later -, too late skipped");
    pg_expect(sql, "SELECT string_agg(name, ' ') FROM outbox.schedule WHERE next_fire_at IS NOT NULL",
              "later");
    pg_exec(sql, "UPDATE outbox.schedule SET enabled = false; UPDATE outbox.schedule SET enabled = true");
    pg_expect(sql, "SELECT outbox.fire_due()", "0");
}
END_TEST

/* A zone may disappear from the time zone database: that firing is good, and the others go on. */
START_TEST(test_no_next_time)
{
    struct db_session *sql = pg_case_session();
    add_people(1);
    add_schedule("{\"name\": \"good\"}");
    add_schedule("{\"name\": \"bad\"}");
    pg_exec(sql, "ALTER TABLE outbox.schedule DISABLE TRIGGER USER;"
                 "UPDATE outbox.schedule SET timezone = 'No/Where' WHERE name = 'bad';"
                 "ALTER TABLE outbox.schedule ENABLE TRIGGER USER;"
                 "UPDATE outbox.schedule SET next_fire_at = now()");
    pg_expect(sql, "SELECT outbox.fire_due()", "2");
    pg_expect(sql, "SELECT error FROM outbox.schedule_status WHERE name = 'bad'",
              "timezone \"No/Where\" does not exist");
    pg_expect(sql, "SELECT name FROM outbox.schedule WHERE next_fire_at IS NOT NULL", "good");
    pg_expect(sql, "SELECT count(*) FROM outbox.firing WHERE state = 'gathering'", "2");
}
END_TEST

START_TEST(test_two_schedulers_fire_once)
{
    struct db_session *one = pg_case_session(), *two = pg_session(pg_case_conninfo());
    add_people(2);
    add_due();
    pg_exec(one, "BEGIN");
    pg_expect(one, "SELECT outbox.fire_due()", "1");
    pg_expect(two, "SELECT outbox.fire_due()", "0");
    pg_exec(one, "ROLLBACK; BEGIN");
    pg_expect(one, "SELECT outbox.fire_due()", "1");
    pg_exec(one, "COMMIT");
    pg_expect(two, "SELECT outbox.fire_due()", "0");

    pg_exec(one, "BEGIN");
    pg_expect(one, "SELECT outbox.gather_audience()", "1");
    pg_expect(two, "SELECT outbox.gather_audience()", "0");
    pg_exec(one, "COMMIT; BEGIN");
    pg_expect(one, "SELECT outbox.expand_audience(1)", "2");
    pg_expect(two, "SELECT outbox.expand_audience(1)", "0");
    pg_exec(one, "COMMIT");
    pg_expect(two, "SELECT outbox.expand_audience(1)", "0");
    pg_expect(two, "SELECT state || ' ' || users || ' ' || messages FROM outbox.firing", "done 2 2");
    db_close(two);
}
END_TEST

START_TEST(test_audience_is_gathered_in_blocks)
{
    struct db_session *sql = pg_case_session();
    add_people(1200);
    pg_exec(sql, "INSERT INTO shop.people SELECT user_id, 8 FROM shop.people;"
                 "INSERT INTO shop.people VALUES (NULL, 1), (NULL, 2)");
    add_due();
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT state || ' ' || audience FROM outbox.firing", "expanding 1200");
    pg_expect(
        sql,
        "SELECT string_agg(n || ':' || cardinality(user_ids), ' ' ORDER BY n) FROM outbox.audience_block",
        "0:500 1:500 2:200");
    pg_expect(sql,
              "SELECT count(DISTINCT u.id) FROM outbox.audience_block AS b, unnest(b.user_ids, b.variables) "
              "AS u (id, v) WHERE u.v ->> 'user_id' = u.id AND u.v ? 'days'",
              "1200");
    pg_expect(sql, "SELECT outbox.gather_audience()", "0");
}
END_TEST

START_TEST(test_the_audience_is_asked_in_the_schedules_time_zone)
{
    struct db_session *sql = pg_case_session();
    add_people(1);
    add_schedule("{\"cron\": null, \"run_at\": \"now\", \"timezone\": \"Pacific/Kiritimati\", "
                 "\"audience\": \"SELECT current_setting(''TimeZone'') AS user_id\"}");
    pg_exec(sql, "SET timezone = 'Europe/Berlin'; SELECT outbox.fire_due()");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT user_ids FROM outbox.audience_block", "{Pacific/Kiritimati}");
    pg_expect(sql, "SELECT current_setting('TimeZone')", "Europe/Berlin");
}
END_TEST

START_TEST(test_empty_audience)
{
    struct db_session *sql = pg_case_session();
    add_people(0);
    add_due();
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT state || ' ' || audience || ' ' || (finished_at IS NOT NULL) FROM outbox.firing",
              "done 0 true");
}
END_TEST

START_TEST(test_a_bad_audience_query_is_tried_again)
{
    struct db_session *sql = pg_case_session();
    add_people(2);
    add_due();
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_exec(sql, "ALTER TABLE shop.people RENAME TO away");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT state || ', ' || error FROM outbox.schedule_status",
              "gathering, audience: relation \"shop.people\" does not exist");
    pg_expect(sql, "SELECT retry_at > now() + interval '50 s' FROM outbox.firing", "t");
    pg_expect(sql, "SELECT outbox.gather_audience()", "0");

    pg_exec(sql, "CREATE VIEW shop.people AS SELECT a.*, pg_sleep(60)::text AS nap FROM shop.away AS a;"
                 "UPDATE outbox.firing SET retry_at = now(); SET statement_timeout = '200ms'");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT error FROM outbox.firing",
              "audience: canceling statement due to statement timeout");

    pg_exec(sql, "RESET statement_timeout; CREATE OR REPLACE VIEW shop.people AS "
                 "SELECT a.*, NULL::text AS nap FROM shop.away AS a;"
                 "UPDATE outbox.firing SET retry_at = now()");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT state || ' ' || coalesce(error, '-') FROM outbox.firing", "expanding -");
}
END_TEST

START_TEST(test_expansion)
{
    struct db_session *sql = pg_case_session();
    add_people(1200);
    pg_exec(sql, "INSERT INTO shop.people VALUES (repeat('x', 201), 1), (' ', 1), (repeat('y', 200), 1)");
    add_schedule("{\"cron\": null, \"run_at\": \"now\", \"valid_for\": \"1 hour\"}");
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT outbox.expand_audience(1)", "500");
    pg_expect(sql, "SELECT state || ' ' || (users BETWEEN 499 AND 500) FROM outbox.firing", "expanding true");
    pg_expect(sql, "SELECT outbox.expand_audience(10)", "703");
    pg_expect(sql, "SELECT outbox.expand_audience(10)", "0");
    pg_expect(sql, "SELECT state || ' ' || audience || ' ' || users || ' ' || messages FROM outbox.firing",
              "done 1203 1201 1200");
    pg_expect(sql, "SELECT count(*) FROM outbox.audience_block", "0");
    pg_expect(sql, "SELECT count(DISTINCT recipient) FROM outbox.message WHERE status = 'pending'", "1200");
    /* A column of the audience comes before the schedule's own variable. */
    pg_expect(sql, "SELECT payload FROM outbox.message WHERE user_id = 'u3'",
              "{\"days\": 3, \"word\": \"Hello\"}");
    pg_expect(sql,
              "SELECT bool_and(n.expires_at = f.fire_at + interval '1 hour' AND n.firing_id = f.id) "
              "FROM outbox.notification AS n, outbox.firing AS f",
              "t");
    pg_expect(sql,
              "SELECT n.idempotency_key = 'daily/' || to_char(s.run_at AT TIME ZONE 'UTC', "
              "'YYYY-MM-DD\"T\"HH24:MI:SS') || 'Z/u3' "
              "FROM outbox.notification AS n, outbox.schedule AS s WHERE n.user_id = 'u3'",
              "t");

    /* Made again with the same name and time, it tells nobody again. */
    pg_exec(sql, "CREATE TEMP TABLE old AS TABLE outbox.schedule; DELETE FROM outbox.schedule;"
                 "INSERT INTO outbox.schedule (name, run_at, audience, template, category) "
                 "SELECT name, run_at, audience, template, category FROM old");
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT outbox.expand_audience(10)", "1203");
    pg_expect(sql, "SELECT state || ' ' || users FROM outbox.firing", "done 0");
    pg_expect(sql, "SELECT count(*) FROM outbox.message", "1200");
}
END_TEST

START_TEST(test_a_failing_block_does_not_stop_others)
{
    struct db_session *sql = pg_case_session();
    add_people(3);
    pg_exec(sql, "INSERT INTO outbox.category (name) VALUES ('old')");
    add_schedule("{\"name\": \"bad\", \"cron\": null, \"run_at\": \"2020-01-01\", \"category\": \"old\"}");
    add_due();
    pg_expect(sql, "SELECT outbox.fire_due()", "2");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_exec(sql, "DELETE FROM outbox.category WHERE name = 'old'");
    pg_expect(sql, "SELECT outbox.expand_audience(2)", "3");
    pg_expect(sql,
              "SELECT string_agg(name || ' ' || state || ' ' || users, ', ' ORDER BY name) FROM "
              "outbox.schedule_status",
              "bad expanding 0, daily done 3");
    pg_expect(sql, "SELECT error FROM outbox.schedule_status WHERE name = 'bad'",
              "category \"old\" does not exist; see outbox.category");
    pg_expect(sql, "SELECT outbox.expand_audience(1)", "0");
    pg_exec(sql,
            "INSERT INTO outbox.category (name) VALUES ('old'); UPDATE outbox.firing SET retry_at = now()");
    pg_expect(sql, "SELECT outbox.expand_audience(1)", "3");
    pg_expect(sql, "SELECT count(*) FROM outbox.firing WHERE state = 'done' AND error IS NULL", "2");
}
END_TEST

START_TEST(test_cancel)
{
    struct db_session *sql = pg_case_session();
    add_people(700);
    add_due();
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT outbox.expand_audience(1)", "500");
    pg_expect(sql, "SELECT outbox.cancel_firing(firing_id) FROM outbox.schedule_status", "t");
    pg_expect(sql, "SELECT outbox.cancel_firing(firing_id) FROM outbox.schedule_status", "f");
    pg_expect(sql, "SELECT outbox.cancel_firing(0)", "f");
    pg_expect(sql, "SELECT outbox.expand_audience(1)", "0");
    pg_expect(sql, "SELECT state || ' ' || users || ', ' || error FROM outbox.schedule_status",
              "cancelled 500, cancelled by a person");
    pg_expect(sql, "SELECT count(*) FROM outbox.audience_block", "0");
    pg_expect(sql, "SELECT count(*) FROM outbox.message WHERE status = 'pending'", "500");
}
END_TEST

START_TEST(test_valid_for_runs_out)
{
    struct db_session *sql = pg_case_session();
    add_people(3);
    add_schedule("{\"cron\": null, \"run_at\": \"2020-01-01\", \"valid_for\": \"1 hour\"}");
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT outbox.expand_audience(1)", "0");
    pg_expect(sql, "SELECT state || ', ' || error FROM outbox.schedule_status",
              "cancelled, valid_for was over before all were notified");
    pg_expect(sql, "SELECT count(*) FROM outbox.notification", "0");
}
END_TEST

START_TEST(test_rights)
{
    struct db_session *sql = pg_case_session();
    add_people(3);
    pg_exec(sql, "GRANT USAGE ON SCHEMA shop TO outbox_admin, outbox_scheduler;"
                 "GRANT SELECT ON shop.people TO outbox_admin; SET ROLE outbox_admin");
    add_due();
    pg_exec(sql, "SET ROLE outbox_scheduler");
    pg_refused(sql, "DELETE FROM outbox.schedule", "42501 ");
    pg_refused(sql, "UPDATE outbox.schedule SET audience = 'shop.people'", "42501 ");
    pg_expect(sql, "SELECT outbox.fire_due()", "1");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT error FROM outbox.firing", "audience: permission denied for table people");
    pg_exec(sql, "RESET ROLE; GRANT SELECT ON shop.people TO outbox_scheduler;"
                 "UPDATE outbox.firing SET retry_at = now(); SET ROLE outbox_scheduler");
    pg_expect(sql, "SELECT outbox.gather_audience()", "1");
    pg_expect(sql, "SELECT outbox.expand_audience(1)", "3");
    pg_exec(sql, "SET ROLE outbox_reader");
    pg_expect(sql, "SELECT users || ' ' || messages FROM outbox.schedule_status", "3 3");
    pg_refused(sql, "SELECT outbox.fire_due()", "42501 ");
    pg_refused(sql, "TABLE outbox.audience_block", "42501 ");
    pg_exec(sql, "SET ROLE outbox_producer");
    pg_refused(sql, "TABLE outbox.schedule", "42501 ");
    pg_exec(sql, "SET ROLE outbox_admin");
    pg_expect(sql, "SELECT outbox.cancel_firing(firing_id) FROM outbox.schedule_status", "f");
    pg_exec(sql, "DELETE FROM outbox.schedule");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedules");
    pg_case_add(suite, "refusals", test_refusals);
    pg_case_add(suite, "next time", test_next_time);
    pg_case_add(suite, "catch up", test_catch_up);
    pg_case_add(suite, "run at", test_fires_once_at_run_at);
    pg_case_add(suite, "no next time", test_no_next_time);
    pg_case_add(suite, "two schedulers", test_two_schedulers_fire_once);
    pg_case_add(suite, "blocks", test_audience_is_gathered_in_blocks);
    pg_case_add(suite, "empty audience", test_empty_audience);
    pg_case_add(suite, "time zone", test_the_audience_is_asked_in_the_schedules_time_zone);
    pg_case_add(suite, "bad audience", test_a_bad_audience_query_is_tried_again);
    pg_case_add(suite, "expansion", test_expansion);
    pg_case_add(suite, "failing block", test_a_failing_block_does_not_stop_others);
    pg_case_add(suite, "cancel", test_cancel);
    pg_case_add(suite, "valid for", test_valid_for_runs_out);
    pg_case_add(suite, "rights", test_rights);
    return suite_run(suite);
}
