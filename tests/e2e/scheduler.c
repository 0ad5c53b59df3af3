/* outbox-scheduler, the program: what it does for the rows, who leads, and what survives. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/mem.h"
#include "support/pg.h"
#include "support/process.h"
#include "support/suite.h"
#include "support/wait.h"

enum { DEADLINE_MS = 10000, TAKE_OVER_MS = 2000, TEST_LIMIT_S = 30 };

/* A database and a session in it. */
struct bench {
    char *conninfo;
    struct db_session *session;
};

static struct bench bench_open(void)
{
    struct bench bench = {.conninfo = pg_fresh_database("scheduler")};
    bench.session = pg_session(bench.conninfo);
    return bench;
}

static void bench_close(struct bench *bench)
{
    db_close(bench->session);
    pg_drop_database(bench->conninfo);
}

static struct process *start_scheduler(const struct bench *bench, const char *interval_ms)
{
    char *program = process_program("outbox-scheduler");
    const char *argv[] = {program,     "--database",  bench->conninfo, "--interval",
                          interval_ms, "--log-level", "error",         NULL};
    struct process *process = process_start(argv, NULL, NULL);
    mem_free(program);
    return process;
}

static void stop_scheduler(struct process *process)
{
    int status = process_stop(process);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "SIGTERM gave wait status %d", status);
}

struct question {
    struct db_session *session;
    const char *sql;
};

static bool is_true(void *arg)
{
    const struct question *question = arg;
    char *value = pg_value(question->session, question->sql);
    bool yes = value != NULL && strcmp(value, "t") == 0;
    mem_free(value);
    return yes;
}

/* Fails the test unless the query becomes true in time. */
static void await(const struct bench *bench, const char *sql, int64_t deadline_ms)
{
    struct question question = {bench->session, sql};
    ck_assert_msg(wait_until(is_true, &question, deadline_ms), "not within %d ms: %s", (int)deadline_ms, sql);
}

#define SESSIONS                                                                                             \
    "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'outbox-scheduler'"
#define LEADERS                                                                                              \
    "FROM pg_locks WHERE locktype = 'advisory' AND classid = 7303 AND objid = 1 AND objsubid = 2 AND "       \
    "granted "                                                                                               \
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
#define NONE_SCHEDULED "SELECT NOT EXISTS (SELECT FROM outbox.message WHERE status = 'scheduled')"

START_TEST(test_due_rows_are_released_in_order)
{
    struct bench bench = bench_open();
    pg_exec(bench.session,
            "INSERT INTO outbox.message (channel, recipient, payload, send_at) VALUES "
            "('ios', 'third', '{}', now() + '900 ms'), ('ios', 'first', '{}', now() + '300 ms'), "
            "('email', 'second', '{}', now() + '600 ms'), ('ios', 'tomorrow', '{}', now() + '1 day')");
    struct process *scheduler = start_scheduler(&bench, "50");
    await(&bench, "SELECT count(*) = 3 FROM outbox.message WHERE status = 'pending'", DEADLINE_MS);
    pg_expect(bench.session,
              "SELECT string_agg(recipient, ' ' ORDER BY queue_pos) FROM outbox.message WHERE queue_pos > 0",
              "first second third");
    pg_expect(bench.session, "SELECT status FROM outbox.message WHERE recipient = 'tomorrow'", "scheduled");
    stop_scheduler(scheduler);
    bench_close(&bench);
}
END_TEST

