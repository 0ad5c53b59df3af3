#include "dispatcher/tick.h"

#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "statements.h"

enum {
    TICK_MS = 500,
    TICK_OVERDUE_MS = 15000, /* no answer for this long: the connection is half dead */
    LISTENING = 2,           /* channels we listen on */
    RUNNING_MAX = 8192       /* transactions in a snapshot */
};

struct tick {
    struct control *control;
    struct tick_events events;
    struct timer *timer;
    unsigned number;
    bool waiting;     /* for the snapshot */
    int64_t sent;     /* steady clock */
    int64_t position; /* first half of the tick under way */
    char *alive;      /* dispatchers seen alive at the last tick */
};

static void on_position(void *arg, enum db_status status, const struct db_result *result)
{
    struct tick *tick = arg;
    control_report("tick_failed", status, result);
    tick->position = status == DB_OK ? db_int(result, 0, 0) : -1;
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
    struct tick *tick = arg;
    tick->waiting = false;
    control_report("tick_failed", status, result);
    if (status != DB_OK || tick->position < 0)
        return;
    uint64_t *running = mem_array(RUNNING_MAX, sizeof *running);
    struct snapshot snapshot;
    bool ok = snapshot_parse(db_text(result, 0, 0), running, RUNNING_MAX, &snapshot);
    bool left = tick->alive && somebody_left(tick->alive, db_text(result, 0, 1));
    mem_free(tick->alive);
    tick->alive = mem_strdup(db_text(result, 0, 1));
    if (ok)
        tick->events.snapshot(tick->events.arg, tick->position, &snapshot);
    if (ok && left)
        tick->events.somebody_left(tick->events.arg);
    mem_free(running);
    if (db_int(result, 0, 2) < LISTENING)
        db_reconnect(control_db(tick->control), "the session does not listen any more");
}

static void on_timer(void *arg)
{
    struct tick *tick = arg;
    struct db *db = control_db(tick->control);
    timer_set(tick->timer, TICK_MS);
    if (tick->waiting) {
        if (clock_mono() - tick->sent > TICK_OVERDUE_MS)
            db_reconnect(db, "no answer from the server in time");
        return;
    }
    tick->sent = clock_mono();
    tick->waiting = true;
    db_send(db, &sql_read_position, 0, NULL, on_position, tick);
    db_sync(db); /* its transaction must have ended before the snapshot is taken */
    db_send(db, &sql_read_snapshot, 0, NULL, on_snapshot, tick);
    db_sync(db);
    tick->events.begun(tick->events.arg, ++tick->number);
}

struct tick *tick_new(struct loop *loop, struct control *control, const struct tick_events *events)
{
    struct tick *tick = mem_alloc(sizeof *tick);
    tick->control = control;
    tick->events = *events;
    tick->timer = timer_new(loop, on_timer, tick);
    return tick;
}

void tick_start(struct tick *tick)
{
    tick->waiting = false;
    timer_set(tick->timer, 0);
}

void tick_stop(struct tick *tick)
{
    tick->waiting = false;
    timer_clear(tick->timer);
}

void tick_free(struct tick *tick)
{
    if (!tick)
        return;
    timer_free(tick->timer);
    mem_free(tick->alive);
    mem_free(tick);
}
