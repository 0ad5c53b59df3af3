/* What an endpoint and its back ends (HTTP/2, libcurl, SMTP) know of each other. */
#ifndef PGOUTBOX_TRANSPORT_BACKEND_H
#define PGOUTBOX_TRANSPORT_BACKEND_H

#include <openssl/ssl.h>

#include "transport/queue.h"
#include "transport/target.h"

/* What a back end is made for. It lives longer than the back end. */
struct backend_setup {
    struct loop *loop;
    struct queue *queue;
    const struct target *target;
    const struct endpoint_options *options;
    SSL_CTX *tls;
};

#endif
