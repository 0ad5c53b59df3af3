#include "dispatcher/flights.h"

#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/settle.h"
#include "statements.h"

enum { DISPATCHERS_MAX = 256 };

struct mark {
    int dispatcher;
    int64_t lowest;
};

/* Ours, whose row may be there. */
struct own {
    int64_t number;
    bool unsent;   /* nothing was sent from it: its row must go */
    bool dropping; /* the server has been told so, and has not answered */
};

struct flights {
    struct control *control;
    int64_t last;
    struct own *own;
    size_t own_count, own_room;
    struct mark marks[DISPATCHERS_MAX];
    size_t mark_count;
};

struct opening {
    struct flights *flights;
    flights_opened_fn *opened;
    void *arg;
    int64_t number;
};

struct flights *flights_new(struct control *control)
{
    struct flights *flights = mem_alloc(sizeof *flights);
    flights->control = control;
    return flights;
}

void flights_free(struct flights *flights)
{
    if (flights)
        mem_free(flights->own);
    mem_free(flights);
}

static struct own *find_own(struct flights *flights, int64_t number)
{
    for (size_t i = 0; i < flights->own_count; i++)
        if (flights->own[i].number == number)
            return &flights->own[i];
    return NULL;
}

static void add_own(struct flights *flights, int64_t number)
{
    if (flights->own_count == flights->own_room) {
        flights->own_room = flights->own_room * 2 + 16;
        flights->own = mem_grow(flights->own, flights->own_room, sizeof *flights->own);
    }
    flights->own[flights->own_count++] = (struct own){.number = number};
}

/* ---- Flights from which nothing was sent ---- */

struct dropping {
    struct flights *flights;
    int64_t number;
};

static void on_dropped(void *arg, enum db_status status, const struct db_result *result)
{
    struct dropping *dropping = arg;
    struct own *own = find_own(dropping->flights, dropping->number);
    control_report("drop_failed", status, result);
    if (own)
        own->dropping = false;
    if (status == DB_OK)
        flights_ended(dropping->flights, dropping->number);
    mem_free(dropping);
}

static void send_drop(struct flights *flights, struct own *own)
{
    struct db *db = control_db(flights->control);
    struct dropping *dropping = mem_alloc(sizeof *dropping);
    *dropping = (struct dropping){.flights = flights, .number = own->number};
    own->dropping = true;
    db_send(
        db, &sql_drop_flight, 2,
        (const char *const[]){DB_INT_TEXT(control_dispatcher(flights->control)), DB_INT_TEXT(own->number)},
        on_dropped, dropping);
    db_sync(db);
}

static void drop_unsent(struct flights *flights)
{
    for (size_t i = 0; i < flights->own_count; i++)
        if (flights->own[i].unsent && !flights->own[i].dropping)
            send_drop(flights, &flights->own[i]);
}

void flights_drop(struct flights *flights, int64_t number)
{
    struct own *own = find_own(flights, number);
    if (!own)
        return;
    own->unsent = true;
    if (control_is_attached(flights->control))
        send_drop(flights, own);
}

void flights_attached(struct flights *flights, bool again)
{
    size_t kept = 0;
    for (size_t i = 0; i < flights->own_count; i++)
        if (again || !flights->own[i].unsent)
            flights->own[kept++] = flights->own[i];
    flights->own_count = kept;
    flights->mark_count = 0; /* in this database flights may be open that had landed in the former one */
    drop_unsent(flights);
}

/* ---- Opening ---- */

static void write_ids(struct buf *out, const int64_t *ids, size_t count)
{
    buf_init(out, 1024 * 1024);
    db_array_start(out);
    for (size_t i = 0; i < count; i++)
        db_array_int(out, ids[i]);
    db_array_finish(out);
}

static void on_opened(void *arg, enum db_status status, const struct db_result *result)
{
    struct opening *opening = arg;
    int64_t *taken = NULL;
    size_t count = 0;
    control_report("flight_failed", status, result);
    if (status == DB_OK && db_rows(result) > 0) {
        count = (size_t)db_rows(result);
        taken = mem_array(count, sizeof *taken);
        for (size_t i = 0; i < count; i++)
            taken[i] = db_int(result, (int)i, 0);
    }
    struct own *own = find_own(opening->flights, opening->number);
    if (own && status == DB_LOST)
        own->unsent = true; /* whether it was committed nobody knows */
    else if (status != DB_OK)
        flights_ended(opening->flights, opening->number);
    opening->opened(opening->arg, status == DB_OK, taken, count);
    mem_free(taken);
    mem_free(opening);
}

/* As parameters of a statement; the caller frees both. */
static void write_marks(const struct flights *flights, struct buf *dispatchers, struct buf *lowest)
{
    buf_init(dispatchers, 65536);
    buf_init(lowest, 65536);
    db_array_start(dispatchers);
    db_array_start(lowest);
    for (size_t i = 0; i < flights->mark_count; i++) {
        db_array_int(dispatchers, flights->marks[i].dispatcher);
        db_array_int(lowest, flights->marks[i].lowest);
    }
    db_array_finish(dispatchers);
    db_array_finish(lowest);
}

