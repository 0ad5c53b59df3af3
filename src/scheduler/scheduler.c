#include "scheduler/scheduler.h"

#include <stdbool.h>

#include "core/log.h"
#include "core/mem.h"
#include "db/db.h"
#include "scheduler/duties.h"
#include "statements.h"

enum { LEAD_INTERVAL_MS = 250 };

struct group_kind {
    const char *name;    /* application_name */
    const char *timeout; /* of each statement */
};

static const struct group_kind groups[GROUPS] = {
    [GROUP_CONTROL] = {"outbox-scheduler", "30s"},
    [GROUP_GATHER] = {"outbox-scheduler gather", "10min"},
    [GROUP_AUDIENCE] = {"outbox-scheduler audience", "10min"},
    [GROUP_HOUSE] = {"outbox-scheduler house", "5min"},
};

struct connection {
    struct scheduler *scheduler;
    const struct group_kind *kind;
    struct db *db;
    struct duties *duties;
};

struct scheduler {
    struct connection connections[GROUPS];
    struct timer *lead_timer;
    int64_t interval_ms;
    bool ready;
    bool leads;
};

static struct db *control(struct scheduler *scheduler)
{
    return scheduler->connections[GROUP_CONTROL].db;
}

static void report_refusal(const struct db_statement *statement, const struct db_result *result)
{
    log_event(LOG_ERROR, "failed", log_text("statement", statement->name),
              log_text("sqlstate", db_sqlstate(result)), log_text("reason", db_message(result)));
}

static void start_duties(struct connection *connection)
{
    if (connection->scheduler->leads && db_is_up(connection->db))
        duties_start(connection->duties);
}

static void lead_done(void *arg, enum db_status status, const struct db_result *result)
{
    struct scheduler *scheduler = arg;
    if (status == DB_LOST || status == DB_SKIPPED)
        return;
    if (status == DB_FAILED)
        report_refusal(&sql_scheduler_lead, result);
    scheduler->leads = status == DB_OK && db_bool(result, 0, 0);
    if (status == DB_OK && !scheduler->ready) {
        scheduler->ready = true;
        log_event(LOG_INFO, "ready", log_text("role", scheduler->leads ? "leader" : "standby"));
    }
    if (!scheduler->leads) {
        timer_set(scheduler->lead_timer, LEAD_INTERVAL_MS);
        return;
    }
    log_event(LOG_INFO, "leading", log_int("interval_ms", scheduler->interval_ms));
    for (int i = 0; i < GROUPS; i++)
        start_duties(&scheduler->connections[i]);
}

static void lead_call(void *arg)
{
    struct scheduler *scheduler = arg;
    db_send(control(scheduler), &sql_scheduler_lead, 0, NULL, lead_done, scheduler);
    db_sync(control(scheduler));
}

static void on_up(void *arg)
{
    struct connection *connection = arg;
    const char *values[] = {connection->kind->timeout};
    db_send(connection->db, &sql_scheduler_session, 1, values, NULL, NULL);
    db_sync(connection->db);
    if (connection->db == control(connection->scheduler))
        lead_call(connection->scheduler);
    else
        start_duties(connection);
}

/* The lock went with the control connection, and with it the right to lead. What is running on the others may
 * end: whoever leads next meets its row locks and does something else. */
static void on_down(void *arg, const char *reason)
{
    struct connection *connection = arg;
    struct scheduler *scheduler = connection->scheduler;
    log_event(LOG_WARN, "disconnected", log_text("connection", connection->kind->name),
              log_text("reason", reason));
    duties_stop(connection->duties);
    if (connection->db != control(scheduler))
        return;
    scheduler->leads = false;
    timer_clear(scheduler->lead_timer);
    for (int i = 0; i < GROUPS; i++)
        duties_stop(scheduler->connections[i].duties);
}

struct scheduler *scheduler_new(struct loop *loop, const char *database, int64_t interval_ms)
{
    static const struct db_events events = {.up = on_up, .down = on_down};
    struct scheduler *scheduler = mem_alloc(sizeof *scheduler);
    scheduler->interval_ms = interval_ms;
    scheduler->lead_timer = timer_new(loop, lead_call, scheduler);
    for (int i = 0; i < GROUPS; i++) {
        struct connection *connection = &scheduler->connections[i];
        connection->scheduler = scheduler;
        connection->kind = &groups[i];
        connection->db = db_new(loop, database, groups[i].name, &events, connection);
        connection->duties = duties_new(loop, connection->db, (enum duty_group)i, interval_ms);
    }
    return scheduler;
}

void scheduler_free(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    for (int i = 0; i < GROUPS; i++) {
        duties_stop(scheduler->connections[i].duties);
        db_free(scheduler->connections[i].db);
        duties_free(scheduler->connections[i].duties);
    }
    timer_free(scheduler->lead_timer);
    mem_free(scheduler);
}
