/* Devices of users, what a provider's "gone" does to them, and who may call what. preferences.sql has the
 * rest. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "statements.h"
#include "support/pg.h"
#include "support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* An iOS token of 32 octets: the letter, 64 times. */
#define IOS(letter)     "repeat('" letter "', 64)"
#define ANDROID(letter) "repeat('" letter "', 40) || ':APA91b-_.'"
/* A subscription of this endpoint; the keys have the right lengths. */
#define WEB(endpoint)                                                                                        \
    "format('{\"endpoint\":\"%s\",\"expirationTime\":null,\"keys\":{\"p256dh\":\"B%s\",\"auth\":\"%s\"}}', " \
    "'" endpoint "', repeat('a', 86), repeat('b', 22))"
#define DEVICES                                                                                              \
    "SELECT string_agg(concat_ws(' ', id, user_id, left(token, 2), CASE WHEN retired_at IS NULL THEN "       \
    "'live' ELSE 'retired: ' || retired_reason END), '; ' ORDER BY id) FROM outbox.device"

struct refusal {
    const char *sql, *expected;
};

static void refuse_all(struct db_session *db, const struct refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pg_refused(db, rows[i].sql, rows[i].expected);
}

START_TEST(test_tokens)
{
    struct db_session *db = pg_case_session();
    static const struct {
        const char *platform, *token;
        const char *rule; /* NULL = accepted */
    } rows[] = {
        {"ios", IOS("a"), NULL},
        {"ios", IOS("A"), NULL},
        {"ios", "repeat('0', 160)", NULL},
        {"ios", "repeat('0', 63)", "token must be an APNs device token in hexadecimal"},
        {"ios", "repeat('g', 64)", "token must be an APNs device token in hexadecimal"},
        {"ios", IOS("a") " || E'\\n'", "token must be an APNs device token in hexadecimal"},
        {"ios", "''", "token must be an APNs device token in hexadecimal"},
        {"ios", "NULL", "token must be given"},
        {"android", ANDROID("a"), NULL},
        {"android", ANDROID("a") " || ' '", "token must be an FCM registration token"},
        {"android", ANDROID("a") " || '/'", "token must be an FCM registration token"},
        {"web", WEB("https://push.example/a"), NULL},
        {"web", WEB("HTTPS://Push.Example:8443?a=%%20&b={}"), "token must have an endpoint"},
        {"web", WEB("HTTPS://Push.Example:8443?a=%%20&b=[1]"), NULL},
        {"web", WEB("https://[::1]:8443"), NULL},
        {"web", "'x'", "token must be a push subscription in JSON"},
        {"web", "'{\"endpoint\":\"\\u0000\"}'", "token must be a push subscription in JSON"},
        {"web", "'[]'", "token must be a push subscription: a JSON object"},
        {"web", "'{}'", "token must have an endpoint that begins with https://"},
        {"web", WEB("http://push.example/a"), "token must have an endpoint"},
        {"web", WEB("https://push.example/a b"), "token must have an endpoint"},
        {"web", WEB("https://push.example/\\u0007"), "token must have an endpoint"},
        {"web", WEB("https://push.example/\\u00e9"), "token must have an endpoint"},
        {"web", WEB("https://push.example/a#b"), "token must have an endpoint"},
        {"web", WEB("https://push.example/a^b"), "token must have an endpoint"},
        {"web", WEB("https://u@push.example/a"), "token must have an endpoint"},
        {"web", WEB("https://push.example\\\\@a"), "token must have an endpoint"},
        {"web", WEB("https:///a"), "token must have an endpoint"},
        {"web", "replace(" WEB("https://push.example/a") ", 'Ba', 'B')", "token must have keys.p256dh"},
        {"web", "replace(" WEB("https://push.example/a") ", 'bb', '+b')", "token must have keys.auth"},
        {"web", WEB("https://push.example/") " || repeat(' ', 5000)", "token must not be longer than 2048"},
        {"pager", IOS("a"), "platform must be ios, android or web"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char sql[1024], expected[128];
        snprintf(sql, sizeof sql, "SELECT outbox.register_device('u', '%s', %s) > 0", rows[i].platform,
                 rows[i].token);
        snprintf(expected, sizeof expected, "OB007 %s", rows[i].rule != NULL ? rows[i].rule : "");
        if (rows[i].rule == NULL)
            pg_expect(db, sql, "t");
        else
            pg_refused(db, sql, expected);
    }
    /* The upper case token is the same one. */
    pg_expect(db, "SELECT count(*) FROM outbox.device", "6");
    static const struct refusal refusals[] = {
        {"SELECT outbox.register_device('', 'ios', " IOS("1") ")", "OB007 user_id must have"},
        {"SELECT outbox.register_device(NULL, 'ios', " IOS("1") ")", "OB007 user_id must have"},
        {"SELECT outbox.register_device(E'u\\t', 'ios', " IOS("1") ")", "OB007 user_id must have"},
        {"SELECT outbox.register_device('u', NULL, " IOS("1") ")", "OB007 platform must be given"},
        {"SELECT outbox.register_device('u', 'ios', " IOS("1") ", app => 'a b')", "OB007 app must have"},
        {"SELECT outbox.register_device('u', 'ios', " IOS("1") ", environment => 'test')",
         "OB007 environment must be production or sandbox"},
        {"SELECT outbox.register_device('u', 'ios', " IOS("1") ", locale => 'k')", "OB007 locale must look"},
        {"SELECT outbox.register_device('u', 'ios', " IOS("1") ", timezone => 'Asia/Soul')",
         "OB007 timezone \"Asia/Soul\" does not exist"},
    };
    refuse_all(db, refusals, COUNT(refusals));
}
END_TEST

START_TEST(test_one_owner)
{
    struct db_session *db = pg_case_session();
    pg_expect(db, "SELECT outbox.register_device('u1', 'ios', " IOS("a") ", locale => 'ko_KR')", "1");
    pg_expect(db, "SELECT outbox.register_device('u1', 'ios', " IOS("A") ")", "1");
    pg_expect(db, "SELECT locale FROM outbox.device", "ko-kr");
    pg_expect(db, "SELECT locale FROM outbox.contact WHERE user_id = 'u1'", "ko-kr");
    pg_expect(db, "SELECT outbox.register_device('u2', 'ios', " IOS("a") ")", "1");
    pg_expect(db, DEVICES, "1 u2 aa live");
    pg_expect(db, "SELECT locale FROM outbox.device", NULL); /* the language was the former user's */
    pg_expect(db, "SELECT outbox.retire_device('u1', 'ios', " IOS("a") ")", "f");
    pg_expect(db, "SELECT outbox.retire_device('u2', 'ios', " IOS("A") ", reason => 'sold')", "t");
    pg_expect(db, "SELECT outbox.retire_device('u2', 'ios', " IOS("a") ")", "f");
    pg_expect(db, DEVICES, "1 u2 aa retired: sold");
    pg_expect(db, "SELECT outbox.register_device('u2', 'ios', " IOS("a") ")", "1");
    pg_expect(db, DEVICES, "1 u2 aa live");
    /* Of two apps on one device the tokens may be the same. */
    pg_exec(db, "CREATE TABLE public.other AS SELECT outbox.register_device("
                "'u3', 'ios', " IOS("a") ", 'com.example.b', environment => 'sandbox') AS id");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', user_id, app, environment), '; ' ORDER BY id) FROM outbox.device",
        "u2  production; u3 com.example.b sandbox");
    pg_expect(db, "SELECT outbox.retire_device('u3', 'ios', " IOS("a") ")", "f");
    pg_expect(db, "SELECT outbox.retire_device('u3', 'ios', " IOS("a") ", 'com.example.b')", "t");
}
END_TEST

