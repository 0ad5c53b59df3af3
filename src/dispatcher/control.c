#include "dispatcher/control.h"

#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "statements.h"

enum { REGISTER_AGAIN_MS = 1000, NAMES_MAX = 65536 };

struct control {
    struct db *db;
    struct control_events events;
    char *name;
    struct buf channels; /* text[] */
    int id;              /* 0 = not registered */
    bool attached;       /* our lock is held by this connection */
    bool configured;
    bool leaving;
    struct timer *again; /* the server refused to register us */
};

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

bool control_is_attached(const struct control *control)
{
    return control->attached;
}

void control_configured(struct control *control)
{
    control->configured = true;
}

int control_dispatcher(const struct control *control)
{
    return control->id;
}

const char *control_channels(const struct control *control)
{
    return buf_string(&control->channels);
}

struct db *control_db(const struct control *control)
{
    return control->db;
}

/* ---- Statements ---- */

void control_report(const char *event, enum db_status status, const struct db_result *result)
{
    if (status == DB_FAILED)
        log_event(LOG_ERROR, event, log_text("sqlstate", db_sqlstate(result)),
                  log_text("error", db_message(result)));
}

static void on_told(void *arg, enum db_status status, const struct db_result *result)
{
    control_report(arg, status, result);
}

void control_tell(struct control *control, const char *event, const struct db_statement *statement, int count,
                  const char *const *values)
{
    db_send(control->db, statement, count, values, on_told, (void *)(uintptr_t)event);
    db_sync(control->db);
}

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
    db_send(control->db, &sql_fall_asleep, 1, (const char *const[]){DB_INT_TEXT(channel_id)}, on_asleep,
            sleeping);
    db_sync(control->db);
}

void control_awake(struct control *control, int channel_id)
{
    db_send(control->db, &sql_stay_awake, 1, (const char *const[]){DB_INT_TEXT(channel_id)}, NULL, NULL);
    db_sync(control->db);
}

void control_stop_provider(struct control *control, const char *name, const char *reason, int64_t for_ms)
{
    control_tell(control, "stop_provider_failed", &sql_stop_provider, 3,
                 (const char *const[]){name, reason, DB_INT_TEXT(for_ms)});
}

void control_report_provider(struct control *control, const char *name, const char *state, const char *reason)
{
    if (control->attached)
        control_tell(control, "report_provider_failed", &sql_report_provider, 4,
                     (const char *const[]){name, DB_INT_TEXT(control->id), state, reason});
}

struct lease {
    control_leased_fn *leased;
    void *arg;
    char name[];
};

static void on_leased(void *arg, enum db_status status, const struct db_result *result)
{
    struct lease *lease = arg;
    control_report("lease_failed", status, result);
    bool ok = status == DB_OK;
    lease->leased(lease->arg, lease->name, ok, ok ? (int)db_int(result, 0, 0) : 0,
                  ok ? (int)db_int(result, 0, 1) : 0, ok ? db_int(result, 0, 2) : 0);
    mem_free(lease);
}

bool control_lease(struct control *control, const char *name, int wanted, int unused, int in_flight,
                   control_leased_fn *leased, void *arg)
{
    if (!control->attached || control->leaving) /* then the answer would find nobody */
        return false;
    const char *const values[] = {name, DB_INT_TEXT(control->id), DB_INT_TEXT(wanted), DB_INT_TEXT(unused),
                                  DB_INT_TEXT(in_flight)};
    if (wanted == 0) {
        control_tell(control, "lease_failed", &sql_lease_budget, 5, values);
        return true;
    }
    struct lease *lease = mem_alloc(sizeof *lease + strlen(name) + 1);
    lease->leased = leased;
    lease->arg = arg;
    memcpy(lease->name, name, strlen(name) + 1);
    db_send(control->db, &sql_lease_budget, 5, values, on_leased, lease);
    db_sync(control->db);
    return true;
}

/* ---- Connection ---- */

static void attached(struct control *control, bool again)
{
    control->attached = true;
    control->events.attached(control->events.arg, again);
}

static void on_again(void *arg)
{
    struct control *control = arg;
    if (!control->leaving)
        db_reconnect(control->db, "the dispatcher could not be registered"); /* perhaps to another server */
}

static void on_registered(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    control_report("register_failed", status, result);
    if (status == DB_FAILED)
        timer_set(control->again, REGISTER_AGAIN_MS);
    if (status != DB_OK)
        return;
    control->id = (int)db_int(result, 0, 0);
    log_event(LOG_INFO, "registered", log_int("dispatcher", control->id));
    attached(control, false);
}

static void register_dispatcher(struct control *control)
{
    char host[256];
    if (gethostname(host, sizeof host) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    db_send(control->db, &sql_register_dispatcher, 4,
            (const char *const[]){control->name, host, DB_INT_TEXT(getpid()), control_channels(control)},
            on_registered, control);
    db_sync(control->db);
}

static void on_reattached(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    control_report("reattach_failed", status, result);
    if (status == DB_FAILED)
        timer_set(control->again, REGISTER_AGAIN_MS);
    if (status != DB_OK)
        return;
    if (db_bool(result, 0, 0)) {
        log_event(LOG_INFO, "reattached", log_int("dispatcher", control->id));
        attached(control, true);
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
    db_send(control->db, &sql_reattach_dispatcher, 1, (const char *const[]){DB_INT_TEXT(control->id)},
            on_reattached, control);
    db_sync(control->db);
}

static void on_down(void *arg, const char *reason)
{
    struct control *control = arg;
    if (control->attached)
        log_event(LOG_WARN, "control_connection_lost", log_text("reason", reason));
    control->attached = false;
    timer_clear(control->again);
    control->events.lost(control->events.arg);
}

static void on_notified(void *arg, const char *name, const char *payload)
{
    struct control *control = arg;
    if (!control->attached)
        return;
    if (strcmp(name, "outbox_config") == 0)
        control->events.config_changed(control->events.arg);
    else
        control->events.notified(control->events.arg, payload);
}

struct control *control_new(struct loop *loop, const struct control_options *options,
                            const struct control_events *events)
{
    static const struct db_events db_events = {.up = on_up, .down = on_down, .notified = on_notified};
    struct control *control = mem_alloc(sizeof *control);
    control->events = *events;
    control->name = mem_strdup(options->name);
    control->again = timer_new(loop, on_again, control);
    buf_init(&control->channels, NAMES_MAX);
    db_array_start(&control->channels);
    for (size_t i = 0; i < options->channel_count; i++)
        db_array_text(&control->channels, options->channels[i]);
    db_array_finish(&control->channels);
    control->db = db_new(loop, options->conninfo, options->name, &db_events, control);
    return control;
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
    control->leaving = true;
    db_send(control->db, &sql_unregister_dispatcher, 1, (const char *const[]){DB_INT_TEXT(control->id)},
            on_left, leaving);
    db_sync(control->db);
}

void control_free(struct control *control)
{
    if (!control)
        return;
    db_free(control->db);
    timer_free(control->again);
    buf_free(&control->channels);
    mem_free(control->name);
    mem_free(control);
}
