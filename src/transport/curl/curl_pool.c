#include "core/mem.h"
#include "transport/curl/curl_loop.h"
#include "transport/transport_internal.h"

/* Connections of one making. endpoint_renew makes new ones; the old ones stay until their last transfer has
 * ended. */
struct generation {
    struct generation *older;
    struct curl_loop *curl;
};

struct curl_pool {
    const struct backend_setup *setup;
    struct generation *newest;
};

static size_t pool_room(const struct endpoint *endpoint)
{
    size_t limit = (size_t)endpoint->options.connections;
    size_t active = curl_loop_active(endpoint->curl->newest->curl);
    return limit > active ? limit - active : 0;
}

static void pool_start(struct endpoint *endpoint)
{
    while (queue_waiting(endpoint->queue) > 0 && pool_room(endpoint) > 0)
        curl_loop_begin(endpoint->curl->newest->curl, queue_take(endpoint->queue, &curl_backend));
}

static void generation_free(struct generation *generation)
{
    curl_loop_free(generation->curl);
    mem_free(generation);
}

/* Frees old generations that have nothing left to do. */
static void sweep(struct curl_pool *pool)
{
    struct generation **link = &pool->newest->older;
    while (*link != NULL) {
        struct generation *generation = *link;
        if (curl_loop_active(generation->curl) > 0) {
            link = &generation->older;
            continue;
        }
        *link = generation->older;
        generation_free(generation);
    }
}

static void pool_cancel(struct exchange *exchange)
{
    struct curl_pool *pool = exchange->endpoint->curl;
    curl_loop_time_out(exchange);
    sweep(pool);
}

static void on_acted(void *arg)
{
    struct curl_pool *pool = arg;
    sweep(pool);
    queue_settle(pool->setup->queue);
}

static const struct curl_loop_events events = {.acted = on_acted};

/* ---- life ---- */

static bool generation_new(struct curl_pool *pool, struct error *err)
{
    struct curl_loop *curl = curl_loop_new(pool->setup, &events, pool, err);
    if (curl == NULL)
        return false;
    struct generation *generation = mem_alloc(sizeof *generation);
    *generation = (struct generation){.older = pool->newest, .curl = curl};
    pool->newest = generation;
    return true;
}

static void pool_renew(struct endpoint *endpoint)
{
    struct error err;
    /* Without memory for a new one the old one goes on. */
    if (generation_new(endpoint->curl, &err))
        sweep(endpoint->curl);
}

static void pool_close(struct endpoint *endpoint)
{
    struct curl_pool *pool = endpoint->curl;
    while (pool->newest != NULL) {
        struct generation *generation = pool->newest;
        pool->newest = generation->older;
        generation_free(generation);
    }
    mem_free(pool);
    endpoint->curl = NULL;
}

const struct backend curl_backend = {
    .start = pool_start,
    .cancel = pool_cancel,
    .room = pool_room,
    .renew = pool_renew,
    .close = pool_close,
};

bool curl_pool_new(struct endpoint *endpoint, struct error *err)
{
    struct curl_pool *pool = mem_alloc(sizeof *pool);
    pool->setup = &endpoint->setup;
    if (!generation_new(pool, err)) {
        mem_free(pool);
        return false;
    }
    endpoint->curl = pool;
    return true;
}
