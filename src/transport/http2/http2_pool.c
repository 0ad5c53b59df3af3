#include "transport/http2/http2_pool.h"

#include <string.h>

#include "core/backoff.h"
#include "core/log.h"
#include "core/mem.h"
#include "transport/http2/http2_connection.h"

TAILQ_HEAD(http2_connections, http2_connection);

struct http2_pool {
    struct backend backend;
    const struct backend_setup *setup;
    const struct http2_pool_events *events;
    void *arg;
    struct http2_connections connections;
    struct timer *retry; /* set: no new connection until it fires */
    int failures;        /* connections in a row that never answered a request */
    /* What waits fails at once with this while `retry` is set and nothing is connected. FAULT_NONE: it waits.
     */
    enum send_fault fault;
    char error[120];
};

static const struct backoff connect_backoff = {.base_ms = 100, .cap_ms = 10 * 1000};

/* An endpoint may open another connection when the present ones have shown what they can take and that is all
 * in use. One that has not answered yet may still raise its stream limit from 1. */
static bool may_open(const struct http2_pool *pool)
{
    int all = 0;
    int usable = 0;
    const struct http2_connection *connection;
    if (timer_is_set(pool->retry))
        return false;
    TAILQ_FOREACH(connection, &pool->connections, place)
    {
        all++;
        if (connection->draining)
            continue;
        usable++;
        const struct http2_session *session = &connection->session;
        bool warm = session->settings_seen && (session->stream_limit > 1 || session->answered);
        if (!warm || http2_connection_room(connection) > 0)
            return false;
    }
    int limit = pool->setup->options->connections;
    return usable < limit && all < 2 * limit;
}

static bool has_usable(const struct http2_pool *pool)
{
    const struct http2_connection *connection;
    TAILQ_FOREACH(connection, &pool->connections, place)
    {
        if (!connection->draining)
            return true;
    }
    return false;
}

static struct http2_connection *roomiest(const struct http2_pool *pool)
{
    struct http2_connection *connection;
    struct http2_connection *best = NULL;
    size_t most = 0;
    TAILQ_FOREACH(connection, &pool->connections, place)
    {
        size_t room = http2_connection_room(connection);
        if (room > most) {
            most = room;
            best = connection;
        }
    }
    return best;
}

/* ---- what connections report ---- */

static void on_opened(void *arg, struct http2_connection *connection)
{
    (void)arg;
    log_event(LOG_INFO, "http2_connected", log_text("host", connection->setup->target->host));
}

static void on_broken(void *arg, struct http2_connection *connection)
{
    struct http2_pool *pool = arg;
    int64_t in_air = (int64_t)connection->session.open;
    bool never_opened = connection->state != HTTP2_OPEN;
    if (connection->fault != FAULT_NONE)
        log_event(never_opened || in_air > 0 ? LOG_WARN : LOG_INFO,
                  never_opened ? "http2_connect_failed" : "http2_connection_lost",
                  log_text("host", pool->setup->target->host), log_text("error", connection->error),
                  log_int("in_air", in_air));
    if (connection->session.answered) {
        pool->failures = 0;
    } else if (connection->fault != FAULT_NONE || !never_opened) {
        pool->failures++;
        pool->fault = never_opened ? connection->fault : FAULT_NONE;
        memcpy(pool->error, connection->error, sizeof pool->error);
        timer_set(pool->retry, backoff_delay(&connect_backoff, pool->failures, backoff_random()));
    }
    TAILQ_REMOVE(&pool->connections, connection, place);
    http2_connection_free(connection);
}

static void on_not_http2(void *arg, struct http2_connection *connection)
{
    struct http2_pool *pool = arg;
    (void)connection;
    pool->events->not_http2(pool->arg);
}

static const struct http2_events connection_events = {
    .opened = on_opened, .broken = on_broken, .not_http2 = on_not_http2};

/* ---- requests ---- */

static void submit_queue(struct http2_pool *pool)
{
    struct http2_connection *connection;
    struct exchange *exchange;
    struct queue *queue = pool->setup->queue;
    while (queue_waiting(queue) > 0 && (connection = roomiest(pool)) != NULL) {
        exchange = queue_take(queue, &pool->backend);
        if (!http2_connection_submit(connection, exchange))
            queue_give_back(queue, exchange);
    }
}

static void flush_all(struct http2_pool *pool)
{
    struct http2_connection *connection = TAILQ_FIRST(&pool->connections);
    while (connection != NULL) {
        struct http2_connection *next = TAILQ_NEXT(connection, place);
        if (!http2_connection_flush(connection))
            on_broken(pool, connection);
        connection = next;
    }
}

static void pool_start(struct backend *backend)
{
    struct http2_pool *pool = (struct http2_pool *)backend;
    struct queue *queue = pool->setup->queue;
    /* Flushing makes room where the output was full. */
    do {
        submit_queue(pool);
        flush_all(pool);
    } while (queue_waiting(queue) > 0 && roomiest(pool) != NULL);
    if (queue_waiting(queue) == 0)
        return;
    if (may_open(pool)) {
        struct http2_connection *connection = http2_connection_new(pool->setup, &connection_events, pool);
        TAILQ_INSERT_TAIL(&pool->connections, connection, place);
    } else if (timer_is_set(pool->retry) && pool->fault != FAULT_NONE && !has_usable(pool)) {
        queue_fail(queue, pool->fault, pool->error);
    }
}

static void pool_cancel(struct backend *backend, struct exchange *exchange)
{
    (void)backend;
    http2_connection_cancel(exchange->carrier, exchange);
}

static size_t pool_room(const struct backend *backend)
{
    const struct http2_pool *pool = (const struct http2_pool *)backend;
    const struct http2_connection *connection;
    size_t room = may_open(pool) ? 1 : 0;
    TAILQ_FOREACH(connection, &pool->connections, place)
    {
        room += http2_connection_room(connection);
    }
    return room;
}

static void pool_renew(struct backend *backend)
{
    struct http2_pool *pool = (struct http2_pool *)backend;
    struct http2_connection *connection = TAILQ_FIRST(&pool->connections);
    while (connection != NULL) {
        struct http2_connection *next = TAILQ_NEXT(connection, place);
        if (connection->state == HTTP2_OPEN) {
            http2_connection_drain(connection);
        } else {
            TAILQ_REMOVE(&pool->connections, connection, place);
            http2_connection_free(connection);
        }
        connection = next;
    }
}

static void pool_close(struct backend *backend)
{
    struct http2_pool *pool = (struct http2_pool *)backend;
    struct http2_connection *connection;
    while ((connection = TAILQ_FIRST(&pool->connections)) != NULL) {
        TAILQ_REMOVE(&pool->connections, connection, place);
        http2_connection_free(connection);
    }
    timer_free(pool->retry);
    mem_free(pool);
}

static void on_retry(void *arg)
{
    struct http2_pool *pool = arg;
    queue_settle(pool->setup->queue);
}

struct backend *http2_pool_new(const struct backend_setup *setup, const struct http2_pool_events *events,
                               void *arg)
{
    struct http2_pool *pool = mem_alloc(sizeof *pool);
    pool->backend = (struct backend){.start = pool_start,
                                     .cancel = pool_cancel,
                                     .room = pool_room,
                                     .renew = pool_renew,
                                     .close = pool_close};
    pool->setup = setup;
    pool->events = events;
    pool->arg = arg;
    TAILQ_INIT(&pool->connections);
    pool->retry = timer_new(setup->loop, on_retry, pool);
    return &pool->backend;
}