/* However a browser writes its subscription down, it is one token. */
START_TEST(test_one_subscription)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "CREATE TABLE public.w AS SELECT " WEB("https://push.example/a") " AS token");
    pg_expect(db, "SELECT outbox.register_device('u1', 'web', token) FROM public.w", "1");
    pg_expect(db,
              "SELECT outbox.register_device('u2', 'web', E'{\\n' || substr(token::jsonb::text, 2)) "
              "FROM public.w",
              "1");
    pg_expect(db, "SELECT outbox.register_device('u2', 'web', replace(token, 'b\"', 'b==\"')) FROM public.w",
              "1");
    pg_expect(db, "SELECT user_id || ' ' || (token::jsonb ->> 'endpoint') FROM outbox.device",
              "u2 https://push.example/a");
    pg_expect(db, "SELECT outbox.retire_device('u2', 'web', token::jsonb::text) FROM public.w", "t");
}
END_TEST

START_TEST(test_rotation)
{
    struct db_session *db = pg_case_session();
    pg_expect(db, "SELECT outbox.register_device('u1', 'ios', " IOS("a") ")", "1");
    pg_expect(db, "SELECT outbox.register_device('u1', 'ios', " IOS("b") ", replaces => " IOS("A") ")", "1");
    pg_expect(db, DEVICES, "1 u1 bb live");
    /* Again, after the answer was lost: nothing new. */
    pg_expect(db, "SELECT outbox.register_device('u1', 'ios', " IOS("b") ", replaces => " IOS("a") ")", "1");
    pg_expect(db, DEVICES, "1 u1 bb live");
    pg_expect(db,
              "SELECT registered_at = (SELECT min(registered_at) FROM outbox.device) FROM outbox.device "
              "WHERE outbox.register_device('u1', 'ios', " IOS("b") ", replaces => " IOS("B") ") = id",
              "t");
    /* Another's token is not taken away by naming it. */
    pg_exec(db, "SELECT outbox.register_device('u2', 'ios', " IOS("c") ", replaces => " IOS("b") ")");
    pg_expect(db, "SELECT count(*) FROM outbox.device WHERE retired_at IS NULL", "2");
    /* Both are known: the old one is a device of its own that is gone. */
    pg_exec(db, "SELECT outbox.register_device('u1', 'ios', " IOS("c") ", replaces => " IOS("b") ")");
    pg_expect(db, "SELECT count(*) FROM outbox.device WHERE user_id = 'u1' AND retired_at IS NULL", "1");
    pg_expect(db, "SELECT retired_reason FROM outbox.device WHERE token = " IOS("b"),
              "its token was replaced");
    /* In another app it is another token. */
    pg_exec(db,
            "SELECT outbox.register_device('u1', 'ios', " IOS("d") ", 'other', replaces => " IOS("c") ")");
    pg_expect(db, "SELECT count(*) FROM outbox.device WHERE user_id = 'u1' AND retired_at IS NULL", "2");
}
END_TEST

