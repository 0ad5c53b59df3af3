/* outboxctl migrate and status, on folders made here and on the project's own. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/options.h"
#include "support/pg.h"
#include "support/process.h"
#include "support/scratch.h"
#include "support/suite.h"

enum { DEADLINE_MS = 30000, TIMEOUT_S = 60, PATH_SIZE = SCRATCH_PATH + 64 };

struct folder {
    char path[SCRATCH_PATH];
    char log[PATH_SIZE];
};

static void folder_make(struct folder *folder)
{
    scratch_template(folder->path, "migrations");
    ck_assert_ptr_nonnull(mkdtemp(folder->path));
    snprintf(folder->log, sizeof folder->log, "%s/.log", folder->path);
}

static void put(const struct folder *folder, const char *name, const char *text)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    if (text == NULL) {
        ck_assert_int_eq(unlink(path), 0);
        return;
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void shell(const char *format, ...) PRINTF_LIKE(1, 2);
static void shell(const char *format, ...)
{
    char command[4 * PATH_SIZE];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    ck_assert(size > 0 && (size_t)size < sizeof command);
    ck_assert_msg(system(command) == 0, "%s", command);
}

static void folder_remove(const struct folder *folder)
{
    shell("rm -r '%s'", folder->path);
}

static struct process *launch(const struct folder *folder, const char *command, const char *conninfo)
{
    char *program = process_program("outboxctl");
    char dir[PATH_SIZE];
    snprintf(dir, sizeof dir, "OUTBOX_MIGRATIONS=%s", folder->path);
    const char *const argv[] = {program, command, "--database", conninfo, NULL};
    const char *const env[] = {dir, NULL};
    unlink(folder->log);
    struct process *process = process_start(argv, env, folder->log);
    mem_free(program);
    return process;
}

static int finish(struct process *process)
{
    int status = 0;
    ck_assert_msg(process_wait(process, DEADLINE_MS, &status), "outboxctl did not end");
    process_stop(process);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Runs a command; its exit status and a part of what it printed must be as given. */
static void outboxctl(const struct folder *folder, const char *command, const char *conninfo, int status,
                      const char *printed)
{
    int got = finish(launch(folder, command, conninfo));
    char output[4096] = "";
    FILE *file = fopen(folder->log, "r");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(output, 1, sizeof output - 1, file);
    output[size] = '\0';
    fclose(file);
    ck_assert_msg(got == status && strstr(output, printed) != NULL,
                  "status %d, expected %d; '%s' expected in:\n%s", got, status, printed, output);
}

#define APPLIED "SELECT string_agg(name, ' ' ORDER BY name COLLATE \"C\") FROM outbox.migration"

static const char a_sql[] = "CREATE TABLE public.a (n int); INSERT INTO public.a VALUES (1);";

START_TEST(test_apply)
{
    struct folder folder;
    folder_make(&folder);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);

    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED, "no migrations there");
    outboxctl(&folder, "status", conninfo, EXIT_OK, "");
    put(&folder, "0001_a.sql", a_sql);
    put(&folder, "0003_c.sql", "CREATE TABLE public.c ()");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "applied 0001_a\napplied 0003_c\n");
    pg_expect(db, APPLIED, "0001_a 0003_c");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: 2 migrations");
    pg_expect(db, "SELECT count(*) FROM public.a", "1");
    outboxctl(&folder, "status", conninfo, EXIT_OK, "0003_c  ");
    pg_expect(db,
              "SELECT checksum = encode(sha256(convert_to('CREATE TABLE public.c ()', 'UTF8')), 'hex') "
              "FROM outbox.migration WHERE name = '0003_c'",
              "t");

    put(&folder, "0002_b.sql", "CREATE TABLE public.b ()");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "other files: 0002_b.sql comes before others that were applied already. Nothing was changed.");
    put(&folder, "0002_b.sql", NULL);

    put(&folder, "0001_a.sql", "CREATE TABLE public.other ()");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "other files: 0001_a.sql was edited after it was applied. Nothing was changed.");
    put(&folder, "0001_a.sql", NULL);
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "other files: 0001_a.sql was applied to it but is missing. Nothing was changed.");
    put(&folder, "0001_renamed.sql", a_sql);
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "other files: 0001_a.sql was applied to it but is missing. Nothing was changed.");
    put(&folder, "0001_renamed.sql", NULL);
    put(&folder, "0001_a.sql", a_sql);

    /* A file that fails leaves nothing of itself, nor of those before it. */
    put(&folder, "0004_d.sql", "CREATE TABLE public.d ()");
    put(&folder, "0005_e.sql", "CREATE TABLE public.e (); SELECT 1 / 0");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED, "0005_e.sql: 22012 division by zero");
    pg_expect(db, APPLIED, "0001_a 0003_c");
    pg_expect(db, "SELECT to_regclass('public.d')", NULL);
    pg_expect(db, "SELECT to_regclass('public.e')", NULL);
    put(&folder, "0005_e.sql", "CREATE TABLE public.e ()");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "applied 0004_d\napplied 0005_e\n");

    db_close(db);
    pg_drop_database(conninfo);
    folder_remove(&folder);
}
END_TEST

