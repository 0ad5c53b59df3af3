#include "dispatcher/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "dispatcher/claim.h"
#include "dispatcher/control.h"
#include "dispatcher/flights.h"
#include "dispatcher/render.h"
#include "dispatcher/roster.h"
#include "dispatcher/send.h"
#include "dispatcher/settle.h"
#include "statements.h"

enum {
    NOTE_EVERY_MS = 25,
    STATEMENT_MS = 30000, /* longest claim or settle before its connection is given up */
    TRANSACTION_SLACK_MS = 60000,
    LAND_AGAIN_MS = 1000,
    MISSING_MAX = 128 * 1024, /* octets; a claim has at most 5000 rows */
    UUIDS_MAX = 256 * 1024,   /* octets */
};

enum batch_state { BATCH_IDLE, BATCH_CLAIMING, BATCH_BOARDING, BATCH_FLYING, BATCH_LANDING };

struct batch {
    struct batch_options options; /* conninfo and application_name are gone */
    struct batch_events events;
    struct db *db;
    enum batch_state state;
    bool in_transaction; /* the claim's locks are held */
    bool given_up;       /* BOARDING: the claim is gone, drop the flight as soon as it is known */
    struct claimed claimed;
    size_t open;             /* jobs without an end */
    int limit;               /* rows that were asked for */
    int limit_transactional; /* of which this many may be of that lane */
    bool looking;
    enum lane look_lane;
    uint64_t look_range; /* its id */
    struct flight flight;
    int64_t flight_number;
    int dispatcher;         /* under whose id the flight was opened */
    bool gone;              /* LANDING: the flight's row was not there */
    bool late;              /* which is certain */
    int notes;              /* of this flight, so far */
    struct note *noting;    /* the one on its way */
    int64_t session_for;    /* batch deadline that the connection was set up for; 0 = not yet */
    struct timer *watchdog; /* the server's answer is overdue, or: land again */
    struct timer *note_timer;
};

/* A note whose commit is not yet known; it may outlive its flight and even the batch. */
struct note {
    struct batch *batch; /* NULL: nobody waits for it */
    int number;          /* within its flight */
};

static void land(struct batch *batch);
static void send_landing(struct batch *batch);

bool batch_is_up(const struct batch *batch)
{
    return db_is_up(batch->db);
}

bool batch_is_free(const struct batch *batch)
{
    return batch->state == BATCH_IDLE;
}

bool batch_is_idle(const struct batch *batch)
{
    return batch->state == BATCH_IDLE && db_is_up(batch->db);
}

size_t batch_promised(const struct batch *batch)
{
    switch (batch->state) {
    case BATCH_CLAIMING:
        return (size_t)batch->limit;
    case BATCH_BOARDING:
        return batch->claimed.count;
    default:
        return 0;
    }
}

static void forget_note(struct batch *batch)
{
    if (batch->noting)
        batch->noting->batch = NULL;
    batch->noting = NULL;
}

/* released: rows that were locked are still pending. */
static void end(struct batch *batch, bool released)
{
    timer_clear(batch->watchdog);
    timer_clear(batch->note_timer);
    forget_note(batch);
    claim_free(&batch->claimed);
    arena_reset(batch->flight.arena);
    batch->state = BATCH_IDLE;
    batch->in_transaction = false;
    batch->flight.withdrawn = false;
    batch->given_up = false;
    batch->gone = batch->late = false;
    batch->looking = false;
    batch->notes = 0;
    batch->flight_number = 0;
    batch->events.ended(batch->events.arg, released);
}

/* Ends the transaction without a change; its rows are free again. */
static void roll_back(struct batch *batch)
{
    if (batch->in_transaction && db_is_up(batch->db)) {
        db_send(batch->db, &sql_rollback, 0, NULL, NULL, NULL);
        db_sync(batch->db);
    }
    batch->in_transaction = false;
}

