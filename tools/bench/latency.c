/*
 * Open loop: rows are inserted at fixed times whatever happens, each in a transaction of its own. A message's
 * idempotency key is a UUID and so its apns-id, by which its arrival is found again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/delivery.h"
#include "bench/latency.h"
#include "bench/parts.h"
#include "bench/report.h"
#include "bench/session.h"
#include "bench/view.h"
#include "core/mem.h"
#include "statements.h"

enum { PRODUCERS = 4, ARRIVALS_KEPT = 10000, LENGTH = 5, UUID_LENGTH = 36, KEY_SIZE = 48 };

/* Wall clock, microseconds. */
struct sample {
    struct producers *producers;
    double scheduled, inserted, committed, arrived;
};

struct producers {
    struct loop *loop;
    struct db *db[PRODUCERS];
    int up;
    struct timer *timer;
    struct sample *samples;
    size_t count, next, done;
    double start_us, interval_us;
};

static void on_up(void *arg)
{
    struct producers *producers = arg;
    if (++producers->up == PRODUCERS)
        loop_stop(producers->loop);
}

static void on_down(void *arg, const char *reason)
{
    (void)arg;
    bench_die("a producer's connection was lost: %s", reason);
}

static void on_inserted(void *arg, enum db_status status, const struct db_result *result)
{
    struct sample *sample = arg;
    if (status != DB_OK)
        bench_die("an insert failed: %s", result ? db_message(result) : "not executed");
    sample->committed = bench_now_us();
    if (++sample->producers->done == sample->producers->count)
        loop_stop(sample->producers->loop);
}

static void insert(struct producers *producers, size_t number)
{
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "00000000-0000-4000-8000-%012zx", number);
    struct db *db = producers->db[number % PRODUCERS];
    struct sample *sample = &producers->samples[number];
    sample->producers = producers;
    sample->scheduled = producers->start_us + (double)number * producers->interval_us;
    sample->inserted = bench_now_us();
    db_send(db, &sql_bench_insert, 4,
            (const char *const[]){"ios", "b000000000000000000000000000000000000000000000000000000000000001",
                                  "{\"title\": \"Payment received\", \"body\": \"Order 1 was paid.\"}", key},
            on_inserted, sample);
    db_sync(db);
}

static void on_timer(void *arg)
{
    struct producers *producers = arg;
    double now = bench_now_us();
    while (producers->next < producers->count &&
           producers->start_us + (double)producers->next * producers->interval_us <= now)
        insert(producers, producers->next++);
    if (producers->next < producers->count)
        timer_set(producers->timer, 1);
}

static void produce(const struct bench *bench, struct producers *producers)
{
    static const struct db_events events = {.up = on_up, .down = on_down};
    producers->loop = loop_new();
    producers->timer = timer_new(producers->loop, on_timer, producers);
    for (int i = 0; i < PRODUCERS; i++)
        producers->db[i] =
            db_new(producers->loop, bench->conninfo, "outbox-bench producer", &events, producers);
    loop_run(producers->loop);
    producers->interval_us = 1e6 / (double)bench->rate;
    producers->start_us = bench_now_us();
    timer_set(producers->timer, 0);
    loop_run(producers->loop);
    for (int i = 0; i < PRODUCERS; i++)
        db_free(producers->db[i]);
    timer_free(producers->timer);
    loop_free(producers->loop);
}

static void read_arrivals(const struct bench *bench, struct producers *producers)
{
    char path[64];
    snprintf(path, sizeof path, "/arrivals?channel=apns&limit=%zu", producers->count);
    struct json_object *list = view_get(bench->sandbox_url, path);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *arrival = json_object_array_get_idx(list, i);
        const char *id = json_get_text(arrival, "id");
        size_t number = id && strlen(id) == UUID_LENGTH ? strtoul(id + 24, NULL, 16) : producers->count;
        if (number < producers->count)
            producers->samples[number].arrived =
                json_object_get_double(json_get(arrival, "at")) * 1e3; /* ms */
    }
    json_object_put(list);
    for (size_t i = 0; i < producers->count; i++)
        if (producers->samples[i].arrived <= 0)
            bench_die("message %zu is not among the arrivals", i);
}

enum span { FROM_COMMITTED, FROM_INSERTED, FROM_SCHEDULED, COMMIT, LATE };

static double span_ms(const struct sample *sample, enum span span)
{
    switch (span) {
    case FROM_COMMITTED:
        return (sample->arrived - sample->committed) / 1e3;
    case FROM_INSERTED:
        return (sample->arrived - sample->inserted) / 1e3;
    case FROM_SCHEDULED:
        return (sample->arrived - sample->scheduled) / 1e3;
    case COMMIT:
        return (sample->committed - sample->inserted) / 1e3;
    case LATE:
        break;
    }
    return (sample->inserted - sample->scheduled) / 1e3;
}

static void report_span(const struct producers *producers, enum span span, const char *what)
{
    double *values = mem_array(producers->count, sizeof *values);
    for (size_t i = 0; i < producers->count; i++)
        values[i] = span_ms(&producers->samples[i], span);
    report_spread(what, values, producers->count);
    mem_free(values);
}

static void report_spans(const struct producers *producers)
{
    report_span(producers, FROM_COMMITTED, "commit's answer -> request taken in (lower bound)");
    report_span(producers, FROM_INSERTED, "INSERT sent -> request taken in (upper bound)");
    report_span(producers, FROM_SCHEDULED, "scheduled time -> request taken in");
    report_span(producers, COMMIT, "INSERT sent -> commit's answer");
    report_span(producers, LATE, "INSERT sent later than scheduled");
}

/* The sandbox keeps the newest arrivals only; beside a flood of others the database knows when each was
 * answered. */
static void report_answers(struct db_session *session)
{
    static const struct {
        const char *what;
        double share;
    } rows[] = {
        {"INSERT -> answer, p50", 0.5}, {"INSERT -> answer, p99", 0.99}, {"INSERT -> answer, greatest", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        report_number(
            rows[i].what,
            (double)session_int(session,
                                "SELECT (percentile_disc(%f) WITHIN GROUP (ORDER BY extract(epoch FROM"
                                " sent_at - created_at)) * 1000000)::bigint FROM outbox.message"
                                " WHERE channel = 'ios'",
                                rows[i].share) /
                1e3,
            "ms");
}

void latency_measure(const struct bench *bench, struct db_session *session, const char *title, size_t count,
                     bool alone)
{
    struct producers producers = {.count = count < ARRIVALS_KEPT ? count : ARRIVALS_KEPT};
    producers.samples = mem_array(producers.count, sizeof *producers.samples);
    produce(bench, &producers);
    delivery_wait(bench, session, (int64_t)producers.count);
    if (alone)
        read_arrivals(bench, &producers);
    char line[160];
    snprintf(line, sizeof line, "%s: open loop, %" PRId64 " messages/s, %zu messages, %d connections", title,
             bench->rate, producers.count, PRODUCERS);
    report_title(line);
    if (alone)
        report_spans(&producers);
    else
        report_answers(session);
    mem_free(producers.samples);
}

void latency_run(const struct bench *bench)
{
    struct db_session *session = session_open(bench->conninfo);
    size_t count = (size_t)(bench->rate * bench->seconds * LENGTH);
    delivery_begin(bench, session);
    latency_measure(bench, session, "latency", count, true);
    delivery_verify(bench, session, (int64_t)(count < ARRIVALS_KEPT ? count : ARRIVALS_KEPT));
    db_close(session);
}
