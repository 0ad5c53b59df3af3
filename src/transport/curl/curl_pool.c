#include "transport/curl/curl_pool.h"

#include "core/mem.h"
#include "transport/curl/curl_loop.h"

/* Connections of one making. endpoint_renew makes new ones; the old ones stay until their last transfer has
 * ended. */
struct generation {
    struct generation *older;
    struct curl_loop *curl;
};

struct curl_pool {
    struct backend backend;
    const struct backend_setup *setup;
    struct generation *newest;
};

static size_t pool_room(const struct backend *backend)
{
    const struct curl_pool *pool = (const struct curl_pool *)backend;
    size_t limit = (size_t)pool->setup->options->connections;
    size_t active = curl_loop_active(pool->newest->curl);
    return limit > active ? limit - active : 0;
}

static void pool_start(struct backend *backend)
{
    struct curl_pool *pool = (struct curl_pool *)backend;
    struct queue *queue = pool->setup->queue;
    while (queue_waiting(queue) > 0 && pool_room(backend) > 0)
        curl_loop_begin(pool->newest->curl, queue_take(queue, backend));
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

static void pool_cancel(struct backend *backend, struct exchange *exchange)
{
    curl_loop_time_out(exchange);
    sweep((struct curl_pool *)backend);
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

static void pool_renew(struct backend *backend)
{
    struct curl_pool *pool = (struct curl_pool *)backend;
    struct error err;
    /* Without memory for a new one the old one goes on. */
    if (generation_new(pool, &err))
        sweep(pool);
}

static void pool_close(struct backend *backend)
{
    struct curl_pool *pool = (struct curl_pool *)backend;
    while (pool->newest != NULL) {
        struct generation *generation = pool->newest;
        pool->newest = generation->older;
        generation_free(generation);
    }
    mem_free(pool);
}

struct backend *curl_pool_new(const struct backend_setup *setup, struct error *err)
{
    struct curl_pool *pool = mem_alloc(sizeof *pool);
    pool->backend = (struct backend){.start = pool_start,
                                     .cancel = pool_cancel,
                                     .room = pool_room,
                                     .renew = pool_renew,
                                     .close = pool_close};
    pool->setup = setup;
    if (!generation_new(pool, err)) {
        mem_free(pool);
        return NULL;
    }
    return &pool->backend;
}
