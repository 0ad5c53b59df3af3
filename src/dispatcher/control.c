#include "dispatcher/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "db/db.h"
#include "dispatcher/settle.h"
#include "statements.h"

enum {
    TICK_MS = 500,
    TICK_OVERDUE_MS = 15000, /* no answer for this long: the connection is half dead */
    HOUSE_EVERY = 4,         /* ticks between low-water marks */
    REGISTER_AGAIN_MS = 1000,
    RECOVER_EVERY = 2,  /* ticks between looks for lost flights */
    CONFIG_EVERY = 120, /* ticks between readings of the configuration that nobody rang for */
    LISTENING = 2,      /* channels we listen on */
    DISPATCHERS_MAX = 256,
    RUNNING_MAX = 8192, /* transactions in a snapshot */
    OPEN_MAX = 4096     /* own flights */
};

struct mark {
    int dispatcher;
    int64_t lowest;
};

struct control {
    struct loop *loop;
    struct db *db;
    struct control_options options; /* without its strings */
    char *name;
    struct channel *const *channels;
    size_t channel_count;
    struct buf channel_names; /* text[] */
    int id;                   /* 0 = not registered */
    bool attached;            /* our lock is held by this connection */
    bool configured;
    bool leaving;
    int64_t last_flight;
    int64_t open[OPEN_MAX];
    size_t open_count;
    struct mark marks[DISPATCHERS_MAX];
    size_t mark_count;
    char *alive;      /* dispatchers seen alive at the last tick */
    int64_t position; /* first half of the tick under way */
    unsigned ticks;
    bool ticking;
    int64_t tick_sent; /* steady clock */
    struct timer *tick;
};

struct opening {
    struct control *control;
    flight_fn *opened;
    void *arg;
    int64_t flight;
};

struct sleeping {
    void (*result)(void *arg, bool got);
    void *arg;
};

bool control_is_ready(const struct control *control)
{
    return control->attached && control->configured && !control->leaving;
}

int control_dispatcher(const struct control *control)
{
    return control->id;
}

static void report(const char *event, enum db_status status, const struct db_result *result)
{
    if (status == DB_FAILED)
        log_event(LOG_ERROR, event, log_text("sqlstate", db_sqlstate(result)),
                  log_text("error", db_message(result)));
}

static const char *int_text(char *room, size_t size, int64_t value)
{
    snprintf(room, size, "%" PRId64, value);
    return room;
}

#define INT_TEXT(value) int_text((char[24]){0}, 24, (value))

/* --- Flights ----------------------------------------------------------------------------------------------
 */

