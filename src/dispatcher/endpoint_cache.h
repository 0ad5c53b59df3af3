/*
 * Endpoints by origin, for a provider whose recipients bring their own URL: one endpoint per host, made when
 * it is first needed, and only so many at once.
 */
#ifndef PGOUTBOX_DISPATCHER_ENDPOINT_CACHE_H
#define PGOUTBOX_DISPATCHER_ENDPOINT_CACHE_H

#include <stddef.h>

#include "core/error.h"
#include "transport/transport.h"

struct endpoint_cache;

/* model: the options of every endpoint but its url; its strings must live as long as the cache.
 * max: most endpoints at once; they are searched one by one, the last used first. */
struct endpoint_cache *endpoint_cache_new(struct transport *transport, const struct endpoint_options *model,
                                          size_t max);
/* Ends every request in the air as endpoint_free does: the callbacks run before this returns and may call
 * endpoint_cache_give. NULL is allowed. */
void endpoint_cache_free(struct endpoint_cache *cache);

/* The endpoint of "https://host[:port]", with one more request in its air. At the limit the idle endpoint
 * that was used longest ago makes way. NULL with err: bad origin or option, "too many hosts at once" when
 * none is idle, or the cache is being freed. May be called from an endpoint's callback: the one that makes
 * way is freed in the next turn of the loop. */
struct endpoint *endpoint_cache_take(struct endpoint_cache *cache, const char *origin,
                                     struct error *err) MUST_CHECK;
/* A request of this endpoint has ended. The endpoint stays valid until the callback has returned. */
void endpoint_cache_give(struct endpoint_cache *cache, struct endpoint *endpoint);

#endif
