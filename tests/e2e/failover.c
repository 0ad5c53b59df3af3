/* Several providers of one channel: fail-over and the way back, limits, regions, and mass "address gone". */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "support/engine.h"
#include "support/peer.h"
#include "support/pg.h"
#include "support/relay.h"
#include "support/suite.h"
#include "support/wait.h"

enum { DEADLINE_MS = 40000 };

static struct engine *engine;
static struct certs *certs;
static struct peer *first, *second; /* good ones */
static struct relay *door;          /* of provider "a" */

/* A vendor described by its row; each request tells the message's key in its path. */
static void add_vendor(const char *name, int port, const char *columns)
{
    struct buf sql;
    buf_init(&sql, 8192);
    buf_printf(
        &sql,
        "INSERT INTO outbox.provider (name, channel, adapter, connect_timeout, settings) VALUES ('%s', 'sms',"
        " 'http', '1 second', '{\"url\": \"https://127.0.0.1:%d\", \"path\": \"/answer/{{payload.n}}\","
        " \"ca_file\": \"%s\", \"body\": {\"to\": \"{{recipient}}\"},"
        " \"response\": {\"sent\": {\"status\": [200]}}}');",
        name, port, certs->ca_file);
    if (columns)
        buf_printf(&sql, "UPDATE outbox.provider SET %s WHERE name = '%s'", columns, name);
    pg_exec(engine->sql, buf_string(&sql));
    buf_free(&sql);
}

static void setup(void)
{
    engine = engine_start("failover");
    certs = certs_new();
    first = peer_new(certs, &(struct peer_options){.kind = PEER_HTTP1});
    second = peer_new(certs, &(struct peer_options){.kind = PEER_HTTP1});
    door = relay_new(peer_port(first));
    /* Nothing of what is tested depends on the time between attempts. */
    pg_exec(engine->sql, "UPDATE outbox.channel SET batch_deadline = '10 seconds' WHERE name = 'sms'");
}

static void teardown(void)
{
    engine_stop(engine);
    relay_free(door);
    peer_free(first);
    peer_free(second);
    certs_free(certs);
}

static int next;

static void insert(int count)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key)"
             " SELECT 'sms', '+8210' || lpad(i::text, 8, '0'), jsonb_build_object('text', 'x', 'n', "
             "i::text), 'm' || i"
             " FROM generate_series(%d, %d) AS i",
             next + 1, next + count);
    next += count;
    pg_exec(engine->sql, sql);
}

static void wait_all_sent(void)
{
    engine_wait(engine,
                "SELECT string_agg(DISTINCT concat_ws(' ', status, last_error), ', ') FROM outbox.message",
                "sent", DEADLINE_MS);
}

static size_t arrivals(struct peer *peer, int from, int upto)
{
    size_t count = 0;
    for (int i = from; i <= upto; i++) {
        char path[64];
        snprintf(path, sizeof path, "/answer/%d", i);
        count += peer_count(peer, path);
    }
    return count;
}

/* Provider a, the preferred one, fails in some way: all is sent once, through b. Then it works again, and
 * gets messages again by itself. */
static void drill(int bad_port, const char *what)
{
    relay_turn(door, bad_port);
    int from = next + 1;
    insert(60);
    wait_all_sent();
    ck_assert_msg(arrivals(second, from, next) == 60 && arrivals(first, from, next) == 0,
                  "%s: %zu by b, %zu by a", what, arrivals(second, from, next), arrivals(first, from, next));
    relay_turn(door, peer_port(first));
    size_t before = arrivals(first, 1, next);
    for (int i = 0; i < 200 && arrivals(first, 1, next) == before; i++) {
        engine_wait(engine,
                    "SELECT count(*) FROM outbox.provider_state WHERE provider = 'a' AND state = 'open'", "0",
                    DEADLINE_MS);
        insert(2);
        wait_all_sent();
        engine_wait(engine, "SELECT count(*) FROM outbox.flight", "0", DEADLINE_MS);
    }
    ck_assert_msg(arrivals(first, 1, next) > before, "%s: a gets nothing after it recovered", what);
}

