/* Versions of templates, the partials they freeze, what is refused, locales, previews and privileges. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support/pg.h"
#include "support/suite.h"

#define INSERT_TEMPLATE "INSERT INTO outbox.template (name, channel, locale, content) VALUES "
#define INSERT_PARTIAL  "INSERT INTO outbox.partial (name, locale, body) VALUES "

/* All versions in order; a star marks the current ones. */
#define VERSIONS                                                                                             \
    "SELECT string_agg(channel || ' ' || locale || ' ' || version || CASE WHEN current THEN '*' ELSE '' "    \
    "END, ', ' ORDER BY channel, locale, version) FROM outbox.template"

#define FOOTERS                                                                                              \
    "SELECT string_agg(name || ' ' || locale || ' ' || version || ' ' || (partials ->> 'footer'), ', ' "     \
    "ORDER BY name, locale) FROM outbox.template WHERE current"

START_TEST(test_versions)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, INSERT_TEMPLATE "('hello', 'email', 'default', '{\"subject\":\"one\"}')");
    pg_exec(db, "INSERT INTO outbox.template (name, channel, content) "
                "VALUES ('hello', 'email', '{\"subject\":\"two\"}')");
    pg_exec(db, INSERT_TEMPLATE "('hello', 'email', 'ko_KR', '{\"subject\":\"three\"}')");
    pg_exec(db, INSERT_TEMPLATE "('hello', 'ios', 'KO-kr', '{\"body\":\"four\"}')");
    pg_exec(db, INSERT_TEMPLATE "('other', 'ios', 'default', '{\"body\":\"\"}')");
    pg_exec(db, "DELETE FROM outbox.template WHERE name = 'other'");
    pg_expect(db, VERSIONS, "email default 1, email default 2*, email ko-kr 1*, ios ko-kr 1*");
    pg_expect(db, "SELECT version || ' ' || current FROM outbox.template WHERE content ->> 'subject' = 'two'",
              "2 true");

    /* Several in one statement, and what a person may not choose. */
    pg_exec(db, INSERT_TEMPLATE
            "('hello', 'ios', 'default', '{\"n\":1}'), ('hello', 'ios', 'default', '{\"n\":2}')");
    pg_exec(db, "INSERT INTO outbox.template (name, channel, version, content, required, partials) "
                "VALUES ('hello', 'ios', 99, '{\"n\":3}', '{x}', '{\"x\":\"y\"}')");
    pg_expect(db, VERSIONS,
              "email default 1, email default 2*, email ko-kr 1*, ios default 1, ios default 2, "
              "ios default 3*, ios ko-kr 1*");
    pg_expect(db, "SELECT required::text || partials FROM outbox.template WHERE content -> 'n' = '3'",
              "{}{}");

    /* A draft, and a withdrawal. */
    pg_exec(db, "INSERT INTO outbox.template (name, channel, content, current) "
                "VALUES ('hello', 'email', '{\"subject\":\"draft\"}', false)");
    pg_expect(db, "SELECT outbox.preview('hello', NULL, 'email')", "{\"subject\": \"two\"}");
    pg_exec(db, "UPDATE outbox.template SET current = false WHERE channel = 'email'");
    pg_exec(db, "DELETE FROM outbox.template WHERE channel = 'ios'");
    pg_expect(db, VERSIONS, "email default 1, email default 2, email default 3, email ko-kr 1");
    pg_expect(db, "SELECT outbox.find_template('hello', 'email', 'ko-kr')", NULL);
}
END_TEST

START_TEST(test_never_changed)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, INSERT_TEMPLATE "('hello', 'email', 'ko', '{\"subject\":\"{{x}}\"}')");
    static const char *const assignments[] = {
        "content = '{}'",
        "name = 'x'",
        "channel = 'ios'",
        "locale = 'en'",
        "version = 7",
        "strict = false",
        "partials = '{\"a\":\"\"}'",
        "required = '{}'",
        "created_at = '2000-01-01'",
        "current = false, content = '{}'",
    };
    for (size_t i = 0; i < sizeof assignments / sizeof *assignments; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE outbox.template SET %s", assignments[i]);
        pg_refused(db, sql, "OB008 version is never changed: insert a new version");
    }
    pg_exec(db, "UPDATE outbox.template SET current = false");
    pg_exec(db, "UPDATE outbox.template SET current = true");
    pg_exec(db, "UPDATE outbox.channel SET name = 'mail' WHERE name = 'email'");
    pg_expect(db, VERSIONS, "mail ko 1*");
}
END_TEST

