#include "support/pg.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "support/process.h"

enum { MIGRATE_DEADLINE_MS = 60000, CASE_TIMEOUT_S = 60 };

static const char template_name[] = "outbox_template";

const char *pg_conninfo(void)
{
    const char *conninfo = getenv("PGOUTBOX_TEST_CONNINFO");
    ck_assert_msg(conninfo != NULL && conninfo[0] != '\0',
                  "PGOUTBOX_TEST_CONNINFO is not set: run the tests by tests/run or make check");
    return conninfo;
}

static char *format_text(const char *format, ...) PRINTF_LIKE(1, 2);
static char *format_text(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    ck_assert_int_ge(size, 0);
    return text;
}

/* The last of two equal keywords counts. */
static char *conninfo_of(const char *database)
{
    return format_text("%s dbname=%s", pg_conninfo(), database);
}

static void exec_name(struct db_session *session, const char *format, const char *name, const char *other)
{
    char *sql = NULL;
    ck_assert_int_ge(asprintf(&sql, format, name, other), 0);
    pg_exec(session, sql);
    free(sql);
}

static void migrate(const char *conninfo)
{
    char *program = process_program("outboxctl");
    const char *const argv[] = {program, "migrate", "--database", conninfo, NULL};
    struct process *process = process_start(argv, NULL, "/dev/null");
    int status = 0;
    ck_assert_msg(process_wait(process, MIGRATE_DEADLINE_MS, &status), "outboxctl migrate did not end");
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "outboxctl migrate failed (status %d)",
                  status);
    process_stop(process);
    mem_free(program);
}

/* Renamed when complete, so a half-made template is never used. */
static void make_template(struct db_session *session)
{
    pg_exec(session, "SELECT pg_advisory_lock(7399, 1)");
    if (pg_int(session, "SELECT count(*) FROM pg_database WHERE datname = 'outbox_template'") == 0) {
        pg_exec(session, "DROP DATABASE IF EXISTS outbox_template_new WITH (FORCE)");
        pg_exec(session, "CREATE DATABASE outbox_template_new");
        char *conninfo = conninfo_of("outbox_template_new");
        migrate(conninfo);
        free(conninfo);
        pg_exec(session, "ALTER DATABASE outbox_template_new RENAME TO outbox_template");
    }
    pg_exec(session, "SELECT pg_advisory_unlock(7399, 1)");
}

static char *make_database(const char *name, const char *from)
{
    char *database = format_text("%s_%d", name, (int)getpid());
    struct db_session *session = pg_session(pg_conninfo());
    if (from == template_name)
        make_template(session);
    exec_name(session, "DROP DATABASE IF EXISTS %s WITH (FORCE)", database, NULL);
    exec_name(session, "CREATE DATABASE %s TEMPLATE %s", database, from);
    db_close(session);
    char *conninfo = conninfo_of(database);
    free(database);
    return conninfo;
}

char *pg_fresh_database(const char *name)
{
    return make_database(name, template_name);
}

char *pg_empty_database(const char *name)
{
    return make_database(name, "template0");
}

void pg_drop_database(char *conninfo)
{
    if (conninfo == NULL)
        return;
    struct db_session *session = pg_session(pg_conninfo());
    exec_name(session, "DROP DATABASE %s WITH (FORCE)", strrchr(conninfo, '=') + 1, NULL);
    db_close(session);
    free(conninfo);
}

struct db_session *pg_session(const char *conninfo)
{
    struct error err;
    struct db_session *session = db_open(conninfo, "test", &err);
    if (session == NULL)
        ck_abort_msg("%s: %s", conninfo, err.text);
    return session;
}

static struct db_result *query(struct db_session *session, const char *sql)
{
    struct error err;
    struct db_result *result = db_query(session, sql, 0, NULL, &err);
    if (result == NULL)
        ck_abort_msg("%s\n  failed: %s", sql, err.text);
    return result;
}

void pg_exec(struct db_session *session, const char *sql)
{
    db_result_free(query(session, sql));
}

