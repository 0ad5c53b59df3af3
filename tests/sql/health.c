/* outbox.health: each check is quiet while all is well, and names what is wrong. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/pg.h"
#include "support/suite.h"

/* What one check finds, with limits at which nobody has to wait; NULL = it is ok. */
static void expect_found(struct db_session *db, const char *check, const char *pattern)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT CASE WHEN NOT ok THEN coalesce(detail LIKE '%s', false)::text END FROM "
             "outbox.check_health('0', 1000000, '0', '0') WHERE \"check\" = '%s'",
             pattern != NULL ? pattern : "%", check);
    pg_expect(db, sql, pattern != NULL ? "true" : NULL);
}

START_TEST(test_all_well)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SELECT pg_advisory_lock(7303, 1)");
    pg_exec(db, "SET ROLE outbox_reader");
    pg_expect(db, "SELECT count(*) FROM outbox.health WHERE ok AND detail = ''", "11");
    pg_exec(db, "RESET ROLE; SELECT pg_advisory_unlock(7303, 1)");
    pg_expect(db, "SELECT string_agg(\"check\" || ': ' || detail, ', ') FROM outbox.health WHERE NOT ok",
              "scheduler: no outbox-scheduler leads");
}
END_TEST

START_TEST(test_pinned_horizon)
{
    struct db_session *db = pg_case_session();
    struct db_session *pin = pg_session(pg_case_conninfo());
    expect_found(db, "horizon", NULL);
    pg_exec(pin, "SET application_name = 'nightly report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    expect_found(db, "horizon",
                 "pid % (user postgres, application \"nightly report\", idle in transaction) since "
                 "%, % transactions back");
    pg_expect(db, "SELECT ok FROM outbox.health WHERE \"check\" = 'horizon'", "t"); /* not for long yet */
    /* By its age in transactions alone. */
    pg_exec(db, "CREATE TABLE public.t (); INSERT INTO public.t DEFAULT VALUES");
    pg_expect(db,
              "SELECT ok FROM outbox.check_health('1 day', 1, '1 day', '1 day') WHERE \"check\" = 'horizon'",
              "f");
    pg_exec(pin, "COMMIT");
    expect_found(db, "horizon", NULL);
    /* A transaction that only waits holds nothing back. */
    pg_exec(pin, "BEGIN; SELECT 1");
    expect_found(db, "horizon", NULL);
    pg_exec(pin, "COMMIT");
    db_close(pin);
}
END_TEST

/* It keeps vacuum from nothing, but the rows that are to leave wait for its end. */
START_TEST(test_archive_waits)
{
    struct db_session *db = pg_case_session();
    struct db_session *idle = pg_session(pg_case_conninfo());
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r', '{}');"
                "UPDATE outbox.message SET status = 'failed', finished_at = now() - interval '2 hours';"
                "SELECT outbox.archive_finished()");
    pg_exec(idle, "SET application_name = 'forgotten'; BEGIN; SELECT 1");
    expect_found(db, "horizon", NULL);
    pg_expect(db, "SELECT outbox.archive_finished()", "0");
    expect_found(db, "horizon",
                 "pid % (user postgres, application \"forgotten\", idle in transaction) since %, "
                 "0 transactions back");
    pg_exec(idle, "COMMIT");
    expect_found(db, "horizon", NULL);
    pg_expect(db, "SELECT outbox.archive_finished()", "1");
    db_close(idle);
}
END_TEST

START_TEST(test_hidden_sessions)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "CREATE ROLE outbox_health_test; GRANT SELECT ON outbox.leaving TO outbox_health_test;"
                "ALTER FUNCTION outbox.horizon_pins(interval, bigint) OWNER TO outbox_health_test");
    expect_found(db, "horizon",
                 "sessions of other roles are hidden from \"outbox_health_test\": GRANT "
                 "pg_read_all_stats TO it");
    pg_exec(db, "GRANT pg_read_all_stats TO outbox_health_test");
    expect_found(db, "horizon", NULL);
    pg_exec(db, "ALTER FUNCTION outbox.horizon_pins(interval, bigint) OWNER TO postgres;"
                "REVOKE ALL ON outbox.leaving FROM outbox_health_test; DROP ROLE outbox_health_test");
}
END_TEST

START_TEST(test_queues)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = pg_session(pg_case_conninfo());
    expect_found(db, "dispatchers", NULL);
    expect_found(db, "ready age", NULL);
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r', '{}')");
    expect_found(db, "dispatchers", "ios has work but no dispatcher");
    expect_found(db, "ready age", "ios/transactional waits since %");
    pg_expect(db, "SELECT ok FROM outbox.health WHERE \"check\" = 'ready age'", "t");
    pg_exec(dispatcher, "SELECT outbox.register_dispatcher('d', 'h', 1, '{ios}')");
    expect_found(db, "dispatchers", NULL);
    pg_force(db, "created_at = now() - interval '6 minutes'");
    pg_expect(db, "SELECT ok FROM outbox.health WHERE \"check\" = 'ready age'", "f");
    pg_exec(db, "SELECT outbox.pause('ios')");
    expect_found(db, "ready age", NULL);
    expect_found(db, "channels", "ios is paused");
    pg_exec(db, "SELECT outbox.resume('ios')");
    expect_found(db, "channels", NULL);
    pg_force(db, "status = 'sent'");
    expect_found(db, "ready age", NULL);
    db_close(dispatcher);
}
END_TEST