int64_t flights_open(struct flights *flights, const char *channel, const int64_t *ids, size_t count,
                     int64_t deadline_ms, flights_opened_fn *opened, void *arg)
{
    struct db *db = control_db(flights->control);
    struct opening *opening = mem_alloc(sizeof *opening);
    int64_t number = ++flights->last;
    *opening = (struct opening){.flights = flights, .opened = opened, .arg = arg, .number = number};
    add_own(flights, number);
    struct buf list, dispatchers, lowest;
    write_ids(&list, ids, count);
    write_marks(flights, &dispatchers, &lowest);
    db_send(db, &sql_open_flight, 7,
            (const char *const[]){DB_INT_TEXT(control_dispatcher(flights->control)), DB_INT_TEXT(number),
                                  channel, buf_string(&list), DB_INT_TEXT(deadline_ms),
                                  buf_string(&dispatchers), buf_string(&lowest)},
            on_opened, opening);
    db_sync(db);
    buf_free(&list);
    buf_free(&dispatchers);
    buf_free(&lowest);
    return number;
}

void flights_ended(struct flights *flights, int64_t number)
{
    struct own *own = find_own(flights, number);
    if (own)
        *own = flights->own[--flights->own_count];
}

/* ---- Notes ---- */

struct noting {
    flights_noted_fn *noted;
    void *arg;
};

static void on_noted(void *arg, enum db_status status, const struct db_result *result)
{
    struct noting *noting = arg;
    control_report("note_failed", status, result);
    noting->noted(noting->arg, status == DB_OK);
    mem_free(noting);
}

void flights_note(struct flights *flights, int64_t number, int note, struct job *const *jobs, size_t count,
                  flights_noted_fn *noted, void *arg)
{
    struct db *db = control_db(flights->control);
    struct noting *noting = mem_alloc(sizeof *noting);
    *noting = (struct noting){.noted = noted, .arg = arg};
    struct settle_arrays arrays;
    settle_start(&arrays);
    for (size_t i = 0; i < count; i++)
        settle_add(&arrays, jobs[i]);
    const char *parameters[3 + SETTLE_COLUMNS] = {DB_INT_TEXT(control_dispatcher(flights->control)),
                                                  DB_INT_TEXT(number), DB_INT_TEXT(note)};
    settle_finish(&arrays, parameters + 3);
    db_send(db, &sql_note_verdicts, 3 + SETTLE_NOTED, parameters, on_noted, noting);
    db_sync(db);
    settle_free(&arrays);
}

/* ---- From time to time ---- */

static void on_marks(void *arg, enum db_status status, const struct db_result *result)
{
    struct flights *flights = arg;
    control_report("marks_failed", status, result);
    if (status != DB_OK)
        return;
    flights->mark_count = 0;
    for (int row = 0; row < db_rows(result) && row < DISPATCHERS_MAX; row++)
        flights->marks[flights->mark_count++] =
            (struct mark){.dispatcher = (int)db_int(result, row, 0), .lowest = db_int(result, row, 1)};
}

void flights_read_marks(struct flights *flights)
{
    struct db *db = control_db(flights->control);
    struct buf dispatchers, lowest;
    write_marks(flights, &dispatchers, &lowest);
    db_send(db, &sql_read_marks, 2, (const char *const[]){buf_string(&dispatchers), buf_string(&lowest)},
            on_marks, flights);
    db_sync(db);
    buf_free(&dispatchers);
    buf_free(&lowest);
}

static void on_recovered(void *arg, enum db_status status, const struct db_result *result)
{
    (void)arg;
    control_report("recovery_failed", status, result);
    if (status == DB_OK && (db_int(result, 0, 0) > 0 || db_int(result, 0, 3) > 0))
        log_event(LOG_WARN, "flights_recovered", log_int("flights", db_int(result, 0, 0)),
                  log_int("settled", db_int(result, 0, 1)), log_int("in_doubt", db_int(result, 0, 2)),
                  log_int("failed", db_int(result, 0, 3)));
}

void flights_recover(struct flights *flights)
{
    struct db *db = control_db(flights->control);
    struct buf own, dispatchers, lowest;
    drop_unsent(flights);
    write_marks(flights, &dispatchers, &lowest);
    buf_init(&own, 1024 * 1024);
    db_array_start(&own);
    for (size_t i = 0; i < flights->own_count; i++)
        db_array_int(&own, flights->own[i].number);
    db_array_finish(&own);
    db_send(db, &sql_recover_flights, 4,
            (const char *const[]){DB_INT_TEXT(control_dispatcher(flights->control)), buf_string(&own),
                                  buf_string(&dispatchers), buf_string(&lowest)},
            on_recovered, NULL);
    db_sync(db);
    buf_free(&own);
    buf_free(&dispatchers);
    buf_free(&lowest);
}
