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

/* The first member of a back end's own struct. */
struct backend {
    /* Takes from the queue what fits now and writes it. */
    void (*start)(struct backend *backend);
    /* The time of an exchange it has taken is up: end it now. */
    void (*cancel)(struct backend *backend, struct exchange *exchange);
    /* How many more exchanges it would take now. */
    size_t (*room)(const struct backend *backend);
    /* No new exchange on the present connections. */
    void (*renew)(struct backend *backend);
    /* Ends all it has taken and frees everything. */
    void (*close)(struct backend *backend);
};

#endif