START_TEST(test_suppression_is_lifted)
{
    struct db_session *db = pg_case_session();
    pg_exec(db,
            "INSERT INTO outbox.suppression (channel, address, reason, message_id) VALUES "
            "('ios', " IOS("a") ", 'gone', 7), ('ios', " IOS(
                "b") ", 'by hand', NULL), "
                     "('android', " IOS("a") ", 'gone', 8);"
                                             "SELECT outbox.register_device('u', 'ios', " IOS(
                                                 "A") "), outbox.register_device('u', 'ios', " IOS("b") ")");
    pg_expect(db,
              "SELECT string_agg(channel || ' ' || reason, ', ' ORDER BY channel DESC) FROM "
              "outbox.suppression",
              "ios by hand, android gone");
}
END_TEST

#define SETTLE_GONE(ids, gone)                                                                               \
    "SELECT outbox.settle('ios', 1, '" ids "', '{address_gone}', '{p}', '{NULL}', '{Unregistered}', "        \
    "ARRAY[now()], '{NULL}', ARRAY[" gone "]::timestamptz[])"
#define MESSAGE(token, device)                                                                               \
    "INSERT INTO outbox.message (channel, recipient, device_id, payload) VALUES ('ios', " token ", " device  \
    ", '{}')"

START_TEST(test_address_gone)
{
    struct db_session *db = pg_case_session();
    static const struct {
        const char *label;
        const char *meanwhile; /* after the message was made */
        const char *gone;
        const char *devices, *suppressed;
    } rows[] = {
        {"gone", "SELECT 1", "clock_timestamp()", "1 u aa retired: Unregistered", NULL},
        {"gone by the time of the answer", "SELECT 1", "NULL", "1 u aa retired: Unregistered", NULL},
        {"seen since", "SELECT 1", "now() - interval '1 h'", "1 u aa live", NULL},
        {"registered since", "SELECT pg_sleep(0.002), outbox.register_device('u', 'ios', " IOS("a") ")",
         "(SELECT registered_at FROM outbox.device)", "1 u aa live", NULL},
        {"moved to another user", "SELECT outbox.register_device('v', 'ios', " IOS("a") ")",
         "now() - interval '1 h'", "1 v aa live", NULL},
        {"rotated", "SELECT outbox.register_device('u', 'ios', " IOS("b") ", replaces => " IOS("a") ")",
         "clock_timestamp()", "1 u bb live", IOS("a")},
        {"retired before", "SELECT outbox.retire_device('u', 'ios', " IOS("a") ")", "clock_timestamp()",
         "1 u aa retired: signed out", NULL},
        {"in another app too", "SELECT outbox.register_device('w', 'ios', " IOS("a") ", 'b')",
         "clock_timestamp()", "1 u aa retired: Unregistered; 2 w aa live", NULL},
        {"deleted", "DELETE FROM outbox.device", "clock_timestamp()", NULL, IOS("a")},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char sql[1024];
        pg_exec(db, "TRUNCATE outbox.message, outbox.device, outbox.suppression RESTART IDENTITY");
        pg_exec(db, "SELECT outbox.register_device('u', 'ios', " IOS("a") ")");
        pg_exec(db, MESSAGE(IOS("a"), "1"));
        pg_exec(db, rows[i].meanwhile);
        snprintf(sql, sizeof sql, SETTLE_GONE("{1}", "%s"), rows[i].gone);
        pg_expect(db, sql, "1");
        char *devices = pg_value(db, DEVICES);
        ck_assert_msg(devices == rows[i].devices || (devices != NULL && rows[i].devices != NULL &&
                                                     strcmp(devices, rows[i].devices) == 0),
                      "%s: %s", rows[i].label, devices != NULL ? devices : "no device");
        mem_free(devices);
        snprintf(sql, sizeof sql,
                 "SELECT coalesce(string_agg(address, ','), '') = coalesce(%s, '') FROM outbox.suppression",
                 rows[i].suppressed != NULL ? rows[i].suppressed : "NULL");
        char *same = pg_value(db, sql);
        ck_assert_msg(strcmp(same, "t") == 0, "%s: wrong suppressions", rows[i].label);
        mem_free(same);
        pg_expect(db, "SELECT status || ' ' || last_error FROM outbox.message", "failed Unregistered");
    }
    /* An address without a device is suppressed, unless it is longer than an index can hold. */
    pg_exec(db, "TRUNCATE outbox.message, outbox.device, outbox.suppression RESTART IDENTITY;" MESSAGE(
                    IOS("f"), "NULL"));
    pg_exec(db, MESSAGE("(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 128) AS i)", "NULL"));
    pg_expect(db, "SELECT max(octet_length(recipient)) FROM outbox.message", "4096");
    pg_expect(db,
              "SELECT outbox.settle('ios', 1, '{1,2}', '{address_gone,address_gone}', '{p,p}', "
              "'{NULL,NULL}', '{gone,gone}', ARRAY[now(), now()], '{NULL,NULL}')",
              "2");
    pg_expect(db, "SELECT string_agg(message_id || ' ' || reason, ',') FROM outbox.suppression", "1 gone");
}
END_TEST