START_TEST(test_failover_drill)
{
    next = 0;
    add_vendor("a", relay_port(door), "priority = 1");
    add_vendor("b", peer_port(second), "priority = 2");
    engine_dispatcher(engine, "sms");
    engine_scheduler(engine);
    insert(20);
    wait_all_sent();
    ck_assert_uint_eq(arrivals(first, 1, next), 20);

    struct peer *unwell = peer_new(certs, &(struct peer_options){.kind = PEER_HTTP1, .status = 503});
    struct peer *mute = peer_new(certs, &(struct peer_options){.kind = PEER_MUTE});
    struct peer *stranger =
        peer_new(certs, &(struct peer_options){.kind = PEER_HTTP1, .names = "DNS:elsewhere"});
    drill(peer_port(unwell), "503");
    drill(peer_port(mute), "hangs");
    drill(peer_port(stranger), "TLS");
    ck_assert_uint_eq(arrivals(first, 1, next) + arrivals(second, 1, next), (size_t)next);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE status <> 'sent'", "0");
    pg_expect(engine->sql, "SELECT string_agg(DISTINCT provider, ',') FROM outbox.message", "a,b");
    peer_free(unwell);
    peer_free(mute);
    peer_free(stranger);
}
END_TEST

START_TEST(test_regions_and_weights)
{
    next = 0;
    add_vendor("korea", peer_port(first), "regions = '{+8210}', priority = 9");
    add_vendor("germany", peer_port(first), "regions = '{AT,DE}', priority = 9");
    add_vendor("asia", peer_port(second), "regions = '{JP,KR}', priority = 1");
    add_vendor("world", peer_port(second), NULL);
    engine_dispatcher(engine, "sms");
    insert(10);
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('sms', '+33612345678', "
            "'{\"text\": \"x\", \"n\": \"abroad\"}'), ('sms', '+4915112345678', "
            "'{\"text\": \"x\", \"n\": \"germany\"}')");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "12", DEADLINE_MS);
    ck_assert_uint_eq(arrivals(first, 1, 10), 10);
    ck_assert_uint_eq(peer_count(second, "/answer/abroad"), 1);
    ck_assert_uint_eq(peer_count(first, "/answer/abroad"), 0);
    ck_assert_uint_eq(peer_count(first, "/answer/germany"), 1);
    ck_assert_uint_eq(peer_count(second, "/answer/germany"), 0);
}
END_TEST

/* Two dispatchers share one limit. The bucket is empty at first, so what is sent is bounded by the time. */
START_TEST(test_a_rate_holds_over_dispatchers)
{
    next = 0;
    add_vendor("a", peer_port(first), "rate_per_second = 100");
    engine_dispatcher(engine, "sms");
    engine_dispatcher(engine, "sms");
    engine_scheduler(engine);
    insert(400);
    pg_exec(engine->sql, "CREATE TABLE public.start AS SELECT clock_timestamp() AS at");
    wait_all_sent();
    /* Counted by the answers, which come a little later than the requests. */
    pg_expect(
        engine->sql,
        "SELECT extract(epoch FROM max(m.sent_at) - s.at) >= 3.5 FROM outbox.message AS m, public.start AS s "
        "GROUP BY s.at",
        "t");
    ck_assert_uint_eq(arrivals(first, 1, next), 400);
}
END_TEST

START_TEST(test_a_daily_limit)
{
    next = 0;
    add_vendor("a", peer_port(first), "rate_per_day = 30, priority = 1");
    add_vendor("b", peer_port(second), "priority = 2");
    engine_dispatcher(engine, "sms");
    engine_scheduler(engine);
    insert(40);
    wait_all_sent();
    ck_assert_uint_eq(arrivals(first, 1, next), 30);
    ck_assert_uint_eq(arrivals(second, 1, next), 10);
    insert(10);
    wait_all_sent();
    ck_assert_uint_eq(arrivals(second, 1, next), 20);
    pg_expect(engine->sql, "SELECT state FROM outbox.provider_health WHERE provider = 'a'", "exhausted");
}
END_TEST

