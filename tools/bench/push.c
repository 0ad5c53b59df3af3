/* End to end: rows, claim, flight, HTTP/2 over TLS to the sandbox, answer, note, settle. */
#include <inttypes.h>

#include "bench/delivery.h"
#include "bench/parts.h"
#include "bench/proc.h"
#include "bench/report.h"
#include "bench/session.h"
#include "core/clock.h"

enum { LIVE_BATCH = 500, STATISTICS_MS = 5000 };

/* Processor time and counters, at one moment. */
struct meter {
    double at_us, dispatcher_us, sandbox_us, postgres_us;
    int64_t wal;
};

struct places {
    int64_t dispatcher, postmaster, self; /* process ids; self: the backend of the measuring session */
};

struct figures {
    struct samples backlog, live; /* messages/s */
    struct samples dispatcher_us, sandbox_us, postgres_us;
    struct samples wal; /* octets a message, without the producer's */
    struct samples insert_wal;
    struct samples hot; /* percent */
};

static struct places find_places(struct db_session *session)
{
    struct places places = {
        .dispatcher =
            session_int(session, "SELECT max(pid) FROM outbox.dispatcher WHERE 'ios' = ANY (channels)"),
        .self = session_int(session, "SELECT pg_backend_pid()")};
    places.postmaster = proc_parent(places.self);
    if (places.dispatcher == 0 || proc_parent(places.dispatcher) == 0)
        bench_die("no dispatcher of ios runs on this machine");
    return places;
}

static int64_t wal_position(struct db_session *session)
{
    return session_int(session, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint");
}

static struct meter read_meter(const struct bench *bench, struct db_session *session,
                               const struct places *places)
{
    struct meter meter = {.wal = wal_position(session), .at_us = bench_now_us()};
    meter.dispatcher_us = proc_cpu_us(places->dispatcher);
    meter.sandbox_us = bench->sandbox_pid ? proc_cpu_us(bench->sandbox_pid) : 0;
    meter.postgres_us = proc_tree_cpu_us(places->postmaster, places->self);
    return meter;
}

static void insert_rows(struct db_session *session, int64_t rows)
{
    session_run(
        session,
        "INSERT INTO outbox.message (channel, recipient, payload)"
        "    SELECT 'ios', 'b0' || left(md5(i::text) || md5(i::text), 62),"
        "        jsonb_build_object('title', 'Payment received', 'body', 'Order ' || i || ' was paid.')"
        "    FROM generate_series(1, %" PRId64 ") AS i",
        rows);
}

#define UPDATES     "pg_stat_get_tuples_updated('outbox.message'::regclass)"
#define HOT_UPDATES "pg_stat_get_tuples_hot_updated('outbox.message'::regclass)"

/* Counters of another session reach the statistics within about a second. */
static void sample_hot(struct db_session *session, struct figures *figures, int64_t rows, int64_t updates,
                       int64_t hot)
{
    int64_t begun = clock_mono(), updated = 0;
    while (updated < rows && clock_mono() - begun < STATISTICS_MS) {
        bench_pause_ms(50);
        updated = session_int(session, "SELECT " UPDATES) - updates;
    }
    if (updated > 0)
        samples_add(&figures->hot,
                    100.0 * (double)(session_int(session, "SELECT " HOT_UPDATES) - hot) / (double)updated);
}

static void send_backlog(const struct bench *bench, struct db_session *session, const struct places *places,
                         struct figures *figures)
{
    int64_t rows = bench->rows / 2;
    double each = 1 / (double)rows;
    session_run(session, "SELECT outbox.pause('ios')");
    delivery_begin(bench, session);
    int64_t wal = wal_position(session);
    insert_rows(session, rows);
    samples_add(&figures->insert_wal, (double)(wal_position(session) - wal) * each);
    int64_t updates = session_int(session, "SELECT " UPDATES);
    int64_t hot = session_int(session, "SELECT " HOT_UPDATES);

    struct meter before = read_meter(bench, session, places);
    session_run(session, "SELECT outbox.resume('ios')");
    delivery_wait(bench, session, rows);
    struct meter after = read_meter(bench, session, places);

    delivery_verify(bench, session, rows);
    samples_add(&figures->backlog, (double)rows / ((after.at_us - before.at_us) / 1e6));
    samples_add(&figures->dispatcher_us, (after.dispatcher_us - before.dispatcher_us) * each);
    samples_add(&figures->sandbox_us, (after.sandbox_us - before.sandbox_us) * each);
    samples_add(&figures->postgres_us, (after.postgres_us - before.postgres_us) * each);
    samples_add(&figures->wal, (double)(after.wal - before.wal) * each);
    sample_hot(session, figures, rows, updates, hot);
}

static void send_live(const struct bench *bench, struct db_session *session, struct figures *figures)
{
    int64_t batches = bench->rows / 4 / LIVE_BATCH;
    delivery_begin(bench, session);
    double start = bench_now_us();
    for (int64_t i = 0; i < batches; i++)
        insert_rows(session, LIVE_BATCH);
    delivery_wait(bench, session, batches * LIVE_BATCH);
    samples_add(&figures->live, (double)(batches * LIVE_BATCH) / ((bench_now_us() - start) / 1e6));
    delivery_verify(bench, session, batches * LIVE_BATCH);
}

void push_run(const struct bench *bench)
{
    struct db_session *session = session_open(bench->conninfo);
    struct places places = find_places(session);
    struct figures figures = {0};
    for (int64_t round = 0; round < bench->rounds; round++) {
        send_backlog(bench, session, &places, &figures);
        send_live(bench, session, &figures);
    }
    double peak = (double)proc_peak_kib(places.dispatcher) / 1024;

    report_title("push: one ios dispatcher, TLS and HTTP/2 to the sandbox; everything on this machine");
    report_ratio("live (insert while sending) : backlog", &figures.live, &figures.backlog);
    report_samples("backlog sent and settled", &figures.backlog, "messages/s");
    report_samples("live, inserted by one producer, 500 rows a transaction", &figures.live, "messages/s");
    report_samples("dispatcher, processor time a message", &figures.dispatcher_us, "us");
    report_samples("postgres, processor time a message, all its processes", &figures.postgres_us, "us");
    if (bench->sandbox_pid)
        report_samples("sandbox, processor time a message", &figures.sandbox_us, "us");
    report_number("dispatcher, largest resident size", peak, "MiB");
    if (figures.hot.count > 0)
        report_samples("settling updates that were HOT", &figures.hot, "%");
    report_samples("WAL a message to send and settle", &figures.wal, "octets");
    report_samples("WAL a message to insert", &figures.insert_wal, "octets");
    db_close(session);
}
