/* From "tell this user" to what a device shows: templates, rotation, dead tokens, refusals under load, time.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "support/engine.h"
#include "support/pg.h"
#include "support/suite.h"

enum { DEADLINE_MS = 20000, LOAD_DEADLINE_MS = 60000 };

static struct engine *engine;

static void setup(void)
{
    engine = engine_start("users");
    pg_exec(engine->sql,
            "INSERT INTO outbox.template (name, channel, locale, content) VALUES"
            " ('hello', 'ios', 'default', '{\"title\": \"Hello {{name}}\", \"body\": \"{{n}} < 8\"}'),"
            " ('hello', 'ios', 'ko', '{\"title\": \"안녕 {{name}}\", \"body\": \"{{n}}\"}'),"
            " ('hello', 'android', 'default', '{\"title\": \"Hello {{name}}\", \"body\": \"{{n}}\"}'),"
            " ('hello', 'email', 'default', '{\"subject\": \"Hello {{name}}\", \"text\": \"{{name}}: {{n}}\","
            "  \"html\": \"<p>{{name}}</p>\"}'),"
            " ('list', 'ios', 'default', '{\"body\": \"{{#items}}{{price}};{{/items}}\"}')");
    engine_dispatcher(engine, "ios,android,email");
    engine_scheduler(engine);
}

static void teardown(void)
{
    engine_stop(engine);
}

/* A member of what arrived for the message with this key; dotted path below the body. */
static void expect_shown(const char *sandbox_channel, const char *key, const char *outer, const char *member,
                         const char *expected)
{
    char query[512];
    snprintf(query, sizeof query, "SELECT uuid FROM outbox.delivery WHERE idempotency_key = '%s'", key);
    char *uuid = pg_value(engine->sql, query);
    snprintf(query, sizeof query, "/arrivals?channel=%s&id=%s", sandbox_channel, uuid);
    struct json_object *arrivals = sandbox_get_json(engine->sandbox, query);
    ck_assert_msg(json_object_array_length(arrivals) == 1, "%s arrived %zu times", key,
                  json_object_array_length(arrivals));
    struct json_object *place = json_get(json_object_array_get_idx(arrivals, 0), "body");
    char *path = mem_strdup(outer), *rest = NULL;
    for (char *part = strtok_r(path, ".", &rest); part; part = strtok_r(NULL, ".", &rest))
        place = json_get(place, part);
    const char *shown = json_get_text(place, member);
    ck_assert_msg(shown && strcmp(shown, expected) == 0, "%s: %s is \"%s\", expected \"%s\"", key, member,
                  shown ? shown : "(absent)", expected);
    json_object_put(arrivals);
    mem_free(path);
    mem_free(uuid);
}

static void expect_mail_has(const char *text)
{
    char *arrivals = sandbox_get(engine->sandbox, "/arrivals?channel=smtp");
    ck_assert_msg(strstr(arrivals, text) != NULL, "no mail has %s: %s", text, arrivals);
    mem_free(arrivals);
}

START_TEST(test_a_user_is_told_on_every_channel)
{
    pg_exec(engine->sql,
            "SET ROLE outbox_producer;"
            "SELECT outbox.register_device('u1', 'ios', repeat('a1', 32), locale => 'ko_KR');"
            "SELECT outbox.register_device('u1', 'ios', repeat('a2', 32), locale => 'de');"
            "SELECT outbox.register_device('u1', 'android', repeat('b', 30));"
            "SELECT outbox.set_contact('u1', email => 'kim@example.com');"
            "SELECT outbox.notify('u1', 'hello', '{\"name\": \"<Kim>\", \"n\": 7}', idempotency_key => 'k');"
            "RESET ROLE");
    engine_wait(engine, "SELECT count(*) FROM outbox.notification_status WHERE status = 'sent'", "4",
                DEADLINE_MS);
    expect_shown("apns", "k/ios/1", "aps.alert", "title", "안녕 <Kim>");
    expect_shown("apns", "k/ios/2", "aps.alert", "title", "Hello <Kim>");
    expect_shown("apns", "k/ios/2", "aps.alert", "body", "7 < 8");
    expect_shown("fcm", "k/android/3", "message.notification", "title", "Hello <Kim>");
    expect_mail_has("&lt;Kim&gt;");
}
END_TEST