/* Small bursts, and what another dispatcher gives back: nothing goes to b while a may be asked. */
START_TEST(test_a_daily_limit_piece_by_piece)
{
    next = 0;
    add_vendor("a", peer_port(first), "rate_per_day = 60, priority = 1");
    add_vendor("b", peer_port(second), "priority = 2");
    struct process *other = engine_dispatcher(engine, "sms");
    engine_dispatcher(engine, "sms");
    for (int i = 0; i < 6; i++) {
        insert(3);
        wait_all_sent();
    }
    ck_assert_int_eq(engine_end(engine, other), 0);
    engine_wait(engine, "SELECT used_today FROM outbox.provider_budget", "18", DEADLINE_MS);
    insert(42);
    wait_all_sent();
    ck_assert_uint_eq(arrivals(first, 1, next), 60);
    insert(1);
    wait_all_sent();
    ck_assert_uint_eq(arrivals(second, 1, next), 1);
}
END_TEST

/* One dispatcher holds requests that are not answered, the other one has the work: it may use all of the
 * limit. */
START_TEST(test_a_limit_is_not_kept_by_who_waits)
{
    next = 0;
    add_vendor("a", peer_port(first),
               "rate_per_second = 50, max_connections = 2, max_streams = 1, request_timeout = '8 seconds', "
               "settings = settings || '{\"path\": \"/{{payload.n}}\"}'");
    struct process *stuck = engine_dispatcher(engine, "sms");
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'sms', '+4915112345' || i, "
            "'{\"text\": \"x\", \"n\": \"silent\"}' FROM generate_series(1, 2) AS i");
    engine_wait(engine, "SELECT count(*) FROM outbox.in_the_air", "2", DEADLINE_MS);
    engine_dispatcher(engine, "sms");
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'sms', '+8210' || i, "
            "'{\"text\": \"x\", \"n\": \"answer\"}' FROM generate_series(1, 300) AS i");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "300", 12000);
    engine_kill(engine, stuck);
}
END_TEST

/* The row is edited while requests are in the air: they count for the provider that is made anew, too. */
START_TEST(test_slots_outlive_an_edit)
{
    next = 0;
    add_vendor("a", peer_port(first),
               "max_in_flight = 3, request_timeout = '3 seconds', settings = settings || '{\"path\": "
               "\"/silent?{{payload.n}}\"}'");
    engine_dispatcher(engine, "sms");
    insert(10);
    engine_wait(engine, "SELECT sum(messages) FROM outbox.in_the_air", "3", DEADLINE_MS);
    pg_exec(engine->sql, "CREATE TABLE public.edited AS SELECT clock_timestamp() AS at;"
                         "UPDATE outbox.provider SET weight = 50");
    /* The new provider has leased, more than once. */
    engine_wait(engine,
                "SELECT filled_at > at + interval '500 ms' FROM outbox.provider_budget, public.edited", "t",
                DEADLINE_MS);
    size_t asked = 0;
    for (int i = 1; i <= next; i++) {
        char path[64];
        snprintf(path, sizeof path, "/silent?%d", i);
        asked += peer_count(first, path);
    }
    ck_assert_uint_eq(asked, 3);
}
END_TEST

/* Nobody has anything to send: no lease is written for two seconds. Then there is work again. */
START_TEST(test_limits_at_rest)
{
    next = 0;
    add_vendor("a", peer_port(first), "rate_per_second = 100, rate_per_day = 1000, max_in_flight = 10");
    engine_dispatcher(engine, "sms");
    for (int i = 0; i < 2; i++) {
        insert(20);
        wait_all_sent();
        engine_wait(engine, "SELECT clock_timestamp() - filled_at > '2 seconds' FROM outbox.provider_budget",
                    "t", DEADLINE_MS);
        pg_expect(engine->sql,
                  "SELECT concat_ws(' ', b.used_today, s.slots, s.wanted) FROM outbox.provider_budget AS b, "
                  "outbox.provider_share AS s",
                  i == 0 ? "20 0 0" : "40 0 0");
    }
}
END_TEST

