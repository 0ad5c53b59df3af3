/* Notifications: what a user is to be told becomes messages, or a reason why not. */
#include <check.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/notify.h"
#include "support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define MESSAGES                                                                                             \
    "SELECT string_agg(concat_ws(' ', channel, status, (SELECT locale FROM outbox.template AS t "            \
    "WHERE t.id = template_id)), ', ' ORDER BY id) FROM outbox.message"

START_TEST(test_fan_out)
{
    struct db_session *db = notify_start();
    pg_exec(db, NOTIFY("u", ", channels => '{ios,android,web,email}', idempotency_key => 'k'"));
    pg_expect(db, MESSAGES,
              "ios pending ko, android pending default, ios pending default, web pending default, "
              "email pending default");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', idempotency_key, left(recipient, 3), app, environment, device_id, "
        "lane, user_id, category), ', ' ORDER BY id) FROM outbox.message",
        "k/ios/1 aaa 1 transactional u service, k/android/2 ddd com.example 2 transactional u service, "
        "k/ios/3 bbb sandbox 3 transactional u service, k/web/4 {\"k 4 transactional u service, "
        "k/email u@e transactional u service");
    pg_expect(db, "SELECT bool_and(payload = " VARIABLES ") FROM outbox.message", "t");
    pg_expect(db,
              "SELECT count(*) || ' ' || count(DISTINCT message_id) || ' ' || min(status) FROM "
              "outbox.notification_status",
              "5 5 pending");
    /* Those on the way keep the version they were made with. */
    pg_exec(
        db,
        "CREATE TABLE public.made AS SELECT id, template_id FROM outbox.message;"
        "INSERT INTO outbox.template (name, channel, content) VALUES ('t', 'email', '{\"text\": \"2\"}')");
    pg_exec(db, NOTIFY("m", ""));
    pg_expect(db,
              "SELECT bool_and(m.template_id = b.template_id) FROM public.made AS b JOIN outbox.message AS m "
              "USING (id)",
              "t");
    pg_expect(db,
              "SELECT t.version FROM outbox.message AS m JOIN outbox.template AS t ON t.id = m.template_id "
              "WHERE m.user_id = 'm'",
              "2");
    /* The language of the user is that of devices without one of their own, and of mail. */
    pg_exec(db,
            "INSERT INTO outbox.template (name, channel, locale, content) VALUES "
            "('t', 'email', 'ko', '{\"text\": \"3\"}'); SELECT outbox.set_contact('m', locale => 'ko-KR')");
    pg_exec(db, NOTIFY("m", ""));
    pg_expect(db,
              "SELECT t.locale FROM outbox.message AS m JOIN outbox.template AS t ON t.id = m.template_id "
              "ORDER BY m.id DESC LIMIT 1",
              "ko");
}
END_TEST