/* A device that is being registered at this moment is surely not gone, and nobody waits for it. */
START_TEST(test_gone_while_registering)
{
    struct db_session *db = pg_case_session();
    struct db_session *app = pg_session(pg_case_conninfo());
    pg_exec(db, "SELECT outbox.register_device('u', 'ios', " IOS("a") ");" MESSAGE(IOS("a"), "1"));
    pg_exec(app, "BEGIN; SELECT outbox.register_device('u', 'ios', " IOS("a") ")");
    pg_exec(db, "SET lock_timeout = '5 s'");
    pg_expect(db, SETTLE_GONE("{1}", "clock_timestamp()"), "1");
    pg_exec(app, "COMMIT");
    pg_expect(db, DEVICES, "1 u aa live");
    db_close(app);
}
END_TEST

/* How often this transaction has looked at these tables, by index or not. Before Postgres 16 a search for
 * NULL in an index, which ends at once, was not counted; since then what an index gave is what tells them
 * apart. */
#define LOOKS(tables)                                                                                        \
    "SELECT sum(CASE WHEN r = t OR current_setting('server_version_num')::integer < 160000 "                 \
    "THEN pg_stat_get_xact_numscans(r) ELSE pg_stat_get_xact_tuples_returned(r) END) "                       \
    "FROM (SELECT indexrelid AS r, indrelid AS t FROM pg_index "                                             \
    "UNION SELECT indrelid, indrelid FROM pg_index) AS x WHERE t = ANY ('{" tables "}'::regclass[])"
#define OF_USERS "outbox.device, outbox.contact, outbox.category, outbox.preference"

START_TEST(test_message_without_user)
{
    struct db_session *db = pg_case_session();
    static const struct {
        const char *user;
        bool looks;
    } rows[] = {{"NULL, NULL", false}, {"'u', 'service'", true}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char insert[256];
        snprintf(
            insert, sizeof insert,
            "INSERT INTO outbox.message (channel, recipient, payload, user_id, category, send_at) "
            "SELECT 'ios', 'x' || n, '{}', %s, now() + n * interval '1 ms' FROM generate_series(0, 1) AS n",
            rows[i].user);
        pg_exec(db, insert);
        pg_exec(db, "UPDATE outbox.message SET next_attempt_at = now() WHERE status = 'scheduled'; BEGIN");
        pg_expect(db, "SELECT outbox.release_due()", "1");
        ck_assert_msg((pg_int(db, LOOKS(OF_USERS ", outbox.suppression")) > 0) == rows[i].looks,
                      "release of %s", rows[i].user);
        pg_exec(db, "COMMIT; BEGIN");
        struct error err = {0};
        struct db_result *result =
            db_query(db, sql_claim.sql, 5, (const char *const[]){"ios", "0", "0", "9", "9"}, &err);
        ck_assert_msg(result != NULL, "%s", err.text);
        ck_assert_int_eq(db_rows(result), 2);
        db_result_free(result);
        ck_assert_msg((pg_int(db, LOOKS(OF_USERS)) > 0) == rows[i].looks, "claim of %s", rows[i].user);
        pg_exec(db, "COMMIT; DELETE FROM outbox.message");
    }
}
END_TEST