START_TEST(test_a_queued_message_keeps_its_version)
{
    pg_exec(engine->sql,
            "SELECT outbox.register_device('u1', 'ios', repeat('a1', 32));"
            "SELECT outbox.pause('ios');"
            "SELECT outbox.notify('u1', 'hello', '{\"name\": \"A\", \"n\": 1}', idempotency_key => 'old');"
            "INSERT INTO outbox.template (name, channel, content) VALUES"
            " ('hello', 'ios', '{\"title\": \"New {{name}}\"}');"
            "SELECT outbox.notify('u1', 'hello', '{\"name\": \"B\", \"n\": 1}', idempotency_key => 'new');"
            "SELECT outbox.resume('ios')");
    engine_wait(engine, "SELECT count(*) FROM outbox.delivery WHERE status = 'sent'", "2", DEADLINE_MS);
    expect_shown("apns", "old/ios/1", "aps.alert", "title", "Hello A");
    expect_shown("apns", "new/ios/1", "aps.alert", "title", "New B");
}
END_TEST

/* More versions in one claim than a small cache would hold. */
START_TEST(test_every_message_has_a_template_of_its_own)
{
    pg_exec(engine->sql,
            "UPDATE outbox.channel SET batch_size = 2000, paused = true WHERE name = 'ios';"
            "UPDATE outbox.provider SET max_connections = 4, max_streams = 500 WHERE channel = 'ios'");
    pg_exec(
        engine->sql,
        "INSERT INTO outbox.device (user_id, platform, token) SELECT 'u' || i, 'ios', "
        "lpad(to_hex(i), 64, '0') FROM generate_series(1, 700) AS i;"
        "INSERT INTO outbox.template (name, channel, content) SELECT 't' || i, 'ios', "
        "jsonb_build_object('title', 'T' || i) FROM generate_series(1, 700) AS i;"
        "INSERT INTO outbox.notification (user_id, category, template) SELECT 'u' || i, 'service', 't' || i "
        "FROM generate_series(1, 700) AS i;"
        "SELECT outbox.resume('ios')");
    engine_wait(engine,
                "SELECT string_agg(DISTINCT concat_ws(' ', status, last_error), ', ') FROM outbox.message",
                "sent", DEADLINE_MS);
}
END_TEST

START_TEST(test_a_missing_variable_ends_the_message)
{
    pg_exec(engine->sql, "SELECT outbox.register_device('u1', 'ios', repeat('a1', 32));"
                         "SELECT outbox.notify('u1', 'list', '{\"items\": [{\"price\": 1}, {}]}')");
    engine_wait(engine, "SELECT status FROM outbox.delivery", "failed", DEADLINE_MS);
    pg_expect(engine->sql, "SELECT last_error FROM outbox.delivery",
              "template: body: variable \"price\" is missing");
    pg_expect(engine->sql, "SELECT reason FROM outbox.notification_status",
              "template: body: variable \"price\" is missing");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "arrived"), 0);
}
END_TEST

START_TEST(test_a_dead_token_retires_its_device_only)
{
    pg_exec(engine->sql,
            "SELECT outbox.register_device('u1', 'ios', 'fa17041000' || repeat('0', 54));"
            "SELECT outbox.register_device('u1', 'ios', repeat('a1', 32));"
            "SELECT outbox.notify('u1', 'hello', '{\"name\": \"A\", \"n\": 1}', idempotency_key => 'first')");
    engine_wait(engine, "SELECT string_agg(status::text, ',' ORDER BY id) FROM outbox.delivery",
                "failed,sent", DEADLINE_MS);
    pg_expect(engine->sql,
              "SELECT string_agg((retired_at IS NOT NULL)::text, ',' ORDER BY id) FROM outbox.device",
              "true,false");
    pg_expect(engine->sql, "SELECT retired_reason LIKE '%Unregistered%' FROM outbox.device WHERE id = 1",
              "t");
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.suppression", "0");
    pg_exec(
        engine->sql,
        "SELECT outbox.notify('u1', 'hello', '{\"name\": \"A\", \"n\": 2}', idempotency_key => 'second')");
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE idempotency_key LIKE 'second/%'", "1");
}
END_TEST

