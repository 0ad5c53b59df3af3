#include "dispatcher/origins.h"

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

struct origins {
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
    struct origins *origins = arg;
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&origins->closing)) != NULL) {
        TAILQ_REMOVE(&origins->closing, entry, place);
        entry_free(entry);
    }
}

struct origins *origins_new(struct transport *transport, const struct endpoint_options *model, size_t max)
{
    struct origins *origins = mem_alloc(sizeof *origins);
    origins->transport = transport;
    origins->model = *model;
    origins->max = max;
    TAILQ_INIT(&origins->used);
    TAILQ_INIT(&origins->closing);
    origins->sweep = timer_new(transport_loop(transport), on_sweep, origins);
    return origins;
}

void origins_free(struct origins *origins)
{
    if (origins == NULL)
        return;
    origins->freeing = true;
    on_sweep(origins);
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&origins->used)) != NULL) {
        /* It stays in the list meanwhile: the callbacks give their requests back. */
        endpoint_free(entry->endpoint);
        entry->endpoint = NULL;
        TAILQ_REMOVE(&origins->used, entry, place);
        entry_free(entry);
    }
    timer_free(origins->sweep);
    mem_free(origins);
}

static struct entry *find_origin(const struct origins *origins, const char *origin)
{
    struct entry *entry;
    TAILQ_FOREACH(entry, &origins->used, place)
    if (strcmp(entry->origin, origin) == 0)
        return entry;
    return NULL;
}

static struct entry *find_idle(const struct origins *origins)
{
    struct entry *entry;
    TAILQ_FOREACH_REVERSE(entry, &origins->used, entry_list, place)
    if (entry->in_the_air == 0)
        return entry;
    return NULL;
}

/* The caller may be inside a callback of this very endpoint. */
static void close_soon(struct origins *origins, struct entry *entry)
{
    TAILQ_REMOVE(&origins->used, entry, place);
    origins->count--;
    TAILQ_INSERT_TAIL(&origins->closing, entry, place);
    timer_set(origins->sweep, 0);
}

static struct entry *make(struct origins *origins, const char *origin, struct error *err)
{
    struct entry *idle = NULL;
    if (origins->count >= origins->max && (idle = find_idle(origins)) == NULL) {
        error_set(err, "too many hosts at once");
        return NULL;
    }
    struct endpoint_options options = origins->model;
    options.url = origin;
    struct endpoint *endpoint = endpoint_new(origins->transport, &options, err);
    if (endpoint == NULL)
        return NULL;
    if (idle != NULL)
        close_soon(origins, idle);
    struct entry *entry = mem_alloc(sizeof *entry);
    entry->origin = mem_strdup(origin);
    entry->endpoint = endpoint;
    TAILQ_INSERT_HEAD(&origins->used, entry, place);
    origins->count++;
    return entry;
}

struct endpoint *origins_take(struct origins *origins, const char *origin, struct error *err)
{
    if (origins->freeing) {
        error_set(err, "the provider is being closed");
        return NULL;
    }
    struct entry *entry = find_origin(origins, origin);
    if (entry == NULL && (entry = make(origins, origin, err)) == NULL)
        return NULL;
    TAILQ_REMOVE(&origins->used, entry, place);
    TAILQ_INSERT_HEAD(&origins->used, entry, place);
    entry->in_the_air++;
    return entry->endpoint;
}

void origins_give(struct origins *origins, struct endpoint *endpoint)
{
    struct entry *entry = TAILQ_FIRST(&origins->used);
    while (entry != NULL && entry->endpoint != endpoint)
        entry = TAILQ_NEXT(entry, place);
    assert(entry != NULL && entry->in_the_air > 0);
    entry->in_the_air--;
}