START_TEST(test_refusals)
{
    struct db_session *db = notify_start();
    static const struct {
        const char *arguments, *expected;
    } rows[] = {
        {"'', 't', " VARIABLES, "OB009 user_id must have 1 to 200 octets and no control characters"},
        {"E'u\\n', 't', " VARIABLES, "OB009 user_id must have"},
        {"NULL, 't'", "23502 "},
        {"'u', 't', " VARIABLES ", 'gossip'",
         "OB009 category \"gossip\" does not exist; see outbox.category"},
        {"'u', 't', " VARIABLES ", channels => '{}'", "OB009 channels must not be empty; leave it out"},
        {"'u', 't', " VARIABLES ", channels => '{ios,pigeon}'",
         "OB009 channels \"pigeon\" does not exist; see outbox.channel"},
        {"'u', 't', " VARIABLES ", channels => '{NULL}'", "OB009 channels \"NULL\" does not exist"},
        {"'u', 't', " VARIABLES ", channels => '{ios}', fallback => '{pigeon}'",
         "OB009 fallback must name channels of outbox.channel"},
        {"'u', 't', " VARIABLES ", channels => '{ios,sms}', fallback => '{sms}'",
         "OB009 fallback must not name a channel twice, nor one of channels"},
        {"'u', 't', " VARIABLES ", fallback => '{sms,sms}'", "OB009 fallback must not name a channel twice"},
        {"'u', 't', " VARIABLES ", fallback => '{sms}', fallback_after => '0'",
         "OB009 fallback_after must be positive"},
        {"'u', 'none'", "OB009 template \"none\" does not exist; see outbox.template"},
        {"'u', 'push', channels => '{email,sms}'",
         "OB009 template \"push\" has no text for any of the channels"},
        {"'u', 't', '[]'", "OB009 variables must be a JSON object"},
        {"'u', 't', '{\"b\": {\"c\": 1}, \"s\": 1}'",
         "OB009 variables must have \"a\": template \"t\" needs it"},
        {"'u', 't', '{\"a\": 1}', channels => '{email}'", "OB009 variables must have \"b.c\": template"},
        {"'u', 't', '{\"a\": 1}', channels => '{ios}', fallback => '{sms}'",
         "OB009 variables must have \"s\""},
        {"'u', 't', '{\"s\": 1}', fallback => '{sms}'", "OB009 variables must have \"a\""},
        {"'u', 'push', send_at => 'infinity'", "OB004 send_at must be finite"},
        {"'u', 'push', expires_at => 'infinity'", "OB004 expires_at must be finite"},
        {"'u', 'push', expires_at => now()", "OB004 expires_at must be in the future"},
        {"'u', 'push', send_at => now() + '2 h', expires_at => now() + '2 h'",
         "OB004 expires_at must be after send_at"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char sql[512];
        snprintf(sql, sizeof sql, "SELECT outbox.notify(%s)", rows[i].arguments);
        pg_refused(db, sql, rows[i].expected);
    }
    pg_expect(db, "SELECT count(*) FROM outbox.notification", "0");
    /* One bad row of many refuses the statement. */
    pg_refused(db,
               "INSERT INTO outbox.notification (user_id, category, template) "
               "SELECT 'u', CASE WHEN i = 77 THEN 'gossip' ELSE 'service' END, 'push' "
               "FROM generate_series(1, 100) AS i",
               "OB009 category \"gossip\"");
    pg_expect(db, "SELECT count(*) FROM outbox.notification", "0");
}
END_TEST

START_TEST(test_idempotent)
{
    struct db_session *db = notify_start();
    pg_exec(db, "CREATE TABLE public.first AS " NOTIFY("m", ", idempotency_key => 'k'") " AS id");
    pg_expect(db, "SELECT outbox.notify('m', 'push', idempotency_key => 'k') = id FROM public.first", "t");
    pg_exec(db, "INSERT INTO outbox.notification (user_id, category, template, idempotency_key) VALUES "
                "('u', 'service', 'push', 'k') ON CONFLICT (idempotency_key) DO NOTHING");
    pg_refused(db,
               "INSERT INTO outbox.notification (user_id, category, template, idempotency_key) VALUES "
               "('u', 'service', 'push', 'k')",
               "23505 ");
    pg_expect(db, "SELECT count(*) FROM outbox.message", "1");
    pg_expect(db, "SELECT outbox.expand(array_agg(id)) FROM outbox.notification", "0");
    pg_expect(db, STATUSES, "email pending");
    /* Many rows in one natural statement; rows of one user count, too. */
    pg_exec(db,
            "SELECT outbox.set_contact('c' || i, email => i || '@example.com') FROM generate_series(1, 300) "
            "AS i;"
            "INSERT INTO outbox.notification (user_id, category, template, variables, channels, send_at) "
            "SELECT 'c' || i, 'service', 't', " VARIABLES
            ", '{email}', CASE WHEN i > 200 THEN now() + '1 h'::"
            "interval END FROM generate_series(1, 300) AS i");
    pg_expect(db, "SELECT count(*) || ' ' || count(DISTINCT recipient) FROM outbox.message", "201 201");
    pg_expect(db, "SELECT count(*) FROM outbox.notification WHERE state = 'scheduled' AND due_at = send_at",
              "100");
}
END_TEST

START_TEST(test_withheld)
{
    struct db_session *db = notify_start();
    static const struct {
        const char *before, *user, *more, *withheld, *messages;
    } rows[] = {
        {"", "nobody", "", "{\"*\": \"the user has no address for this\"}", NULL},
        {"", "m", ", channels => '{ios,sms}'", "{\"*\": \"the user has no address for this\"}", NULL},
        {"", "m", ", channels => '{ios,email}'", NULL, "email pending"},
        {"SELECT outbox.stop_user('m')", "m", "", "{\"email\": \"the user stopped all notifications\"}",
         NULL},
        {"SELECT outbox.stop_user('m')", "m", ", 'security'", NULL, "email pending"},
        {"SELECT outbox.set_preference('m', 'news', false)", "m", ", 'news'",
         "{\"email\": \"the user refused news\"}", NULL},
        {"SELECT outbox.set_preference('u', 'news', false, 'sms')", "u", ", 'news', '{sms,email}'",
         "{\"sms\": \"the user refused news\"}", "email pending"},
        {"SELECT outbox.set_preference('u', 'news', false), outbox.set_preference('u', 'news', true, 'sms')",
         "u", ", 'news', '{sms,email}'", "{\"email\": \"the user refused news\"}", "sms pending"},
        {"", "m", ", 'marketing'", "{\"email\": \"no consent to marketing\"}", NULL},
        {"SELECT outbox.set_preference('m', 'marketing', true, source => 'form')", "m", ", 'marketing'", NULL,
         "email pending"},
        {"INSERT INTO outbox.suppression (channel, address) VALUES ('email', 'm@example.com')", "m",
         ", 'security'", "{\"email\": \"the address is suppressed\"}", NULL},
        {"INSERT INTO outbox.suppression (channel, address) VALUES ('sms', 'm@example.com')", "m", "", NULL,
         "email pending"},
        {"UPDATE outbox.template SET current = false WHERE channel = 'web'", "u",
         ", channels => '{web,email}'", "{\"web\": \"the template has no text for this channel\"}",
         "email pending"},
        {"UPDATE outbox.template SET current = false WHERE channel <> 'email'", "u", "", NULL,
         "email pending"},
        {"SELECT outbox.set_contact('m', timezone => 'UTC'), outbox.set_quiet_hours('m', '00:00', '24:00')",
         "m", ", lane => 'bulk', expires_at => now() + '1 s'",
         "{\"email\": \"it expires before the quiet hours end\"}", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char sql[512];
        pg_exec(db, "BEGIN");
        if (rows[i].before[0] != '\0')
            pg_exec(db, rows[i].before);
        snprintf(sql, sizeof sql, "SELECT outbox.notify('%s', 't', " VARIABLES "%s)", rows[i].user,
                 rows[i].more);
        pg_exec(db, sql);
        pg_expect(db, WITHHELD, rows[i].withheld);
        pg_expect(db, STATUSES, rows[i].messages);
        pg_exec(db, "ROLLBACK");
    }
    pg_exec(db, NOTIFY("nobody", ", idempotency_key => 'k'"));
    pg_expect(db, "SELECT channel || ' ' || status || ' ' || reason FROM outbox.notification_status",
              "* withheld the user has no address for this");
}
END_TEST

START_TEST(test_timed)
{
    struct db_session *db = notify_start();
    pg_exec(db, NOTIFY("u", ", send_at => now() + '1 h', channels => '{ios,email}', idempotency_key => 'k'"));
    pg_exec(db, NOTIFY("m",
                       ", send_at => now() + '2 h', expires_at => now() + '3 h', idempotency_key => 'late'"));
    pg_exec(db, NOTIFY("m", ", 'security', send_at => now() + '3 h', idempotency_key => 'code'"));
    pg_expect(db, "SELECT count(*) FROM outbox.message", "0");
    pg_expect(db, "SELECT outbox.next_due() = send_at FROM outbox.notification WHERE idempotency_key = 'k'",
              "t");
    pg_expect(db, "SELECT outbox.expand_due()", "0");
    pg_expect(db, "SELECT string_agg(DISTINCT status, ',') FROM outbox.notification_status", "scheduled");
    /* What holds then decides: a device came, a channel was refused. */
    pg_exec(db, "SELECT outbox.set_preference('u', 'service', false, 'email'), "
                "outbox.register_device('u', 'ios', repeat('e', 64));"
                "UPDATE outbox.notification SET send_at = now(), due_at = now() WHERE idempotency_key = 'k'");
    pg_expect(db, "SELECT outbox.expand_due()", "1");
    pg_expect(db, STATUSES, "ios pending, ios pending, ios pending");
    pg_expect(db, "SELECT withheld FROM outbox.notification WHERE idempotency_key = 'k'",
              "{\"email\": \"the user refused service\"}");
    pg_expect(db, "SELECT outbox.expand_due()", "0");
    /* After an outage: what has expired is not made any more, by its own time or by its category's rule. */
    pg_exec(
        db,
        "UPDATE outbox.notification SET send_at = now() - interval '1 h', due_at = now() - interval '1 h', "
        "created_at = now() - interval '2 h', expires_at = CASE WHEN expires_at IS NOT NULL THEN now() END "
        "WHERE idempotency_key IN ('late', 'code')");
    pg_expect(db, "SELECT outbox.expand_due()", "2");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', idempotency_key, state, withheld), ', ' ORDER BY id) "
              "FROM outbox.notification WHERE user_id = 'm'",
              "late expired, code expanded {\"email\": \"it has expired\"}");
    pg_expect(db, "SELECT count(*) FROM outbox.message", "3");
    pg_exec(db, NOTIFY("m", ", 'security', send_at => now() - interval '1 h', idempotency_key => 'now'"));
    pg_expect(db, "SELECT lane || ' ' || (expires_at - created_at) FROM outbox.message WHERE user_id = 'm'",
              "transactional 00:10:00");
}
END_TEST

#define AT(zone) "(now() AT TIME ZONE '" zone "')::time"

START_TEST(test_quiet_hours)
{
    struct db_session *db = notify_start();
    /* Quiet for this user from an hour ago until in an hour; the day may end in between. */
    pg_exec(db, "UPDATE outbox.settings SET default_timezone = 'Asia/Kathmandu';"
                "UPDATE outbox.category SET quiet_from = " AT(
                    "Asia/Kathmandu") " - interval '1 h', "
                                      "quiet_until = " AT(
                                          "Asia/Kathmandu") " + interval '1 h' WHERE name = 'marketing';"
                                                            "SELECT outbox.set_preference('m', 'marketing', "
                                                            "true, source => 'form')");
    pg_exec(db, NOTIFY("m", ", 'marketing', idempotency_key => 'k'"));
    pg_expect(
        db,
        "SELECT status || ' ' || lane || ' ' || (next_attempt_at > now() + interval '59 min') || ' ' || "
        "(next_attempt_at <= now() + interval '1 h') FROM outbox.message",
        "scheduled bulk true true");
    pg_exec(db, NOTIFY("m", ", 'marketing', lane => 'transactional'"));
    pg_expect(db, STATUSES, "email scheduled, email pending");
    pg_exec(db, "SELECT outbox.set_preference('m', 'marketing', true, 'email', 'form', at_night => true)");
    pg_exec(db, NOTIFY("m", ", 'marketing'"));
    pg_expect(db, STATUSES, "email scheduled, email pending, email pending");
    /* The user's own hours hold for every category, with or without at_night, but not for mandatory ones. */
    pg_exec(
        db,
        "SELECT outbox.set_contact('m', timezone => 'Australia/Lord_Howe'), outbox.set_quiet_hours('m', " AT(
            "Australia/Lord_Howe") " - interval '1 h', " AT("Australia/Lord_Howe") " + interval '2 h')");
    pg_exec(db, NOTIFY("m", ", 'marketing'"));
    pg_exec(db, NOTIFY("m", ", 'service', lane => 'bulk'"));
    pg_exec(db, NOTIFY("m", ", 'security', lane => 'bulk'"));
    pg_exec(db, NOTIFY("m", ", 'service'"));
    pg_expect(db, STATUSES,
              "email scheduled, email pending, email pending, email scheduled, email scheduled, "
              "email pending, email pending");
    /* Asked again at the release: the user set other hours, the third refused. */
    pg_exec(db,
            "UPDATE outbox.message SET next_attempt_at = now() - interval '1 s' WHERE status = 'scheduled';"
            "SELECT outbox.set_preference('m', 'service', false)");
    pg_expect(db, "SELECT outbox.release_due()", "3");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', category, status, last_error, next_attempt_at > now() + "
              "interval '119 min'), ', ' ORDER BY id) FROM outbox.message WHERE status <> 'pending'",
              "marketing scheduled quiet hours t, marketing scheduled quiet hours t, "
              "service suppressed the user refused service");
    pg_exec(db, "SELECT outbox.set_quiet_hours('m', NULL, NULL);"
                "UPDATE outbox.message SET next_attempt_at = now() WHERE status = 'scheduled'");
    pg_expect(db, "SELECT outbox.release_due()", "2");
    pg_expect(db, "SELECT count(*) FROM outbox.message WHERE status = 'pending'", "6");
}
END_TEST