START_TEST(test_providers)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.provider (name, channel, adapter) VALUES ('apple', 'ios', 'apns')");
    expect_found(db, "providers", NULL);
    pg_exec(db, "SELECT outbox.stop_provider('apple', 'InvalidProviderToken', '1 hour')");
    expect_found(db, "providers", "apple is stopped until %: InvalidProviderToken");
    pg_exec(db, "SELECT outbox.resume_provider('apple')");
    expect_found(db, "providers", NULL);
}
END_TEST

START_TEST(test_lost_flights)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = pg_session(pg_case_conninfo());
    pg_expect(dispatcher, "SELECT outbox.register_dispatcher('d', 'h', 1, '{ios}')", "1");
    pg_exec(db, "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "VALUES (1, 1, now() + interval '1 hour', 'ios', '{1,2,3}')");
    expect_found(db, "flights", NULL);
    pg_exec(db, "UPDATE outbox.flight SET deadline = now() - interval '59 s'");
    pg_expect(db, "SELECT ok FROM outbox.health WHERE \"check\" = 'flights'", "t");
    pg_exec(db, "UPDATE outbox.flight SET deadline = now() - interval '61 s'");
    pg_expect(db, "SELECT ok FROM outbox.health WHERE \"check\" = 'flights'", "f");
    pg_exec(db, "UPDATE outbox.flight SET deadline = now() + interval '1 hour'");
    pg_exec(dispatcher, "SELECT pg_advisory_unlock_all()");
    expect_found(db, "flights", "3 messages of ios are in a lost flight since %");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_in_doubt)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "UPDATE outbox.channel SET in_doubt = 'hold' WHERE name = 'sms'; "
                "INSERT INTO outbox.message (channel, recipient, payload) "
                "SELECT 'sms', '+1', '{}' FROM generate_series(1, 3);"
                "INSERT INTO outbox.attempt (message_id, attempt, verdict) "
                "VALUES (1, 1, 'in_doubt'), (2, 1, 'in_doubt'), (2, 2, 'in_doubt'), (3, 1, 'retry')");
    expect_found(db, "in doubt", NULL);
    pg_force(db, "status = 'in_doubt', finished_at = now()");
    expect_found(db, "in doubt", "2 messages wait for outbox.resolve_doubt, the oldest is 1");
    pg_exec(db, "SELECT outbox.resolve_doubt(1, true), outbox.resolve_doubt(2, false)");
    expect_found(db, "in doubt", NULL);
}
END_TEST

START_TEST(test_schedules)
{
    struct db_session *db = pg_case_session();
    expect_found(db, "schedules", NULL);
    pg_exec(db,
            "SET session_replication_role = replica;"
            "INSERT INTO outbox.schedule (name, cron, audience, template, category) "
            "VALUES ('daily', '0 9 * * *', 'public.everybody', 't', 'service');"
            "INSERT INTO outbox.firing (schedule_id, fire_at, error) SELECT id, now(), 'relation missing' "
            "FROM outbox.schedule; RESET session_replication_role");
    expect_found(db, "schedules", "daily, firing of %: relation missing");
    pg_exec(db, "UPDATE outbox.firing SET state = 'done'");
    expect_found(db, "schedules", NULL);
    pg_exec(db, "SET session_replication_role = replica; UPDATE outbox.schedule SET error = 'no such day'");
    expect_found(db, "schedules", "daily: no such day");
}
END_TEST

START_TEST(test_conservation_and_audit)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'ios', 'r', '{}' "
                "FROM generate_series(1, 5); SELECT outbox.fold_ledger(), outbox.fold_ledger()");
    pg_exec(db, "CALL outbox.audit()");
    expect_found(db, "conservation", NULL);
    expect_found(db, "audit", NULL);
    pg_exec(db, "DELETE FROM outbox.message WHERE id = 1; SET session_replication_role = replica; UPDATE "
                "outbox.message SET queue_pos = NULL WHERE id = 2; RESET session_replication_role");
    expect_found(db, "conservation", "ios of %: 1 messages are missing");
    pg_exec(db, "CALL outbox.audit()");
    expect_found(db, "audit", "stranded: 1 messages of ios (queued again)");
    pg_exec(db, "SELECT outbox.write_off('ios', day) FROM outbox.conservation");
    expect_found(db, "conservation", NULL);
    pg_exec(db, "CALL outbox.audit()");
    expect_found(db, "audit", NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("health");
    pg_case_add(suite, "all well", test_all_well);
    pg_case_add(suite, "pinned horizon", test_pinned_horizon);
    pg_case_add(suite, "archive waits", test_archive_waits);
    pg_case_add(suite, "hidden sessions", test_hidden_sessions);
    pg_case_add(suite, "queues", test_queues);
    pg_case_add(suite, "providers", test_providers);
    pg_case_add(suite, "lost flights", test_lost_flights);
    pg_case_add(suite, "in doubt", test_in_doubt);
    pg_case_add(suite, "schedules", test_schedules);
    pg_case_add(suite, "conservation", test_conservation_and_audit);
    return suite_run(suite);
}