START_TEST(test_refused)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, INSERT_PARTIAL "('outer', 'default', '{{>inner}}')");
    static const struct {
        const char *values, *error;
    } rows[] = {
        {"'', 'email', 'ko', '{}'", "name must not be empty"},
        {"NULL, 'email', 'ko', '{}'", "name must not be empty"},
        {"'t', 'pigeon', 'ko', '{}'", "channel \"pigeon\" does not exist; see outbox.channel"},
        {"'t', NULL, 'ko', '{}'", "channel \"\" does not exist"},
        {"'t', 'email', 'k', '{}'", "locale \"k\" must be a language tag such as ko or pt-br, or default"},
        {"'t', 'email', NULL, '{}'", "locale \"\" must be a language tag"},
        {"'t', 'email', 'ko', '[]'", "content must be a JSON object"},
        {"'t', 'email', 'ko', 'null'", "content must be a JSON object"},
        {"'t', 'email', 'ko', NULL", "content must be a JSON object"},
        {"'t', 'email', 'ko', '{\"title\":\"{{#x}}\"}'",
         "content title: line 1: section \"x\" is not closed"},
        {"'t', 'email', 'ko', '{\"a\":{\"b\":[1,\"\",{\"c\":\"\\n{{}}\"}]}}'",
         "content a.b.2.c: line 2: tag \"{{}}\" has no name"},
        {"'t', 'email', 'ko', '{\"text\":\"{{>none}}\"}'",
         "content text: partial \"none\" does not exist; see outbox.partial"},
        {"'t', 'email', 'ko', '{\"text\":\"{{#a}}{{>outer}}{{/a}}\"}'",
         "content text: partial \"inner\" does not exist; see outbox.partial"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sql[256], expected[256];
        snprintf(sql, sizeof sql, INSERT_TEMPLATE "(%s)", rows[i].values);
        snprintf(expected, sizeof expected, "OB008 %s", rows[i].error);
        pg_refused(db, sql, expected);
    }
    pg_refused(db, INSERT_PARTIAL "('', 'ko', '')", "OB008 name must not be empty");
    pg_refused(db, INSERT_PARTIAL "(' p', 'ko', '')", "OB008 name must not be empty, or begin or end with");
    pg_refused(db, INSERT_PARTIAL "('p', 'k', '')", "OB008 locale \"k\" must be a language tag");
    pg_refused(db, INSERT_PARTIAL "('p', 'ko', '\n{{/x}}')",
               "OB008 body: line 2: section \"x\" is closed but not open");
    pg_refused(db, "UPDATE outbox.partial SET body = '{{'", "OB008 body: line 1: tag \"{{\" is not closed");
    pg_refused(db, "UPDATE outbox.partial SET name = 'other'",
               "OB008 name and locale are never changed: insert another partial");
    pg_refused(db, "UPDATE outbox.partial SET locale = 'ko'", "OB008 name and locale are never changed");
    pg_expect(db, "SELECT count(*) FROM outbox.template", "0");
}
END_TEST

