/* outboxctl migrate and status, on folders made here and on the project's own. */
#include <check.h>
#include <glob.h>
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

static void folder_remove(const struct folder *folder, const char *const *names)
{
    for (; *names != NULL; names++)
        put(folder, *names, NULL);
    unlink(folder->log);
    ck_assert_int_eq(rmdir(folder->path), 0);
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

#define APPLIED "SELECT string_agg(name, ' ' ORDER BY version) FROM outbox.migration"

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
              "FROM outbox.migration WHERE version = 3",
              "t");

    put(&folder, "0002_b.sql", "CREATE TABLE public.b ()");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "0002_b.sql comes before 0003_c.sql, which was applied to this database already");
    put(&folder, "0002_b.sql", NULL);

    put(&folder, "0001_a.sql", "CREATE TABLE public.other ()");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED, "0001_a.sql was edited after it was applied");
    put(&folder, "0001_a.sql", NULL);
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "0001_a.sql was applied to this database but is missing");
    put(&folder, "0001_renamed.sql", a_sql);
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED,
              "0001_a.sql was applied to this database but is missing");
    put(&folder, "0001_renamed.sql", NULL);
    put(&folder, "0001_a.sql", a_sql);

    /* A file that fails leaves nothing of itself, and what came before it stays. */
    put(&folder, "0004_d.sql", "CREATE TABLE public.d ()");
    put(&folder, "0005_e.sql", "CREATE TABLE public.e (); SELECT 1 / 0");
    outboxctl(&folder, "migrate", conninfo, EXIT_FAILED, "0005_e.sql: 22012 division by zero");
    pg_expect(db, APPLIED, "0001_a 0003_c 0004_d");
    pg_expect(db, "SELECT to_regclass('public.e')", NULL);
    put(&folder, "0005_e.sql", "CREATE TABLE public.e ()");
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "applied 0005_e\n");

    db_close(db);
    pg_drop_database(conninfo);
    static const char *const names[] = {"0001_a.sql", "0003_c.sql", "0004_d.sql", "0005_e.sql", NULL};
    folder_remove(&folder, names);
}
END_TEST

START_TEST(test_names)
{
    static const struct {
        const char *name, *message;
    } rows[] = {
        {"1_a.sql", "1_a.sql: a migration is named NNNN_name.sql"},
        {"00001_a.sql", "00001_a.sql: a migration is named"},
        {"0002-b.sql", "0002-b.sql: a migration is named"},
        {"0002_.sql", "0002_.sql: a migration is named"},
        {"0002_B.sql", "0002_B.sql: a migration is named"},
        {"0002_b.sql~", "0002_b.sql~: a migration is named"},
        {"0002_b.txt", "0002_b.txt: a migration is named"},
        {"0001_b.sql", "0001_a.sql and 0001_b.sql have the same number"},
    };
    struct folder folder;
    folder_make(&folder);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    put(&folder, "0001_a.sql", a_sql);
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
    static const char *const names[] = {"0001_a.sql", "0002_b.sql", NULL};
    folder_remove(&folder, names);
}
END_TEST

START_TEST(test_two_at_once)
{
    struct folder folders[2];
    folder_make(&folders[0]);
    folder_make(&folders[1]);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    for (int i = 0; i < 2; i++)
        put(&folders[i], "0001_a.sql", "CREATE TABLE public.a (n int); SELECT pg_advisory_xact_lock(1)");
    /* The first stops within its transaction until both are there. */
    pg_exec(db, "SELECT pg_advisory_lock(1)");
    struct process *first = launch(&folders[0], "migrate", conninfo);
    struct process *second = launch(&folders[1], "migrate", conninfo);
    pg_exec(db, "DO $$ BEGIN WHILE (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' "
                "AND NOT granted) < 2 LOOP PERFORM pg_catalog.pg_sleep(0.01); END LOOP; END $$");
    pg_exec(db, "SELECT pg_advisory_unlock(1)");
    ck_assert_int_eq(finish(first), EXIT_OK);
    ck_assert_int_eq(finish(second), EXIT_OK);
    pg_expect(db, APPLIED, "0001_a");
    db_close(db);
    pg_drop_database(conninfo);
    static const char *const names[] = {"0001_a.sql", NULL};
    folder_remove(&folders[0], names);
    folder_remove(&folders[1], names);
}
END_TEST

