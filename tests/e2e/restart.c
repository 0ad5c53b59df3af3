/* The Postgres server goes away and comes back while dispatchers and a scheduler run. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"

enum { DEADLINE_MS = 60000, COUNT = 20000, RESTARTS = 3 };

/* seconds: how long it is away. */
static void restart_server(const char *seconds)
{
    const char *build = getenv("PGOUTBOX_BUILD");
    ck_assert_ptr_nonnull(build);
    char directory[4096];
    snprintf(directory, sizeof directory, "%s/testdb", build);
    const char *const argv[] = {"tools/scripts/pg", "restart", directory, "fast", seconds, NULL};
    struct process *program = process_start(argv, NULL, "/dev/null");
    int status;
    ck_assert(process_wait(program, DEADLINE_MS, &status));
    ck_assert_int_eq(status, 0);
    process_stop(program);
}

START_TEST(test_server_restart_loses_and_repeats_nothing)
{
    struct engine *engine = engine_start("restart");
    engine_dispatcher(engine, "ios");
    engine_dispatcher(engine, "ios");
    engine_scheduler(engine);
    engine_insert(engine, "ios", "r", COUNT);
    for (int i = 1; i <= RESTARTS; i++) {
        char query[128];
        snprintf(query, sizeof query, "SELECT count(*) >= %d FROM outbox.message WHERE status = 'sent'",
                 i * COUNT / (RESTARTS + 2));
        engine_wait(engine, query, "t", DEADLINE_MS);
        db_close(engine->sql);
        restart_server("0");
        engine->sql = pg_session(engine->conninfo);
    }
    char sent[16];
    snprintf(sent, sizeof sent, "%d", COUNT);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", sent, DEADLINE_MS);
    engine_check_all_sent(engine, "apns", COUNT);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    /* What is inserted after the restart is sent too, and timed rows are still released. */
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, send_at) VALUES "
            "('ios', repeat('ef', 32), '{\"title\":\"Hi\"}', 'timed', now() + interval '200 ms')");
    engine_wait(engine, "SELECT status FROM outbox.message WHERE idempotency_key = 'timed'", "sent",
                DEADLINE_MS);
    engine_stop(engine);
}
END_TEST

/* The deadlines of what is in the air pass while the server is away: those who sent it live, and land it. */
START_TEST(test_an_outage_longer_than_the_deadline_repeats_nothing)
{
    enum { IN_THE_AIR = 400 };
    struct engine *engine = engine_start("outage");
    pg_exec(engine->sql, "UPDATE outbox.channel SET batch_deadline = '5 seconds', batch_size = 100");
    engine_dispatcher(engine, "ios");
    engine_dispatcher(engine, "ios");
    engine_scheduler(engine);
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
            "SELECT 'ios', 'fa17000100' || substr(encode(sha256(n::text::bytea), 'hex'), 1, 54), "
            "'{\"title\":\"Hi\"}', 'slow-' || n FROM generate_series(1, 400) AS n");
    ck_assert_int_eq(sandbox_wait_count(engine->sandbox, "apns", "arrived", IN_THE_AIR, DEADLINE_MS),
                     IN_THE_AIR);
    pg_expect(engine->sql, "SELECT sum(cardinality(message_ids)) FROM outbox.flight", "400");
    db_close(engine->sql);
    restart_server("12");
    engine->sql = pg_session(engine->conninfo);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "400", DEADLINE_MS);
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "repeats"), 0);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.attempt", "0");
    engine_wait(engine, "SELECT count(*) FROM outbox.flight", "0", DEADLINE_MS);
    engine_stop(engine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restart");
    TCase *tcase = tcase_create("restart");
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, test_server_restart_loses_and_repeats_nothing);
    tcase_add_test(tcase, test_an_outage_longer_than_the_deadline_repeats_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
