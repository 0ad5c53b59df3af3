#include "dispatcher/control_internal.h"

#include "core/mem.h"
#include "dispatcher/settle.h"
#include "statements.h"

struct opening {
    struct control *control;
    flight_fn *opened;
    void *arg;
    int64_t flight;
};

static void on_flight_opened(void *arg, enum db_status status, const struct db_result *result)
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
    if (status != DB_OK)
        control_flight_ended(opening->control, opening->flight);
    opening->opened(opening->arg, status == DB_OK, taken, count);
    mem_free(taken);
    mem_free(opening);
}

void control_marks(const struct control *control, struct buf *dispatchers, struct buf *lowest)
{
    buf_init(dispatchers, 65536);
    buf_init(lowest, 65536);
    db_array_start(dispatchers);
    db_array_start(lowest);
    for (size_t i = 0; i < control->mark_count; i++) {
        db_array_int(dispatchers, control->marks[i].dispatcher);
        db_array_int(lowest, control->marks[i].lowest);
    }
    db_array_finish(dispatchers);
    db_array_finish(lowest);
}

int64_t control_open_flight(struct control *control, const char *channel, const int64_t *ids, size_t count,
                            int64_t deadline_ms, flight_fn *opened, void *arg)
{
    struct opening *opening = mem_alloc(sizeof *opening);
    int64_t flight = ++control->last_flight;
    *opening = (struct opening){.control = control, .opened = opened, .arg = arg, .flight = flight};
    if (control->open_count < OPEN_MAX)
        control->open[control->open_count++] = flight;
    struct buf list, dispatchers, lowest;
    buf_init(&list, 1024 * 1024);
    db_array_start(&list);
    for (size_t i = 0; i < count; i++)
        db_array_int(&list, ids[i]);
    db_array_finish(&list);
    control_marks(control, &dispatchers, &lowest);
    db_send(control->db, &sql_open_flight, 7,
            (const char *const[]){INT_TEXT(control->id), INT_TEXT(flight), channel, buf_string(&list),
                                  INT_TEXT(deadline_ms), buf_string(&dispatchers), buf_string(&lowest)},
            on_flight_opened, opening);
    db_sync(control->db);
    buf_free(&list);
    buf_free(&dispatchers);
    buf_free(&lowest);
    return flight;
}

void control_flight_ended(struct control *control, int64_t flight)
{
    for (size_t i = 0; i < control->open_count; i++)
        if (control->open[i] == flight) {
            control->open[i] = control->open[--control->open_count];
            return;
        }
}

void control_drop_flight(struct control *control, int64_t flight)
{
    control_flight_ended(control, flight);
    if (!control->attached)
        return; /* removed after the reconnect, with all that are not open */
    db_send(control->db, &sql_drop_flight, 2, (const char *const[]){INT_TEXT(control->id), INT_TEXT(flight)},
            NULL, NULL);
    db_sync(control->db);
}

void control_note(struct control *control, int64_t flight, int number, struct job *const *jobs, size_t count)
{
    if (!control->attached)
        return;
    struct settle_arrays arrays;
    settle_start(&arrays);
    for (size_t i = 0; i < count; i++)
        settle_add(&arrays, jobs[i]);
    const char *parameters[3 + SETTLE_COLUMNS] = {INT_TEXT(control->id), INT_TEXT(flight), INT_TEXT(number)};
    settle_finish(&arrays, parameters + 3);
    db_send(control->db, &sql_note_verdicts, 3 + SETTLE_NOTED, parameters, control_reported,
            control_event("note_failed"));
    db_sync(control->db);
    settle_free(&arrays);
}

void control_drop_other_flights(struct control *control)
{
    struct buf open;
    buf_init(&open, 1024 * 1024);
    db_array_start(&open);
    for (size_t i = 0; i < control->open_count; i++)
        db_array_int(&open, control->open[i]);
    db_array_finish(&open);
    db_send(control->db, &sql_drop_other_flights, 2,
            (const char *const[]){INT_TEXT(control->id), buf_string(&open)}, control_reported,
            control_event("flights_failed"));
    db_sync(control->db);
    buf_free(&open);
}