START_TEST(test_unreachable)
{
    struct folder folder;
    folder_make(&folder);
    put(&folder, "0001_a.sql", a_sql);
    outboxctl(&folder, "migrate", "host=/nonexistent", EXIT_UNAVAILABLE, "/nonexistent");
    outboxctl(&folder, "upgrade", "", EXIT_USAGE, "unknown command 'upgrade'");
    static const char *const names[] = {"0001_a.sql", NULL};
    folder_remove(&folder, names);
}
END_TEST

START_TEST(test_own)
{
    char *conninfo = pg_fresh_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    pg_expect(db,
              "SELECT count(*) > 0 AND min(version) = 1 AND max(version) = count(*) FROM outbox.migration",
              "t");
    db_close(db);
    pg_drop_database(conninfo);
}
END_TEST

static void link_own(const struct folder *folder, int first, int last)
{
    char pattern[64], from[PATH_SIZE], to[PATH_SIZE];
    for (int number = first; number <= last; number++) {
        snprintf(pattern, sizeof pattern, "sql/migrations/%04d_*.sql", number);
        glob_t found;
        if (glob(pattern, 0, NULL, &found) != 0)
            return;
        ck_assert_ptr_nonnull(realpath(found.gl_pathv[0], from));
        snprintf(to, sizeof to, "%s/%s", folder->path, strrchr(from, '/') + 1);
        ck_assert_int_eq(symlink(from, to), 0);
        globfree(&found);
    }
}

/* What a database holds goes on as it is when its functions come. */
START_TEST(test_upgrade)
{
    struct folder folder;
    folder_make(&folder);
    char *conninfo = pg_empty_database("outbox_migrations");
    struct db_session *db = pg_session(conninfo);
    link_own(&folder, 1, 10);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: 10 migrations");
    pg_exec(db, "UPDATE outbox.channel SET max_attempts = 3 WHERE name IN ('sms', 'web', 'webhook');"
                "INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                "SELECT 'sms', 'r', '{}', CASE WHEN n > 7 THEN now() + interval '1 hour' END "
                "FROM generate_series(1, 9) AS n;"
                "UPDATE outbox.message SET finished_at = now() - interval '2 hours', status = (ARRAY['sent', "
                "'failed', 'expired', 'cancelled', 'suppressed', 'in_doubt'])[id]::outbox.message_status "
                "WHERE id <= 6;"
                "UPDATE outbox.message SET status = 'scheduled', queue_pos = NULL, next_attempt_at = CASE id "
                "WHEN 8 THEN now() ELSE send_at END WHERE id >= 8;"
                "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "VALUES (1, 1, now(), 'sms', '{7}');"
                "INSERT INTO outbox.flight_note (dispatcher, seq, n, message_ids, verdicts, providers, "
                "provider_ids, reasons, at) VALUES (1, 1, 1, '{7}', '{sent}', '{p}', '{x}', '{NULL}', "
                "ARRAY[now()])");
    link_own(&folder, 11, 9999);
    outboxctl(&folder, "migrate", conninfo, EXIT_OK, "up to date: ");
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
    char command[PATH_SIZE + 16];
    snprintf(command, sizeof command, "rm -r '%s'", folder.path);
    ck_assert_int_eq(system(command), 0);
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
    tcase_add_test(test_case, test_own);
    tcase_add_test(test_case, test_upgrade);
    suite_add_tcase(suite, test_case);
    return suite_run(suite);
}