START_TEST(test_names)
{
    static const struct {
        const char *name, *message;
    } rows[] = {
        {"1_a.sql", "1_a.sql: a migration is named NNNN_name.sql or RNN_name.sql"},
        {"00001_a.sql", "00001_a.sql: a migration is named"},
        {"0002-b.sql", "0002-b.sql: a migration is named"},
        {"0002_.sql", "0002_.sql: a migration is named"},
        {"0002_B.sql", "0002_B.sql: a migration is named"},
        {"0002_b.sql~", "0002_b.sql~: a migration is named"},
        {"0002_b.txt", "0002_b.txt: a migration is named"},
        {"0001_b.sql", "0001_a.sql and 0001_b.sql have the same number"},
        {"R1_a.sql", "R1_a.sql: a migration is named"},
        {"R0001_a.sql", "R0001_a.sql: a migration is named"},
        {"r01_a.sql", "r01_a.sql: a migration is named"},
        {"R01_A.sql", "R01_A.sql: a migration is named"},
        {"R01_.sql", "R01_.sql: a migration is named"},
        {"R02_c.sql", "R02_b.sql and R02_c.sql have the same number"},
    };
    struct folder folder;
    folder_make(&folder);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    put(&folder, "0001_a.sql", a_sql);
    put(&folder, "R02_b.sql", "SELECT 1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(&folder, rows[i].name, "SELECT 1");
        outboxctl(&folder, "migrate", conninfo, EXIT_FAILED, rows[i].message);
        put(&folder, rows[i].name, NULL);
    }
    put(&folder, "0002_b.sql", "");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED, "0002_b.sql: empty");
    pg_expect(db, "SELECT to_regclass('public.a')", NULL);
    db_close(db);
    pg_drop_database(conninfo);
    folder_remove(&folder);
}
END_TEST

START_TEST(test_two_at_once)
{
    struct folder folders[2];
    folder_make(&folders[0]);
    folder_make(&folders[1]);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    for (int i = 0; i < 2; i++) {
        put(&folders[i], "0001_a.sql", "CREATE TABLE public.a (n int); SELECT pg_advisory_xact_lock(1)");
        put(&folders[i], "R01_b.sql", "INSERT INTO public.a VALUES (1)");
    }
    /* The first stops within its transaction until both are there. */
    pg_exec(db, "SELECT pg_advisory_lock(1)");
    struct process *first = launch(&folders[0], "migrate", conninfo);
    struct process *second = launch(&folders[1], "migrate", conninfo);
    pg_exec(db, "DO $$ BEGIN WHILE (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' "
                "AND NOT granted) < 2 LOOP PERFORM pg_catalog.pg_sleep(0.01); END LOOP; END $$");
    pg_exec(db, "SELECT pg_advisory_unlock(1)");
    ck_assert_int_eq(finish(first), EXIT_OK);
    ck_assert_int_eq(finish(second), EXIT_OK);
    pg_expect(db, APPLIED, "0001_a R01_b");
    pg_expect(db, "SELECT count(*) FROM public.a", "1");
    db_close(db);
    pg_drop_database(conninfo);
    folder_remove(&folders[0]);
    folder_remove(&folders[1]);
}
END_TEST

START_TEST(test_unreachable)
{
    struct folder folder;
    folder_make(&folder);
    put(&folder, "0001_a.sql", a_sql);
    outboxctl(&folder, "migrate", "host=/nonexistent", EXIT_UNAVAILABLE, "/nonexistent");
    outboxctl(&folder, "upgrade", "", EXIT_USAGE, "unknown command 'upgrade'");
    folder_remove(&folder);
}
END_TEST

/* Writes what the schema of a database holds to a hidden file of the folder. */
static void note_schema(const struct folder *folder, const char *conninfo, const char *name)
{
    shell("tools/scripts/schema '%s' >'%s/.%s'", conninfo, folder->path, name);
}