/* What waited for the old token, or for the old owner of a token. */
START_TEST(test_a_token_that_moves)
{
    pg_exec(
        engine->sql,
        "SELECT outbox.register_device('u1', 'ios', repeat('a1', 32));"
        "SELECT outbox.register_device('u2', 'ios', repeat('b2', 32));"
        "SELECT outbox.pause('ios');"
        "SELECT outbox.notify('u1', 'hello', '{\"name\": \"A\", \"n\": 1}', idempotency_key => 'rotated');"
        "SELECT outbox.notify('u2', 'hello', '{\"name\": \"B\", \"n\": 1}', idempotency_key => 'lost');"
        "SELECT outbox.register_device('u1', 'ios', repeat('a9', 32), replaces => repeat('A1', 32));"
        "SELECT outbox.register_device('u3', 'ios', repeat('b2', 32));"
        "SELECT outbox.resume('ios')");
    engine_wait(engine, "SELECT string_agg(status::text, ',' ORDER BY id) FROM outbox.delivery",
                "sent,suppressed", DEADLINE_MS);
    pg_expect(
        engine->sql,
        "SELECT recipient = repeat('a9', 32) FROM outbox.delivery WHERE idempotency_key = 'rotated/ios/1'",
        "t");
    pg_expect(engine->sql, "SELECT last_error FROM outbox.delivery WHERE idempotency_key = 'lost/ios/2'",
              "the device belongs to another user now");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "arrived"), 1);
}
END_TEST

START_TEST(test_time)
{
    pg_exec(
        engine->sql,
        "SELECT outbox.register_device('u1', 'ios', repeat('a1', 32));"
        "SELECT outbox.register_device('u2', 'ios', repeat('b2', 32));"
        "SELECT outbox.notify('u1', 'hello', '{\"name\": \"A\", \"n\": 1}', idempotency_key => 'timed',"
        " send_at => now() + '1 second');"
        "SELECT outbox.set_preference('u2', 'marketing', true, source => 'test');"
        "UPDATE outbox.category SET (quiet_from, quiet_until) = "
        " ((now() - interval '1 hour')::time, (now() + interval '1 hour')::time) WHERE name = 'marketing';"
        "SELECT outbox.pause('ios');"
        "INSERT INTO outbox.message (channel, lane, recipient, payload, user_id, category, idempotency_key)"
        " VALUES ('ios', 'bulk', repeat('b2', 32), '{\"body\": \"x\"}', 'u2', 'marketing', 'quiet');"
        "SELECT outbox.resume('ios')");
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.delivery WHERE idempotency_key LIKE 'timed/%'", "0");
    engine_wait(
        engine,
        "SELECT count(*) FROM outbox.delivery WHERE idempotency_key = 'timed/ios/1' AND status = 'sent'", "1",
        DEADLINE_MS);
    engine_wait(engine,
                "SELECT status || ' ' || last_error || ' ' || attempts || ' ' || (next_attempt_at > now() + "
                "interval '30 minutes') FROM outbox.delivery WHERE idempotency_key = 'quiet'",
                "scheduled quiet hours 0 true", DEADLINE_MS);
    pg_exec(engine->sql,
            "SELECT outbox.set_preference('u2', 'marketing', true, source => 'test', at_night => true);"
            "UPDATE outbox.message SET next_attempt_at = now() WHERE idempotency_key = 'quiet'");
    engine_wait(engine, "SELECT status FROM outbox.delivery WHERE idempotency_key = 'quiet'", "sent",
                DEADLINE_MS);
}
END_TEST

