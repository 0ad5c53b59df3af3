/* Inside the transport: an endpoint and the back ends that move its exchanges (queue.h). */
#ifndef PGOUTBOX_TRANSPORT_TRANSPORT_INTERNAL_H
#define PGOUTBOX_TRANSPORT_TRANSPORT_INTERNAL_H

#include "transport/backend.h"
#include "transport/transport.h"

struct backend {
    /* Takes from the queue what fits now and writes it. */
    void (*start)(struct endpoint *endpoint);
    /* The time of an exchange it has taken is up: end it now. */
    void (*cancel)(struct exchange *exchange);
    /* How many more exchanges it would take now. */
    size_t (*room)(const struct endpoint *endpoint);
    /* No new exchange on the present connections. */
    void (*renew)(struct endpoint *endpoint);
    /* Ends all it has taken and frees everything. */
    void (*close)(struct endpoint *endpoint);
};

extern const struct backend http2_backend, curl_backend, smtp_backend;

struct endpoint {
    struct loop *loop;
    struct target target;
    struct endpoint_options options; /* strings owned */
    SSL_CTX *tls;
    const struct backend *backend; /* takes the next requests */
    struct http2_pool *http2;      /* NULL unless asked for */
    struct curl_pool *curl;        /* NULL until needed */
    struct smtp_pool *smtp;        /* NULL unless SMTP */

    struct queue *queue;
    struct backend_setup setup;
    size_t slots_announced; /* free slots when on_capacity was last worth a call, or fewer since */
};

/* The server does not speak HTTP/2: HTTP/1.1 until the next endpoint_renew. */
void endpoint_fall_back(struct endpoint *endpoint);

void http2_pool_new(struct endpoint *endpoint);
void smtp_pool_new(struct endpoint *endpoint);
bool curl_pool_new(struct endpoint *endpoint, struct error *err) MUST_CHECK;

#endif
