/*
 * Random histories of a small queue: producers, up to three dispatchers with a cursor each, and a model of
 * what Postgres shows to whom. Claims, ticks and looks take time: each is begun, executed and answered in
 * steps of its own, and anything may happen between them. After every step no low-water mark may have passed
 * a row that can still need sending. When a history ends, all that was committed must become final soon.
 *
 * The snapshots are as Postgres makes them: xmax is just above the newest transaction that has ended, and
 * only running transactions below it are listed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dispatcher/cursor.h"
#include "support/suite.h"

enum {
    HISTORIES = 1000, /* of each kind */
    STEPS = 900,
    ROWS = 600,
    ROWS_SPARE = 300, /* for transactions under way and rows that are sent again */
    TRANSACTIONS = 240,
    TRANSACTIONS_SPARE = 20,
    DISPATCHERS = 3,
    BATCHES = 4,
    FREE = -1,
    TICK_MS = 500,
    LOOK_ROWS = 12,   /* a look visits no more */
    DRAIN_MS = 12000, /* longest interval of looks, and a few ticks */
    DRAIN_STEP_MS = 50,
    VISITS_MAX = 5, /* per row and dispatcher, when nothing is extraordinary */
};

/* What may happen in a history. */
struct kind {
    const char *name;
    bool crashes;           /* dispatchers die and others start */
    bool failures;          /* statements fail, rows are given back or sent again later */
    bool long_transactions; /* some producers stay open for seconds, or to the end */
};

static const struct kind kinds[] = {
    {"calm", .failures = false},
    {"failures", .failures = true},
    {"long transactions", .failures = true, .long_transactions = true},
    {"crashes", .crashes = true, .failures = true, .long_transactions = true},
};

struct transaction {
    uint64_t id;
    enum { RUNNING, COMMITTED, ABORTED } state;
    bool aborts;
    int rows_left;
    int64_t ends;
};

struct row {
    int64_t position;
    int transaction;
    int holder; /* number of the batch, or FREE */
    bool final; /* settled at this position */
};

struct batch {
    bool flying;
    int64_t lands;
};

/* Of a tick, a scan or a look. EXECUTED: the database has done it, the answer is on its way. */
enum phase { IDLE, BEGUN, ID_USED, EXECUTED };

struct dispatcher {
    struct cursor *cursor; /* NULL = not running */
    struct batch batches[BATCHES];
    struct {
        enum phase phase;
        int64_t next, position;
        char snapshot[16 * TRANSACTIONS];
        int deaths; /* seen so far */
        bool disturb;
    } tick;
    struct {
        enum phase phase;
        int64_t next, after, last;
        int limit, batch;
        bool full;
    } scan;
    struct {
        enum phase phase;
        struct range range;
        int limit, batch;
        int64_t seen, pending, lowest, highest;
    } look;
};

struct model {
    const struct kind *kind;
    uint64_t random;
    int64_t now;
    struct row rows[ROWS]; /* by position */
    int row_count;
    struct transaction transactions[TRANSACTIONS];
    int transaction_count;
    int first_running; /* all before it have ended */
    int64_t last_position;
    uint64_t next_id, newest_ended;
    int again; /* rows that wait for a new position */
    struct dispatcher dispatchers[DISPATCHERS];
    int deaths;
    int64_t published;
    int64_t visits;
    int claim_most; /* rows of a claim: small = there is a backlog, large = there is none */
    bool draining;
};

/* As ck_assert_msg, which tells its parent process each time that it was reached: too slow here. */
#define require(condition, ...)                                                                              \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg(__VA_ARGS__);                                                                       \
    } while (0)

static uint64_t draw(struct model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random >> 11;
}

static int64_t below(struct model *m, int64_t limit)
{
    return (int64_t)(draw(m) % (uint64_t)limit);
}

static bool chance(struct model *m, int percent)
{
    return below(m, 100) < percent;
}

static bool fails(struct model *m)
{
    return m->kind->failures && !m->draining && chance(m, 4);
}

/* ---- Producers ---- */

static void end_transaction(struct model *m, struct transaction *t)
{
    t->state = t->aborts ? ABORTED : COMMITTED;
    if (t->id > m->newest_ended)
        m->newest_ended = t->id;
    while (m->first_running < m->transaction_count && m->transactions[m->first_running].state != RUNNING)
        m->first_running++;
}

static int64_t duration(struct model *m)
{
    int64_t dice = below(m, 100);
    if (m->kind->long_transactions && dice < 3)
        return INT64_MAX / 2;
    if (m->kind->long_transactions && dice < 15)
        return below(m, 5000);
    return below(m, 120);
}