static void expect_same(const struct folder *folder, const char *one, const char *other)
{
    shell("cd '%s' && diff .%s .%s", folder->path, one, other);
}

static void put_first_version(const struct folder *folder)
{
    put(folder, "0001_note.sql",
        "CREATE TABLE outbox.note (id int PRIMARY KEY, body text);"
        "INSERT INTO outbox.note VALUES (1, 'old')");
    put(folder, "R01_functions.sql",
        "CREATE OR REPLACE FUNCTION outbox.kept(n int) RETURNS int LANGUAGE sql RETURN n;"
        "CREATE OR REPLACE FUNCTION outbox.changed(n int) RETURNS int LANGUAGE sql RETURN n;"
        "CREATE OR REPLACE FUNCTION outbox.dropped(n int) RETURNS int LANGUAGE sql RETURN outbox.changed(n);"
        "CREATE OR REPLACE FUNCTION outbox.guard() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.body := 'guarded'; RETURN NEW; END$$;"
        "CREATE OR REPLACE TRIGGER guard BEFORE INSERT ON outbox.note "
        "FOR EACH ROW EXECUTE FUNCTION outbox.guard()");
    put(folder, "R02_views.sql",
        "CREATE OR REPLACE VIEW outbox.summary AS "
        "SELECT id, outbox.changed(id) AS changed, outbox.kept(id) AS kept FROM outbox.note");
    put(folder, "R03_rights.sql",
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;"
        "GRANT SELECT ON outbox.summary TO pg_read_all_stats;"
        "GRANT EXECUTE ON FUNCTION outbox.kept, outbox.changed TO pg_read_all_stats");
}

/* Other columns, another type of a result, an argument more, a function less, one more, an event of a trigger
 * more. */
static void put_second_version(const struct folder *folder)
{
    put(folder, "0002_state.sql",
        "ALTER TABLE outbox.note ADD COLUMN state text NOT NULL DEFAULT 'new';"
        "UPDATE outbox.note SET state = 'old' WHERE body = 'old';"
        "DROP VIEW IF EXISTS outbox.summary;"
        "DROP FUNCTION IF EXISTS outbox.dropped(int);"
        "DROP FUNCTION IF EXISTS outbox.changed(int)");
    put(folder, "R01_functions.sql",
        "CREATE OR REPLACE FUNCTION outbox.kept(n int) RETURNS int LANGUAGE sql RETURN n;"
        "CREATE OR REPLACE FUNCTION outbox.changed(n int, unit text DEFAULT 's') RETURNS text LANGUAGE sql "
        "RETURN n || unit;"
        "CREATE OR REPLACE FUNCTION outbox.added() RETURNS int LANGUAGE sql RETURN outbox.kept(7);"
        "CREATE OR REPLACE FUNCTION outbox.guard() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.state := 'guarded'; RETURN NEW; END$$;"
        "CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE ON outbox.note "
        "FOR EACH ROW EXECUTE FUNCTION outbox.guard()");
    put(folder, "R02_views.sql",
        "CREATE OR REPLACE VIEW outbox.summary AS "
        "SELECT id, state, outbox.changed(id) AS changed, outbox.kept(id) AS kept FROM outbox.note");
    put(folder, "R03_rights.sql",
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;"
        "GRANT SELECT ON outbox.summary TO pg_read_all_stats;"
        "GRANT EXECUTE ON FUNCTION outbox.kept, outbox.changed, outbox.added TO pg_read_all_stats");
}

START_TEST(test_second_version)
{
    struct folder folder;
    folder_make(&folder);
    char *conninfo = pg_empty_database("outbox_migrations"), *fresh = pg_empty_database("outbox_fresh");
    struct db_session *db = pg_session(conninfo);
    put_first_version(&folder);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK,
              "applied 0001_note\napplied R01_functions\napplied R02_views\napplied R03_rights\n");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: 4 migrations");
    pg_exec(db, "INSERT INTO outbox.note VALUES (2)");
    note_schema(&folder, conninfo, "first");

    put_second_version(&folder);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK,
              "applied 0002_state\napplied R01_functions\napplied R02_views\napplied R03_rights\n");
    outboxctl(&folder, "migrate", fresh, EXIT_OK, "up to date: 5 migrations");
    note_schema(&folder, conninfo, "upgraded");
    note_schema(&folder, fresh, "fresh");
    expect_same(&folder, "upgraded", "fresh");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', id, state, changed, kept), ', ' ORDER BY id) FROM outbox.summary",
        "1 old 1s 1, 2 new 2s 2");
    pg_exec(db, "INSERT INTO outbox.note VALUES (3)");
    pg_expect(db, "SELECT state FROM outbox.note WHERE id = 3", "guarded");

    put(&folder, "0002_state.sql", "SELECT 1");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "other files: 0002_state.sql was edited after it was applied");
    put(&folder, "0002_state.sql", NULL);
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "other files: 0002_state.sql was applied to it but is missing");
    note_schema(&folder, conninfo, "refused");
    expect_same(&folder, "refused", "upgraded");

    db_close(db);
    pg_drop_database(fresh);
    pg_drop_database(conninfo);
    folder_remove(&folder);
}
END_TEST

