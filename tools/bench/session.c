#include "bench/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "core/mem.h"

struct db_session *session_open(const char *conninfo)
{
    struct error err;
    struct db_session *session = db_open(conninfo, "outbox-bench", &err);
    if (!session)
        bench_die("%s", err.text);
    return session;
}

static struct db_result *query(struct db_session *session, const char *format, va_list args)
{
    char *sql = NULL;
    if (vasprintf(&sql, format, args) < 0)
        mem_exhausted();
    struct error err;
    struct db_result *result = db_query(session, sql, 0, NULL, &err);
    if (!result)
        bench_die("%s: %s", err.text, sql);
    free(sql);
    return result;
}

void session_run(struct db_session *session, const char *sql, ...)
{
    va_list args;
    va_start(args, sql);
    db_result_free(query(session, sql, args));
    va_end(args);
}

void session_truncate(struct db_session *session, const char *tables)
{
    session_run(session,
                "DO $$ BEGIN LOOP BEGIN TRUNCATE %s CASCADE; RETURN;"
                " EXCEPTION WHEN deadlock_detected THEN NULL; END; END LOOP; END $$",
                tables);
}

int64_t session_int(struct db_session *session, const char *sql, ...)
{
    va_list args;
    va_start(args, sql);
    struct db_result *result = query(session, sql, args);
    va_end(args);
    int64_t value = db_rows(result) > 0 ? db_int(result, 0, 0) : 0;
    db_result_free(result);
    return value;
}