/* Nobody else serves these messages. They are not claimed again and again, and a raised limit is seen at
 * once. */
START_TEST(test_a_daily_limit_without_another)
{
    next = 0;
    add_vendor("a", peer_port(first), "rate_per_day = 5, regions = '{+8210}'");
    add_vendor("b", peer_port(second), "regions = '{+1}'");
    engine_dispatcher(engine, "sms");
    engine_scheduler(engine);
    insert(10);
    engine_wait(engine,
                "SELECT count(*) FILTER (WHERE status = 'sent') || ' ' || count(*) FILTER (WHERE status = "
                "'scheduled' AND next_attempt_at > now() + '30 seconds') FROM outbox.message",
                "5 5", 20000);
    pg_expect(engine->sql, "SELECT count(*) <= 15 FROM outbox.attempt", "t");
    pg_expect(engine->sql, "SELECT state FROM outbox.provider_health WHERE provider = 'a'", "exhausted");
    pg_exec(engine->sql, "UPDATE outbox.provider SET rate_per_day = 100 WHERE name = 'a';"
                         "UPDATE outbox.message SET next_attempt_at = now() WHERE status = 'scheduled'");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "10", 10000);
    ck_assert_uint_eq(arrivals(first, 1, next), 10);
}
END_TEST

/* A provider that is being tried, but has nothing left of its limit, keeps no message waiting. */
START_TEST(test_a_daily_limit_used_up_by_failures)
{
    next = 0;
    struct peer *unwell = peer_new(certs, &(struct peer_options){.kind = PEER_HTTP1, .status = 503});
    relay_turn(door, peer_port(unwell));
    add_vendor("a", relay_port(door), "rate_per_day = 5, priority = 1");
    add_vendor("b", peer_port(second), "priority = 2");
    engine_dispatcher(engine, "sms");
    engine_scheduler(engine);
    insert(30);
    wait_all_sent();
    ck_assert_uint_eq(arrivals(unwell, 1, next), 5);
    engine_wait(engine, "SELECT state FROM outbox.provider_state WHERE provider = 'a'", "probing",
                DEADLINE_MS);
    insert(10);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "40", 7000);
    ck_assert_uint_eq(arrivals(second, 1, next), 40);
    peer_free(unwell);
}
END_TEST

/* The breaker opened a moment before the answer that names the true reason: that one stands. It is given when
 * more than enough refusals for the breaker were. */
START_TEST(test_a_stop_while_the_breaker_is_open)
{
    add_vendor("a", peer_port(first),
               "max_connections = 30, settings = settings || "
               "'{\"path\": \"/status/{{payload.n}}/after/{{payload.after}}\", "
               "\"response\": {\"sent\": {\"status\": [200]}, \"rules\": [{\"status\": [401], \"verdict\": "
               "\"stopped\"}]}}'");
    engine_dispatcher(engine, "sms");
    pg_exec(engine->sql,
            "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'sms', '+8210' || i, "
            "jsonb_build_object('text', 'x', 'n', CASE i WHEN 30 THEN '401' ELSE '503' END, "
            "'after', CASE i WHEN 30 THEN '15' ELSE '0' END) FROM generate_series(1, 30) AS i");
    engine_wait(
        engine,
        "SELECT concat_ws(' ', state, open_in_dispatchers) FROM outbox.provider_health WHERE provider = 'a'",
        "stopped 1", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT reason LIKE '%401%' FROM outbox.provider_health WHERE provider = 'a'",
              "t");
}
END_TEST

/* The breaker opens or closes while the control connection is away: that is told when it has come back. */
START_TEST(test_health_is_told_again)
{
    next = 0;
    struct peer *unwell = peer_new(certs, &(struct peer_options){.kind = PEER_HTTP1, .status = 503});
    add_vendor("a", peer_port(unwell), NULL);
    engine_dispatcher(engine, "sms");
    insert(5); /* no more: one that is left would be the probe */
    engine_wait(engine, "SELECT max(state) FROM outbox.provider_state", "probing", DEADLINE_MS);
    pg_exec(engine->sql,
            "DELETE FROM outbox.provider_state;" /* as if nothing had been told */
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l WHERE l.locktype = 'advisory' "
            "AND l.classid = 7302 AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = "
            "current_database())");
    engine_wait(engine, "SELECT max(concat_ws(' ', state, reason LIKE '%503%')) FROM outbox.provider_state",
                "probing t", DEADLINE_MS);
    peer_free(unwell);
}
END_TEST

