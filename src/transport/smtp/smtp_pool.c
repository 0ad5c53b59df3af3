#include "transport/smtp/smtp_pool.h"

#include "core/mem.h"
#include "transport/smtp/smtp_connection.h"

TAILQ_HEAD(smtp_connections, smtp_connection);

struct smtp_pool {
    struct backend backend;
    const struct backend_setup *setup;
    struct smtp_connections connections;
    size_t count; /* those that are not on their last mail */
};

static void remove_connection(void *arg, struct smtp_connection *connection)
{
    struct smtp_pool *pool = arg;
    TAILQ_REMOVE(&pool->connections, connection, place);
    if (!connection->last)
        pool->count--;
    smtp_connection_free(connection);
}

static const struct smtp_events connection_events = {.ended = remove_connection};

static struct smtp_connection *find_idle(const struct smtp_pool *pool)
{
    struct smtp_connection *connection;
    TAILQ_FOREACH(connection, &pool->connections, place)
    {
        if (connection->exchange == NULL && !connection->last)
            return connection;
    }
    return NULL;
}

static size_t pool_room(const struct backend *backend)
{
    const struct smtp_pool *pool = (const struct smtp_pool *)backend;
    const struct smtp_connection *connection;
    size_t limit = (size_t)pool->setup->options->connections;
    size_t room = limit > pool->count ? limit - pool->count : 0;
    TAILQ_FOREACH(connection, &pool->connections, place)
    {
        if (connection->exchange == NULL && !connection->last)
            room++;
    }
    return room;
}

static void begin(struct smtp_pool *pool, struct exchange *exchange)
{
    struct smtp_connection *connection = find_idle(pool);
    if (connection == NULL) {
        connection = smtp_connection_new(pool->setup, &connection_events, pool);
        TAILQ_INSERT_TAIL(&pool->connections, connection, place);
        pool->count++;
    }
    if (!smtp_connection_begin(connection, exchange))
        remove_connection(pool, connection);
}

static void pool_start(struct backend *backend)
{
    struct smtp_pool *pool = (struct smtp_pool *)backend;
    struct queue *queue = pool->setup->queue;
    while (queue_waiting(queue) > 0 && pool_room(backend) > 0) {
        struct exchange *exchange = queue_take(queue, backend);
        const char *wrong = smtp_connection_check(pool->setup, exchange);
        if (wrong != NULL)
            exchange_failed(exchange, SEND_UNSENT, FAULT_PROTOCOL, "%s", wrong);
        else
            begin(pool, exchange);
    }
}

static void pool_cancel(struct backend *backend, struct exchange *exchange)
{
    struct smtp_pool *pool = (struct smtp_pool *)backend;
    struct smtp_connection *connection = exchange->carrier;
    smtp_connection_lost(connection, FAULT_TIMEOUT, "no answer in time");
    remove_connection(pool, connection);
}

static void pool_renew(struct backend *backend)
{
    struct smtp_pool *pool = (struct smtp_pool *)backend;
    struct smtp_connection *connection = TAILQ_FIRST(&pool->connections);
    while (connection != NULL) {
        struct smtp_connection *next = TAILQ_NEXT(connection, place);
        if (connection->exchange == NULL) {
            remove_connection(pool, connection);
        } else if (!connection->last) {
            connection->last = true;
            pool->count--;
        }
        connection = next;
    }
}

static void pool_close(struct backend *backend)
{
    struct smtp_pool *pool = (struct smtp_pool *)backend;
    struct smtp_connection *connection;
    while ((connection = TAILQ_FIRST(&pool->connections)) != NULL) {
        smtp_connection_lost(connection, FAULT_NONE, "endpoint closed");
        remove_connection(pool, connection);
    }
    mem_free(pool);
}

struct backend *smtp_pool_new(const struct backend_setup *setup)
{
    struct smtp_pool *pool = mem_alloc(sizeof *pool);
    pool->backend = (struct backend){.start = pool_start,
                                     .cancel = pool_cancel,
                                     .room = pool_room,
                                     .renew = pool_renew,
                                     .close = pool_close};
    pool->setup = setup;
    TAILQ_INIT(&pool->connections);
    return &pool->backend;
}
