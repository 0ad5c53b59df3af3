#include "dispatcher/control_internal.h"

#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "statements.h"

enum {
    TICK_MS = 500,
    TICK_OVERDUE_MS = 15000, /* no answer for this long: the connection is half dead */
    HOUSE_EVERY = 4,         /* ticks between low-water marks */
    RECOVER_EVERY = 2,       /* ticks between looks for lost flights */
    CONFIG_EVERY = 120,      /* ticks between readings of the configuration that nobody rang for */
    LISTENING = 2,           /* channels we listen on */
    RUNNING_MAX = 8192       /* transactions in a snapshot */
};

static void on_position(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    control_report("tick_failed", status, result);
    control->position = status == DB_OK ? db_int(result, 0, 0) : -1;
}

/* Somebody who lived at the last tick lives no more. */
static bool somebody_left(const char *before, const char *now)
{
    size_t size;
    for (const char *p = before; *p != '\0'; p += size + (p[size] == ',')) {
        size = strcspn(p, ",");
        bool found = false;
        size_t other;
        for (const char *q = now; *q != '\0' && !found; q += other + (q[other] == ',')) {
            other = strcspn(q, ",");
            found = other == size && memcmp(p, q, size) == 0;
        }
        if (!found)
            return true;
    }
    return false;
}

static void on_snapshot(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    control->ticking = false;
    control_report("tick_failed", status, result);
    if (status != DB_OK || control->position < 0)
        return;
    uint64_t *running = mem_array(RUNNING_MAX, sizeof *running);
    struct snapshot snapshot;
    bool ok = snapshot_parse(db_text(result, 0, 0), running, RUNNING_MAX, &snapshot);
    bool left = control->alive && somebody_left(control->alive, db_text(result, 0, 1));
    mem_free(control->alive);
    control->alive = mem_strdup(db_text(result, 0, 1));
    for (size_t i = 0; i < control->channel_count && ok; i++) {
        channel_tick(control->channels[i], control->position, &snapshot);
        if (left)
            channel_disturb(control->channels[i]);
    }
    mem_free(running);
    if (db_int(result, 0, 2) < LISTENING)
        db_reconnect(control->db, "the session does not listen any more");
}

static void on_marks(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    control_report("marks_failed", status, result);
    if (status != DB_OK)
        return;
    control->mark_count = 0;
    for (int row = 0; row < db_rows(result) && row < DISPATCHERS_MAX; row++)
        control->marks[control->mark_count++] =
            (struct mark){.dispatcher = (int)db_int(result, row, 0), .lowest = db_int(result, row, 1)};
}

static void on_recovered(void *arg, enum db_status status, const struct db_result *result)
{
    (void)arg;
    control_report("recovery_failed", status, result);
    if (status == DB_OK && db_int(result, 0, 0) > 0)
        log_event(LOG_WARN, "flights_recovered", log_int("flights", db_int(result, 0, 0)),
                  log_int("settled", db_int(result, 0, 1)), log_int("in_doubt", db_int(result, 0, 2)));
}

void control_raise_low_water(struct control *control)
{
    for (size_t i = 0; i < control->channel_count; i++)
        for (int lane = 0; lane < LANES; lane++) {
            const struct cursor *cursor = channel_cursor(control->channels[i], (enum lane)lane);
            if (!cursor)
                continue;
            db_send(control->db, &sql_raise_low_water, 3,
                    (const char *const[]){channel_name(control->channels[i]), lane_name((enum lane)lane),
                                          INT_TEXT(cursor_low_water(cursor) + 1)},
                    control_reported, control_event("low_water_failed"));
        }
    db_sync(control->db);
}

void control_tick(struct control *control)
{
    timer_set(control->tick, TICK_MS);
    if (control->ticking) {
        if (clock_mono() - control->tick_sent > TICK_OVERDUE_MS)
            db_reconnect(control->db, "no answer from the server in time");
        return;
    }
    control->tick_sent = clock_mono();
    control->ticks++;
    control->ticking = true;
    db_send(control->db, &sql_read_position, 0, NULL, on_position, control);
    db_sync(control->db); /* its transaction must have ended before the snapshot is taken */
    db_send(control->db, &sql_read_snapshot, 0, NULL, on_snapshot, control);
    struct buf dispatchers, lowest;
    control_marks(control, &dispatchers, &lowest);
    db_send(control->db, &sql_read_marks, 2,
            (const char *const[]){buf_string(&dispatchers), buf_string(&lowest)}, on_marks, control);
    buf_free(&dispatchers);
    buf_free(&lowest);
    db_sync(control->db);
    if (control->ticks % RECOVER_EVERY == 0) {
        db_send(control->db, &sql_recover_flights, 1, (const char *const[]){INT_TEXT(control->id)},
                on_recovered, control);
        db_sync(control->db);
    }
    if (control->ticks % HOUSE_EVERY == 0)
        control_raise_low_water(control);
    if (control->ticks % CONFIG_EVERY == 0)
        control_read_config(control);
}