/* Ends without anything sent. */
static void give_up(struct batch *batch)
{
    bool claimed = batch->claimed.count > 0;
    roll_back(batch);
    end(batch, claimed);
}

/* ---- Flying ---- */

static bool is_gone(const struct job *job)
{
    return job->state == JOB_JUDGED && job->verdict.kind == VERDICT_ADDRESS_GONE;
}

/* Addresses that were reported gone are retired only if that is credible; else their messages wait. That is
 * known when the batch lands, so such verdicts are not noted before. */
static void doubt_gone(struct batch *batch)
{
    char reason[sizeof(((struct verdict *)NULL)->reason)];
    for (size_t i = 0; i < batch->claimed.count; i++) {
        struct job *job = &batch->claimed.jobs[i];
        if (is_gone(job) && roster_distrusts_gone(batch->options.roster, job, reason, sizeof reason))
            job->verdict = verdict_make(VERDICT_STOPPED, "%s", reason);
    }
}

/* What is not committed stands in the next note. */
static void on_noted(void *arg, bool ok)
{
    struct note *note = arg;
    struct batch *batch = note->batch;
    if (batch) {
        batch->noting = NULL;
        for (size_t i = 0; i < batch->claimed.count && !ok; i++)
            if (batch->claimed.jobs[i].note == note->number)
                batch->claimed.jobs[i].note = 0;
    }
    mem_free(note);
}

/* One note at a time: a slow server gets larger ones. */
static void note_verdicts(struct batch *batch)
{
    if (batch->noting || !control_is_ready(batch->options.control))
        return;
    struct job **jobs = mem_array(batch->claimed.count, sizeof *jobs);
    size_t count = 0;
    for (size_t i = 0; i < batch->claimed.count; i++) {
        struct job *job = &batch->claimed.jobs[i];
        if (job->note == 0 && job->state >= JOB_JUDGED && job->state != JOB_HANDED_BACK && !is_gone(job))
            jobs[count++] = job;
    }
    if (count > 0) {
        batch->noting = mem_alloc(sizeof *batch->noting);
        *batch->noting = (struct note){.batch = batch, .number = ++batch->notes};
        for (size_t i = 0; i < count; i++)
            jobs[i]->note = batch->notes;
        flights_note(batch->options.flights, batch->flight_number, batch->notes, jobs, count, on_noted,
                     batch->noting);
    }
    mem_free(jobs);
}

static void on_note_timer(void *arg)
{
    struct batch *batch = arg;
    note_verdicts(batch);
    timer_set(batch->note_timer, NOTE_EVERY_MS);
    /* Requests end by themselves at the deadline; what still waits for its turn must not keep the batch. */
    if (clock_mono() >= batch->flight.deadline && !batch->flight.withdrawn)
        batch_withdraw(batch);
}

static void maybe_land(struct batch *batch)
{
    if (batch->state == BATCH_FLYING && batch->open == 0)
        land(batch);
}

static void route(struct batch *batch, struct job *job)
{
    struct provider *provider = batch->flight.withdrawn ? NULL : roster_route(batch->options.roster, job);
    if (provider) {
        send_submit(provider, job);
        return;
    }
    batch->open--;
    if (batch->flight.withdrawn && job->tried_count == 0) {
        job->state = JOB_HANDED_BACK;
        return;
    }
    job->state = JOB_JUDGED;
    job->judged_ms = clock_ms();
    if (job->tried_count > 0) /* what the last one said stands */
        return;
    job->verdict = verdict_make(VERDICT_UNSENT, "no provider takes it now");
    job->verdict.not_before_ms = roster_not_before(batch->options.roster, job);
}

static void on_done(void *arg, struct job *job)
{
    struct batch *batch = arg;
    if (job->state == JOB_HANDED_BACK)
        route(batch, job);
    else
        batch->open--;
    maybe_land(batch);
}