START_TEST(test_release)
{
    struct db_session *db = notify_start();
    static const struct {
        const char *label, *before, *expected;
    } rows[] = {
        {"released", "SELECT 1", "pending"},
        {"expired", "UPDATE outbox.message SET expires_at = now()", "expired"},
        {"suppressed", "INSERT INTO outbox.suppression (channel, address) VALUES ('email', 'm@example.com')",
         "suppressed the address is suppressed"},
        {"stopped", "SELECT outbox.stop_user('m')", "suppressed the user stopped all notifications"},
        {"no address", "SELECT outbox.set_contact('m', email => '')",
         "suppressed the user has no such address any more"},
        {"quiet until it has expired",
         "UPDATE outbox.message SET expires_at = now() + interval '1 s';"
         "SELECT outbox.set_contact('m', timezone => 'UTC'), outbox.set_quiet_hours('m', '00:00', '24:00')",
         "expired quiet hours"},
    };
    pg_exec(db, NOTIFY("m", ", lane => 'bulk'"));
    pg_exec(db, ANSWER("email", "retry"));
    pg_exec(db, "UPDATE outbox.message SET next_attempt_at = now(), last_error = NULL");
    for (size_t i = 0; i < COUNT(rows); i++) {
        pg_exec(db, "BEGIN");
        pg_exec(db, rows[i].before);
        pg_expect(db, "SELECT outbox.release_due()", "1");
        pg_expect(db, "SELECT concat_ws(' ', status, last_error) FROM outbox.message", rows[i].expected);
        pg_exec(db, "ROLLBACK");
    }
}
END_TEST

