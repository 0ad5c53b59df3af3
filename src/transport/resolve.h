/* Looks up a name without blocking the loop. */
#ifndef PGOUTBOX_TRANSPORT_RESOLVE_H
#define PGOUTBOX_TRANSPORT_RESOLVE_H

#include "core/loop.h"

struct addrinfo;
struct resolve;

/* Comes once, from the loop. addresses is the callback's to free with freeaddrinfo; NULL with error. */
typedef void resolve_fn(void *arg, struct addrinfo *addresses, const char *error);

struct resolve *resolve_new(struct loop *loop, const char *host, const char *port, resolve_fn *callback,
                            void *arg);
void resolve_free(struct resolve *resolve); /* NULL is allowed; no callback comes after */

#endif
