#include "outboxctl/migrate.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "outboxctl/files.h"

static bool run(struct db_session *session, const char *sql, int count, const char *const *values,
                struct error *err)
{
    struct db_result *result = db_query(session, sql, count, values, err);
    bool ok = result != NULL;
    db_result_free(result);
    return ok;
}

/* The lock is the session's, so it outlasts the transactions and ends with the program. */
static bool prepare(struct db_session *session, struct error *err)
{
    static const char *const steps[] = {
        "SELECT pg_advisory_lock(7300, 1)",
        "CREATE SCHEMA IF NOT EXISTS outbox",
        "CREATE TABLE IF NOT EXISTS outbox.migration (version integer PRIMARY KEY, name text NOT NULL, "
        "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
        "COMMENT ON TABLE outbox.migration IS "
        "'Migrations applied by outboxctl; checksum is the SHA-256 of the file'",
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!run(session, steps[i], 0, NULL, err))
            return false;
    }
    return true;
}

static const struct migration *find_version(const struct migration_files *files, int64_t version)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->list[i].version == version)
            return &files->list[i];
    }
    return NULL;
}

/* applied: version, name, checksum in order. *next gets the index of the first file to apply. */
static bool compare(const struct migration_files *files, const struct db_result *applied, size_t *next,
                    struct error *err)
{
    for (int row = 0; row < db_rows(applied); row++) {
        const struct migration *migration = find_version(files, db_int(applied, row, 0));
        if (migration == NULL || strcmp(migration->name, db_text(applied, row, 1)) != 0)
            return error_set(err, "%s.sql was applied to this database but is missing",
                             db_text(applied, row, 1));
        if (strcmp(migration->checksum, db_text(applied, row, 2)) != 0)
            return error_set(err, "%s was edited after it was applied to this database", migration->file);
        /* Every applied one has a file, so the first that differs in place was never applied. */
        if (migration != &files->list[row])
            return error_set(err, "%s comes before %s, which was applied to this database already",
                             files->list[row].file, migration->file);
    }
    *next = (size_t)db_rows(applied);
    return true;
}

static bool apply_steps(struct db_session *session, const struct migration *migration, struct error *err)
{
    char version[16];
    snprintf(version, sizeof version, "%d", migration->version);
    const char *const values[] = {version, migration->name, migration->checksum};
    return run(session, "BEGIN", 0, NULL, err) && run(session, migration->sql, 0, NULL, err) &&
           run(session, "INSERT INTO outbox.migration (version, name, checksum) VALUES ($1, $2, $3)", 3,
               values, err) &&
           run(session, "COMMIT", 0, NULL, err);
}

static bool apply(struct db_session *session, const struct migration *migration, struct error *err)
{
    if (!apply_steps(session, migration, err)) {
        error_prefix(err, "%s", migration->file);
        /* The first error is the one to report; a rollback fails only when the session is gone. */
        db_result_free(db_query(session, "ROLLBACK", 0, NULL, NULL));
        return false;
    }
    printf("applied %s\n", migration->name);
    return true;
}

static bool apply_missing(struct db_session *session, const struct migration_files *files, struct error *err)
{
    size_t next = 0;
    struct db_result *applied = db_query(
        session, "SELECT version, name, checksum FROM outbox.migration ORDER BY version", 0, NULL, err);
    bool ok = applied != NULL && compare(files, applied, &next, err);
    db_result_free(applied);
    for (; ok && next < files->count; next++)
        ok = apply(session, &files->list[next], err);
    return ok;
}

bool migrate_apply(struct db_session *session, const char *dir, struct error *err)
{
    struct migration_files files;
    if (!files_read(&files, dir, err))
        return false;
    bool ok = prepare(session, err) && apply_missing(session, &files, err);
    if (ok)
        printf("up to date: %zu migrations\n", files.count);
    files_free(&files);
    return ok;
}

bool migrate_status(struct db_session *session, struct error *err)
{
    struct db_result *table =
        db_query(session, "SELECT to_regclass('outbox.migration') IS NOT NULL", 0, NULL, err);
    bool ok = table != NULL;
    bool exists = ok && db_bool(table, 0, 0);
    db_result_free(table);
    if (!ok || !exists)
        return ok;
    struct db_result *applied = db_query(
        session,
        "SELECT name, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), checksum "
        "FROM outbox.migration ORDER BY version",
        0, NULL, err);
    for (int row = 0; applied != NULL && row < db_rows(applied); row++)
        printf("%s  %s  %s\n", db_text(applied, row, 0), db_text(applied, row, 1), db_text(applied, row, 2));
    ok = applied != NULL;
    db_result_free(applied);
    return ok;
}

char *migrate_default_dir(void)
{
    static const char *const places[] = {"../share/pgoutbox/migrations", "../../../sql/migrations"};
    char program[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    if (size <= 0)
        return NULL;
    program[size] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    struct arena *arena = arena_new();
    char *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof places / sizeof *places; i++) {
        const char *dir = arena_printf(arena, "%s/%s", program, places[i]);
        if (access(dir, R_OK | X_OK) == 0)
            found = mem_strdup(dir);
    }
    arena_free(arena);
    return found;
}
