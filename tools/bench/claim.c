/*
 * Claim and settle without sending: our statements, as a dispatcher sends them, against the loop that most
 * Postgres queues run. The two take turns on slices of their backlogs, so that noise meets both.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/link.h"
#include "bench/parts.h"
#include "bench/report.h"
#include "bench/session.h"
#include "core/clock.h"
#include "core/mem.h"
#include "dispatcher/settle.h"
#include "statements.h"

enum { BATCH = 500, MARKS_EVERY_MS = 500, UUID_SIZE = 37 };
#define CHANNEL "bench"

static const char batch_text[] = "500";

#define INT_TEXT(value) int_text((char[24]){0}, 24, (value))

static const char *int_text(char *room, size_t size, int64_t value)
{
    snprintf(room, size, "%" PRId64, value);
    return room;
}

struct row {
    int64_t id, created_ms;
    char uuid[UUID_SIZE];
};

/* One dispatcher's database side: a connection for claims and one for flights. */
struct ours {
    struct link *claims, *control;
    int64_t dispatcher, flight, mark, cursor;
    int64_t marks_read; /* steady clock */
    struct row rows[BATCH];
    int count;
    int64_t settled;
};

struct plain {
    struct link *link;
    int64_t ids[BATCH];
    int count;
    int64_t settled;
};

/* ---- Ours ---- */

static void on_registered(void *arg, const struct db_result *result)
{
    struct ours *ours = arg;
    ours->dispatcher = db_int(result, 0, 0);
}

static void set_session(struct link *link)
{
    link_send(link, &sql_session, 2, (const char *const[]){"0", "0"}, NULL, NULL);
    link_wait(link);
}

static void ours_open(struct ours *ours, const struct bench *bench)
{
    *ours = (struct ours){0};
    ours->claims = link_open(bench->conninfo, "outbox-bench claims");
    ours->control = link_open(bench->conninfo, "outbox-bench control");
    set_session(ours->claims);
    link_send(ours->control, &sql_register_dispatcher, 4,
              (const char *const[]){"outbox-bench", "localhost", "1", "{" CHANNEL "}"}, on_registered, ours);
    link_wait(ours->control);
}

static void ours_close(struct ours *ours)
{
    link_send(ours->control, &sql_unregister_dispatcher, 1, (const char *const[]){INT_TEXT(ours->dispatcher)},
              NULL, NULL);
    link_wait(ours->control);
    link_close(ours->control);
    link_close(ours->claims);
}

static void on_claimed(void *arg, const struct db_result *result)
{
    enum { ID = 0, QUEUE_POS = 1, CREATED = 4, UUID = 8 };
    struct ours *ours = arg;
    ours->count = db_rows(result);
    for (int i = 0; i < ours->count; i++) {
        ours->rows[i].id = db_int(result, i, ID);
        ours->rows[i].created_ms = db_int(result, i, CREATED);
        snprintf(ours->rows[i].uuid, UUID_SIZE, "%s", db_text(result, i, UUID));
        if (db_int(result, i, QUEUE_POS) > ours->cursor)
            ours->cursor = db_int(result, i, QUEUE_POS);
    }
}

static void on_marks(void *arg, const struct db_result *result)
{
    struct ours *ours = arg;
    ours->mark = db_rows(result) > 0 ? db_int(result, 0, 1) : ours->flight;
}

static void on_taken(void *arg, const struct db_result *result)
{
    (void)arg;
    if (db_rows(result) > 0)
        bench_die("a claimed row stands in another flight");
}

static void on_ours_settled(void *arg, const struct db_result *result)
{
    struct ours *ours = arg;
    ours->settled += db_rows(result) > 0 ? db_int(result, 0, 0) : 0;
}

static void open_flight(struct ours *ours)
{
    const char *dispatcher = INT_TEXT(ours->dispatcher);
    char known[32], marks[32];
    snprintf(known, sizeof known, "{%s}", dispatcher);
    snprintf(marks, sizeof marks, "{%" PRId64 "}", ours->mark);
    struct buf ids;
    buf_init(&ids, 65536);
    db_array_start(&ids);
    for (int i = 0; i < ours->count; i++)
        db_array_int(&ids, ours->rows[i].id);
    db_array_finish(&ids);
    link_send(ours->control, &sql_open_flight, 7,
              (const char *const[]){dispatcher, INT_TEXT(++ours->flight), CHANNEL, buf_string(&ids), "30000",
                                    known, marks},
              on_taken, NULL);
    /* A dispatcher refreshes its marks with its tick. */
    if (clock_mono() - ours->marks_read >= MARKS_EVERY_MS) {
        link_send(ours->control, &sql_read_marks, 2, (const char *const[]){known, marks}, on_marks, ours);
        ours->marks_read = clock_mono();
    }
    link_wait(ours->control);
    buf_free(&ids);
}