/*
 * Refusals are committed one after the other while the queue is being sent. Each flight is stamped when it is
 * opened, which is after its claim; MARGIN allows for the time between the two and for a busy machine. A
 * refusal that was committed longer than that before its message's flight was committed before the claim. The
 * limit gives a slow person the time to refuse.
 */
#define USERS  30000
#define MARGIN "1 second"

START_TEST(test_refusals_under_load)
{
    struct db_session *person = pg_session(engine->conninfo);
    char sql[1024];
    snprintf(
        sql, sizeof sql,
        "CREATE TABLE public.refused (user_id text PRIMARY KEY, at timestamptz);"
        "CREATE TABLE public.stamped (message_id bigint, at timestamptz);"
        "CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = "
        "public AS "
        "'BEGIN INSERT INTO stamped SELECT u, clock_timestamp() FROM unnest(NEW.message_ids) AS u;"
        " RETURN NULL; END';"
        "CREATE TRIGGER stamp AFTER INSERT ON outbox.flight FOR EACH ROW EXECUTE FUNCTION public.stamp();"
        "UPDATE outbox.channel SET batch_size = 100 WHERE name = 'ios';"
        "UPDATE outbox.provider SET rate_per_second = 5000 WHERE channel = 'ios';"
        "SELECT outbox.pause('ios');"
        "INSERT INTO outbox.device (user_id, platform, token) SELECT 'u' || i, 'ios', lpad(to_hex(i), "
        "64, '0')"
        " FROM generate_series(1, %d) AS i;"
        "INSERT INTO outbox.notification (user_id, category, template, variables)"
        " SELECT 'u' || i, 'service', 'hello', '{\"name\": \"A\", \"n\": 1}' FROM generate_series(1, "
        "%d) AS i",
        USERS, USERS);
    pg_exec(engine->sql, sql);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE status = 'pending'", "30000");
    /* From the end, so that most are refused long before their turn. */
    pg_exec(engine->sql, "SELECT outbox.resume('ios')");
    for (int user = USERS; user > USERS - 6000; user--) {
        snprintf(sql, sizeof sql, "SELECT outbox.set_preference('u%d', 'service', false, channel => 'ios')",
                 user);
        pg_exec(person, sql);
        snprintf(sql, sizeof sql, "INSERT INTO public.refused VALUES ('u%d', clock_timestamp())", user);
        pg_exec(person, sql);
        if (user % 100 == 0 &&
            pg_int(person,
                   "SELECT count(*) FROM outbox.message WHERE status = 'pending' AND queue_pos > 0") == 0)
            break;
    }
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status IN ('pending', 'scheduled')", "0",
                LOAD_DEADLINE_MS);
    pg_expect(engine->sql,
              "SELECT count(*) FROM public.refused JOIN outbox.message USING (user_id) JOIN public.stamped "
              "ON message_id = id"
              " WHERE refused.at < stamped.at - interval '" MARGIN "' AND status <> 'suppressed'",
              "0");
    ck_assert_int_gt(pg_int(engine->sql, "SELECT count(*) FROM outbox.message WHERE status = 'suppressed'"
                                         " AND last_error = 'the user refused service'"),
                     100);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE status NOT IN ('sent', 'suppressed')",
              "0");
    int64_t sent = pg_int(engine->sql, "SELECT count(*) FROM outbox.message WHERE status = 'sent'");
    ck_assert_int_eq(sandbox_count(engine->sandbox, "apns", "distinct"), sent);
    db_close(person);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("users");
    static const struct {
        const char *name;
        const TTest *const *test;
    } cases[] = {
        {"told", &test_a_user_is_told_on_every_channel},
        {"version", &test_a_queued_message_keeps_its_version},
        {"own templates", &test_every_message_has_a_template_of_its_own},
        {"missing variable", &test_a_missing_variable_ends_the_message},
        {"dead token", &test_a_dead_token_retires_its_device_only},
        {"moved token", &test_a_token_that_moves},
        {"time", &test_time},
        {"refusals", &test_refusals_under_load},
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