START_TEST(test_caps)
{
    struct db_session *db = notify_start();
    pg_exec(
        db,
        "UPDATE outbox.category SET max_per_user = 3, cap_period = '1 h' WHERE name IN ('news', 'security')");
    /* Five of one user in one statement, on two channels each; the first three are made. */
    pg_exec(db, "INSERT INTO outbox.notification (user_id, category, template, variables, channels) "
                "SELECT u, 'news', 't', " VARIABLES
                ", '{email,sms}' FROM generate_series(1, 5), unnest('{u,m}'::text[]) "
                "AS u ORDER BY 1");
    pg_expect(db,
              "SELECT string_agg(user_id || n, ' ' ORDER BY user_id) FROM (SELECT user_id, count(*) AS n "
              "FROM outbox.message GROUP BY 1) AS c",
              "m3 u6");
    pg_expect(
        db,
        "SELECT count(*) || ' ' || min(withheld::text) FROM outbox.notification WHERE withheld IS NOT NULL "
        "AND user_id = 'm'",
        "2 {\"email\": \"the cap of news is reached\"}");
    pg_exec(db, NOTIFY("m", ", 'news'"));
    pg_expect(db, WITHHELD, "{\"email\": \"the cap of news is reached\"}");
    /* Other categories are not counted; mandatory ones have no cap; what is not sent anyhow does not count.
     */
    pg_exec(db, NOTIFY("m", ""));
    pg_exec(db, "INSERT INTO outbox.notification (user_id, category, template, variables) "
                "SELECT 'm', 'security', 't', " VARIABLES " FROM generate_series(1, 4)");
    pg_expect(db,
              "SELECT string_agg(category || n, ' ' ORDER BY category) FROM (SELECT category, count(*) AS n "
              "FROM outbox.message WHERE user_id = 'm' GROUP BY 1) AS c",
              "news3 security4 service1");
    pg_exec(db, NOTIFY("nobody", ", 'news'"));
    pg_expect(db, "SELECT count(*) FROM outbox.frequency", "2");
    /* The window slides: the oldest leaves it, one more may go. */
    pg_exec(db, "UPDATE outbox.frequency SET recent[1] = now() - interval '61 min', "
                "recent[2] = now() - interval '59 min' WHERE user_id = 'm'");
    pg_exec(db, NOTIFY("m", ", 'news'"));
    pg_expect(db, WITHHELD, NULL);
    pg_exec(db, NOTIFY("m", ", 'news'"));
    pg_expect(db, WITHHELD, "{\"email\": \"the cap of news is reached\"}");
    /* A lower cap forgets nobody: of the three within the hour, one leaves and two stay. */
    pg_exec(db, "UPDATE outbox.category SET max_per_user = 2 WHERE name = 'news'");
    pg_exec(db, NOTIFY("m", ", 'news'"));
    pg_exec(db, "UPDATE outbox.frequency SET recent[1] = now() - interval '61 min' WHERE user_id = 'm'");
    pg_exec(db, NOTIFY("m", ", 'news'"));
    pg_expect(db, WITHHELD, "{\"email\": \"the cap of news is reached\"}");
    /* The same microsecond in two sessions is still two. */
    pg_exec(db,
            "CREATE FUNCTION public.frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "SELECT array_fill('2100-01-01'::timestamptz, ARRAY[cardinality(NEW.recent)]) INTO NEW.recent; "
            "RETURN NEW; END $$;"
            "CREATE TRIGGER frozen BEFORE INSERT OR UPDATE ON outbox.frequency FOR EACH ROW "
            "EXECUTE FUNCTION public.frozen();"
            "UPDATE outbox.category SET max_per_user = 1 WHERE name = 'news'; TRUNCATE outbox.frequency");
    pg_exec(db, NOTIFY("m", ", 'news'"));
    pg_expect(db, WITHHELD, NULL);
    pg_exec(db, NOTIFY("m", ", 'news'"));
    pg_expect(db, WITHHELD, "{\"email\": \"the cap of news is reached\"}");
}
END_TEST