char *pg_value(struct db_session *session, const char *sql)
{
    struct db_result *result = query(session, sql);
    if (db_rows(result) != 1)
        ck_abort_msg("%s\n  gave %d rows, not one", sql, db_rows(result));
    char *value = db_is_null(result, 0, 0) ? NULL : mem_strdup(db_text(result, 0, 0));
    db_result_free(result);
    return value;
}

int64_t pg_int(struct db_session *session, const char *sql)
{
    char *value = pg_value(session, sql);
    char *end = NULL;
    int64_t number = value != NULL ? strtoll(value, &end, 10) : 0;
    if (end == NULL || end == value || *end != '\0')
        ck_abort_msg("%s\n  gave %s, not a whole number", sql, value != NULL ? value : "null");
    mem_free(value);
    return number;
}

void pg_expect(struct db_session *session, const char *sql, const char *expected)
{
    char *value = pg_value(session, sql);
    bool same = value != NULL && expected != NULL ? strcmp(value, expected) == 0 : value == expected;
    if (!same)
        ck_abort_msg("%s\n  gave %s, expected %s", sql, value != NULL ? value : "null",
                     expected != NULL ? expected : "null");
    mem_free(value);
}

void pg_refused(struct db_session *session, const char *sql, const char *expected)
{
    struct error err = {0};
    struct db_result *result = db_query(session, sql, 0, NULL, &err);
    if (result != NULL)
        ck_abort_msg("%s\n  was accepted, expected %s", sql, expected);
    if (strncmp(err.text, expected, strlen(expected)) != 0)
        ck_abort_msg("%s\n  gave %s\n  expected %s", sql, err.text, expected);
}

void pg_guard_transitions(struct db_session *session)
{
    pg_exec(session,
            "CREATE FUNCTION public.guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
            "IF NEW.status <> OLD.status AND NOT EXISTS (SELECT FROM outbox.transition AS t "
            "WHERE t.from_status = OLD.status AND t.to_status = NEW.status) THEN "
            "RAISE EXCEPTION 'illegal move from % to %', OLD.status, NEW.status; END IF; "
            "IF (NEW.status = 'scheduled' AND NEW.queue_pos IS NOT NULL) "
            "OR (NEW.status = 'pending' AND NEW.queue_pos IS NULL) "
            "OR (NEW.status = 'scheduled') <> (NEW.next_attempt_at IS NOT NULL) "
            "OR (NEW.status IN ('pending', 'scheduled')) <> (NEW.finished_at IS NULL) THEN "
            "RAISE EXCEPTION 'times or position do not fit status %', NEW.status; END IF; "
            "RETURN NULL; END $$;"
            "CREATE TRIGGER guard AFTER UPDATE ON outbox.message "
            "FOR EACH ROW EXECUTE FUNCTION public.guard()");
}

void pg_force(struct db_session *session, const char *assignments)
{
    char *sql = format_text("SET session_replication_role = replica; UPDATE outbox.message SET %s;"
                            "RESET session_replication_role",
                            assignments);
    pg_exec(session, sql);
    free(sql);
}

/* Check's fixtures take no argument, so what they make is kept here; each test runs in a process of its own.
 */
static struct {
    char *conninfo;
    struct db_session *session;
} current;

static void case_setup(void)
{
    current.conninfo = pg_fresh_database("outbox_test");
    current.session = pg_session(current.conninfo);
}

static void case_teardown(void)
{
    db_close(current.session);
    pg_drop_database(current.conninfo);
}

void pg_case_add(Suite *suite, const char *name, const TTest *test)
{
    TCase *test_case = tcase_create(name);
    tcase_set_timeout(test_case, CASE_TIMEOUT_S);
    tcase_add_checked_fixture(test_case, case_setup, case_teardown);
    tcase_add_test(test_case, test);
    suite_add_tcase(suite, test_case);
}

struct db_session *pg_case_session(void)
{
    return current.session;
}

const char *pg_case_conninfo(void)
{
    return current.conninfo;
}