static void on_flight_opened(void *arg, enum db_status status, const struct db_result *result)
{
    struct opening *opening = arg;
    int64_t *taken = NULL;
    size_t count = 0;
    report("flight_failed", status, result);
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

static void marks_as_arrays(const struct control *control, struct buf *dispatchers, struct buf *lowest)
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
    marks_as_arrays(control, &dispatchers, &lowest);
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

static void on_noted(void *arg, enum db_status status, const struct db_result *result)
{
    (void)arg;
    report("note_failed", status, result);
}

void control_note(struct control *control, int64_t flight, int note, struct job *const *jobs, size_t count)
{
    if (!control->attached)
        return;
    struct settle_arrays arrays;
    settle_start(&arrays);
    for (size_t i = 0; i < count; i++)
        settle_add(&arrays, jobs[i]);
    settle_finish(&arrays);
    db_send(control->db, &sql_note_verdicts, 10,
            (const char *const[]){
                INT_TEXT(control->id), INT_TEXT(flight), INT_TEXT(note), buf_string(&arrays.ids),
                buf_string(&arrays.verdicts), buf_string(&arrays.providers), buf_string(&arrays.provider_ids),
                buf_string(&arrays.reasons), buf_string(&arrays.ats), buf_string(&arrays.not_befores)},
            on_noted, NULL);
    db_sync(control->db);
    settle_free(&arrays);
}

/* --- Sleeping ---------------------------------------------------------------------------------------------
 */

static void on_asleep(void *arg, enum db_status status, const struct db_result *result)
{
    struct sleeping *sleeping = arg;
    report("sleep_failed", status, result);
    sleeping->result(sleeping->arg, status == DB_OK && db_bool(result, 0, 0));
    mem_free(sleeping);
}

void control_sleep(struct control *control, int channel_id, void (*result)(void *arg, bool got), void *arg)
{
    struct sleeping *sleeping = mem_alloc(sizeof *sleeping);
    *sleeping = (struct sleeping){.result = result, .arg = arg};
    db_send(control->db, &sql_fall_asleep, 1, (const char *const[]){INT_TEXT(channel_id)}, on_asleep,
            sleeping);
    db_sync(control->db);
}

void control_awake(struct control *control, int channel_id)
{
    db_send(control->db, &sql_stay_awake, 1, (const char *const[]){INT_TEXT(channel_id)}, NULL, NULL);
    db_sync(control->db);
}

void control_stop_provider(struct control *control, const char *name, const char *reason, int64_t for_ms)
{
    db_send(control->db, &sql_stop_provider, 3, (const char *const[]){name, reason, INT_TEXT(for_ms)},
            on_noted, NULL);
    db_sync(control->db);
}

/* --- Ticks ------------------------------------------------------------------------------------------------
 */

static void on_position(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    report("tick_failed", status, result);
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
    report("tick_failed", status, result);
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
    report("marks_failed", status, result);
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
    report("recovery_failed", status, result);
    if (status == DB_OK && db_int(result, 0, 0) > 0)
        log_event(LOG_WARN, "flights_recovered", log_int("flights", db_int(result, 0, 0)),
                  log_int("settled", db_int(result, 0, 1)), log_int("in_doubt", db_int(result, 0, 2)));
}

static void raise_low_water(struct control *control)
{
    for (size_t i = 0; i < control->channel_count; i++)
        for (int lane = 0; lane < LANES; lane++) {
            const struct cursor *cursor = channel_cursor(control->channels[i], (enum lane)lane);
            if (!cursor)
                continue;
            db_send(control->db, &sql_raise_low_water, 3,
                    (const char *const[]){channel_name(control->channels[i]), lane_name((enum lane)lane),
                                          INT_TEXT(cursor_low_water(cursor) + 1)},
                    on_noted, NULL);
        }
    db_sync(control->db);
}

static void read_config(struct control *control);

static void on_tick(void *arg)
{
    struct control *control = arg;
    if (control->leaving)
        return;
    if (!control->attached) {
        db_reconnect(control->db, "the dispatcher could not be registered"); /* perhaps to another server */
        return;
    }
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
    marks_as_arrays(control, &dispatchers, &lowest);
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
        raise_low_water(control);
    if (control->ticks % CONFIG_EVERY == 0)
        read_config(control);
}

/* --- Configuration ----------------------------------------------------------------------------------------
 */

static struct channel *find_channel(const struct control *control, const char *name)
{
    for (size_t i = 0; i < control->channel_count; i++)
        if (strcmp(channel_name(control->channels[i]), name) == 0)
            return control->channels[i];
    return NULL;
}

static void on_channels(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    report("config_failed", status, result);
    if (status != DB_OK)
        return;
    if ((size_t)db_rows(result) != control->channel_count && control->configured) {
        log_event(LOG_ERROR, "config_failed",
                  log_text("error", "a channel is not in outbox.channel any more"));
    } else if ((size_t)db_rows(result) != control->channel_count) {
        control->options.unusable(control->options.arg,
                                  "--channels: not every one of them exists in outbox.channel");
        return;
    }
    for (int row = 0; row < db_rows(result); row++) {
        struct channel *channel = find_channel(control, db_text(result, row, 0));
        struct channel_row settings = {.id = (int)db_int(result, row, 1),
                                       .paused = db_bool(result, row, 2),
                                       .batch_size = (int)db_int(result, row, 3),
                                       .batch_deadline_ms = db_int(result, row, 4),
                                       .bulk_share = (int)db_int(result, row, 5)};
        for (int lane = 0; lane < LANES; lane++) {
            int64_t first_open = db_int(result, row, 6 + lane);
            settings.low_water[lane] = first_open > 0 ? first_open - 1 : 0;
        }
        channel_configure(channel, &settings);
    }
}

static void on_providers(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    report("config_failed", status, result);
    if (status != DB_OK)
        return;
    for (size_t i = 0; i < control->channel_count; i++)
        channel_reload(control->channels[i]);
    for (int row = 0; row < db_rows(result); row++) {
        struct account_row account = {.name = db_text(result, row, 1),
                                      .adapter = db_text(result, row, 2),
                                      .app = db_is_null(result, row, 3) ? NULL : db_text(result, row, 3),
                                      .settings = db_text(result, row, 4),
                                      .priority = (int)db_int(result, row, 5),
                                      .max_connections = (int)db_int(result, row, 6),
                                      .max_streams = (int)db_int(result, row, 7),
                                      .connect_timeout_ms = db_int(result, row, 8),
                                      .request_timeout_ms = db_int(result, row, 9),
                                      .stopped_ms = db_int(result, row, 10)};
        channel_provider(find_channel(control, db_text(result, row, 0)), &account);
    }
    bool first = !control->configured;
    control->configured = true;
    for (size_t i = 0; i < control->channel_count; i++)
        channel_configured(control->channels[i]);
    log_event(first ? LOG_INFO : LOG_DEBUG, "configured", log_int("providers", db_rows(result)));
}

static void read_config(struct control *control)
{
    const char *const names[] = {buf_string(&control->channel_names)};
    db_send(control->db, &sql_read_channels, 1, names, on_channels, control);
    db_send(control->db, &sql_read_providers, 1, names, on_providers, control);
    db_sync(control->db);
}

/* --- Connection -------------------------------------------------------------------------------------------
 */

static void attached(struct control *control)
{
    control->attached = true;
    control->ticking = false;
    read_config(control);
    timer_set(control->tick, 0);
}

static void drop_other_flights(struct control *control)
{
    struct buf open;
    buf_init(&open, 1024 * 1024);
    db_array_start(&open);
    for (size_t i = 0; i < control->open_count; i++)
        db_array_int(&open, control->open[i]);
    db_array_finish(&open);
    db_send(control->db, &sql_drop_other_flights, 2,
            (const char *const[]){INT_TEXT(control->id), buf_string(&open)}, on_noted, NULL);
    db_sync(control->db);
    buf_free(&open);
}

static void on_registered(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    report("register_failed", status, result);
    if (status == DB_FAILED)
        timer_set(control->tick, REGISTER_AGAIN_MS);
    if (status != DB_OK)
        return;
    control->id = (int)db_int(result, 0, 0);
    log_event(LOG_INFO, "registered", log_int("dispatcher", control->id));
    attached(control);
}

static void register_dispatcher(struct control *control)
{
    char host[256];
    if (gethostname(host, sizeof host) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    db_send(
        control->db, &sql_register_dispatcher, 4,
        (const char *const[]){control->name, host, INT_TEXT(getpid()), buf_string(&control->channel_names)},
        on_registered, control);
    db_sync(control->db);
}

static void on_reattached(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    report("reattach_failed", status, result);
    if (status == DB_FAILED)
        timer_set(control->tick, REGISTER_AGAIN_MS);
    if (status != DB_OK)
        return;
    if (db_bool(result, 0, 0)) {
        log_event(LOG_INFO, "reattached", log_int("dispatcher", control->id));
        drop_other_flights(control);
        attached(control);
    } else {
        register_dispatcher(control);
    }
}

static void on_up(void *arg)
{
    struct control *control = arg;
    db_send(control->db, &sql_listen_wake, 0, NULL, NULL, NULL);
    db_send(control->db, &sql_listen_config, 0, NULL, NULL, NULL);
    db_sync(control->db);
    if (control->id == 0) {
        register_dispatcher(control);
        return;
    }
    db_send(control->db, &sql_reattach_dispatcher, 1, (const char *const[]){INT_TEXT(control->id)},
            on_reattached, control);
    db_sync(control->db);
}

static void on_down(void *arg, const char *reason)
{
    struct control *control = arg;
    if (control->attached)
        log_event(LOG_WARN, "control_connection_lost", log_text("reason", reason));
    control->attached = false;
    control->ticking = false;
    timer_clear(control->tick);
    for (size_t i = 0; i < control->channel_count; i++)
        channel_control_lost(control->channels[i]);
}

static void on_notified(void *arg, const char *name, const char *payload)
{
    struct control *control = arg;
    if (!control->attached)
        return;
    if (strcmp(name, "outbox_config") == 0) {
        read_config(control);
        return;
    }
    struct channel *channel = find_channel(control, payload);
    if (channel)
        channel_notified(channel);
}

struct control *control_new(struct loop *loop, const struct control_options *options)
{
    static const struct db_events events = {.up = on_up, .down = on_down, .notified = on_notified};
    struct control *control = mem_alloc(sizeof *control);
    control->loop = loop;
    control->options = (struct control_options){.unusable = options->unusable, .arg = options->arg};
    control->name = mem_strdup(options->name);
    control->tick = timer_new(loop, on_tick, control);
    buf_init(&control->channel_names, 65536);
    control->db = db_new(loop, options->conninfo, options->name, &events, control);
    return control;
}

void control_start(struct control *control, struct channel *const *channels, size_t count)
{
    control->channels = channels;
    control->channel_count = count;
    db_array_start(&control->channel_names);
    for (size_t i = 0; i < count; i++)
        db_array_text(&control->channel_names, channel_name(channels[i]));
    db_array_finish(&control->channel_names);
}

struct leaving {
    void (*left)(void *arg);
    void *arg;
};

static void on_left(void *arg, enum db_status status, const struct db_result *result)
{
    struct leaving *leaving = arg;
    report("unregister_failed", status, result);
    leaving->left(leaving->arg);
    mem_free(leaving);
}

void control_leave(struct control *control, void (*left)(void *arg), void *arg)
{
    struct leaving *leaving = mem_alloc(sizeof *leaving);
    *leaving = (struct leaving){.left = left, .arg = arg};
    if (control->attached)
        raise_low_water(control);
    control->leaving = true;
    timer_clear(control->tick);
    db_send(control->db, &sql_unregister_dispatcher, 1, (const char *const[]){INT_TEXT(control->id)}, on_left,
            leaving);
    db_sync(control->db);
}

void control_free(struct control *control)
{
    if (!control)
        return;
    db_free(control->db);
    timer_free(control->tick);
    buf_free(&control->channel_names);
    mem_free(control->alive);
    mem_free(control->name);
    mem_free(control);
}
