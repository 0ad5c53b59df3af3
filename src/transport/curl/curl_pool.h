/* The libcurl back end: HTTP/1.1 over TLS. */
#ifndef PGOUTBOX_TRANSPORT_CURL_POOL_H
#define PGOUTBOX_TRANSPORT_CURL_POOL_H

#include "transport/backend.h"

struct backend *curl_pool_new(const struct backend_setup *setup, struct error *err); /* NULL with err */

#endif