START_TEST(test_locales)
{
    struct db_session *db = pg_case_session();
    static const struct {
        const char *locale, *normal, *chain;
    } rows[] = {
        {"'zh_Hant_TW'", "zh-hant-tw", "{zh-hant-tw,zh-hant,zh,default}"},
        {"'ko-KR'", "ko-kr", "{ko-kr,ko,default}"},
        {"'KO'", "ko", "{ko,default}"},
        {"'de-1996'", "de-1996", "{de-1996,de,default}"},
        {"'default'", "default", "{default}"},
        {"'abcdefgh-12345678'", "abcdefgh-12345678", "{abcdefgh-12345678,abcdefgh,default}"},
        {"NULL", NULL, "{default}"},
        {"''", NULL, "{default}"},
        {"'k'", NULL, "{default}"},
        {"'abcdefghi'", NULL, "{default}"},
        {"'ko--kr'", NULL, "{default}"},
        {"'ko-'", NULL, "{default}"},
        {"'ko-123456789'", NULL, "{default}"},
        {"'ko_KR.UTF-8'", NULL, "{default}"},
        {"'ko kr'", NULL, "{default}"},
        {"E'ko\\n'", NULL, "{default}"},
        {"'1a'", NULL, "{default}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT outbox.normal_locale(%s)", rows[i].locale);
        pg_expect(db, sql, rows[i].normal);
        snprintf(sql, sizeof sql, "SELECT outbox.locale_chain(%s)", rows[i].locale);
        pg_expect(db, sql, rows[i].chain);
    }

    pg_exec(db, INSERT_TEMPLATE "('t', 'ios', 'default', '{\"body\":\"any\"}'), "
                                "('t', 'ios', 'zh', '{\"body\":\"zh\"}'), "
                                "('t', 'ios', 'zh-hant', '{\"body\":\"zh-hant\"}'), "
                                "('t', 'email', 'en', '{\"subject\":\"en\"}')");
    static const struct {
        const char *channel, *locale, *found;
    } found[] = {
        {"ios", "zh_Hant_TW", "zh-hant"},
        {"ios", "zh-hant", "zh-hant"},
        {"ios", "zh-CN", "zh"},
        {"ios", "en", "default"},
        {"ios", "?", "default"},
        {"email", "en-gb", "en"},
        {"email", "ko", NULL},
        {"android", "zh", NULL},
    };
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        char sql[256];
        snprintf(
            sql, sizeof sql,
            "SELECT (SELECT locale FROM outbox.template WHERE id = outbox.find_template('t', '%s', '%s'))",
            found[i].channel, found[i].locale);
        pg_expect(db, sql, found[i].found);
    }
}
END_TEST

START_TEST(test_required)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, INSERT_PARTIAL "('footer', 'default', '{{sender}} {{#f}}{{no}}{{/f}} {{>legal}}'), "
                               "('legal', 'default', '{{&legal.name}}'), ('loop', 'default', '{{#l}}{{>loop}}"
                               "{{/l}}{{end}}'), ('unsure', 'default', '{{perhaps}}')");
    pg_exec(db, INSERT_TEMPLATE
            "('t', 'email', 'default', '{\"subject\":\"{{user.name}} {{user.name}} {{{raw}}}\","
            "\"text\":\"{{#s}}{{inner}}{{>unsure}}{{/s}}{{^s}}{{.}}{{/s}}{{=| |=}}|last|\\n|>footer|\","
            "\"headers\":{\"X-A\":[\"{{deep}}{{.}}\"],\"n\":1},\"html\":\"{{>loop}}\"}')");
    pg_expect(db, "SELECT required FROM outbox.template", "{deep,end,last,legal.name,raw,sender,user.name}");
    pg_expect(db,
              "SELECT outbox.missing_variables(id, '{\"user\":{\"name\":null},\"raw\":0,\"deep\":[],"
              "\"legal\":\"x\",\"sender\":\"\",\"legal.name\":1}') FROM outbox.template",
              "{end,last,legal.name}");
    pg_expect(
        db,
        "SELECT outbox.missing_variables(id, jsonb_build_object('user', '{\"name\":1}'::jsonb, 'raw', 1, "
        "'deep', 1, 'legal', '{\"name\":1}'::jsonb, 'sender', 1, 'end', 1, 'last', 1)) "
        "FROM outbox.template",
        "{}");
    pg_expect(db, "SELECT outbox.missing_variables(id, NULL) = required FROM outbox.template", "t");
    pg_expect(db, "SELECT outbox.missing_variables(0, '{}')", NULL);

    pg_exec(db, "INSERT INTO outbox.template (name, channel, content, strict) "
                "VALUES ('loose', 'ios', '{\"body\":\"{{x}}{{>none}}\"}', false)");
    pg_expect(db, "SELECT required::text || partials FROM outbox.template WHERE name = 'loose'",
              "{}{\"none\": \"\"}");
    pg_expect(db, "SELECT outbox.preview('loose', 'en', 'ios')", "{\"body\": \"\"}");
}
END_TEST