static bool is_full(const struct model *m)
{
    return !m->draining &&
           (m->row_count >= ROWS - ROWS_SPARE || m->transaction_count >= TRANSACTIONS - TRANSACTIONS_SPARE);
}

static void begin_transaction(struct model *m)
{
    require(m->transaction_count < TRANSACTIONS, "too many transactions");
    int rows = m->again + (m->draining ? 0 : (int)below(m, 8));
    m->transactions[m->transaction_count++] = (struct transaction){.id = m->next_id++,
                                                                   .aborts = m->again == 0 && chance(m, 15),
                                                                   .rows_left = rows,
                                                                   .ends = m->now + duration(m)};
    m->again = 0;
}

static void insert_row(struct model *m, int transaction)
{
    require(m->row_count < ROWS, "too many rows");
    m->last_position += 1 + below(m, 2); /* other channels draw positions too */
    m->rows[m->row_count++] =
        (struct row){.position = m->last_position, .transaction = transaction, .holder = FREE};
    m->transactions[transaction].rows_left--;
}

static void step_producers(struct model *m)
{
    if (m->draining ? m->again > 0 : chance(m, 8) && !is_full(m))
        begin_transaction(m);
    for (int i = m->first_running; i < m->transaction_count; i++) {
        struct transaction *t = &m->transactions[i];
        if (t->state != RUNNING)
            continue;
        if (t->rows_left > 0 && (m->draining || chance(m, 50)))
            insert_row(m, i);
        else if (t->ends <= m->now || m->draining)
            end_transaction(m, t);
    }
}

/* ---- What the database shows and does ---- */

static bool is_pending(const struct model *m, const struct row *row)
{
    return !row->final && m->transactions[row->transaction].state == COMMITTED;
}

static void take_snapshot(const struct model *m, char *text, size_t size)
{
    uint64_t xmax = m->newest_ended + 1;
    int used = snprintf(text, size, "1:%" PRIu64 ":", xmax);
    const char *comma = "";
    for (int i = m->first_running; i < m->transaction_count; i++) {
        const struct transaction *t = &m->transactions[i];
        if (t->state != RUNNING || t->id >= xmax)
            continue;
        used += snprintf(text + used, size - (size_t)used, "%s%" PRIu64, comma, t->id);
        comma = ",";
    }
    require(used < (int)size, "the snapshot is too long");
}

/* An empty transaction with an id of its own comes and goes. */
static void use_up_id(struct model *m)
{
    m->newest_ended = m->next_id++;
}

static int number(const struct model *m, const struct dispatcher *d, int batch)
{
    return (int)(d - m->dispatchers) * BATCHES + batch;
}

static void release(struct model *m, const struct dispatcher *d, int batch)
{
    for (int i = 0; i < m->row_count; i++)
        if (m->rows[i].holder == number(m, d, batch))
            m->rows[i].holder = FREE;
}

static int idle_batch(const struct dispatcher *d)
{
    for (int i = 0; i < BATCHES; i++) {
        bool reserved =
            (d->scan.phase != IDLE && d->scan.batch == i) || (d->look.phase != IDLE && d->look.batch == i);
        if (!d->batches[i].flying && !reserved)
            return i;
    }
    return FREE;
}

/* ---- Dispatchers ---- */

static void start(struct model *m, struct dispatcher *d)
{
    *d = (struct dispatcher){.cursor = cursor_new(m->published), .tick = {.deaths = m->deaths}};
}

static void die(struct model *m, struct dispatcher *d)
{
    for (int i = 0; i < BATCHES; i++)
        release(m, d, i);
    cursor_free(d->cursor);
    d->cursor = NULL;
    m->deaths++;
}

static void step_tick(struct model *m, struct dispatcher *d)
{
    uint64_t running[TRANSACTIONS];
    struct snapshot snapshot;
    switch (d->tick.phase) {
    case IDLE:
        if (m->now < d->tick.next)
            return;
        d->tick.next = m->now + TICK_MS;
        d->tick.position = m->last_position;
        d->tick.phase = BEGUN;
        break;
    case BEGUN:
        use_up_id(m);
        d->tick.phase = ID_USED;
        break;
    case ID_USED:
        take_snapshot(m, d->tick.snapshot, sizeof d->tick.snapshot);
        d->tick.disturb = d->tick.deaths != m->deaths;
        d->tick.deaths = m->deaths;
        d->tick.phase = EXECUTED;
        break;
    case EXECUTED:
        require(snapshot_parse(d->tick.snapshot, running, TRANSACTIONS, &snapshot), "\"%s\"",
                d->tick.snapshot);
        cursor_tick(d->cursor, d->tick.position, &snapshot, m->now);
        if (d->tick.disturb)
            cursor_disturb(d->cursor, m->now);
        d->tick.phase = IDLE;
        break;
    }
}

