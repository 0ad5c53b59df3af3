/*
 * Inside the transport: an endpoint owns exchanges (one request and its answer); a back end moves them.
 *
 * An exchange is on exactly one list of its life: the endpoint's queue, a back end's own list while it is in
 * the air, the endpoint's list of done ones until its callback has run, the list of spare ones. Back ends
 * finish exchanges whenever they learn something; callbacks run only from endpoint_settle, which every loop
 * event of a back end calls as its very last step. So no callback ever runs inside libnghttp2 or libcurl.
 */
#ifndef PGOUTBOX_TRANSPORT_TRANSPORT_INTERNAL_H
#define PGOUTBOX_TRANSPORT_TRANSPORT_INTERNAL_H

#include <openssl/ssl.h>

#include "transport/exchange.h"
#include "transport/target.h"
#include "transport/transport.h"

struct backend {
    /* Takes from endpoint->queue what fits now and writes it. */
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

    struct exchange_list queue; /* waiting, in order */
    size_t queued;
    struct exchange_lists lists;
    struct exchange_list spare;
    size_t spares;
    struct timer *turn;     /* there is something to start or to deliver */
    struct timer *deadline; /* not later than the first deadline */
    size_t slots_announced; /* free slots when on_capacity was last worth a call, or fewer since */
    bool closing;
};

struct exchange *endpoint_take(struct endpoint *endpoint); /* head of the queue, NULL when empty */
void endpoint_give_back(struct endpoint *endpoint, struct exchange *exchange); /* to the head of the queue */
void endpoint_fail_queue(struct endpoint *endpoint, enum send_fault fault, const char *error);
/* Runs the callbacks of what is done and starts what waits. The connection that calls may be gone after. */
void endpoint_settle(struct endpoint *endpoint);
void endpoint_wake(struct endpoint *endpoint); /* endpoint_settle in the next turn of the loop */
/* The server does not speak HTTP/2: HTTP/1.1 until the next endpoint_renew. */
void endpoint_fall_back(struct endpoint *endpoint);

void http2_pool_new(struct endpoint *endpoint);
void smtp_pool_new(struct endpoint *endpoint);
bool curl_pool_new(struct endpoint *endpoint, struct error *err) MUST_CHECK;

#endif
