#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "db/db_internal.h"

/* Longer than any name the server keeps apart. */
enum { DB_NAME_SIZE = 96 };

static void queue_push(struct call_queue *queue, const struct call *model)
{
    struct call *call = mem_alloc(sizeof *call);
    *call = *model;
    call->next = NULL;
    if (queue->last != NULL)
        queue->last->next = call;
    else
        queue->first = call;
    queue->last = call;
    queue->count++;
}

static struct call queue_pop(struct call_queue *queue)
{
    struct call *first = queue->first;
    struct call call = *first;
    queue->first = first->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->count--;
    mem_free(first);
    return call;
}

static void call_answer(const struct call *call, enum db_status status, const struct db_result *result)
{
    if (call->callback != NULL)
        call->callback(call->arg, status, result);
}

void db_lose_calls(struct call_queue *queue)
{
    /* A callback may add calls, or free the connection and so empty the queue. */
    for (size_t left = queue->count; left > 0 && queue->first != NULL; left--) {
        struct call call = queue_pop(queue);
        call_answer(&call, DB_LOST, NULL);
    }
}

void db_forget_statements(struct db *db)
{
    PQclear(db->prepare_error);
    db->prepare_error = NULL;
    db->prepared_count = 0;
    db->prepared_number = 0;
}

/* Whether libpq took it; if not, the connection is beyond repair and the call just queued gets DB_LOST. */
static bool taken(struct db *db, int accepted)
{
    if (accepted == 0)
        db_break(db, PQerrorMessage(db->conn));
    return accepted != 0;
}

static struct prepared *find_prepared(struct db *db, const struct db_statement *statement)
{
    for (size_t i = 0; i < db->prepared_count; i++) {
        if (db->prepared[i].statement == statement)
            return &db->prepared[i];
    }
    if (db->prepared_count == db->prepared_capacity) {
        db->prepared_capacity = db->prepared_capacity > 0 ? db->prepared_capacity * 2 : 16;
        db->prepared = mem_grow(db->prepared, db->prepared_capacity, sizeof *db->prepared);
    }
    struct prepared *fresh = &db->prepared[db->prepared_count++];
    *fresh = (struct prepared){.statement = statement};
    return fresh;
}

static void server_name(char name[DB_NAME_SIZE], const struct db_statement *statement, unsigned number)
{
    snprintf(name, DB_NAME_SIZE, "%.63s.%u", statement->name, number);
}

/* Puts the server-side name of the statement into name, preparing it first where needed. */
static bool ensure_prepared(struct db *db, const struct db_statement *statement, char name[DB_NAME_SIZE])
{
    struct prepared *prepared = find_prepared(db, statement);
    unsigned number = prepared->ready;
    if (number == 0 && prepared->pending != 0 && prepared->pending_group == db->group)
        number = prepared->pending;
    if (number != 0) {
        server_name(name, statement, number);
        return true;
    }
    prepared->pending = number = ++db->prepared_number;
    prepared->pending_group = db->group;
    server_name(name, statement, number);
    queue_push(&db->open, &(struct call){.kind = CALL_PREPARE,
                                         .prepared = (size_t)(prepared - db->prepared),
                                         .number = number});
    return taken(db, PQsendPrepare(db->conn, name, statement->sql, 0, NULL));
}

void db_send(struct db *db, const struct db_statement *statement, int count, const char *const *values,
             db_result_fn *callback, void *arg)
{
    struct call call = {.kind = CALL_STATEMENT, .callback = callback, .arg = arg};
    char name[DB_NAME_SIZE];
    if (db->state != DB_STATE_UP || !ensure_prepared(db, statement, name)) {
        queue_push(&db->refused, &call);
        timer_set(db->soon, 0);
        return;
    }
    queue_push(&db->open, &call);
    taken(db, PQsendQueryPrepared(db->conn, name, count, values, NULL, NULL, 0));
}

void db_send_setup(struct db *db, db_result_fn *callback, void *arg)
{
    queue_push(&db->open, &(struct call){.kind = CALL_STATEMENT, .callback = callback, .arg = arg});
    if (!taken(db, PQsendQueryParams(db->conn, db_setup_sql, 0, NULL, NULL, NULL, NULL, 0)))
        return;
    queue_push(&db->open, &(struct call){.kind = CALL_SYNC});
    if (taken(db, PQpipelineSync(db->conn)))
        db_flush(db);
}

