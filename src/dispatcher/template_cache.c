#include "dispatcher/template_cache.h"

#include <sys/queue.h>

#include "core/mem.h"

struct entry {
    TAILQ_ENTRY(entry) place;
    struct entry *chained; /* in its slot */
    struct template *template;
};

TAILQ_HEAD(entry_list, entry);

struct template_cache {
    size_t max, count;
    size_t mask; /* slots - 1; their number is a power of two */
    struct entry **slots;
    struct entry_list used; /* the last used first */
};

struct template_cache *template_cache_new(size_t max)
{
    struct template_cache *cache = mem_alloc(sizeof *cache);
    size_t slots = 1;
    while (slots < max)
        slots *= 2;
    cache->max = max;
    cache->mask = slots - 1;
    cache->slots = mem_array(slots, sizeof *cache->slots);
    TAILQ_INIT(&cache->used);
    return cache;
}

/* Ids come from a sequence: their low bits spread them evenly. */
static struct entry **slot_of(struct template_cache *cache, int64_t id)
{
    struct entry **slot = &cache->slots[(uint64_t)id & cache->mask];
    while (*slot != NULL && template_id((*slot)->template) != id)
        slot = &(*slot)->chained;
    return slot;
}

static void drop(struct template_cache *cache, struct entry **slot)
{
    struct entry *entry = *slot;
    *slot = entry->chained;
    TAILQ_REMOVE(&cache->used, entry, place);
    cache->count--;
    template_release(entry->template);
    mem_free(entry);
}

static void drop_oldest(struct template_cache *cache)
{
    drop(cache, slot_of(cache, template_id(TAILQ_LAST(&cache->used, entry_list)->template)));
}

void template_cache_free(struct template_cache *cache)
{
    if (cache == NULL)
        return;
    while (!TAILQ_EMPTY(&cache->used))
        drop_oldest(cache);
    mem_free(cache->slots);
    mem_free(cache);
}

struct template *template_cache_get(struct template_cache *cache, int64_t id)
{
    struct entry *entry = *slot_of(cache, id);
    if (entry == NULL)
        return NULL;
    TAILQ_REMOVE(&cache->used, entry, place);
    TAILQ_INSERT_HEAD(&cache->used, entry, place);
    return template_hold(entry->template);
}

void template_cache_put(struct template_cache *cache, struct template *template)
{
    struct entry *entry = mem_alloc(sizeof *entry);
    entry->template = template_hold(template);
    struct entry **slot = slot_of(cache, template_id(template));
    if (*slot != NULL)
        drop(cache, slot);
    slot = slot_of(cache, template_id(template));
    entry->chained = *slot;
    *slot = entry;
    TAILQ_INSERT_HEAD(&cache->used, entry, place);
    cache->count++;
    if (cache->count > cache->max)
        drop_oldest(cache);
}