START_TEST(test_not_before_the_time)
{
    struct bench bench = bench_open();
    struct process *scheduler = start_scheduler(&bench, "10");
    await(&bench, "SELECT count(*) = 1 " LEADERS, DEADLINE_MS);
    pg_exec(bench.session, "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                           "VALUES ('ios', 'x', '{}', now() + '500 ms')");
    await(&bench, "SELECT status = 'pending' FROM outbox.message", DEADLINE_MS);
    pg_expect(bench.session, "SELECT clock_timestamp() >= send_at FROM outbox.message", "t");
    stop_scheduler(scheduler);
    bench_close(&bench);
}
END_TEST

/* More rows than one call releases do not wait for the next interval. */
START_TEST(test_a_large_release_goes_on_at_once)
{
    struct bench bench = bench_open();
    pg_exec(bench.session, "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                           "SELECT 'ios', 'x', '{}', now() + '1 ms' FROM generate_series(1, 3500)");
    struct process *scheduler = start_scheduler(&bench, "60000");
    await(&bench, NONE_SCHEDULED, DEADLINE_MS);
    stop_scheduler(scheduler);
    bench_close(&bench);
}
END_TEST

START_TEST(test_another_leads_when_the_leader_is_killed)
{
    struct bench bench = bench_open();
    struct process *first = start_scheduler(&bench, "50");
    await(&bench, "SELECT count(*) = 1 " LEADERS, DEADLINE_MS);
    struct process *second = start_scheduler(&bench, "50");
    await(&bench, "SELECT count(*) = 2 " SESSIONS, DEADLINE_MS);
    pg_expect(bench.session, "SELECT count(*) " LEADERS, "1");

    pg_exec(bench.session,
            "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
            "SELECT 'ios', 'x', '{}', now() + n * '20 ms'::interval FROM generate_series(1, 50) AS n");
    process_kill(first);
    await(&bench, NONE_SCHEDULED, TAKE_OVER_MS);
    pg_expect(bench.session, "SELECT count(*) " LEADERS, "1");
    pg_expect(bench.session, "SELECT count(DISTINCT queue_pos) FROM outbox.message", "50");
    stop_scheduler(second);
    bench_close(&bench);
}
END_TEST

/* Each row that is due later than the round before it is released at its time, not with the next interval. */
START_TEST(test_single_rows_are_on_time)
{
    struct bench bench = bench_open();
    pg_exec(bench.session,
            "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
            "SELECT 'ios', 'x', '{}', now() + n * '100 ms'::interval FROM generate_series(1, 20) AS n");
    struct process *scheduler = start_scheduler(&bench, "60000");
    await(&bench, NONE_SCHEDULED, DEADLINE_MS);
    stop_scheduler(scheduler);
    bench_close(&bench);
}
END_TEST

/* An audience whose query takes long delays neither what is due nor the next leader. */
START_TEST(test_long_audience_query)
{
    enum { NAP_S = 20 };
    struct bench bench = bench_open();
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.template (name, channel, content) VALUES ('t', 'ios', '{\"title\": \"t\"}');"
             "INSERT INTO outbox.schedule (name, run_at, audience, template, category) "
             "VALUES ('slow', now(), 'SELECT ''u'' AS user_id, pg_sleep(%d)::text AS nap', 't', 'service')",
             NAP_S);
    pg_exec(bench.session, sql);
    struct process *first = start_scheduler(&bench, "50");
    await(&bench,
          "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND "
          "application_name = 'outbox-scheduler gather' AND wait_event = 'PgSleep')",
          DEADLINE_MS);
    struct process *second = start_scheduler(&bench, "50");
    await(&bench, "SELECT count(*) = 2 " SESSIONS, DEADLINE_MS);
    pg_exec(bench.session, "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                           "VALUES ('ios', 'x', '{}', now() + '10 ms')");
    await(&bench, NONE_SCHEDULED, DEADLINE_MS);

    process_kill(first);
    int64_t killed = clock_mono();
    pg_exec(bench.session, "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                           "VALUES ('ios', 'x', '{}', now() + '10 ms')");
    await(&bench, NONE_SCHEDULED, 3 * TAKE_OVER_MS);
    printf("taken over after %" PRId64 " ms\n", clock_mono() - killed);
    pg_expect(bench.session, "SELECT state FROM outbox.firing", "gathering");
    stop_scheduler(second);
    bench_close(&bench);
}
END_TEST

START_TEST(test_reconnects)
{
    struct bench bench = bench_open();
    struct process *scheduler = start_scheduler(&bench, "50");
    await(&bench, "SELECT count(*) = 1 " LEADERS, DEADLINE_MS);
    pg_exec(bench.session, "SELECT pg_terminate_backend(pid) " SESSIONS);
    pg_exec(bench.session, "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                           "VALUES ('ios', 'x', '{}', now() + '100 ms')");
    await(&bench, NONE_SCHEDULED, DEADLINE_MS);
    stop_scheduler(scheduler);
    bench_close(&bench);
}
END_TEST

/* One duty that is refused does not stop the other, and works again when it may. */
START_TEST(test_a_failing_duty_is_tried_again)
{
    struct bench bench = bench_open();
    pg_exec(bench.session, "ALTER FUNCTION outbox.recover_flights RENAME TO away;"
                           "ALTER FUNCTION outbox.release_due RENAME TO gone");
    struct process *scheduler = start_scheduler(&bench, "50");
    await(&bench, "SELECT count(*) = 1 " LEADERS, DEADLINE_MS);
    pg_exec(bench.session, "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                           "VALUES ('ios', 'x', '{}', now() + '1 ms');"
                           "ALTER FUNCTION outbox.gone RENAME TO release_due");
    await(&bench, NONE_SCHEDULED, DEADLINE_MS);
    stop_scheduler(scheduler);
    bench_close(&bench);
}
END_TEST

START_TEST(test_lost_flights_are_recovered)
{
    struct bench bench = bench_open();
    pg_exec(bench.session,
            "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'x', '{}');"
            "INSERT INTO outbox.dispatcher (name, channels) VALUES ('lost', '{ios}');"
            "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
            "SELECT d.id, 1, now() - '1 hour'::interval, 'ios', ARRAY[m.id] "
            "FROM outbox.dispatcher AS d, outbox.message AS m");
    struct process *scheduler = start_scheduler(&bench, "50");
    await(&bench, "SELECT NOT EXISTS (SELECT FROM outbox.flight)", 2 * DEADLINE_MS);
    pg_expect(bench.session, "SELECT status || ' ' || attempts FROM outbox.message", "pending 1");
    pg_expect(bench.session, "SELECT verdict FROM outbox.attempt", "in_doubt");
    stop_scheduler(scheduler);
    bench_close(&bench);
}
END_TEST

START_TEST(test_bad_options_are_refused)
{
    static const char *const bad[] = {"--interval=0", "--interval=x", "--log-level=loud", "--nonsense",
                                      "operand"};
    char *program = process_program("outbox-scheduler");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *argv[] = {program, bad[i], NULL};
        int status = 0;
        struct process *process = process_start(argv, NULL, "/dev/null");
        ck_assert_msg(process_wait(process, DEADLINE_MS, &status), "%s: did not end", bad[i]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 2, "%s: status %d", bad[i], status);
        process_stop(process);
    }
    mem_free(program);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler");
    TCase *tests = tcase_create("scheduler");
    tcase_set_timeout(tests, TEST_LIMIT_S);
    tcase_add_test(tests, test_due_rows_are_released_in_order);
    tcase_add_test(tests, test_not_before_the_time);
    tcase_add_test(tests, test_a_large_release_goes_on_at_once);
    tcase_add_test(tests, test_another_leads_when_the_leader_is_killed);
    tcase_add_test(tests, test_single_rows_are_on_time);
    tcase_add_test(tests, test_long_audience_query);
    tcase_add_test(tests, test_reconnects);
    tcase_add_test(tests, test_a_failing_duty_is_tried_again);
    tcase_add_test(tests, test_lost_flights_are_recovered);
    tcase_add_test(tests, test_bad_options_are_refused);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