void db_sync(struct db *db)
{
    if (db->state != DB_STATE_UP)
        return;
    db->group++;
    queue_push(&db->open, &(struct call){.kind = CALL_SYNC});
    if (!taken(db, PQpipelineSync(db->conn)))
        return;
    db_flush(db);
    /* libpq may have read answers while it could not write; epoll will not tell of those. */
    if (db->entered == 0 && db->state == DB_STATE_UP && !PQisBusy(db->conn))
        timer_set(db->soon, 0);
}

void db_flush(struct db *db)
{
    int left = PQflush(db->conn);
    if (left < 0)
        db_break(db, PQerrorMessage(db->conn));
    else
        watch_set(db->watch, left > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static bool db_is_live(const struct db *db)
{
    return db->state == DB_STATE_UP || db->state == DB_STATE_STARTING;
}

/* The session is over: said by the server, or found out by libpq, whose own errors have no SQLSTATE. What was
 * open is then lost, not refused. A server that only reads is none of ours any more: the one that writes may
 * be found by another connection. */
static bool is_fatal(const PGresult *pg)
{
    static const char read_only_sql_transaction[] = "25006";
    if (PQresultStatus(pg) != PGRES_FATAL_ERROR)
        return false;
    const char *severity = PQresultErrorField(pg, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *state = PQresultErrorField(pg, PG_DIAG_SQLSTATE);
    return state == NULL || severity == NULL || strcmp(severity, "FATAL") == 0 ||
           strcmp(severity, "PANIC") == 0 || strcmp(state, read_only_sql_transaction) == 0;
}

static void finish_prepare(struct db *db, const struct call *call, PGresult *pg)
{
    ExecStatusType status = PQresultStatus(pg);
    struct prepared *prepared = &db->prepared[call->prepared];
    if (status == PGRES_COMMAND_OK && prepared->ready == 0)
        prepared->ready = call->number;
    if (status != PGRES_FATAL_ERROR) {
        PQclear(pg);
        return;
    }
    /* The statement behind it will be reported as skipped, but this is its own error. */
    PQclear(db->prepare_error);
    db->prepare_error = pg;
}

static void finish_statement(struct db *db, const struct call *call, PGresult *pg)
{
    if (db->prepare_error != NULL) {
        PQclear(pg);
        pg = db->prepare_error;
        db->prepare_error = NULL;
    }
    struct db_result result;
    db_result_wrap(&result, pg);
    switch (PQresultStatus(pg)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        call_answer(call, DB_OK, &result);
        break;
    case PGRES_PIPELINE_ABORTED:
        call_answer(call, DB_SKIPPED, NULL);
        break;
    default:
        call_answer(call, DB_FAILED, &result);
    }
    PQclear(pg);
}

/* Takes one result off the wire order; it must belong to the first open call. */
static void take_result(struct db *db, PGresult *pg)
{
    ExecStatusType status = PQresultStatus(pg);
    const char *trouble = NULL;
    if (is_fatal(pg))
        trouble = PQresultErrorMessage(pg);
    else if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
        trouble = "COPY is not possible in a pipeline";
    else if ((status == PGRES_PIPELINE_SYNC) != (db->open.first->kind == CALL_SYNC))
        trouble = "answers out of step with statements";
    if (trouble != NULL) {
        db_break(db, trouble);
        PQclear(pg);
        return;
    }
    struct call call = queue_pop(&db->open);
    if (call.kind == CALL_STATEMENT)
        finish_statement(db, &call, pg);
    else if (call.kind == CALL_PREPARE)
        finish_prepare(db, &call, pg);
    else
        PQclear(pg);
}

static void drain_results(struct db *db)
{
    /* libpq puts one NULL behind every result except that of a sync. More in a row mean that it awaits
     * nothing while we do. */
    int ends = 0;
    while (db_is_live(db) && db->open.first != NULL && !PQisBusy(db->conn)) {
        PGresult *pg = PQgetResult(db->conn);
        if (pg != NULL) {
            ends = 0;
            take_result(db, pg);
        } else if (++ends > 2) {
            db_break(db, "answers out of step with statements");
        }
    }
}

void db_drain(struct db *db)
{
    /* A callback may send, and sending may read: so the results are looked at again each time. */
    for (drain_results(db); db_is_live(db); drain_results(db)) {
        PGnotify *notify = PQnotifies(db->conn);
        if (notify == NULL)
            return;
        if (db->events->notified != NULL)
            db->events->notified(db->arg, notify->relname, notify->extra);
        PQfreemem(notify);
    }
}
