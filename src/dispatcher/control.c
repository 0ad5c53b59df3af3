#include "dispatcher/control_internal.h"

#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "dispatcher/roster.h"
#include "statements.h"

enum { REGISTER_AGAIN_MS = 1000 };

struct sleeping {
    void (*result)(void *arg, bool got);
    void *arg;
};

struct leaving {
    void (*left)(void *arg);
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

void control_reported(void *arg, enum db_status status, const struct db_result *result)
{
    control_report(arg, status, result);
}

/* ---- Sleeping ---- */

static void on_asleep(void *arg, enum db_status status, const struct db_result *result)
{
    struct sleeping *sleeping = arg;
    control_report("sleep_failed", status, result);
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
            control_reported, control_event("stop_provider_failed"));
    db_sync(control->db);
}

void control_report_provider(struct control *control, const char *name, const char *state, const char *reason)
{
    if (!control->attached)
        return;
    db_send(control->db, &sql_report_provider, 4,
            (const char *const[]){name, INT_TEXT(control->id), state, reason}, control_reported,
            control_event("report_provider_failed"));
    db_sync(control->db);
}

struct lease {
    struct roster *roster;
    char name[];
};

static void on_leased(void *arg, enum db_status status, const struct db_result *result)
{
    struct lease *lease = arg;
    control_report("lease_failed", status, result);
    bool ok = status == DB_OK;
    roster_leased(lease->roster, lease->name, ok, ok ? (int)db_int(result, 0, 0) : 0,
                  ok ? (int)db_int(result, 0, 1) : 0, ok ? db_int(result, 0, 2) : 0);
    mem_free(lease);
}

bool control_lease(struct control *control, struct roster *roster, const char *name, int wanted, int unused,
                   int in_flight)
{
    if (!control->attached || control->leaving) /* then the answer would find the roster freed */
        return false;
    struct lease *lease = NULL;
    if (wanted > 0) {
        lease = mem_alloc(sizeof *lease + strlen(name) + 1);
        lease->roster = roster;
        memcpy(lease->name, name, strlen(name) + 1);
    }
    db_send(control->db, &sql_lease_budget, 5,
            (const char *const[]){name, INT_TEXT(control->id), INT_TEXT(wanted), INT_TEXT(unused),
                                  INT_TEXT(in_flight)},
            lease ? on_leased : control_reported, lease ? (void *)lease : control_event("lease_failed"));
    db_sync(control->db);
    return true;
}

/* ---- Connection ---- */

static void on_tick(void *arg)
{
    struct control *control = arg;
    if (control->leaving)
        return;
    if (control->attached)
        control_tick(control);
    else
        db_reconnect(control->db, "the dispatcher could not be registered"); /* perhaps to another server */
}

static void attached(struct control *control)
{
    control->attached = true;
    control->ticking = false;
    for (size_t i = 0; i < control->channel_count; i++)
        roster_tell_health(channel_roster(control->channels[i]));
    control_read_config(control);
    timer_set(control->tick, 0);
}

static void on_registered(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    control_report("register_failed", status, result);
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
    control_report("reattach_failed", status, result);
    if (status == DB_FAILED)
        timer_set(control->tick, REGISTER_AGAIN_MS);
    if (status != DB_OK)
        return;
    if (db_bool(result, 0, 0)) {
        log_event(LOG_INFO, "reattached", log_int("dispatcher", control->id));
        control_drop_other_flights(control);
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
        control_read_config(control);
        return;
    }
    struct channel *channel = control_channel(control, payload);
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

static void on_left(void *arg, enum db_status status, const struct db_result *result)
{
    struct leaving *leaving = arg;
    control_report("unregister_failed", status, result);
    leaving->left(leaving->arg);
    mem_free(leaving);
}

void control_leave(struct control *control, void (*left)(void *arg), void *arg)
{
    struct leaving *leaving = mem_alloc(sizeof *leaving);
    *leaving = (struct leaving){.left = left, .arg = arg};
    if (control->attached)
        control_raise_low_water(control);
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