static void ours_settle(struct ours *ours)
{
    struct settle_arrays arrays;
    settle_start(&arrays);
    int64_t now = clock_ms();
    for (int i = 0; i < ours->count; i++) {
        db_array_int(&arrays.columns[SETTLE_IDS], ours->rows[i].id);
        settle_count(&arrays, ours->rows[i].id, false, ours->rows[i].created_ms);
        db_array_text(&arrays.columns[SETTLE_VERDICTS], "sent");
        db_array_text(&arrays.columns[SETTLE_PROVIDERS], "bench");
        db_array_text(&arrays.columns[SETTLE_PROVIDER_IDS], ours->rows[i].uuid);
        db_array_text(&arrays.columns[SETTLE_REASONS], NULL);
        db_array_int(&arrays.columns[SETTLE_ATS], now);
        db_array_text(&arrays.columns[SETTLE_NOT_BEFORES], NULL);
    }
    const char *parameters[3 + SETTLE_COLUMNS] = {INT_TEXT(ours->dispatcher), INT_TEXT(ours->flight),
                                                  CHANNEL};
    settle_finish(&arrays, parameters + 3);
    link_send(ours->claims, &sql_settle, 3 + SETTLE_COLUMNS, parameters, on_ours_settled, ours);
    link_send(ours->claims, &sql_commit, 0, NULL, NULL, NULL);
    link_wait(ours->claims);
    settle_free(&arrays);
}

static void ours_batch(struct ours *ours)
{
    const char *cursor = INT_TEXT(ours->cursor);
    link_send(ours->claims, &sql_begin, 0, NULL, NULL, NULL);
    link_send(ours->claims, &sql_claim, 5,
              (const char *const[]){CHANNEL, cursor, cursor, batch_text, batch_text}, on_claimed, ours);
    link_wait(ours->claims);
    if (ours->count == 0)
        bench_die("the queue is empty too early");
    open_flight(ours);
    ours_settle(ours);
}

/* ---- The control ---- */

static void on_plain_claimed(void *arg, const struct db_result *result)
{
    struct plain *plain = arg;
    plain->count = db_rows(result);
    for (int i = 0; i < plain->count; i++)
        plain->ids[i] = db_int(result, i, 0);
}

static void on_plain_settled(void *arg, const struct db_result *result)
{
    struct plain *plain = arg;
    plain->settled += db_affected(result);
}

static void plain_batch(struct plain *plain)
{
    link_send(plain->link, &sql_begin, 0, NULL, NULL, NULL);
    link_send(plain->link, &sql_bench_plain_claim, 1, (const char *const[]){batch_text}, on_plain_claimed,
              plain);
    link_wait(plain->link);
    if (plain->count == 0)
        bench_die("the control's queue is empty too early");
    struct buf ids;
    buf_init(&ids, 65536);
    db_array_start(&ids);
    for (int i = 0; i < plain->count; i++)
        db_array_int(&ids, plain->ids[i]);
    db_array_finish(&ids);
    link_send(plain->link, &sql_bench_plain_settle, 1, (const char *const[]){buf_string(&ids)},
              on_plain_settled, plain);
    link_send(plain->link, &sql_commit, 0, NULL, NULL, NULL);
    link_wait(plain->link);
    buf_free(&ids);
}

/* ---- Scenarios ---- */

struct outcome {
    struct samples ours, plain; /* rows/s of each slice */
    double first_claim_ms;      /* of a dispatcher that begins at position 0 */
};

#define RECIPIENT "'b0' || left(md5(i::text) || md5(i::text), 62)"
#define PAYLOAD                                                                                              \
    "jsonb_build_object('title', 'Payment received', 'body', 'Order ' || i || ' was paid. Thank you.', "     \
    "'data', jsonb_build_object('order', i::text))"

static void fill(struct db_session *session, int64_t front, int64_t rows)
{
    session_truncate(session, "outbox.message");
    session_run(session, "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench;"
                         "CREATE TABLE bench.plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                         "    created_at timestamptz NOT NULL DEFAULT now(), sent_at timestamptz,"
                         "    status text NOT NULL DEFAULT 'pending', recipient text NOT NULL,"
                         "    payload jsonb NOT NULL);"
                         "CREATE INDEX ON bench.plain (id) WHERE status = 'pending'");
    if (front > 0) {
        session_run(session,
                    "SET session_replication_role = replica;" /* spares the load its triggers */
                    "INSERT INTO outbox.message (channel, recipient, payload, status, attempts, sent_at,"
                    "    finished_at) SELECT '" CHANNEL "', " RECIPIENT ", " PAYLOAD
                    ", 'sent', 1, now(), now() FROM generate_series(1, %" PRId64 ") AS i;"
                    "SET session_replication_role = origin;",
                    front);
        session_run(session,
                    "INSERT INTO bench.plain (recipient, payload, status, sent_at)"
                    "    SELECT " RECIPIENT ", " PAYLOAD ", 'sent', now() FROM generate_series(1, %" PRId64
                    ") AS i",
                    front);
    }
    /* What the load left to be written is not part of what is timed. */
    session_run(session, "CHECKPOINT");
    session_run(session,
                "INSERT INTO outbox.message (channel, recipient, payload)"
                "    SELECT '" CHANNEL "', " RECIPIENT ", " PAYLOAD " FROM generate_series(1, %" PRId64
                ") AS i",
                rows);
    session_run(session,
                "INSERT INTO bench.plain (recipient, payload) SELECT " RECIPIENT ", " PAYLOAD
                " FROM generate_series(1, %" PRId64 ") AS i",
                rows);
    session_run(session, "VACUUM (ANALYZE) outbox.message, bench.plain");
}