static void fly(struct batch *batch)
{
    batch->state = BATCH_FLYING;
    timer_set(batch->note_timer, NOTE_EVERY_MS);
    int64_t now = clock_ms();
    batch->open = 1; /* keeps the batch from landing while it is being boarded */
    for (size_t i = 0; i < batch->claimed.count; i++) {
        struct job *job = &batch->claimed.jobs[i];
        if (job->state == JOB_HANDED_BACK)
            continue;
        render_job(job, now);
        if (job->state != JOB_CLAIMED)
            continue;
        batch->open++;
        route(batch, job);
    }
    batch->open--;
    maybe_land(batch);
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void abandon_flight(struct batch *batch)
{
    flights_drop(batch->options.flights, batch->flight_number);
    give_up(batch);
}

/* The claim's transaction was alive after the flight was committed. So its locks were held until everybody
 * could see the flight, and whoever claims one of its rows later leaves it alone. */
static void on_held(void *arg, enum db_status status, const struct db_result *result)
{
    (void)result;
    struct batch *batch = arg;
    timer_clear(batch->watchdog);
    if (status != DB_OK || batch->flight.withdrawn)
        abandon_flight(batch);
    else
        fly(batch);
}

static void leave_to_others(struct batch *batch, const int64_t *taken, size_t count)
{
    int64_t *sorted = mem_array(count, sizeof *sorted);
    memcpy(sorted, taken, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_ids);
    for (size_t i = 0; i < batch->claimed.count; i++)
        if (bsearch(&batch->claimed.jobs[i].message.id, sorted, count, sizeof *sorted, compare_ids))
            batch->claimed.jobs[i].state = JOB_HANDED_BACK;
    mem_free(sorted);
}

static void on_flight(void *arg, bool ok, const int64_t *taken, size_t taken_count)
{
    struct batch *batch = arg;
    if (!ok) {
        batch->events.unwell(batch->events.arg);
        give_up(batch);
        return;
    }
    if (batch->flight.withdrawn || batch->given_up) {
        abandon_flight(batch);
        return;
    }
    if (taken_count > 0)
        leave_to_others(batch, taken, taken_count);
    timer_set(batch->watchdog, STATEMENT_MS);
    db_send(batch->db, &sql_hold, 0, NULL, on_held, batch);
    db_sync(batch->db);
}

/* ---- Claiming ---- */

static void board(struct batch *batch);
static void find_templates(struct batch *batch, bool ask);

static void on_templates(void *arg, enum db_status status, const struct db_result *result)
{
    struct batch *batch = arg;
    timer_clear(batch->watchdog);
    if (status == DB_FAILED)
        log_event(LOG_ERROR, "templates_failed", log_text("channel", batch->options.channel),
                  log_text("sqlstate", db_sqlstate(result)), log_text("error", db_message(result)));
    if (status != DB_OK || batch->flight.withdrawn || !control_is_ready(batch->options.control)) {
        if (status != DB_OK && status != DB_LOST)
            batch->events.unwell(batch->events.arg);
        give_up(batch);
        return;
    }
    render_read_templates(result, batch->options.templates);
    find_templates(batch, false);
}

/* Versions never change, so what the cache has is right. A version that is not in the database either is left
 * to rendering, which says so. */
static void find_templates(struct batch *batch, bool ask)
{
    struct buf missing;
    buf_init(&missing, MISSING_MAX);
    bool found = render_find_templates(&batch->claimed, batch->options.templates, &missing);
    if (found || !ask) {
        board(batch);
    } else {
        timer_set(batch->watchdog, STATEMENT_MS + STATEMENT_MS / 2);
        db_send(batch->db, &sql_read_templates, 1, (const char *const[]){buf_string(&missing)}, on_templates,
                batch);
        db_sync(batch->db);
    }
    buf_free(&missing);
}

static void board(struct batch *batch)
{
    int64_t *ids = mem_array(batch->claimed.count, sizeof *ids);
    for (size_t i = 0; i < batch->claimed.count; i++)
        ids[i] = batch->claimed.jobs[i].message.id;
    int64_t deadline_ms = batch->options.row->batch_deadline_ms;
    batch->state = BATCH_BOARDING;
    batch->dispatcher = control_dispatcher(batch->options.control);
    batch->flight.time = deadline_ms;
    batch->flight.deadline = clock_mono() + deadline_ms;
    batch->flight_number = flights_open(batch->options.flights, batch->options.channel, ids,
                                        batch->claimed.count, deadline_ms, on_flight, batch);
    mem_free(ids);
}

static void report_scan(struct batch *batch, const struct db_result *result)
{
    if (batch->looking) {
        struct batch_look look = {.lane = batch->look_lane, .range = batch->look_range};
        claim_read_look(result, &look.pending, &look.lowest, &look.highest, &look.stopped);
        batch->events.looked(batch->events.arg, &look);
        return;
    }
    const struct claimed *claimed = &batch->claimed;
    struct batch_scan scan;
    int rows = 0;
    for (int lane = 0; lane < LANES; lane++) {
        rows += scan.rows[lane] = claimed->rows[lane];
        scan.last[lane] = claimed->last[lane];
    }
    scan.failed = false;
    scan.full[LANE_TRANSACTIONAL] = scan.rows[LANE_TRANSACTIONAL] >= batch->limit_transactional;
    scan.full[LANE_BULK] = rows >= batch->limit;
    batch->events.scanned(batch->events.arg, &scan);
}

static void report_failure(struct batch *batch)
{
    if (batch->looking)
        batch->events.looked(
            batch->events.arg,
            &(struct batch_look){.failed = true, .lane = batch->look_lane, .range = batch->look_range});
    else
        batch->events.scanned(batch->events.arg, &(struct batch_scan){.failed = true});
}

static void on_claimed(void *arg, enum db_status status, const struct db_result *result)
{
    struct batch *batch = arg;
    timer_clear(batch->watchdog);
    if (status != DB_OK) {
        if (status == DB_FAILED)
            log_event(LOG_ERROR, "claim_failed", log_text("channel", batch->options.channel),
                      log_text("sqlstate", db_sqlstate(result)), log_text("error", db_message(result)));
        report_failure(batch);
        if (status != DB_LOST) /* another connection may go on */
            batch->events.unwell(batch->events.arg);
        give_up(batch);
        return;
    }
    claim_read(result, &batch->flight, batch->flight.arena, &batch->claimed);
    report_scan(batch, result);
    /* Between a reconnect and the lock, a flight could be opened under an id that was given up meanwhile. */
    if (batch->claimed.count == 0 || batch->flight.withdrawn || !control_is_ready(batch->options.control)) {
        give_up(batch);
        return;
    }
    log_event(LOG_DEBUG, "claimed", log_text("channel", batch->options.channel),
              log_int("rows", (int64_t)batch->claimed.count), log_int("look", batch->looking));
    find_templates(batch, true);
}

/* Configuration is read after the first connection is up, and may change later. */
static void set_up_session(struct batch *batch)
{
    int64_t deadline_ms = batch->options.row->batch_deadline_ms;
    if (batch->session_for == deadline_ms)
        return;
    batch->session_for = deadline_ms;
    char idle[24], statement[24];
    snprintf(idle, sizeof idle, "%" PRId64, deadline_ms + TRANSACTION_SLACK_MS);
    snprintf(statement, sizeof statement, "%d", STATEMENT_MS);
    db_send(batch->db, &sql_session, 2, (const char *const[]){idle, statement}, NULL, NULL);
    db_sync(batch->db);
}

static void send_claim(struct batch *batch, const struct db_statement *statement, const char *const *values)
{
    batch->state = BATCH_CLAIMING;
    batch->in_transaction = true;
    timer_set(batch->watchdog, STATEMENT_MS + STATEMENT_MS / 2);
    set_up_session(batch);
    db_send(batch->db, &sql_begin, 0, NULL, NULL, NULL);
    db_send(batch->db, statement, 5, values, on_claimed, batch);
    db_sync(batch->db);
}

void batch_claim(struct batch *batch, const int64_t after[LANES], int transactional, int limit)
{
    char positions[LANES][24], at_most[16], in_all[16];
    batch->limit_transactional = transactional;
    batch->limit = limit;
    for (int lane = 0; lane < LANES; lane++)
        snprintf(positions[lane], sizeof positions[lane], "%" PRId64, after[lane]);
    snprintf(at_most, sizeof at_most, "%d", transactional);
    snprintf(in_all, sizeof in_all, "%d", limit);
    send_claim(batch, &sql_claim,
               (const char *const[]){batch->options.channel, positions[LANE_TRANSACTIONAL],
                                     positions[LANE_BULK], at_most, in_all});
}

void batch_reclaim(struct batch *batch, enum lane lane, const struct range *range, int limit)
{
    char after[24], upto[24], rows[16];
    snprintf(after, sizeof after, "%" PRId64, range->after);
    snprintf(upto, sizeof upto, "%" PRId64, range->upto);
    snprintf(rows, sizeof rows, "%d", limit);
    batch->limit = limit;
    batch->looking = true;
    batch->look_lane = lane;
    batch->look_range = range->id;
    send_claim(batch, &sql_reclaim,
               (const char *const[]){batch->options.channel, lane_name(lane), after, upto, rows});
}

/* ---- Landing ---- */

static void land_again(struct batch *batch)
{
    roll_back(batch);
    timer_set(batch->watchdog, LAND_AGAIN_MS);
}

static void on_settled(void *arg, enum db_status status, const struct db_result *result)
{
    struct batch *batch = arg;
    if (status == DB_FAILED)
        log_event(LOG_ERROR, "settle_failed", log_text("channel", batch->options.channel),
                  log_text("sqlstate", db_sqlstate(result)), log_text("error", db_message(result)));
    if (status == DB_OK && batch->late)
        log_event(LOG_WARN, "landed_late", log_text("channel", batch->options.channel),
                  log_int("flight", batch->flight_number), log_int("rows", (int64_t)batch->claimed.count),
                  log_int("settled", db_int(result, 0, 0)), log_int("repeated", db_int(result, 0, 1)));
    else if (status == DB_OK)
        batch->gone = db_rows(result) == 0;
}

static void on_landed(void *arg, enum db_status status, const struct db_result *result)
{
    (void)result;
    struct batch *batch = arg;
    timer_clear(batch->watchdog);
    if (status == DB_LOST) {
        batch->in_transaction =
            false; /* whether it was committed is seen from the flight's row, at the next try */
        return;
    }
    if (status != DB_OK) {
        land_again(batch);
        return;
    }
    bool withdrawn = batch->flight.withdrawn;
    batch->in_transaction = false;
    if (batch->gone && !batch->late) {
        batch->late = true;
        send_landing(batch);
        return;
    }
    flights_ended(batch->options.flights, batch->flight_number);
    end(batch, withdrawn);
}

static void send_verdicts(struct batch *batch)
{
    struct settle_arrays arrays;
    settle_start(&arrays);
    for (size_t i = 0; i < batch->claimed.count; i++)
        settle_add(&arrays, &batch->claimed.jobs[i]);
    char dispatcher[16], flight[24];
    snprintf(dispatcher, sizeof dispatcher, "%d", batch->dispatcher);
    snprintf(flight, sizeof flight, "%" PRId64, batch->flight_number);
    const char *parameters[3 + SETTLE_COLUMNS] = {dispatcher, flight, batch->options.channel};
    settle_finish(&arrays, parameters + 3);
    db_send(batch->db, &sql_settle, 3 + SETTLE_COLUMNS, parameters, on_settled, batch);
    if (batch->notes > 0)
        db_send(batch->db, &sql_drop_notes, 2, (const char *const[]){dispatcher, flight}, NULL, NULL);
    settle_free(&arrays);
}

static void send_late_verdicts(struct batch *batch)
{
    struct settle_arrays arrays;
    struct buf uuids;
    settle_start(&arrays);
    buf_init(&uuids, UUIDS_MAX);
    db_array_start(&uuids);
    for (size_t i = 0; i < batch->claimed.count; i++) {
        settle_add(&arrays, &batch->claimed.jobs[i]);
        settle_add_uuid(&uuids, &batch->claimed.jobs[i]);
    }
    db_array_finish(&uuids);
    const char *parameters[3 + SETTLE_COLUMNS] = {DB_INT_TEXT(batch->dispatcher), batch->options.channel,
                                                  buf_string(&uuids)};
    settle_finish(&arrays, parameters + 3);
    db_send(batch->db, &sql_settle_late, 3 + SETTLE_GROUP_IDS, parameters, on_settled, batch);
    buf_free(&uuids);
    settle_free(&arrays);
}

static void send_landing(struct batch *batch)
{
    if (!batch->in_transaction) {
        set_up_session(batch);
        db_send(batch->db, &sql_begin, 0, NULL, NULL, NULL);
    }
    batch->in_transaction = true;
    if (batch->late)
        send_late_verdicts(batch);
    else
        send_verdicts(batch);
    db_send(batch->db, &sql_commit, 0, NULL, on_landed, batch);
    db_sync(batch->db);
    timer_set(batch->watchdog, STATEMENT_MS + STATEMENT_MS / 2);
}

static void land(struct batch *batch)
{
    batch->state = BATCH_LANDING;
    timer_clear(batch->note_timer);
    doubt_gone(batch);
    if (db_is_up(batch->db))
        send_landing(batch);
}

/* ---- Events ---- */

static void on_watchdog(void *arg)
{
    struct batch *batch = arg;
    if (batch->state == BATCH_LANDING && !batch->in_transaction) {
        if (db_is_up(batch->db))
            send_landing(batch);
        return;
    }
    db_reconnect(batch->db, "no answer from the server in time");
}

static void on_up(void *arg)
{
    struct batch *batch = arg;
    batch->session_for = 0;
    if (batch->state == BATCH_LANDING)
        send_landing(batch);
    else
        batch->events.up(batch->events.arg);
}

static void on_down(void *arg, const char *reason)
{
    struct batch *batch = arg;
    log_event(LOG_WARN, "claim_connection_lost", log_text("channel", batch->options.channel),
              log_text("reason", reason));
    batch->in_transaction = false;
    if (batch->state == BATCH_BOARDING)
        batch->given_up = true;
    if (batch->state == BATCH_FLYING)
        batch_withdraw(batch);
}

void batch_withdraw(struct batch *batch)
{
    if (batch->state == BATCH_IDLE)
        return;
    batch->flight.withdrawn = true;
    if (batch->state == BATCH_FLYING) {
        roster_withdraw(batch->options.roster, &batch->flight);
        maybe_land(batch);
    }
}

struct batch *batch_new(const struct batch_options *options, const struct batch_events *events)
{
    static const struct db_events db_events = {.up = on_up, .down = on_down};
    struct batch *batch = mem_alloc(sizeof *batch);
    batch->options = *options;
    batch->options.conninfo = batch->options.application_name = NULL;
    batch->events = *events;
    batch->flight.arena = arena_new();
    batch->flight.done = on_done;
    batch->flight.arg = batch;
    batch->watchdog = timer_new(options->loop, on_watchdog, batch);
    batch->note_timer = timer_new(options->loop, on_note_timer, batch);
    batch->db = db_new(options->loop, options->conninfo, options->application_name, &db_events, batch);
    return batch;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    forget_note(batch);
    db_free(batch->db);
    claim_free(&batch->claimed);
    arena_free(batch->flight.arena);
    timer_free(batch->watchdog);
    timer_free(batch->note_timer);
    mem_free(batch);
}
