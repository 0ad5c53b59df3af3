/* The HTTP/2 back end: the connections of an endpoint, each with many requests at once. */
#ifndef PGOUTBOX_TRANSPORT_HTTP2_POOL_H
#define PGOUTBOX_TRANSPORT_HTTP2_POOL_H

#include "transport/backend.h"

struct http2_pool_events {
    /* The server does not speak HTTP/2. What waits is for somebody else. */
    void (*not_http2)(void *arg);
};

/* events: must live as long. */
struct backend *http2_pool_new(const struct backend_setup *setup, const struct http2_pool_events *events,
                               void *arg);

#endif
