#include "dispatcher/control.h"

#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/registration.h"
#include "statements.h"

enum { NAMES_MAX = 65536 };

struct control {
    struct db *db;
    struct control_events events;
    struct registration *registration;
    struct buf channels; /* text[] */
    bool configured;
    bool ending; /* who asked for a lease is gone */
};

struct sleeping {
    void (*result)(void *arg, bool got);
    void *arg;
};

bool control_is_ready(const struct control *control)
{
    return control_is_attached(control) && control->configured &&
           !registration_is_leaving(control->registration);
}

bool control_is_attached(const struct control *control)
{
    return registration_is_attached(control->registration);
}

void control_configured(struct control *control)
{
    control->configured = true;
}

int control_dispatcher(const struct control *control)
{
    return registration_id(control->registration);
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
    if (control_is_attached(control))
        control_tell(control, "report_provider_failed", &sql_report_provider, 4,
                     (const char *const[]){name, DB_INT_TEXT(control_dispatcher(control)), state, reason});
}

struct lease {
    struct control *control;
    bool gives_back; /* and no more */
    control_leased_fn *leased;
    void *arg;
    char name[];
};

static void on_leased(void *arg, enum db_status status, const struct db_result *result)
{
    struct lease *lease = arg;
    control_report("lease_failed", status, result);
    bool ok = status == DB_OK;
    if (!lease->control->ending && !(ok && lease->gives_back))
        lease->leased(lease->arg, lease->name, ok, ok ? (int)db_int(result, 0, 0) : 0,
                      ok ? (int)db_int(result, 0, 1) : 0, ok ? db_int(result, 0, 2) : 0);
    mem_free(lease);
}

bool control_lease(struct control *control, const char *name, int wanted, int unused, int in_flight,
                   control_leased_fn *leased, void *arg)
{
    if (!control_is_attached(control) ||
        registration_is_leaving(control->registration)) /* then the answer would find nobody */
        return false;
    const char *const values[] = {name, DB_INT_TEXT(control_dispatcher(control)), DB_INT_TEXT(wanted),
                                  DB_INT_TEXT(unused), DB_INT_TEXT(in_flight)};
    struct lease *lease = mem_alloc(sizeof *lease + strlen(name) + 1);
    lease->control = control;
    lease->gives_back = wanted == 0;
    lease->leased = leased;
    lease->arg = arg;
    memcpy(lease->name, name, strlen(name) + 1);
    db_send(control->db, &sql_lease_budget, 5, values, on_leased, lease);
    db_sync(control->db);
    return true;
}

/* ---- Connection ---- */

static void on_attached(void *arg, bool again)
{
    struct control *control = arg;
    control->events.attached(control->events.arg, again);
}

static void on_up(void *arg)
{
    struct control *control = arg;
    db_send(control->db, &sql_listen_wake, 0, NULL, NULL, NULL);
    db_send(control->db, &sql_listen_config, 0, NULL, NULL, NULL);
    db_sync(control->db);
    registration_start(control->registration, control->db);
}

static void on_down(void *arg, const char *reason)
{
    struct control *control = arg;
    if (control_is_attached(control))
        log_event(LOG_WARN, "control_connection_lost", log_text("reason", reason));
    registration_lost(control->registration);
    control->events.lost(control->events.arg);
}

static void on_notified(void *arg, const char *name, const char *payload)
{
    struct control *control = arg;
    if (!control_is_attached(control))
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
    buf_init(&control->channels, NAMES_MAX);
    db_array_start(&control->channels);
    for (size_t i = 0; i < options->channel_count; i++)
        db_array_text(&control->channels, options->channels[i]);
    db_array_finish(&control->channels);
    control->registration =
        registration_new(loop, options->name, control_channels(control),
                         &(struct registration_events){.attached = on_attached, .arg = control});
    control->db = db_new(loop, options->conninfo, options->name, &db_events, control);
    return control;
}

void control_leave(struct control *control, void (*left)(void *arg), void *arg)
{
    registration_leave(control->registration, control->db, left, arg);
}

void control_free(struct control *control)
{
    if (!control)
        return;
    control->ending = true;
    db_free(control->db);
    registration_free(control->registration);
    buf_free(&control->channels);
    mem_free(control);
}