static double rows_per_second(double start_us, int64_t rows)
{
    return (double)rows / ((bench_now_us() - start_us) / 1e6);
}

static struct outcome measure(const struct bench *bench, struct db_session *session)
{
    struct outcome outcome = {0};
    struct ours *ours = mem_alloc(sizeof *ours);
    struct plain *plain = mem_alloc(sizeof *plain);
    ours_open(ours, bench);
    plain->link = link_open(bench->conninfo, "outbox-bench plain");
    set_session(plain->link);
    int64_t batches = bench->rows / bench->rounds / BATCH;
    if (batches < 2)
        bench_die("--rows: too few for --rounds");

    double start = bench_now_us();
    ours_batch(ours); /* it also prepares the statements */
    outcome.first_claim_ms = (bench_now_us() - start) / 1e3;
    plain_batch(plain);
    for (int64_t round = 0; round < bench->rounds; round++) {
        int64_t count = batches - (round == 0);
        start = bench_now_us();
        for (int64_t i = 0; i < count; i++)
            ours_batch(ours);
        samples_add(&outcome.ours, rows_per_second(start, count * BATCH));
        start = bench_now_us();
        for (int64_t i = 0; i < count; i++)
            plain_batch(plain);
        samples_add(&outcome.plain, rows_per_second(start, count * BATCH));
    }

    int64_t done = batches * bench->rounds * BATCH;
    int64_t sent = session_int(session, "SELECT count(*) FROM outbox.message WHERE status = 'sent'"
                                        " AND provider = 'bench' AND attempts = 1");
    if (ours->settled != done || sent != done)
        bench_die("claimed %" PRId64 " rows, settled %" PRId64 ", %" PRId64 " are sent", done, ours->settled,
                  sent);
    if (plain->settled != done)
        bench_die("the control settled %" PRId64 " of %" PRId64 " rows", plain->settled, done);
    ours_close(ours);
    link_close(plain->link);
    mem_free(ours);
    mem_free(plain);
    return outcome;
}

void claim_run(const struct bench *bench)
{
    struct db_session *session = session_open(bench->conninfo);
    struct db_session *holder = session_open(bench->conninfo);
    session_run(session, "INSERT INTO outbox.channel (name) VALUES ('" CHANNEL "') ON CONFLICT DO NOTHING");

    fill(session, 0, bench->rows);
    struct outcome calm = measure(bench, session);

    fill(session, 0, bench->rows);
    session_run(holder, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox.channel");
    struct outcome pinned = measure(bench, session);
    session_run(holder, "COMMIT");

    fill(session, bench->front, bench->rows);
    struct outcome behind = measure(bench, session);

    report_title("claim: claim + flight + settle of 500-row batches, one connection, nothing sent");
    report_ratio("ours : plain loop", &calm.ours, &calm.plain);
    report_ratio("ours : plain loop, snapshot held", &pinned.ours, &pinned.plain);
    report_ratio("ours, snapshot held : without", &pinned.ours, &calm.ours);
    report_ratio("plain loop, snapshot held : without", &pinned.plain, &calm.plain);
    report_ratio("ours, finished rows in front : without", &behind.ours, &calm.ours);
    report_ratio("plain loop, finished rows in front : without", &behind.plain, &calm.plain);
    report_samples("ours", &calm.ours, "rows/s");
    report_samples("plain loop", &calm.plain, "rows/s");
    report_samples("ours, snapshot held", &pinned.ours, "rows/s");
    report_samples("plain loop, snapshot held", &pinned.plain, "rows/s");
    report_samples("ours, finished rows in front", &behind.ours, "rows/s");
    report_samples("plain loop, finished rows in front", &behind.plain, "rows/s");
    report_number("first batch when the cursor begins at 0, empty queue", calm.first_claim_ms, "ms");
    report_number("first batch when the cursor begins at 0, rows in front", behind.first_claim_ms, "ms");

    session_truncate(session, "outbox.message");
    session_run(session, "DROP SCHEMA bench CASCADE");
    db_close(holder);
    db_close(session);
}