START_TEST(test_partials)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, INSERT_PARTIAL "('footer', 'default', 'any {{>legal}}'), ('footer', 'KO', 'ko {{>legal}}'), "
                               "('legal', 'default', 'Ltd'), ('unused', 'default', '')");
    pg_exec(db, INSERT_TEMPLATE "('a', 'email', 'default', '{\"text\":\"{{>footer}}\"}'), "
                                "('a', 'email', 'ko-kr', '{\"text\":\"{{>footer}}\"}'), "
                                "('b', 'email', 'default', '{\"text\":\"-\"}')");
    pg_expect(db, "SELECT partials FROM outbox.template WHERE name = 'a' AND locale = 'ko-kr'",
              "{\"legal\": \"Ltd\", \"footer\": \"ko {{>legal}}\"}");
    pg_exec(db, "CREATE TABLE public.before AS SELECT * FROM outbox.template");

    /* A changed text reaches the templates that use it, and only those. */
    pg_exec(db, "UPDATE outbox.partial SET body = 'KO {{>legal}}' WHERE name = 'footer' AND locale = 'ko'");
    pg_expect(db, FOOTERS, "a default 1 any {{>legal}}, a ko-kr 2 KO {{>legal}}");
    pg_exec(db, "UPDATE outbox.partial SET body = 'Inc' WHERE name = 'legal'");
    pg_expect(db, FOOTERS, "a default 2 any {{>legal}}, a ko-kr 3 KO {{>legal}}");
    pg_expect(db, "SELECT outbox.preview('a', 'ko', 'email')", "{\"text\": \"any Inc\"}");
    pg_expect(db, "SELECT outbox.preview('a', 'ko-kr', 'email')", "{\"text\": \"KO Inc\"}");
    pg_exec(db, "UPDATE outbox.partial SET body = body");
    pg_expect(db, "SELECT count(*) FROM outbox.template", "6");

    /* A better one, and an upsert. */
    pg_exec(db, INSERT_PARTIAL "('footer', 'ko-kr', 'kr')");
    pg_exec(db, INSERT_PARTIAL "('footer', 'default', 'new') ON CONFLICT (name, locale) "
                               "DO UPDATE SET body = excluded.body");
    pg_expect(db, FOOTERS, "a default 3 new, a ko-kr 4 kr");
    pg_expect(db,
              "SELECT (SELECT count(*) FROM outbox.template AS t JOIN public.before AS b ON b.id = t.id "
              "AND b.partials = t.partials AND b.content = t.content AND b.required = t.required)",
              "3");

    /* A withdrawn version is not brought back. */
    pg_exec(db, "UPDATE outbox.template SET current = false WHERE locale = 'default' AND name = 'a'");
    pg_exec(db, "UPDATE outbox.partial SET body = 'newer' WHERE name = 'footer' AND locale = 'default'");
    pg_expect(db, FOOTERS, "a ko-kr 4 kr");

    pg_refused(db, "UPDATE outbox.partial SET body = '{{>gone}}' WHERE locale = 'ko-kr'",
               "OB008 content text: partial \"gone\" does not exist");
    pg_refused(db, "DELETE FROM outbox.partial WHERE locale = 'ko-kr'",
               "OB008 partial \"footer\" (ko-kr) is used by template \"a\" (email, ko-kr)");
    pg_refused(db, "DELETE FROM outbox.partial", "OB008 partial \"footer\" (ko-kr) is used by template");
    pg_exec(db, "DELETE FROM outbox.partial WHERE locale <> 'ko-kr'");
    pg_exec(db, "UPDATE outbox.template SET current = false");
    pg_exec(db, "DELETE FROM outbox.partial");

    /* A partial that was missing when a lenient template was made. */
    pg_exec(db, "INSERT INTO outbox.template (name, channel, content, strict) "
                "VALUES ('c', 'email', '{\"text\":\"{{>footer}}\"}', false)");
    pg_expect(db, "SELECT outbox.preview('c', 'ko', 'email')", "{\"text\": \"\"}");
    pg_exec(db, INSERT_PARTIAL "('footer', 'default', 'late')");
    pg_expect(db, "SELECT outbox.preview('c', 'ko', 'email')", "{\"text\": \"late\"}");
    pg_expect(db, "SELECT strict FROM outbox.template WHERE name = 'c' AND current", "f");
}
END_TEST