START_TEST(test_roles)
{
    struct db_session *db = pg_case_session();
    static const char *const functions[] = {
        "outbox.register_device('u', 'ios', " IOS("a") ", locale => 'ko', timezone => 'Asia/Seoul')",
        "outbox.set_contact('u', email => 'a@b.c')",
        "outbox.set_quiet_hours('u', '22:00', '07:00')",
        "outbox.set_preference('u', 'service', false)",
        "outbox.stop_user('u')",
        "outbox.resume_user('u')",
        "outbox.retire_device('u', 'ios', " IOS("a") ")",
    };
    static const char *const tables[] = {"device", "contact", "preference", "settings", "frequency"};
    static const char *const others[] = {"reader", "dispatcher", "scheduler"};
    char sql[256];
    pg_exec(db, "SET ROLE outbox_producer");
    for (size_t i = 0; i < COUNT(functions); i++) {
        snprintf(sql, sizeof sql, "SELECT %s", functions[i]);
        pg_exec(db, sql);
    }
    for (size_t i = 0; i < COUNT(tables); i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM outbox.%s", tables[i]);
        pg_refused(db, sql, "42501 ");
        snprintf(sql, sizeof sql, "DELETE FROM outbox.%s", tables[i]);
        pg_refused(db, sql, "42501 ");
    }
    pg_refused(db, "SELECT consent FROM outbox.category", "42501 ");
    pg_refused(db, "SELECT * FROM outbox.standing(now(), 'ios', 'x', 'bulk', 'u', 'service', 1, 1)",
               "42501 ");
    pg_refused(db, "SELECT outbox.check_user('u')", "42501 ");
    pg_refused(db, "INSERT INTO outbox.suppression (channel, address) VALUES ('ios', 'x')", "42501 ");
    for (size_t i = 0; i < COUNT(others); i++) {
        snprintf(sql, sizeof sql, "RESET ROLE; SET ROLE outbox_%s", others[i]);
        pg_exec(db, sql);
        pg_exec(db, "SELECT FROM outbox.device, outbox.contact, outbox.preference, outbox.settings");
        pg_refused(db, "UPDATE outbox.device SET token = 'x'", "42501 ");
        pg_refused(db, "UPDATE outbox.contact SET email = 'x'", "42501 ");
        pg_refused(db, "DELETE FROM outbox.preference", "42501 ");
        for (size_t f = 0; f < COUNT(functions); f++) {
            snprintf(sql, sizeof sql, "SELECT %s", functions[f]);
            pg_refused(db, sql, "42501 ");
        }
    }
    pg_exec(db, "RESET ROLE; SET ROLE outbox_admin");
    pg_refused(db, "DELETE FROM outbox.settings", "42501 ");
    for (size_t i = 0; i < COUNT(functions); i++) {
        snprintf(sql, sizeof sql, "SELECT %s", functions[i]);
        pg_exec(db, sql);
    }
    pg_exec(db, "UPDATE outbox.category SET quiet_from = '20:00' WHERE name = 'marketing';"
                "INSERT INTO outbox.category (name, max_per_user, cap_period) VALUES ('news', 3, '1 day');"
                "DELETE FROM outbox.preference");
    pg_exec(db, "RESET ROLE; SET ROLE outbox_dispatcher");
    pg_expect(db,
              "SELECT refusal FROM outbox.standing(now(), 'ios', 'x', 'bulk', 'u', 'marketing', NULL, NULL)",
              "no consent to marketing");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("users");
    pg_case_add(suite, "tokens", test_tokens);
    pg_case_add(suite, "one owner", test_one_owner);
    pg_case_add(suite, "one subscription", test_one_subscription);
    pg_case_add(suite, "rotation", test_rotation);
    pg_case_add(suite, "suppression is lifted", test_suppression_is_lifted);
    pg_case_add(suite, "address gone", test_address_gone);
    pg_case_add(suite, "gone while registering", test_gone_while_registering);
    pg_case_add(suite, "message without user", test_message_without_user);
    pg_case_add(suite, "roles", test_roles);
    return suite_run(suite);
}
