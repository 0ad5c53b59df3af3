/* Templates that were used lately, by id. */
#ifndef PGOUTBOX_DISPATCHER_TEMPLATE_CACHE_H
#define PGOUTBOX_DISPATCHER_TEMPLATE_CACHE_H

#include "dispatcher/template.h"

/* Holds at most max templates; the one not asked for the longest goes first. A template that somebody holds
 * outlives its place in the cache. */
struct template_cache;

struct template_cache *template_cache_new(size_t max);
void template_cache_free(struct template_cache *cache); /* NULL is allowed */

/* A reference for the caller, given back with template_release; NULL = not cached. */
struct template *template_cache_get(struct template_cache *cache, int64_t id) MUST_CHECK;

/* The cache takes a reference of its own. A template with the same id is replaced. */
void template_cache_put(struct template_cache *cache, struct template *template);

#endif
