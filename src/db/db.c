#include "core/backoff.h"
#include "core/log.h"
#include "core/mem.h"
#include "db/db_internal.h"

static const struct backoff reconnect_policy = {.base_ms = 100, .cap_ms = 5000};

void db_break(struct db *db, const char *reason)
{
    if (db->state == DB_STATE_DOWN || db->state == DB_STATE_BROKEN || db->state == DB_STATE_FREED)
        return;
    error_set(&db->reason, "%s", reason);
    db->state = DB_STATE_BROKEN;
    watch_free(db->watch);
    db->watch = NULL;
    timer_set(db->timer, 0);
}

/* Every callback of the loop is bracketed by these, so that db_free may be called inside. */
static void enter(struct db *db)
{
    db->entered++;
}

static void release(struct db *db)
{
    mem_free(db->conninfo);
    mem_free(db->name);
    mem_free(db->prepared);
    mem_free(db);
}

static void leave(struct db *db)
{
    if (--db->entered == 0 && db->state == DB_STATE_FREED)
        release(db);
}

static void drop(struct db *db)
{
    bool was_up = db->was_up;
    db->state = DB_STATE_DOWN;
    db->was_up = false;
    timer_clear(db->timer);
    PQfinish(db->conn);
    db->conn = NULL;
    db_forget_statements(db);
    db_lose_calls(&db->open);
    db_lose_calls(&db->refused);
    if (db->state != DB_STATE_DOWN)
        return;
    db->attempt++;
    int64_t delay = backoff_delay(&reconnect_policy, db->attempt, backoff_random());
    timer_set(db->timer, delay);
    if (was_up)
        db->events->down(db->arg, db->reason.text);
    else
        log_event(LOG_WARN, "db_connect_failed", log_text("reason", db->reason.text),
                  log_int("retry_ms", delay));
}

static void session_ready(void *arg, enum db_status status, const struct db_result *result)
{
    struct db *db = arg;
    if (status == DB_FAILED)
        db_break(db, db_message(result));
    if (status != DB_OK)
        return;
    timer_clear(db->timer);
    db->state = DB_STATE_UP;
    db->was_up = true;
    db->attempt = 0;
    db->events->up(db->arg);
}

static void session_io(void *arg, int events)
{
    struct db *db = arg;
    enter(db);
    if (events & LOOP_WRITE)
        db_flush(db);
    if (db->watch != NULL && (events & LOOP_READ) && !PQconsumeInput(db->conn)) {
        /* The socket is closed: its number may soon belong to somebody else. What the server said before
         * still counts. */
        struct error reason;
        error_set(&reason, "%s", PQerrorMessage(db->conn));
        watch_free(db->watch);
        db->watch = NULL;
        db_drain(db);
        db_break(db, reason.text);
    }
    db_drain(db);
    leave(db);
}

static void session_start(struct db *db)
{
    db->state = DB_STATE_STARTING;
    if (PQsetnonblocking(db->conn, 1) != 0 || !PQenterPipelineMode(db->conn)) {
        db_break(db, PQerrorMessage(db->conn));
        return;
    }
    db->watch = watch_new(db->loop, PQsocket(db->conn), LOOP_READ, session_io, db);
    db_send_setup(db, session_ready, db);
}

static void connect_io(void *arg, int events)
{
    struct db *db = arg;
    (void)events;
    enter(db);
    /* libpq may go on with another socket, perhaps under the same number. */
    watch_free(db->watch);
    db->watch = NULL;
    PostgresPollingStatusType wanted = PQconnectPoll(db->conn);
    if (wanted == PGRES_POLLING_OK)
        session_start(db);
    else if (wanted == PGRES_POLLING_FAILED)
        db_break(db, PQerrorMessage(db->conn));
    else
        db->watch = watch_new(db->loop, PQsocket(db->conn),
                              wanted == PGRES_POLLING_READING ? LOOP_READ : LOOP_WRITE, connect_io, db);
    leave(db);
}

static void connect_start(struct db *db)
{
    struct db_parameters parameters;
    db_parameters_fill(&parameters, db->conninfo, db->name);
    db->state = DB_STATE_CONNECTING;
    db->conn = PQconnectStartParams(parameters.keywords, parameters.values, 1);
    if (db->conn == NULL)
        mem_exhausted();
    if (PQstatus(db->conn) == CONNECTION_BAD) {
        db_break(db, PQerrorMessage(db->conn));
        return;
    }
    db_log_notices(db->conn);
    timer_set(db->timer, db_connect_timeout(db->conn));
    db->watch = watch_new(db->loop, PQsocket(db->conn), LOOP_WRITE, connect_io, db);
}

static void state_timer(void *arg)
{
    struct db *db = arg;
    enter(db);
    if (db->state == DB_STATE_DOWN) {
        connect_start(db);
    } else {
        db_break(db, "no connection in time");
        drop(db);
    }
    leave(db);
}

static void soon_timer(void *arg)
{
    struct db *db = arg;
    enter(db);
    /* Calls on the broken connection are older than the refused ones. */
    if (db->state == DB_STATE_BROKEN)
        drop(db);
    db_lose_calls(&db->refused);
    db_drain(db);
    leave(db);
}

struct db *db_new(struct loop *loop, const char *conninfo, const char *name, const struct db_events *events,
                  void *arg)
{
    struct db *db = mem_alloc(sizeof *db);
    db->loop = loop;
    db->events = events;
    db->arg = arg;
    db->conninfo = mem_strdup(conninfo);
    db->name = mem_strdup(name);
    db->timer = timer_new(loop, state_timer, db);
    db->soon = timer_new(loop, soon_timer, db);
    connect_start(db);
    return db;
}

void db_free(struct db *db)
{
    if (db == NULL)
        return;
    db->state = DB_STATE_FREED;
    watch_free(db->watch);
    PQfinish(db->conn);
    db_forget_statements(db);
    db_lose_calls(&db->open);
    while (db->refused.count > 0)
        db_lose_calls(&db->refused);
    timer_free(db->timer);
    timer_free(db->soon);
    if (db->entered == 0)
        release(db);
}

bool db_is_up(const struct db *db)
{
    return db->state == DB_STATE_UP;
}

void db_reconnect(struct db *db, const char *reason)
{
    if (db->state == DB_STATE_UP)
        db_break(db, reason);
}
