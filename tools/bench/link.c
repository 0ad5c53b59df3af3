#include "bench/link.h"

#include "bench/bench.h"
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
