/* A large audience while its schedulers are killed: everybody is notified once, and nothing urgent waits. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/clock.h"
#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"

enum {
    USERS = 30000,
    MESSAGES = USERS * 3 / 2,
    KILLS = 10,
    DEADLINE_MS = 60000,
    URGENT_MS = 10000,
    TEST_LIMIT_S = 60
};

static struct engine *engine;

static void setup(void)
{
    engine = engine_start("audience");
}

static void teardown(void)
{
    engine_stop(engine);
}

/* Every user has an iPhone, every other one an Android device too. Checking each token is not what is tested.
 */
static void add_users(void)
{
    char sql[2048];
    snprintf(
        sql, sizeof sql,
        "CREATE SCHEMA shop;"
        "CREATE TABLE shop.charges AS SELECT 'user-' || n AS user_id, 7 AS days, n AS amount "
        "FROM generate_series(1, %d) AS n;"
        "GRANT USAGE ON SCHEMA shop TO outbox_scheduler;"
        "GRANT SELECT ON shop.charges TO outbox_scheduler;"
        "ALTER TABLE outbox.device DISABLE TRIGGER USER;"
        "INSERT INTO outbox.device (user_id, platform, token) "
        "SELECT 'user-' || n, 'ios', encode(sha256(n::text::bytea), 'hex') "
        "FROM generate_series(1, %d) AS n;"
        "INSERT INTO outbox.device (user_id, platform, token) "
        "SELECT 'user-' || n, 'android', 'token-of-the-device-' || n FROM generate_series(2, %d, 2) AS n;"
        "ALTER TABLE outbox.device ENABLE TRIGGER USER;"
        "INSERT INTO outbox.template (name, channel, content) SELECT 'charge', c, "
        "'{\"title\": \"{{amount}} in {{days}} days\"}' FROM unnest('{ios,android}'::text[]) AS c",
        USERS, USERS, USERS);
    pg_exec(engine->sql, sql);
}

static void send_urgent(int n)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES "
             "('ios', repeat('ab', 32), '{\"title\": \"4711\"}', 'urgent-%d')",
             n);
    int64_t start = clock_mono();
    pg_exec(engine->sql, sql);
    snprintf(sql, sizeof sql, "SELECT status FROM outbox.message WHERE idempotency_key = 'urgent-%d'", n);
    engine_wait(engine, sql, "sent", URGENT_MS);
    printf("urgent message sent after %" PRId64 " ms\n", clock_mono() - start);
}

START_TEST(test_everybody_once_whoever_dies)
{
    add_users();
    engine_dispatcher(engine, "ios");
    struct process *leader = engine_scheduler(engine);
    struct process *standby = engine_scheduler(engine);
    pg_exec(engine->sql, "INSERT INTO outbox.schedule (name, run_at, audience, template, category, lane) "
                         "VALUES ('charge', now(), 'shop.charges', 'charge', 'service', 'bulk')");
    for (int kill = 0; kill < KILLS; kill++) {
        char query[256];
        snprintf(query, sizeof query,
                 "SELECT coalesce((SELECT users >= %d OR state = 'done' FROM outbox.firing), false)",
                 kill * USERS / KILLS);
        engine_wait(engine, query, "t", DEADLINE_MS);
        engine_kill(engine, leader);
        leader = standby;
        standby = engine_scheduler(engine);
        if (kill % 3 == 1)
            send_urgent(kill);
    }
    engine_wait(engine, "SELECT state FROM outbox.firing", "done", DEADLINE_MS);

    char expected[64];
    snprintf(expected, sizeof expected, "%d %d %d", USERS, USERS, MESSAGES);
    pg_expect(engine->sql, "SELECT audience || ' ' || users || ' ' || messages FROM outbox.firing", expected);
    snprintf(expected, sizeof expected, "%d %d", USERS, USERS);
    pg_expect(engine->sql, "SELECT count(*) || ' ' || count(DISTINCT user_id) FROM outbox.notification",
              expected);
    snprintf(expected, sizeof expected, "%d %d %d", MESSAGES, MESSAGES, MESSAGES);
    pg_expect(engine->sql,
              "SELECT count(*) || ' ' || count(DISTINCT device_id) || ' ' || count(DISTINCT idempotency_key) "
              "FROM outbox.message WHERE notification_id IS NOT NULL",
              expected);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.audience_block", "0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("audience");
    TCase *tests = tcase_create("audience");
    tcase_set_timeout(tests, TEST_LIMIT_S);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_everybody_once_whoever_dies);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