/* An edited, a new, a renamed or a removed file has all of its kind applied again; what people granted stays.
 */
START_TEST(test_again)
{
    struct folder folder;
    folder_make(&folder);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    put_first_version(&folder);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: 4 migrations");
    pg_exec(db, "GRANT EXECUTE ON FUNCTION outbox.dropped TO pg_monitor");
    note_schema(&folder, conninfo, "first");
    pg_exec(db, "UPDATE outbox.migration SET applied_at = '2026-01-01'");
    put(&folder, "R04_last.sql", "SELECT 1");
    outboxctl(
        &folder, "migrate", conninfo, EXIT_OK,
        "applied R01_functions\napplied R02_views\napplied R03_rights\napplied R04_last\nup to date: 5");
    pg_expect(db, "SELECT string_agg(name, ' ') FROM outbox.migration WHERE applied_at = '2026-01-01'",
              "0001_note");
    put(&folder, "R04_last.sql", "SELECT 2");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "applied R04_last\n");
    shell("cd '%s' && mv R04_last.sql R05_last.sql", folder.path);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "applied R05_last\n");
    put(&folder, "R05_last.sql", NULL);
    put(&folder, "R00_other.sql",
        "CREATE OR REPLACE FUNCTION outbox.kept(n text) RETURNS text LANGUAGE sql RETURN n");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "R03_rights.sql: 42725 function name \"outbox.kept\" is not unique");
    put(&folder, "R00_other.sql", NULL);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "applied R01_functions\n");
    pg_expect(db, APPLIED, "0001_note R01_functions R02_views R03_rights");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: 4 migrations");
    note_schema(&folder, conninfo, "again");
    expect_same(&folder, "again", "first");
    db_close(db);
    pg_drop_database(conninfo);
    folder_remove(&folder);
}
END_TEST

/* Until the commit nobody sees a new version, and when it fails or its program dies nobody ever does. */
START_TEST(test_interrupted)
{
    struct folder folder;
    folder_make(&folder);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    put_first_version(&folder);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: 4 migrations");
    note_schema(&folder, conninfo, "first");
    put_second_version(&folder);

    put(&folder, "R04_last.sql", "SELECT 1 / 0");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED, "R04_last.sql: 22012 division by zero");
    note_schema(&folder, conninfo, "failed");
    expect_same(&folder, "failed", "first");

    put(&folder, "R04_last.sql", "SELECT pg_advisory_xact_lock(1)");
    pg_exec(db, "SELECT pg_advisory_lock(1)");
    struct process *process = launch(&folder, "migrate", conninfo);
    pg_exec(db, "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' "
                "AND NOT granted) LOOP PERFORM pg_catalog.pg_sleep(0.01); END LOOP; END $$");
    process_kill(process);
    pg_exec(db, "SELECT pg_advisory_unlock(1)");
    pg_exec(db, "SELECT pg_advisory_lock(7300, 1); SELECT pg_advisory_unlock(7300, 1)");
    note_schema(&folder, conninfo, "killed");
    expect_same(&folder, "killed", "first");
    pg_expect(db, APPLIED, "0001_note R01_functions R02_views R03_rights");

    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: 6 migrations");
    pg_expect(db, "SELECT state FROM outbox.summary", "old");
    db_close(db);
    pg_drop_database(conninfo);
    folder_remove(&folder);
}
END_TEST

