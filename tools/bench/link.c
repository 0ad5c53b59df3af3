#include "bench/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"
#include "core/buf.h"
#include "core/mem.h"

enum { QUEUED_MAX = 8, SQL_MAX = 65536 };

struct waiting {
    struct link *link;
    link_rows_fn *rows;
    void *arg;
};

struct link {
    struct loop *loop;
    struct db *db;
    struct waiting queued[QUEUED_MAX];
    int count;   /* of queued */
    int missing; /* answers */
};

static void on_up(void *arg)
{
    struct link *link = arg;
    loop_stop(link->loop);
}

static void on_down(void *arg, const char *reason)
{
    (void)arg;
    bench_die("connection lost: %s", reason);
}

struct link *link_open(const char *conninfo, const char *name)
{
    static const struct db_events events = {.up = on_up, .down = on_down};
    struct link *link = mem_alloc(sizeof *link);
    link->loop = loop_new();
    link->db = db_new(link->loop, conninfo, name, &events, link);
    loop_run(link->loop);
    return link;
}

void link_close(struct link *link)
{
    db_free(link->db);
    loop_free(link->loop);
    mem_free(link);
}

static void on_result(void *arg, enum db_status status, const struct db_result *result)
{
    struct waiting *waiting = arg;
    if (status != DB_OK)
        bench_die("statement failed: %s", result ? db_message(result) : "not executed");
    if (waiting->rows)
        waiting->rows(waiting->arg, result);
    if (--waiting->link->missing == 0)
        loop_stop(waiting->link->loop);
}

void link_send(struct link *link, const struct db_statement *statement, int count, const char *const *values,
               link_rows_fn *rows, void *arg)
{
    if (link->count == QUEUED_MAX)
        bench_die("more than %d statements queued", QUEUED_MAX);
    struct waiting *waiting = &link->queued[link->count++];
    *waiting = (struct waiting){link, rows, arg};
    link->missing++;
    db_send(link->db, statement, count, values, on_result, waiting);
}

void link_wait(struct link *link)
{
    db_sync(link->db);
    loop_run(link->loop);
    link->count = 0;
}

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

double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}
