/* The row of an http provider is checked when it is written, by the same rules as in the dispatcher. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/http_settings.h"
#include "support/pg.h"
#include "support/suite.h"

#define INSERT_HTTP "INSERT INTO outbox.provider (name, channel, adapter, settings) VALUES "

START_TEST(test_refused)
{
    struct db_session *db = pg_case_session();
    for (size_t i = 0; i < BAD_HTTP_SETTINGS; i++) {
        char sql[1024], expected[512];
        snprintf(sql, sizeof sql, "SELECT outbox.check_http_settings($json$%s$json$)",
                 bad_http_settings[i].json);
        pg_expect(db, sql, bad_http_settings[i].error);
        snprintf(sql, sizeof sql, INSERT_HTTP "('vendor', 'sms', 'http', $json$%s$json$)",
                 bad_http_settings[i].json);
        snprintf(expected, sizeof expected, "OB006 %s", bad_http_settings[i].error);
        pg_refused(db, sql, expected);
    }
    pg_refused(db, INSERT_HTTP "('vendor', 'sms', 'http', '[]')", "OB006 settings must be a JSON object");
    pg_refused(db, INSERT_HTTP "('vendor', 'sms', 'http', '{\"password\":\"x\"}')",
               "OB006 settings must not hold a secret");
    pg_expect(db, "SELECT outbox.check_http_settings('[]')", "settings: must be an object");
    pg_expect(db, "SELECT count(*) FROM outbox.provider", "0");
}
END_TEST

START_TEST(test_accepted)
{
    struct db_session *db = pg_case_session();
    pg_expect(db, "SELECT outbox.check_http_settings($json$" GOOD_HTTP_SETTINGS "$json$)", NULL);
    pg_exec(db, INSERT_HTTP "('full', 'sms', 'http', $json$" GOOD_HTTP_SETTINGS "$json$)");
    pg_exec(db, INSERT_HTTP "('least', 'email', 'http', '{" HTTP_URL "}')");
    pg_exec(db, "UPDATE outbox.provider SET settings = settings || '{\"path\":\"/x\"}' WHERE name = 'least'");
    pg_refused(db,
               "UPDATE outbox.provider SET settings = settings || '{\"path\":\"x\"}' WHERE name = 'least'",
               "OB006 settings.path: must begin with /");
    /* Other adapters have other settings; one that becomes http must have these. */
    pg_exec(db, INSERT_HTTP "('other', 'email', 'smtp', '{\"url\":\"smtp://mail.example\"}')");
    pg_refused(db, "UPDATE outbox.provider SET adapter = 'http' WHERE name = 'other'",
               "OB006 settings.url: must be https://host or https://host:port");
    /* What a dispatcher writes is none of the trigger's business. */
    pg_exec(db, "UPDATE outbox.provider SET stopped_until = now() WHERE name = 'full'");
}
END_TEST

START_TEST(test_admin_may)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SET ROLE outbox_admin");
    pg_exec(db, INSERT_HTTP "('full', 'sms', 'http', $json$" GOOD_HTTP_SETTINGS "$json$)");
    pg_refused(db, INSERT_HTTP "('bad', 'sms', 'http', '{}')", "OB006 settings.url: is required");
}
END_TEST

/* The statement in the documentation, as a reader would run it. */
START_TEST(test_example)
{
    static char page[32768];
    struct db_session *db = pg_case_session();
    FILE *file = fopen("docs/http-adapter.md", "r");
    ck_assert_ptr_nonnull(file);
    page[fread(page, 1, sizeof page - 1, file)] = '\0';
    fclose(file);
    char *start = strstr(page, "```sql\n"), *end = start == NULL ? NULL : strstr(start + 7, "```");
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    pg_exec(db, start + 7);
    /* The request shown there has its members and headers in this order. */
    pg_expect(db,
              "SELECT string_agg(m, ' ') FROM outbox.provider, jsonb_object_keys(settings -> 'body') AS m",
              "to ref from text");
    pg_expect(db,
              "SELECT string_agg(m, ' ') FROM outbox.provider, jsonb_object_keys(settings -> 'headers') AS m",
              "X-Sb-Time X-Sb-Client");
}
END_TEST

START_TEST(test_webhook_channel)
{
    struct db_session *db = pg_case_session();
    pg_expect(db, "SELECT in_doubt FROM outbox.channel WHERE name = 'webhook'", "resend");
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) "
                "VALUES ('webhook', 'https://hooks.example.com/x', '{\"type\":\"order.paid\"}')");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_adapter");
    pg_case_add(suite, "refused", test_refused);
    pg_case_add(suite, "accepted", test_accepted);
    pg_case_add(suite, "admin may", test_admin_may);
    pg_case_add(suite, "example", test_example);
    pg_case_add(suite, "webhook channel", test_webhook_channel);
    return suite_run(suite);
}