/* The second session waits for the first, whichever way that ends. */
START_TEST(test_caps_of_two_sessions)
{
    struct db_session *db = notify_start();
    pg_exec(db, "UPDATE outbox.category SET max_per_user = 1, cap_period = '1 h' WHERE name = 'news'");
    struct db_session *first = pg_session(pg_case_conninfo());
    struct db_session *second = pg_session(pg_case_conninfo());
    for (int commits = 0; commits <= 1; commits++) {
        pg_exec(first, "BEGIN");
        pg_exec(first, NOTIFY("m", ", 'news'"));
        pg_exec(second, "SET lock_timeout = '200 ms'");
        pg_refused(second, NOTIFY("m", ", 'news'"), "55P03 ");
        pg_exec(first, commits ? "COMMIT" : "ROLLBACK");
        pg_exec(second, NOTIFY("m", ", 'news'"));
        pg_expect(db, "SELECT count(*) FROM outbox.message WHERE category = 'news'", "1");
    }
    db_close(first);
    db_close(second);
}
END_TEST

/* An address that appears between the counting and the making of messages must not get an uncounted one. */
START_TEST(test_cap_and_new_address)
{
    struct db_session *db = notify_start();
    struct db_session *holder = pg_session(pg_case_conninfo());
    pg_exec(db, "UPDATE outbox.category SET max_per_user = 1, cap_period = '1 h' WHERE name = 'news'");
    pg_exec(holder, "BEGIN");
    pg_exec(holder, NOTIFY("m", ", 'news'"));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct db_session *waiter = pg_session(pg_case_conninfo());
        pg_exec(waiter, "INSERT INTO outbox.notification (user_id, category, template, variables) VALUES "
                        "('m', 'news', 't', " VARIABLES "), ('new', 'news', 't', " VARIABLES ")");
        db_close(waiter);
        _exit(0);
    }
    pg_exec(db, "SET statement_timeout = '20 s'; DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE "
                "NOT granted) "
                "LOOP PERFORM pg_sleep(0.01); END LOOP; END $$");
    pg_exec(db, "SELECT outbox.set_contact('new', email => 'new@example.com')");
    pg_exec(holder, "COMMIT");
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    pg_expect(db, "SELECT string_agg(user_id, ' ') FROM outbox.message", "m");
    pg_expect(db, "SELECT withheld FROM outbox.notification WHERE user_id = 'new'",
              "{\"email\": \"the user had no address for this\"}");
    db_close(holder);
}
END_TEST

