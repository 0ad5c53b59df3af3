/* Programs meet a database whose defaults are not ours: each message arrives once. */
#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"

enum { DEADLINE_MS = 30000 };

static const char *const hostile[] = {
    "default_transaction_isolation = 'repeatable read'",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_read_only = on",
    "synchronous_commit = off",
    "search_path = public",
    "\"TimeZone\" = 'Asia/Kathmandu'",
    "\"DateStyle\" = 'German, DMY'",
    "\"IntervalStyle\" = 'iso_8601'",
    "standard_conforming_strings = off",
    "statement_timeout = '400ms'",
    "lock_timeout = '1ms'",
    "idle_session_timeout = '300ms'",
    "idle_in_transaction_session_timeout = '50ms'",
};

START_TEST(test_one_arrival_per_message)
{
    struct engine *engine = engine_start("defaults");
    char sql[512];
    snprintf(sql, sizeof sql, "ALTER DATABASE defaults_%d SET %s", (int)getpid(), hostile[_i]);
    pg_exec(engine->sql, sql);
    engine_dispatcher(engine, "ios");
    engine_scheduler(engine);
    engine_insert(engine, "ios", "now", 20);
    pg_exec(engine->sql, "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, send_at) "
                         "SELECT 'ios', repeat('ef', 32), '{\"title\":\"Hi\"}', 'timed-' || n, "
                         "now() + interval '200 ms' FROM generate_series(1, 5) AS n");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "25", DEADLINE_MS);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "arrived"), 25);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.attempt", "0");
    engine_stop(engine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("defaults");
    TCase *tcase = tcase_create("defaults");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_one_arrival_per_message, 0, sizeof hostile / sizeof *hostile);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
