#include "dispatcher/endpoint_cache.h"

#include <assert.h>
#include <string.h>
#include <sys/queue.h>

#include "core/mem.h"

struct entry {
    TAILQ_ENTRY(entry) place;
    char *origin;
    struct endpoint *endpoint;
    size_t in_the_air;
};

TAILQ_HEAD(entry_list, entry);

struct endpoint_cache {
    struct transport *transport;
    struct endpoint_options model;
    size_t count, max;
    struct entry_list used;    /* the last used first */
    struct entry_list closing; /* idle, until the next turn of the loop */
    struct timer *sweep;
    bool freeing;
};

static void entry_free(struct entry *entry)
{
    endpoint_free(entry->endpoint);
    mem_free(entry->origin);
    mem_free(entry);
}

static void on_sweep(void *arg)
{
    struct endpoint_cache *cache = arg;
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&cache->closing)) != NULL) {
        TAILQ_REMOVE(&cache->closing, entry, place);
        entry_free(entry);
    }
}

struct endpoint_cache *endpoint_cache_new(struct transport *transport, const struct endpoint_options *model,
                                          size_t max)
{
    struct endpoint_cache *cache = mem_alloc(sizeof *cache);
    cache->transport = transport;
    cache->model = *model;
    cache->max = max;
    TAILQ_INIT(&cache->used);
    TAILQ_INIT(&cache->closing);
    cache->sweep = timer_new(transport_loop(transport), on_sweep, cache);
    return cache;
}

void endpoint_cache_free(struct endpoint_cache *cache)
{
    if (cache == NULL)
        return;
    cache->freeing = true;
    on_sweep(cache);
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&cache->used)) != NULL) {
        /* It stays in the list meanwhile: the callbacks give their requests back. */
        endpoint_free(entry->endpoint);
        entry->endpoint = NULL;
        TAILQ_REMOVE(&cache->used, entry, place);
        entry_free(entry);
    }
    timer_free(cache->sweep);
    mem_free(cache);
}

static struct entry *find_origin(const struct endpoint_cache *cache, const char *origin)
{
    struct entry *entry;
    TAILQ_FOREACH(entry, &cache->used, place)
    if (strcmp(entry->origin, origin) == 0)
        return entry;
    return NULL;
}

static struct entry *find_idle(const struct endpoint_cache *cache)
{
    struct entry *entry;
    TAILQ_FOREACH_REVERSE(entry, &cache->used, entry_list, place)
    if (entry->in_the_air == 0)
        return entry;
    return NULL;
}

/* The caller may be inside a callback of this very endpoint. */
static void close_soon(struct endpoint_cache *cache, struct entry *entry)
{
    TAILQ_REMOVE(&cache->used, entry, place);
    cache->count--;
    TAILQ_INSERT_TAIL(&cache->closing, entry, place);
    timer_set(cache->sweep, 0);
}

static struct entry *make(struct endpoint_cache *cache, const char *origin, struct error *err)
{
    struct entry *idle = NULL;
    if (cache->count >= cache->max && (idle = find_idle(cache)) == NULL) {
        error_set(err, "too many hosts at once");
        return NULL;
    }
    struct endpoint_options options = cache->model;
    options.url = origin;
    struct endpoint *endpoint = endpoint_new(cache->transport, &options, err);
    if (endpoint == NULL)
        return NULL;
    if (idle != NULL)
        close_soon(cache, idle);
    struct entry *entry = mem_alloc(sizeof *entry);
    entry->origin = mem_strdup(origin);
    entry->endpoint = endpoint;
    TAILQ_INSERT_HEAD(&cache->used, entry, place);
    cache->count++;
    return entry;
}

struct endpoint *endpoint_cache_take(struct endpoint_cache *cache, const char *origin, struct error *err)
{
    if (cache->freeing) {
        error_set(err, "the provider is being closed");
        return NULL;
    }
    struct entry *entry = find_origin(cache, origin);
    if (entry == NULL && (entry = make(cache, origin, err)) == NULL)
        return NULL;
    TAILQ_REMOVE(&cache->used, entry, place);
    TAILQ_INSERT_HEAD(&cache->used, entry, place);
    entry->in_the_air++;
    return entry->endpoint;
}

void endpoint_cache_give(struct endpoint_cache *cache, struct endpoint *endpoint)
{
    struct entry *entry = TAILQ_FIRST(&cache->used);
    while (entry != NULL && entry->endpoint != endpoint)
        entry = TAILQ_NEXT(entry, place);
    assert(entry != NULL && entry->in_the_air > 0);
    entry->in_the_air--;
}
