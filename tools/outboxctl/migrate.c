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

/* What was applied is read once the lock is held, and so with what another migrator committed. */
static bool prepare(struct db_session *session, struct error *err)
{
    static const char *const steps[] = {
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "SELECT pg_advisory_xact_lock(7300, 1)",
        /* No event of a deferred trigger waits for the end, where it would be in the way of ALTER TABLE. */
        "SET CONSTRAINTS ALL IMMEDIATE",
        "CREATE SCHEMA IF NOT EXISTS outbox",
        "CREATE TABLE IF NOT EXISTS outbox.migration ("
        "name text COLLATE \"C\" PRIMARY KEY, checksum text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())",
        "COMMENT ON TABLE outbox.migration IS 'Files applied by outboxctl; checksum is their SHA-256'",
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!run(session, steps[i], 0, NULL, err))
            return false;
    }
    return true;
}

static const struct migration *find_name(const struct migration_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->list[i].name, name) == 0)
            return &files->list[i];
    }
    return NULL;
}

/* Until release 1.0 the files are edited in place, so this is what a database of an earlier state meets. */
static bool refuse(struct error *err, const char *name, const char *fault)
{
    return error_set(
        err,
        "this database was made by other files: %s.sql %s. Nothing was changed. Until release 1.0 the "
        "files are edited in place, and no database is carried over: make a new one, or DROP SCHEMA "
        "outbox CASCADE, and migrate again",
        name, fault);
}

/* applied: name and checksum, by name. Those that are applied once must be the first of the files, as they
 * are; *next gets the index of the first that is new. */
static bool compare_once(const struct migration_files *files, const struct db_result *applied, size_t *next,
                         struct error *err)
{
    size_t row = 0;
    for (; row < (size_t)db_rows(applied) && db_text(applied, (int)row, 0)[0] != 'R'; row++) {
        const char *name = db_text(applied, (int)row, 0);
        const struct migration *migration = find_name(files, name);
        if (migration == NULL)
            return refuse(err, name, "was applied to it but is missing");
        if (strcmp(migration->checksum, db_text(applied, (int)row, 1)) != 0)
            return refuse(err, name, "was edited after it was applied");
        /* Every applied one has a file, so the first that differs in place was never applied. */
        if (migration != &files->list[row])
            return refuse(err, files->list[row].name, "comes before others that were applied already");
    }
    *next = row;
    return true;
}

/* from: the first row of applied that is about a file to make again. */
static bool again_is_same(const struct migration_files *files, const struct db_result *applied, size_t from)
{
    if (files->count - files->once != (size_t)db_rows(applied) - from)
        return false;
    for (size_t i = files->once; i < files->count; i++, from++) {
        if (strcmp(files->list[i].name, db_text(applied, (int)from, 0)) != 0 ||
            strcmp(files->list[i].checksum, db_text(applied, (int)from, 1)) != 0)
            return false;
    }
    return true;
}

static bool apply(struct db_session *session, const struct migration *migration, struct error *err)
{
    const char *const values[] = {migration->name, migration->checksum};
    return (run(session, migration->sql, 0, NULL, err) &&
            run(session, "INSERT INTO outbox.migration (name, checksum) VALUES ($1, $2)", 2, values, err)) ||
           error_prefix(err, "%s", migration->file);
}

/* All that can be made again is, whichever file changed: what one uses of another may be new. */
static bool apply_from(struct db_session *session, const struct migration_files *files, size_t next,
                       struct error *err)
{
    bool ok = run(session, "DELETE FROM outbox.migration WHERE name LIKE 'R%'", 0, NULL, err);
    for (size_t i = next; ok && i < files->count; i++)
        ok = apply(session, &files->list[i], err);
    return ok;
}

/* *next gets the index of the first file that was applied; those after it were, too. */
static bool apply_missing(struct db_session *session, const struct migration_files *files, size_t *next,
                          struct error *err)
{
    struct db_result *applied = db_query(
        session, "SELECT name, checksum FROM outbox.migration ORDER BY name COLLATE \"C\"", 0, NULL, err);
    bool ok = applied != NULL && compare_once(files, applied, next, err);
    bool up_to_date = ok && *next == files->once && again_is_same(files, applied, *next);
    db_result_free(applied);
    if (up_to_date)
        *next = files->count;
    return ok && (up_to_date || apply_from(session, files, *next, err));
}

bool migrate_apply(struct db_session *session, const char *dir, struct error *err)
{
    struct migration_files files;
    size_t next = 0;
    if (!files_read(&files, dir, err))
        return false;
    bool ok = prepare(session, err) && apply_missing(session, &files, &next, err) &&
              run(session, "COMMIT", 0, NULL, err);
    /* The first error is the one to report; a rollback fails only when the session is gone. */
    if (!ok)
        db_result_free(db_query(session, "ROLLBACK", 0, NULL, NULL));
    for (; ok && next < files.count; next++)
        printf("applied %s\n", files.list[next].name);
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
        "FROM outbox.migration ORDER BY name COLLATE \"C\"",
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
