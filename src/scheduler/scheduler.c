#include "scheduler/scheduler.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "db/db.h"
#include "statements.h"

enum {
    LEAD_INTERVAL_MS = 1000,
    RECOVER_INTERVAL_MS = 1000,
    RELEASE_CHUNK = 1000, /* small enough that its row locks are short, big enough for a bulk release */
};

/* One SQL statement that is called for ever: each call begins after the answer to the one before it. */
struct duty {
    const struct db_statement *statement;
    int64_t interval_ms;
    int64_t chunk; /* passed as $1, and a full one means there is more; 0 = the statement takes no argument */
    enum log_level level; /* of the line that tells how many messages it moved */
    struct scheduler *scheduler;
    struct timer *timer;
    char failed_with[6]; /* SQLSTATE of the last call; "" when it went well */
};

enum { DUTIES = 2 };

struct scheduler {
    struct db *db;
    struct timer *lead_timer;
    struct duty duties[DUTIES];
    bool ready;
};

static void report_refusal(const struct db_statement *statement, const struct db_result *result)
{
    log_event(LOG_ERROR, "failed", log_text("statement", statement->name),
              log_text("sqlstate", db_sqlstate(result)), log_text("reason", db_message(result)));
}

/* A failing duty is called every few hundred milliseconds: only a change is news. */
static void duty_note(struct duty *duty, enum db_status status, const struct db_result *result)
{
    const char *state = status == DB_FAILED ? db_sqlstate(result) : "";
    if (strcmp(state, duty->failed_with) == 0)
        return;
    if (status == DB_FAILED)
        report_refusal(duty->statement, result);
    else
        log_event(LOG_INFO, "recovered", log_text("statement", duty->statement->name));
    duty->failed_with[0] = '\0';
    strncat(duty->failed_with, state, sizeof duty->failed_with - 1);
}

static void duty_done(void *arg, enum db_status status, const struct db_result *result)
{
    struct duty *duty = arg;
    if (status == DB_LOST || status == DB_SKIPPED)
        return;
    duty_note(duty, status, result);
    int64_t rows = status == DB_OK ? db_int(result, 0, 0) : 0;
    if (rows > 0)
        log_event(duty->level, "done", log_text("statement", duty->statement->name), log_int("rows", rows));
    bool more = duty->chunk > 0 && rows >= duty->chunk;
    timer_set(duty->timer, more ? 0 : duty->interval_ms);
}

static void duty_call(void *arg)
{
    struct duty *duty = arg;
    char chunk[24];
    snprintf(chunk, sizeof chunk, "%lld", (long long)duty->chunk);
    const char *values[] = {chunk};
    struct db *db = duty->scheduler->db;
    db_send(db, duty->statement, duty->chunk > 0 ? 1 : 0, values, duty_done, duty);
    db_sync(db);
}

static void lead_done(void *arg, enum db_status status, const struct db_result *result)
{
    struct scheduler *scheduler = arg;
    if (status == DB_LOST || status == DB_SKIPPED)
        return;
    if (status == DB_FAILED)
        report_refusal(&sql_scheduler_lead, result);
    bool leads = status == DB_OK && db_bool(result, 0, 0);
    if (status == DB_OK && !scheduler->ready) {
        scheduler->ready = true;
        log_event(LOG_INFO, "ready", log_text("role", leads ? "leader" : "standby"));
    }
    if (!leads) {
        timer_set(scheduler->lead_timer, LEAD_INTERVAL_MS);
        return;
    }
    log_event(LOG_INFO, "leading", log_int("interval_ms", scheduler->duties[0].interval_ms));
    for (int i = 0; i < DUTIES; i++)
        timer_set(scheduler->duties[i].timer, 0);
}

static void lead_call(void *arg)
{
    struct scheduler *scheduler = arg;
    db_send(scheduler->db, &sql_scheduler_lead, 0, NULL, lead_done, scheduler);
    db_sync(scheduler->db);
}

static void on_up(void *arg)
{
    struct scheduler *scheduler = arg;
    db_send(scheduler->db, &sql_scheduler_session, 0, NULL, NULL, NULL);
    lead_call(scheduler);
}

/* The lock went with the connection, and with it the right to lead. */
static void on_down(void *arg, const char *reason)
{
    struct scheduler *scheduler = arg;
    log_event(LOG_WARN, "disconnected", log_text("reason", reason));
    timer_clear(scheduler->lead_timer);
    for (int i = 0; i < DUTIES; i++)
        timer_clear(scheduler->duties[i].timer);
}

struct scheduler *scheduler_new(struct loop *loop, const char *database, int64_t interval_ms)
{
    static const struct db_events events = {.up = on_up, .down = on_down};
    struct scheduler *scheduler = mem_alloc(sizeof *scheduler);
    scheduler->duties[0] = (struct duty){
        .statement = &sql_scheduler_release,
        .interval_ms = interval_ms,
        .chunk = RELEASE_CHUNK,
        .level = LOG_DEBUG,
    };
    scheduler->duties[1] = (struct duty){
        .statement = &sql_scheduler_recover,
        .interval_ms = RECOVER_INTERVAL_MS,
        .level = LOG_WARN,
    };
    for (int i = 0; i < DUTIES; i++) {
        scheduler->duties[i].scheduler = scheduler;
        scheduler->duties[i].timer = timer_new(loop, duty_call, &scheduler->duties[i]);
    }
    scheduler->lead_timer = timer_new(loop, lead_call, scheduler);
    scheduler->db = db_new(loop, database, "outbox-scheduler", &events, scheduler);
    return scheduler;
}

void scheduler_free(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    db_free(scheduler->db);
    timer_free(scheduler->lead_timer);
    for (int i = 0; i < DUTIES; i++)
        timer_free(scheduler->duties[i].timer);
    mem_free(scheduler);
}