START_TEST(test_preview)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, INSERT_TEMPLATE
            "('t', 'email', 'en', '{\"subject\":\"{{a}}\",\"html\":{\"x\":[\"{{a}}\",\"{{{a}}}\"]},"
            "\"data\":{\"html\":\"{{a}}\",\"{{a}}\":[true,null,1.50,{},[]]}}')");
    pg_expect(db, "SELECT outbox.preview('t', 'en_GB', 'email', '{\"a\":\"<&\"}')",
              "{\"data\": {\"html\": \"<&\", \"{{a}}\": [true, null, 1.50, {}, []]}, "
              "\"html\": {\"x\": [\"&lt;&amp;\", \"<&\"]}, \"subject\": \"<&\"}");
    pg_exec(db, INSERT_TEMPLATE "('u', 'email', 'en', '{\"b\":[\"\",\"{{#s}}{{a.b}}{{/s}}\"]}'), "
                                "('empty', 'email', 'en', '{}')");
    pg_expect(db, "SELECT outbox.preview('u', 'en', 'email')", "{\"b\": [\"\", \"\"]}");
    pg_expect(db, "SELECT outbox.preview('u', 'en', 'email', NULL)", "{\"b\": [\"\", \"\"]}");
    pg_expect(db, "SELECT outbox.preview('empty', 'en', 'email')", "{}");
    pg_refused(db, "SELECT outbox.preview('u', 'en', 'email', '{\"s\":1}')",
               "OB008 content b.1: variable \"a.b\" is missing");
    pg_refused(db, "SELECT outbox.preview('u', 'en', 'email', '{\"s\":{\"a\":{\"b\":{}}}}')",
               "OB008 content b.1: variable \"a.b\" is not a text, number or boolean");
    pg_refused(db, "SELECT outbox.preview('u', 'ko', 'email')",
               "OB008 template \"u\" does not exist for channel \"email\" and locale \"ko\"");
    pg_refused(db, "SELECT outbox.preview('u', 'en', 'ios')",
               "OB008 template \"u\" does not exist for channel");
    pg_refused(db, "SELECT outbox.preview('v', 'en', 'email')", "OB008 template \"v\" does not exist for");
}
END_TEST

/* A statement that runs beside the test in a session of its own. */
struct aside {
    struct db_session *session;
    const char *sql;
    struct error err;
    bool good;
    pthread_t thread;
};

static void *aside_run(void *arg)
{
    struct aside *aside = arg;
    struct db_result *result = db_query(aside->session, aside->sql, 0, NULL, &aside->err);
    aside->good = result != NULL;
    db_result_free(result);
    return NULL;
}

/* Starts it and returns when it waits for a lock. */
static void aside_start(struct aside *aside, const char *sql)
{
    *aside = (struct aside){.session = pg_session(pg_case_conninfo()), .sql = sql};
    ck_assert_int_eq(pthread_create(&aside->thread, NULL, aside_run, aside), 0);
    struct db_session *watch = pg_session(pg_case_conninfo());
    pg_exec(watch,
            "SET statement_timeout = '20 s'; DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_catalog.pg_locks "
            "WHERE locktype = 'advisory' AND classid = 7308 AND NOT granted) LOOP "
            "PERFORM pg_catalog.pg_sleep(0.005); END LOOP; END $$");
    db_close(watch);
}

static void aside_finish(struct aside *aside)
{
    ck_assert_int_eq(pthread_join(aside->thread, NULL), 0);
    ck_assert_msg(aside->good, "%s: %s", aside->sql, aside->err.text);
    db_close(aside->session);
}

START_TEST(test_two_at_once)
{
    struct db_session *db = pg_case_session();
    struct aside aside;
    pg_exec(db, INSERT_PARTIAL "('footer', 'default', 'old')");
    pg_exec(db, "BEGIN; " INSERT_TEMPLATE "('t', 'ios', 'en', '{\"n\":1}')");
    aside_start(&aside, INSERT_TEMPLATE "('t', 'ios', 'en', '{\"n\":2}')");
    pg_exec(db, "COMMIT");
    aside_finish(&aside);
    pg_expect(db, VERSIONS, "ios en 1, ios en 2*");
    pg_expect(db, "SELECT content FROM outbox.template WHERE current", "{\"n\": 2}");

    /* A template is made while a partial is changed, and the other way round. */
    pg_exec(db, "BEGIN; " INSERT_TEMPLATE "('f', 'ios', 'en', '{\"body\":\"{{>footer}}\"}')");
    aside_start(&aside, "UPDATE outbox.partial SET body = 'new'");
    pg_exec(db, "COMMIT");
    aside_finish(&aside);
    pg_expect(db, FOOTERS, "f en 2 new");
    pg_exec(db, "BEGIN; UPDATE outbox.partial SET body = 'newer'");
    aside_start(&aside, INSERT_TEMPLATE "('g', 'ios', 'en', '{\"body\":\"{{>footer}}\"}')");
    pg_exec(db, "COMMIT");
    aside_finish(&aside);
    pg_expect(db, FOOTERS, "f en 3 newer, g en 1 newer");

    /* It is withdrawn while its partial is changed. */
    pg_exec(db, "BEGIN; UPDATE outbox.template SET current = false WHERE name = 'g'");
    aside_start(&aside, "UPDATE outbox.partial SET body = 'newest'");
    pg_exec(db, "COMMIT");
    aside_finish(&aside);
    pg_expect(db, FOOTERS, "f en 4 newest");
}
END_TEST