static void take_off(struct model *m, struct dispatcher *d, int batch)
{
    d->batches[batch] =
        (struct batch){.flying = true, .lands = m->now + below(m, chance(m, 10) ? 3000 : 200)};
}

static void execute_scan(struct model *m, struct dispatcher *d)
{
    int claimed = 0;
    d->scan.last = 0;
    for (int i = 0; i < m->row_count && claimed < d->scan.limit; i++) {
        struct row *row = &m->rows[i];
        if (row->position <= d->scan.after)
            continue;
        m->visits++;
        if (!is_pending(m, row) || row->holder != FREE)
            continue;
        row->holder = number(m, d, d->scan.batch);
        d->scan.last = row->position;
        claimed++;
    }
    d->scan.full = claimed == d->scan.limit;
}

static void step_scan(struct model *m, struct dispatcher *d)
{
    switch (d->scan.phase) {
    case IDLE: {
        int batch = idle_batch(d);
        if (m->now < d->scan.next || batch == FREE)
            return;
        cursor_scan_started(d->cursor);
        d->scan.after = cursor_scan_from(d->cursor);
        d->scan.limit = 1 + (int)below(m, m->claim_most);
        d->scan.batch = batch;
        d->scan.phase = BEGUN;
        return;
    }
    case BEGUN:
        execute_scan(m, d);
        d->scan.phase = EXECUTED;
        return;
    default:
        d->scan.next = m->now + (d->scan.full ? 0 : 100 + below(m, 200));
        d->scan.phase = IDLE;
        if (fails(m)) {
            release(m, d, d->scan.batch);
            cursor_scan_failed(d->cursor);
            return;
        }
        cursor_scanned(d->cursor, d->scan.last, d->scan.last > 0, d->scan.full, m->now);
        if (d->scan.last > 0)
            take_off(m, d, d->scan.batch);
    }
}

static void execute_look(struct model *m, struct dispatcher *d)
{
    const struct range *range = &d->look.range;
    int claimed = 0, visited = 0;
    d->look.pending = d->look.lowest = d->look.highest = 0;
    d->look.seen = range->upto;
    for (int i = 0; i < m->row_count; i++) {
        struct row *row = &m->rows[i];
        if (row->position <= range->after || row->position > range->upto)
            continue;
        m->visits++;
        if (is_pending(m, row)) {
            d->look.lowest = d->look.pending++ == 0 ? row->position : d->look.lowest;
            d->look.highest = row->position;
            if (row->holder == FREE) {
                row->holder = number(m, d, d->look.batch);
                claimed++;
            }
        }
        if (claimed == d->look.limit || ++visited == LOOK_ROWS) {
            d->look.seen = row->position;
            break;
        }
    }
    if (claimed > 0)
        take_off(m, d, d->look.batch);
}

static void step_look(struct model *m, struct dispatcher *d)
{
    switch (d->look.phase) {
    case IDLE: {
        int batch = idle_batch(d);
        if (batch == FREE || !cursor_next_look(d->cursor, m->now, &d->look.range))
            return;
        d->look.limit = 1 + (int)below(m, m->claim_most);
        d->look.batch = batch;
        d->look.phase = BEGUN;
        return;
    }
    case BEGUN:
        if (fails(m)) {
            cursor_look_failed(d->cursor, d->look.range.id, m->now);
            d->look.phase = IDLE;
            return;
        }
        execute_look(m, d);
        d->look.phase = EXECUTED;
        return;
    default:
        d->look.phase = IDLE;
        cursor_look_stopped(d->cursor, d->look.range.id, d->look.seen, m->now);
        cursor_looked(d->cursor, d->look.range.id, d->look.pending, d->look.lowest, d->look.highest, m->now);
    }
}

/* Its rows become final, some of them to get a new position later; or all are given back. */
static void land(struct model *m, struct dispatcher *d, int batch)
{
    bool given_up = fails(m);
    for (int i = 0; i < m->row_count; i++) {
        struct row *row = &m->rows[i];
        if (row->holder != number(m, d, batch) || given_up)
            continue;
        require(!row->final, "row %" PRId64 " is sent twice", row->position);
        row->final = true;
        row->holder = FREE;
        if (fails(m) && !is_full(m))
            m->again++;
    }
    d->batches[batch].flying = false;
    if (!given_up)
        return;
    release(m, d, batch);
    if (chance(m, 70)) /* else nobody is told, and looks must find it */
        cursor_disturb(d->cursor, m->now);
}

static void step_batches(struct model *m, struct dispatcher *d)
{
    for (int i = 0; i < BATCHES; i++)
        if (d->batches[i].flying && (d->batches[i].lands <= m->now || m->draining) &&
            !(d->look.phase == EXECUTED && d->look.batch == i))
            land(m, d, i);
}

