/* The Postgres server goes away and comes back while dispatchers and a scheduler run. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"

enum { DEADLINE_MS = 60000, COUNT = 20000, RESTARTS = 3 };

static void restart_server(void)
{
    const char *build = getenv("PGOUTBOX_BUILD");
    ck_assert_ptr_nonnull(build);
    char directory[4096];
    snprintf(directory, sizeof directory, "%s/testdb", build);
    const char *const argv[] = {"tools/scripts/pg", "restart", directory, NULL};
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
        restart_server();
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

int main(void)
{
    Suite *suite = suite_create("restart");
    TCase *tcase = tcase_create("restart");
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, test_server_restart_loses_and_repeats_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