static bool was_called(void *peer)
{
    return peer_connections(peer) > 0;
}

/* SIGTERM while the first connection hangs: no second one is begun, and what happened is kept. */
START_TEST(test_the_end_waits_for_one_try_only)
{
    next = 0;
    struct peer *mute = peer_new(certs, &(struct peer_options){.kind = PEER_MUTE});
    add_vendor("a", peer_port(mute), "connect_timeout = '3 seconds'");
    struct process *dispatcher = engine_dispatcher(engine, "sms");
    insert(1);
    ck_assert(wait_until(was_called, mute, DEADLINE_MS));
    pg_exec(engine->sql, "CREATE TABLE public.start AS SELECT clock_timestamp() AS at");
    ck_assert_int_eq(engine_end(engine, dispatcher), 0);
    pg_expect(engine->sql, "SELECT clock_timestamp() - at < '5 seconds' FROM public.start", "t");
    pg_expect(engine->sql, "SELECT string_agg(concat_ws(' ', verdict, provider), ',') FROM outbox.attempt",
              "unsent a");
    pg_expect(engine->sql, "SELECT status FROM outbox.message", "scheduled");
    peer_free(mute);
}
END_TEST

START_TEST(test_mass_death_is_a_fault_of_the_configuration)
{
    pg_exec(
        engine->sql,
        "INSERT INTO outbox.device (user_id, platform, token) SELECT 'u' || i, 'ios', 'fa17041000' || "
        "lpad(to_hex(i), 54, '0') FROM generate_series(1, 60) AS i;"
        "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'ios', token, '{\"title\": \"Hi\"}' "
        "FROM outbox.device");
    engine_dispatcher(engine, "ios");
    engine_wait(
        engine,
        "SELECT count(*) FROM outbox.provider WHERE stop_reason LIKE '%addresses were reported gone%'", "1",
        DEADLINE_MS);
    engine_wait(engine, "SELECT count(*) FROM outbox.flight", "0", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT state FROM outbox.provider_health WHERE provider = 'apns'", "stopped");
    ck_assert_int_lt(pg_int(engine->sql, "SELECT count(*) FROM outbox.device WHERE retired_at IS NOT NULL"),
                     20);
    ck_assert_int_gt(pg_int(engine->sql, "SELECT count(*) FROM outbox.message WHERE status = 'scheduled'"),
                     40);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failover");
    static const struct {
        const char *name;
        const TTest *const *test;
    } cases[] = {
        {"drill", &test_failover_drill},
        {"regions", &test_regions_and_weights},
        {"rate", &test_a_rate_holds_over_dispatchers},
        {"daily limit", &test_a_daily_limit},
        {"daily limit piece by piece", &test_a_daily_limit_piece_by_piece},
        {"daily limit without another", &test_a_daily_limit_without_another},
        {"a limit is not kept", &test_a_limit_is_not_kept_by_who_waits},
        {"slots outlive an edit", &test_slots_outlive_an_edit},
        {"limits at rest", &test_limits_at_rest},
        {"daily limit and failures", &test_a_daily_limit_used_up_by_failures},
        {"stop and breaker", &test_a_stop_while_the_breaker_is_open},
        {"health is told again", &test_health_is_told_again},
        {"end", &test_the_end_waits_for_one_try_only},
        {"mass death", &test_mass_death_is_a_fault_of_the_configuration},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *tcase = tcase_create(cases[i].name);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 30);
        tcase_add_test(tcase, *cases[i].test);
        suite_add_tcase(suite, tcase);
    }
    return suite_run(suite);
}
