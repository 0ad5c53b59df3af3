/* What a connection sets for itself, whatever the database's defaults are. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/pg.h"
#include "support/suite.h"

static const struct {
    const char *name, *hostile, *wanted;
} cases[] = {
    {"default_transaction_isolation", "serializable", "read committed"},
    {"default_transaction_isolation", "repeatable read", "read committed"},
    {"default_transaction_read_only", "on", "off"},
    {"default_transaction_deferrable", "on", "off"},
    {"synchronous_commit", "off", "on"},
    {"synchronous_commit", "local", "on"},
    {"synchronous_commit", "remote_write", "on"},
    {"synchronous_commit", "remote_apply", "remote_apply"},
    {"search_path", "public", "pg_catalog"},
    {"TimeZone", "Asia/Kathmandu", "UTC"},
    {"DateStyle", "German, DMY", "ISO, YMD"},
    {"IntervalStyle", "iso_8601", "postgres"},
    {"standard_conforming_strings", "off", "on"},
    {"bytea_output", "escape", "hex"},
    {"extra_float_digits", "-15", "1"},
    {"statement_timeout", "1min", "0"},
    {"lock_timeout", "1ms", "0"},
    {"idle_session_timeout", "1s", "0"},
    {"idle_in_transaction_session_timeout", "1s", "0"},
};

START_TEST(test_hostile_default)
{
    char *conninfo = pg_empty_database("outbox_session");
    struct db_session *session = pg_session(conninfo);
    char sql[512];
    snprintf(
        sql, sizeof sql,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET %s = %%L', current_database(), '%s'); END $$",
        cases[_i].name, cases[_i].hostile);
    pg_exec(session, sql);
    db_close(session);
    session = pg_session(conninfo);
    snprintf(sql, sizeof sql, "SELECT current_setting('%s')", cases[_i].name);
    pg_expect(session, sql, cases[_i].wanted);
    pg_expect(session, "SELECT current_setting('transaction_isolation')", "read committed");
    db_close(session);
    pg_drop_database(conninfo);
}
END_TEST

/* Whoever starts a program may still limit it. */
START_TEST(test_limits_of_the_connection)
{
    ck_assert_int_eq(setenv("PGOPTIONS", "-c lock_timeout=900ms", 1), 0);
    struct db_session *session = pg_session(pg_conninfo());
    pg_expect(session, "SELECT current_setting('lock_timeout')", "900ms");
    db_close(session);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tcase = tcase_create("session");
    tcase_add_loop_test(tcase, test_hostile_default, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tcase, test_limits_of_the_connection);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
