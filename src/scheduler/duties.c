#include "scheduler/duties.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "statements.h"

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    /* Somebody else's lock can keep a due row where it is; it is not asked for more often than this. */
    SHORTEST_WAIT_MS = 5,
};

/* A call that moved `full` rows is followed by the next one at once. The server answers in the order of the
 * calls, so the duties of a group take turns then, and one with much to do does not starve the others. */
struct duty_kind {
    const struct db_statement *statement;
    enum duty_group group;
    int64_t interval_ms;  /* 0 = as the scheduler was told */
    int64_t chunk;        /* passed as $1; 0 = the statement takes no argument */
    int64_t full;         /* 0 = one call does all */
    bool timed;           /* it waits no longer than until outbox.next_due() */
    enum log_level level; /* of the line that tells how many rows it moved */
};

/* The chunks of what is timed are so small that one that is due now waits for some 50 ms at the most. */
static const struct duty_kind kinds[] = {
    {&sql_scheduler_release, GROUP_CONTROL, 0, 1000, 1000, true, LOG_DEBUG},
    {&sql_scheduler_expand_due, GROUP_CONTROL, 0, 200, 200, true, LOG_DEBUG},
    {&sql_scheduler_recover, GROUP_CONTROL, SECOND_MS, 0, 0, false, LOG_WARN},
    {&sql_scheduler_fall_back, GROUP_CONTROL, SECOND_MS, 200, 200, false, LOG_DEBUG},
    {&sql_scheduler_fire, GROUP_CONTROL, 200, 50, 50, false, LOG_INFO},
    {&sql_scheduler_gather, GROUP_GATHER, 500, 0, 1, false, LOG_INFO},
    {&sql_scheduler_expand_audience, GROUP_AUDIENCE, 200, 1, 1, false, LOG_DEBUG},
    {&sql_scheduler_archive_finished, GROUP_HOUSE, SECOND_MS, 1000, 1000, false, LOG_DEBUG},
    {&sql_scheduler_archive_notifications, GROUP_HOUSE, SECOND_MS, 1000, 1000, false, LOG_DEBUG},
    {&sql_scheduler_expire_waiting, GROUP_HOUSE, SECOND_MS, 1000, 1000, false, LOG_DEBUG},
    {&sql_scheduler_match_receipts, GROUP_HOUSE, SECOND_MS, 1000, 1000, false, LOG_DEBUG},
    {&sql_scheduler_fold_ledger, GROUP_HOUSE, SECOND_MS, 10000, 10000, false, LOG_DEBUG},
    {&sql_scheduler_audit, GROUP_HOUSE, SECOND_MS, 0, 0, false, LOG_DEBUG},
    {&sql_scheduler_drop_old_days, GROUP_HOUSE, MINUTE_MS, 0, 0, false, LOG_INFO},
    {&sql_scheduler_forget_timezones, GROUP_HOUSE, MINUTE_MS, 0, 0, false, LOG_WARN},
    {&sql_scheduler_snapshot_queues, GROUP_HOUSE, MINUTE_MS, 0, 0, false, LOG_DEBUG},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct duty {
    const struct duty_kind *kind;
    struct duties *duties;
    struct timer *timer;
    int64_t interval_ms;
    int64_t wait_ms;     /* from the last answer to the next call */
    bool open;           /* a call is not answered yet */
    char failed_with[6]; /* SQLSTATE of the last call; "" when it went well */
};

struct duties {
    struct db *db;
    bool running;
    size_t count;
    struct duty list[KINDS];
};

/* A failing duty is called every few hundred milliseconds: only a change is news. */
static void note(struct duty *duty, enum db_status status, const struct db_result *result)
{
    const char *state = status == DB_FAILED ? db_sqlstate(result) : "";
    if (strcmp(state, duty->failed_with) == 0)
        return;
    if (status == DB_FAILED)
        log_event(LOG_ERROR, "failed", log_text("statement", duty->kind->statement->name),
                  log_text("sqlstate", state), log_text("reason", db_message(result)));
    else
        log_event(LOG_INFO, "recovered", log_text("statement", duty->kind->statement->name));
    duty->failed_with[0] = '\0';
    strncat(duty->failed_with, state, sizeof duty->failed_with - 1);
}

static void rest(struct duty *duty)
{
    duty->open = false;
    if (duty->duties->running)
        timer_set(duty->timer, duty->wait_ms);
}

static void on_next_due(void *arg, enum db_status status, const struct db_result *result)
{
    struct duty *duty = arg;
    if (status == DB_OK && !db_is_null(result, 0, 0)) {
        int64_t due_ms = db_int(result, 0, 0);
        if (due_ms < SHORTEST_WAIT_MS)
            due_ms = SHORTEST_WAIT_MS;
        if (due_ms < duty->wait_ms)
            duty->wait_ms = due_ms;
    }
    rest(duty);
}

static void on_answer(void *arg, enum db_status status, const struct db_result *result)
{
    struct duty *duty = arg;
    int64_t rows = status == DB_OK ? db_int(result, 0, 0) : 0;
    if (status == DB_OK || status == DB_FAILED)
        note(duty, status, result);
    if (rows > 0)
        log_event(duty->kind->level, "done", log_text("statement", duty->kind->statement->name),
                  log_int("rows", rows));
    bool more = duty->kind->full > 0 && rows >= duty->kind->full;
    duty->wait_ms = more ? 0 : duty->interval_ms;
    if (status != DB_OK || more || !duty->kind->timed) {
        rest(duty);
        return;
    }
    db_send(duty->duties->db, &sql_scheduler_next_due, 0, NULL, on_next_due, duty);
    db_sync(duty->duties->db);
}

static void call(void *arg)
{
    struct duty *duty = arg;
    struct db *db = duty->duties->db;
    char chunk[24];
    snprintf(chunk, sizeof chunk, "%lld", (long long)duty->kind->chunk);
    const char *values[] = {chunk};
    duty->open = true;
    db_send(db, duty->kind->statement, duty->kind->chunk > 0 ? 1 : 0, values, on_answer, duty);
    db_sync(db);
}

struct duties *duties_new(struct loop *loop, struct db *db, enum duty_group group, int64_t interval_ms)
{
    struct duties *duties = mem_alloc(sizeof *duties);
    duties->db = db;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].group != group)
            continue;
        struct duty *duty = &duties->list[duties->count++];
        duty->kind = &kinds[i];
        duty->duties = duties;
        duty->interval_ms = kinds[i].interval_ms > 0 ? kinds[i].interval_ms : interval_ms;
        duty->timer = timer_new(loop, call, duty);
    }
    return duties;
}

void duties_free(struct duties *duties)
{
    if (duties == NULL)
        return;
    for (size_t i = 0; i < duties->count; i++)
        timer_free(duties->list[i].timer);
    mem_free(duties);
}

void duties_start(struct duties *duties)
{
    if (duties->running)
        return;
    duties->running = true;
    for (size_t i = 0; i < duties->count; i++)
        if (!duties->list[i].open)
            timer_set(duties->list[i].timer, 0);
}

void duties_stop(struct duties *duties)
{
    duties->running = false;
    for (size_t i = 0; i < duties->count; i++)
        timer_clear(duties->list[i].timer);
}
