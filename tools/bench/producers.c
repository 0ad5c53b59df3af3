/* What the wake-up trigger costs producers: the same INSERTs with and without it, dispatchers running. */
#include <inttypes.h>
#include <stdio.h>

#include "bench/delivery.h"
#include "bench/parts.h"
#include "bench/report.h"
#include "bench/session.h"
#include "statements.h"

/* Without the trigger a sleeping dispatcher looks once a second; then it is as busy as with it. */
enum { CLIENTS_MAX = 32, WARM_UP_MS = 1200 };

struct client {
    struct crowd *crowd;
    struct db *db;
};

/* Clients that insert one row after the other, each row in a transaction of its own. */
struct crowd {
    struct loop *loop;
    struct client clients[CLIENTS_MAX];
    int count, up, busy;
    struct timer *warm, *end;
    bool ended;
    int64_t inserted;
    int64_t timed_from; /* inserted when the warm-up ended, and when that was */
    double start_us;
    double rate;  /* inserts per second since then */
    uint64_t key; /* of the next row */
};

static void on_up(void *arg)
{
    struct client *client = arg;
    if (++client->crowd->up == client->crowd->count)
        loop_stop(client->crowd->loop);
}

static void on_down(void *arg, const char *reason)
{
    (void)arg;
    bench_die("a producer's connection was lost: %s", reason);
}

static void insert(struct client *client);

static void on_inserted(void *arg, enum db_status status, const struct db_result *result)
{
    struct client *client = arg;
    struct crowd *crowd = client->crowd;
    if (status != DB_OK)
        bench_die("an insert failed: %s", result ? db_message(result) : "not executed");
    crowd->inserted++;
    crowd->busy--;
    if (!crowd->ended)
        insert(client);
    else if (crowd->busy == 0)
        loop_stop(crowd->loop);
}

static void insert(struct client *client)
{
    char key[40];
    snprintf(key, sizeof key, "00000000-0000-4000-8000-%012" PRIx64, client->crowd->key++);
    client->crowd->busy++;
    db_send(client->db, &sql_bench_insert, 4,
            (const char *const[]){"ios", "b000000000000000000000000000000000000000000000000000000000000001",
                                  "{\"title\": \"Payment received\", \"body\": \"Order 1 was paid.\"}", key},
            on_inserted, client);
    db_sync(client->db);
}

static void on_warm(void *arg)
{
    struct crowd *crowd = arg;
    crowd->timed_from = crowd->inserted;
    crowd->start_us = bench_now_us();
}

static void on_end(void *arg)
{
    struct crowd *crowd = arg;
    crowd->ended = true;
    crowd->rate = (double)(crowd->inserted - crowd->timed_from) / ((bench_now_us() - crowd->start_us) / 1e6);
}

static void crowd_open(struct crowd *crowd, const struct bench *bench, int count)
{
    static const struct db_events events = {.up = on_up, .down = on_down};
    *crowd = (struct crowd){.loop = loop_new(), .count = count};
    crowd->warm = timer_new(crowd->loop, on_warm, crowd);
    crowd->end = timer_new(crowd->loop, on_end, crowd);
    for (int i = 0; i < count; i++) {
        crowd->clients[i].crowd = crowd;
        crowd->clients[i].db =
            db_new(crowd->loop, bench->conninfo, "outbox-bench producer", &events, &crowd->clients[i]);
    }
    loop_run(crowd->loop);
}

static void crowd_close(struct crowd *crowd)
{
    for (int i = 0; i < crowd->count; i++)
        db_free(crowd->clients[i].db);
    timer_free(crowd->warm);
    timer_free(crowd->end);
    loop_free(crowd->loop);
}

/* Inserts per second of one round; all of them are delivered before it returns. */
static double run_round(const struct bench *bench, struct db_session *session, struct crowd *crowd,
                        bool trigger)
{
    delivery_begin(bench, session);
    session_run(session, "ALTER TABLE outbox.message %s TRIGGER after_insert",
                trigger ? "ENABLE" : "DISABLE");
    crowd->ended = false;
    crowd->inserted = 0;
    timer_set(crowd->warm, WARM_UP_MS);
    timer_set(crowd->end, WARM_UP_MS + bench->seconds * 1000);
    for (int i = 0; i < crowd->count; i++)
        insert(&crowd->clients[i]);
    loop_run(crowd->loop);
    session_run(session, "ALTER TABLE outbox.message ENABLE TRIGGER after_insert");
    delivery_wait(bench, session, crowd->inserted);
    delivery_verify(bench, session, crowd->inserted);
    return crowd->rate;
}

void producers_run(const struct bench *bench)
{
    static const int sizes[] = {1, CLIENTS_MAX};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    struct samples with[SIZES] = {0}, without[SIZES] = {0};
    struct db_session *session = session_open(bench->conninfo);
    for (size_t i = 0; i < SIZES; i++) {
        struct crowd crowd;
        crowd_open(&crowd, bench, sizes[i]);
        for (int64_t round = 0; round < bench->rounds; round++) {
            samples_add(&with[i], run_round(bench, session, &crowd, true));
            samples_add(&without[i], run_round(bench, session, &crowd, false));
        }
        crowd_close(&crowd);
    }

    report_title("producers: single-row INSERTs, autocommit, the ios dispatcher sending them");
    for (size_t i = 0; i < SIZES; i++) {
        char what[64];
        snprintf(what, sizeof what, "cost of an INSERT, with trigger : without, %d client%s", sizes[i],
                 sizes[i] == 1 ? "" : "s");
        report_ratio(what, &without[i], &with[i]);
    }
    for (size_t i = 0; i < SIZES; i++) {
        char what[64];
        snprintf(what, sizeof what, "with trigger, %d client%s", sizes[i], sizes[i] == 1 ? "" : "s");
        report_samples(what, &with[i], "commits/s");
        snprintf(what, sizeof what, "without trigger, %d client%s", sizes[i], sizes[i] == 1 ? "" : "s");
        report_samples(what, &without[i], "commits/s");
    }
    db_close(session);
}