/* A database of former files, which knew no names but numbers. */
START_TEST(test_other_baseline)
{
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    struct folder folder;
    folder_make(&folder);
    shell("cp sql/migrations/* '%s'", folder.path);
    pg_exec(db, "CREATE SCHEMA outbox;"
                "CREATE TABLE outbox.migration (version integer PRIMARY KEY, name text NOT NULL, "
                "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());"
                "INSERT INTO outbox.migration VALUES (1, '0001_tables', 'x'), (2, '0002_intake', 'y')");
    note_schema(&folder, conninfo, "before");
    outboxctl(
        &folder, "migrate", conninfo, EXIT_FAILED,
        "outboxctl: this database was made by other files: 0001_tables.sql was applied to it but is missing. "
        "Nothing was changed. Until release 1.0 the files are edited in place, and no database is carried "
        "over: "
        "make a new one, or DROP SCHEMA outbox CASCADE, and migrate again\n");
    note_schema(&folder, conninfo, "after");
    expect_same(&folder, "before", "after");
    pg_exec(db, "DROP SCHEMA outbox CASCADE");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: ");
    db_close(db);
    pg_drop_database(conninfo);
    folder_remove(&folder);
}
END_TEST

START_TEST(test_own)
{
    char *conninfo = pg_fresh_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    pg_expect(
        db,
        "SELECT string_agg(numbers, ' ' ORDER BY numbers) FROM (SELECT CASE WHEN min(n) = 1 AND max(n) = "
        "count(*) THEN 'without a gap' ELSE 'with gaps' END AS numbers FROM (SELECT name LIKE 'R%' AS again, "
        "substring(name FROM '[0-9]+')::int AS n FROM outbox.migration WHERE name NOT LIKE 'R99%') AS m "
        "GROUP BY again) AS kinds",
        "without a gap without a gap");
    pg_expect(db, "SELECT max(name COLLATE \"C\") FROM outbox.migration", "R99_rights");
    db_close(db);
    pg_drop_database(conninfo);
}
END_TEST

/* What a database holds goes on as it is when all that can be made again is. */
START_TEST(test_own_again)
{
    struct folder folder;
    folder_make(&folder);
    shell("cp sql/migrations/* '%s'", folder.path);
    char *conninfo = pg_fresh_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    note_schema(&folder, conninfo, "before");
    pg_exec(db, "UPDATE outbox.channel SET max_attempts = 3 WHERE name IN ('sms', 'web', 'webhook');"
                "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                "SELECT 'sms', 'r', '{}', CASE WHEN n > 7 THEN now() + interval '1 hour' END "
                "FROM generate_series(1, 9) AS n;"
                "UPDATE outbox.message SET finished_at = now() - interval '2 hours', status = (ARRAY['sent', "
                "'failed', 'expired', 'cancelled', 'suppressed', 'in_doubt'])[id]::outbox.message_status "
                "WHERE id <= 6;"
                "UPDATE outbox.message SET next_attempt_at = now() WHERE id = 8;"
                "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "VALUES (1, 1, now(), 'sms', '{7}');"
                "INSERT INTO outbox.flight_note (dispatcher, seq, n, message_ids, verdicts, providers, "
                "provider_ids, reasons, at) VALUES (1, 1, 1, '{7}', '{sent}', '{p}', '{x}', '{NULL}', "
                "ARRAY[now()])");
    shell("cd '%s' && for file in R*; do echo '-- edited' >>$file; done", folder.path);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "applied R01_");
    note_schema(&folder, conninfo, "after");
    expect_same(&folder, "before", "after");
    pg_expect(db,
              "SELECT string_agg(DISTINCT max_attempts::text, ' ') FROM outbox.channel "
              "WHERE name IN ('sms', 'web', 'webhook')",
              "3");
    pg_expect(db, "SELECT settled FROM outbox.recover_flight(1, 1, 'lost')", "1");
    pg_expect(db, "SELECT outbox.release_due()", "1");
    pg_expect(db, "SELECT outbox.archive_finished()", "0");
    pg_expect(db, "SELECT outbox.archive_finished()", "5");
    pg_expect(db, "SELECT string_agg(status::text, ' ' ORDER BY id) FROM outbox.delivery",
              "sent failed expired cancelled suppressed in_doubt sent pending scheduled");
    db_close(db);
    pg_drop_database(conninfo);
    folder_remove(&folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("migrations");
    TCase *test_case = tcase_create("migrations");
    tcase_set_timeout(test_case, TIMEOUT_S);
    tcase_add_test(test_case, test_apply);
    tcase_add_test(test_case, test_names);
    tcase_add_test(test_case, test_two_at_once);
    tcase_add_test(test_case, test_unreachable);
    tcase_add_test(test_case, test_second_version);
    tcase_add_test(test_case, test_again);
    tcase_add_test(test_case, test_interrupted);
    tcase_add_test(test_case, test_other_baseline);
    tcase_add_test(test_case, test_own);
    tcase_add_test(test_case, test_own_again);
    suite_add_tcase(suite, test_case);
    return suite_run(suite);
}
