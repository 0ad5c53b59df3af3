/* Looks up a name and connects to the first address that answers. */
#ifndef PGOUTBOX_TRANSPORT_DIAL_H
#define PGOUTBOX_TRANSPORT_DIAL_H

#include "transport/transport.h"

struct dial;

/* Comes once, from the loop; fd is the callback's to close, or -1 with fault and error. */
typedef void dial_fn(void *arg, int fd, enum send_fault fault, const char *error);

/* guarded: only addresses that guard_allows. timeout_ms is for look-up and connection together. */
struct dial *dial_new(struct loop *loop, const char *host, const char *port, bool guarded, int64_t timeout_ms,
                      dial_fn *callback, void *arg);
void dial_free(struct dial *dial); /* NULL is allowed; no callback comes after */

#endif