START_TEST(test_roles)
{
    struct db_session *db = pg_case_session();
    pg_exec(db,
            "SET ROLE outbox_admin; "
            "INSERT INTO outbox.partial (name, body) VALUES ('footer', 'x'), ('spare', ''); " INSERT_TEMPLATE
            "('t', 'email', 'en', '{\"subject\":\"{{a}}{{>footer}}\"}')");
    pg_exec(db, "UPDATE outbox.partial SET body = 'y'; DELETE FROM outbox.partial WHERE name = 'spare'");
    pg_exec(db, "UPDATE outbox.template SET current = false; UPDATE outbox.template SET current = true "
                "WHERE version = 2; DELETE FROM outbox.template WHERE version = 1; RESET ROLE");
    static const struct {
        const char *role, *sql;
        bool allowed;
    } rows[] = {
        {"outbox_producer", "SELECT outbox.preview('t', 'en', 'email', '{\"a\":1}')", true},
        {"outbox_producer", "SELECT outbox.locale_chain(outbox.normal_locale('en'))", true},
        {"outbox_producer", "SELECT id FROM outbox.template", false},
        {"outbox_producer", "SELECT body FROM outbox.partial", false},
        {"outbox_producer", "SELECT outbox.mustache('', '{}')", false},
        {"outbox_producer", INSERT_TEMPLATE "('p', 'email', 'en', '{}')", false},
        {"outbox_dispatcher", "SELECT content, partials FROM outbox.template", true},
        {"outbox_dispatcher", "SELECT outbox.find_template('t', 'email', 'en')", true},
        {"outbox_dispatcher", "UPDATE outbox.template SET current = false", false},
        {"outbox_dispatcher", "SELECT body FROM outbox.partial", false},
        {"outbox_dispatcher", "SELECT outbox.preview('t', 'en', 'email', '{\"a\":1}')", false},
        {"outbox_scheduler", "SELECT id FROM outbox.template", false},
        {"outbox_reader", "SELECT t.*, p.* FROM outbox.template AS t, outbox.partial AS p", true},
        {"outbox_reader", "SELECT outbox.preview('t', 'en', 'email', '{\"a\":1}')", true},
        {"outbox_reader", "UPDATE outbox.partial SET body = ''", false},
        {"outbox_reader", "DELETE FROM outbox.template", false},
        {"outbox_admin", "SELECT outbox.preview('t', 'en', 'email', '{\"a\":1}')", true},
        {"outbox_admin", "SELECT outbox.mustache('{{a}}', '{\"a\":1}')", true},
        {"outbox_admin", "SELECT outbox.missing_variables(1, '{}')", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "SET ROLE %s", rows[i].role);
        pg_exec(db, sql);
        if (rows[i].allowed)
            pg_exec(db, rows[i].sql);
        else
            pg_refused(db, rows[i].sql, "42501 permission denied");
        pg_exec(db, "RESET ROLE");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("templates");
    pg_case_add(suite, "versions", test_versions);
    pg_case_add(suite, "never changed", test_never_changed);
    pg_case_add(suite, "refused", test_refused);
    pg_case_add(suite, "locales", test_locales);
    pg_case_add(suite, "required", test_required);
    pg_case_add(suite, "partials", test_partials);
    pg_case_add(suite, "preview", test_preview);
    pg_case_add(suite, "two at once", test_two_at_once);
    pg_case_add(suite, "roles", test_roles);
    return suite_run(suite);
}