static void publish(struct model *m, const struct dispatcher *d)
{
    if (cursor_low_water(d->cursor) > m->published)
        m->published = cursor_low_water(d->cursor);
}

static void step_dispatcher(struct model *m, struct dispatcher *d)
{
    if (!d->cursor) {
        if (m->kind->crashes && chance(m, 5))
            start(m, d);
        return;
    }
    switch (below(m, 8)) {
    case 0:
    case 1:
        step_tick(m, d);
        break;
    case 2:
    case 3:
        step_scan(m, d);
        break;
    case 4:
    case 5:
        step_look(m, d);
        break;
    case 6:
        step_batches(m, d);
        break;
    default:
        publish(m, d);
        if (m->kind->crashes && chance(m, 4))
            die(m, d);
    }
}

/* ---- Judgement ---- */

/* The lowest position that is pending or can become so. */
static int64_t lowest_open(const struct model *m)
{
    for (int i = 0; i < m->row_count; i++)
        if (!m->rows[i].final && m->transactions[m->rows[i].transaction].state != ABORTED)
            return m->rows[i].position;
    return m->last_position + 1;
}

static void check_marks(const struct model *m)
{
    int64_t open = lowest_open(m);
    require(m->published < open, "published mark %" PRId64 " is not below open row %" PRId64, m->published,
            open);
    for (int i = 0; i < DISPATCHERS; i++) {
        if (!m->dispatchers[i].cursor)
            continue;
        int64_t mark = cursor_low_water(m->dispatchers[i].cursor);
        require(mark < open, "mark %" PRId64 " of dispatcher %d is not below open row %" PRId64, mark, i,
                open);
    }
}

static bool is_quiet(const struct model *m)
{
    for (int i = 0; i < DISPATCHERS; i++) {
        const struct cursor *cursor = m->dispatchers[i].cursor;
        if (cursor && (cursor_low_water(cursor) != m->last_position || cursor_ranges(cursor) != 0))
            return false;
    }
    return lowest_open(m) > m->last_position && m->again == 0;
}

/* No more producers, failures and deaths: soon all is final, and every cursor knows it. */
static void drain(struct model *m)
{
    m->draining = true;
    for (int64_t end = m->now + DRAIN_MS; m->now < end && !is_quiet(m); m->now += DRAIN_STEP_MS) {
        for (int i = 0; i < 20; i++)
            step_producers(m);
        for (int i = 0; i < DISPATCHERS; i++) {
            struct dispatcher *d = &m->dispatchers[i];
            if (!d->cursor && i == 0)
                start(m, d);
            for (int j = 0; j < 12 && d->cursor; j++) {
                step_tick(m, d);
                step_scan(m, d);
                step_look(m, d);
                step_batches(m, d);
                check_marks(m);
            }
        }
    }
    for (int i = 0; i < m->row_count; i++)
        require(!is_pending(m, &m->rows[i]), "row %" PRId64 " is stranded", m->rows[i].position);
    require(is_quiet(m), "the low-water marks do not arrive");
}

static void run_history(const struct kind *kind, uint64_t seed, struct model *m)
{
    memset(m, 0, sizeof *m);
    m->kind = kind;
    m->random = seed * 0x9E3779B97F4A7C15u + 1;
    m->next_id = 100;
    m->newest_ended = 99;
    m->claim_most = 4 + (int)below(m, 40);
    for (int64_t i = below(m, DISPATCHERS); i >= 0; i--)
        start(m, &m->dispatchers[i]);
    for (int i = 0; i < STEPS; i++) {
        m->now += below(m, 12);
        step_producers(m);
        step_dispatcher(m, &m->dispatchers[below(m, DISPATCHERS)]);
        check_marks(m);
    }
    drain(m);
}

START_TEST(test_random_histories)
{
    const struct kind *kind = &kinds[_i];
    static struct model model;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        int dispatchers = 0;
        run_history(kind, seed, &model);
        for (int i = 0; i < DISPATCHERS; i++) {
            dispatchers += model.dispatchers[i].cursor != NULL;
            cursor_free(model.dispatchers[i].cursor);
        }
        if (!kind->failures)
            require(model.visits <= VISITS_MAX * dispatchers * model.row_count,
                    "%" PRId64 " visits of %d rows by %d dispatchers", model.visits, model.row_count,
                    dispatchers);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor_model");
    TCase *histories = tcase_create("histories");
    tcase_add_loop_test(histories, test_random_histories, 0, sizeof kinds / sizeof kinds[0]);
    suite_add_tcase(suite, histories);
    return suite_run(suite);
}