#define STANDING(channel, recipient, lane, user, category, notification, device)                             \
    "SELECT concat_ws('|', coalesce(refusal, 'ok'), wait_until IS NOT NULL, left(moved_to, 13)) FROM "       \
    "outbox.standing(now(), '" channel "', " recipient ", '" lane "', " user ", " category ", " notification \
    ", " device ")"
#define PHONE(category) STANDING("ios", "repeat('a', 64)", "transactional", "'u'", "'" category "'", "1", "1")
#define MAIL(category)                                                                                       \
    STANDING("email", "'u@example.com'", "transactional", "'u'", "'" category "'", "1", "NULL")
#define REGISTER(user, token, more)                                                                          \
    "SELECT outbox.register_device('" user "', 'ios', repeat('" token "', 64)" more ")"

START_TEST(test_standing)
{
    struct db_session *db = notify_start();
    static const struct {
        const char *before, *query, *expected;
    } rows[] = {
        {"SELECT 1", PHONE("service"), "ok|f"},
        {"SELECT 1", MAIL("service"), "ok|f"},
        {"SELECT 1", PHONE("marketing"), "no consent to marketing|f"},
        {"SELECT outbox.set_preference('u', 'marketing', true, 'ios', 'form')", PHONE("marketing"), "ok|f"},
        {"SELECT outbox.set_preference('u', 'marketing', true, 'ios', 'form')", MAIL("marketing"),
         "no consent to marketing|f"},
        {"SELECT outbox.set_preference('u', 'service', false)", PHONE("service"),
         "the user refused service|f"},
        {"SELECT outbox.set_preference('u', 'service', false, 'email')", PHONE("service"), "ok|f"},
        {"SELECT outbox.stop_user('u')", PHONE("service"), "the user stopped all notifications|f"},
        {"SELECT outbox.stop_user('u')", PHONE("security"), "ok|f"},
        {"SELECT outbox.stop_user('u'), outbox.resume_user('u')", PHONE("service"), "ok|f"},
        {"SELECT outbox.set_preference('u', 'service', false); UPDATE outbox.category SET consent = "
         "'mandatory'",
         PHONE("service"), "ok|f"},
        {"DELETE FROM outbox.category WHERE name = 'news'", PHONE("news"),
         "the category does not exist any more|f"},
        {"INSERT INTO outbox.suppression (channel, address) VALUES ('ios', repeat('a', 64))",
         PHONE("security"), "the address is suppressed|f"},
        {"SELECT outbox.retire_device('u', 'ios', repeat('a', 64))", PHONE("security"),
         "the device was retired: signed out|f"},
        {"DELETE FROM outbox.device WHERE id = 1", PHONE("security"), "the device was retired: deleted|f"},
        {REGISTER("v", "a", ""), PHONE("security"), "the device belongs to another user now|f"},
        {REGISTER("u", "c", ", replaces => repeat('a', 64)"), PHONE("service"), "ok|f|ccccccccccccc"},
        {REGISTER("u", "c", ", replaces => repeat('a', 64)") "; INSERT INTO outbox.suppression (channel, "
                                                             "address) VALUES ('ios', repeat('a', 64))",
         PHONE("service"), "ok|f|ccccccccccccc"},
        {REGISTER("u", "c", ", replaces => repeat('a', 64)") "; INSERT INTO outbox.suppression (channel, "
                                                             "address) VALUES ('ios', repeat('c', 64))",
         PHONE("service"), "the address is suppressed|f|ccccccccccccc"},
        {"SELECT outbox.set_contact('u', email => 'new@example.com')", MAIL("service"), "ok|f|new@example.c"},
        {"SELECT outbox.set_contact('u', email => '')", MAIL("security"),
         "the user has no such address any more|f"},
        {"SELECT outbox.set_quiet_hours('u', '00:00', '24:00')", PHONE("service"), "ok|f"},
        {"SELECT outbox.set_quiet_hours('u', '00:00', '24:00')",
         STANDING("ios", "repeat('a', 64)", "bulk", "'u'", "'service'", "1", "1"), "ok|t"},
        {"SELECT outbox.set_quiet_hours('u', '00:00', '24:00')",
         STANDING("ios", "repeat('a', 64)", "bulk", "'u'", "'security'", "1", "1"), "ok|f"},
        /* Inserted by a service that knows the address: with a user, and without. */
        {"SELECT outbox.stop_user('u')",
         STANDING("email", "'x@y.z'", "bulk", "'u'", "'service'", "NULL", "NULL"),
         "the user stopped all notifications|f"},
        {"SELECT 1", STANDING("email", "'x@y.z'", "bulk", "'u'", "'service'", "NULL", "NULL"), "ok|f"},
        {"SELECT 1", STANDING("email", "'x@y.z'", "bulk", "NULL", "NULL", "NULL", "NULL"), "ok|f"},
        {"INSERT INTO outbox.suppression (channel, address) VALUES ('email', 'x@y.z')",
         STANDING("email", "'x@y.z'", "bulk", "NULL", "NULL", "NULL", "NULL"), "the address is suppressed|f"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        pg_exec(db, "BEGIN");
        pg_exec(db, rows[i].before);
        pg_expect(db, rows[i].query, rows[i].expected);
        pg_exec(db, "ROLLBACK");
    }
    /* What moved follows. */
    pg_exec(db, NOTIFY("u", ", channels => '{email}'"));
    pg_exec(db, "SELECT outbox.set_contact('u', email => 'new@example.com')");
    pg_exec(db, ANSWER("email", "moved"));
    pg_expect(db, "SELECT status || ' ' || recipient || ' ' || attempts FROM outbox.message",
              "scheduled new@example.com 0");
    pg_expect(db, "SELECT outbox.release_due()", "1");
    pg_expect(db, "SELECT status FROM outbox.message", "pending");
}
END_TEST

START_TEST(test_roles)
{
    struct db_session *db = notify_start();
    pg_exec(db, "SET ROLE outbox_producer");
    pg_exec(db, NOTIFY("u", ", idempotency_key => 'k', send_at => now() + '1 h'"));
    pg_exec(db, NOTIFY("u", FALLBACK));
    pg_exec(db, "INSERT INTO outbox.notification (user_id, category, template) VALUES ('u', 'news', 'push') "
                "ON CONFLICT (idempotency_key) DO NOTHING");
    pg_expect(db, "SELECT outbox.cancel_notification('k')", "t");
    static const char *const forbidden[] = {
        "SELECT user_id FROM outbox.notification",
        "SELECT * FROM outbox.notification_status",
        "UPDATE outbox.notification SET user_id = 'x'",
        "DELETE FROM outbox.notification",
        "INSERT INTO outbox.notification (user_id, category, template, state) VALUES ('u', 'news', 'push', "
        "'cancelled')",
        "INSERT INTO outbox.notification (user_id, category, template, firing_id) VALUES ('u', 'news', "
        "'push', 1)",
        "INSERT INTO outbox.message (channel, recipient, payload, notification_id) VALUES ('ios', 'x', '{}', "
        "1)",
        "INSERT INTO outbox.message (channel, recipient, payload, device_id) VALUES ('ios', 'x', '{}', 1)",
        "SELECT outbox.expand('{1}')",
        "SELECT outbox.expand_due()",
        "SELECT outbox.fall_back_due()",
    };
    for (size_t i = 0; i < COUNT(forbidden); i++)
        pg_refused(db, forbidden[i], "42501 ");
    /* With a user, a message of its own asks for that user's refusals. */
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload, user_id, category) "
                "VALUES ('email', 'x@y.z', '{}', 'u', 'news')");
    pg_refused(db,
               "INSERT INTO outbox.message (channel, recipient, payload, user_id) VALUES "
               "('email', 'x@y.z', '{}', 'u')",
               "OB007 category must be given with user_id");
    pg_refused(db,
               "INSERT INTO outbox.message (channel, recipient, payload, user_id, category) VALUES "
               "('email', 'x@y.z', '{}', 'u', 'gossip')",
               "OB007 category \"gossip\" does not exist");
    pg_exec(db,
            "RESET ROLE; SET ROLE outbox_scheduler;"
            "SELECT outbox.expand_due(), outbox.fall_back_due(), outbox.release_due(), outbox.next_due()");
    pg_refused(db, "UPDATE outbox.notification SET state = 'cancelled'", "42501 ");
    pg_exec(db, "RESET ROLE; SET ROLE outbox_dispatcher");
    pg_exec(db, ANSWER("ios", "address_gone"));
    pg_exec(db, ANSWER("email", "moved"));
    pg_exec(
        db,
        "RESET ROLE; SET ROLE outbox_reader; SELECT * FROM outbox.notification_status, outbox.notification");
    pg_refused(db, NOTIFY("u", ""), "42501 ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notifications");
    pg_case_add(suite, "fan out", test_fan_out);
    pg_case_add(suite, "refusals", test_refusals);
    pg_case_add(suite, "idempotent", test_idempotent);
    pg_case_add(suite, "withheld", test_withheld);
    pg_case_add(suite, "timed", test_timed);
    pg_case_add(suite, "quiet hours", test_quiet_hours);
    pg_case_add(suite, "release", test_release);
    pg_case_add(suite, "caps", test_caps);
    pg_case_add(suite, "caps of two sessions", test_caps_of_two_sessions);
    pg_case_add(suite, "cap and new address", test_cap_and_new_address);
    pg_case_add(suite, "standing", test_standing);
    pg_case_add(suite, "roles", test_roles);
    return suite_run(suite);
}
