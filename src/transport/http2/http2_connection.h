/* One HTTP/2 connection: a socket with TLS, its output and its time limits. */
#ifndef PGOUTBOX_TRANSPORT_HTTP2_CONNECTION_H
#define PGOUTBOX_TRANSPORT_HTTP2_CONNECTION_H

#include "transport/backend.h"
#include "transport/http2/http2_session.h"

enum http2_state { HTTP2_DIALING, HTTP2_HANDSHAKE, HTTP2_OPEN };

struct http2_connection;

/* What a connection reports, always from a loop event. */
struct http2_events {
    void (*opened)(void *arg, struct http2_connection *connection);
    /* It is at its end: broken (fault and error say why) or drained. It is freed in here. */
    void (*broken)(void *arg, struct http2_connection *connection);
    /* The server does not speak HTTP/2; `broken` follows. */
    void (*not_http2)(void *arg, struct http2_connection *connection);
};

struct http2_connection {
    TAILQ_ENTRY(http2_connection) place; /* the owner's */
    const struct backend_setup *setup;
    const struct http2_events *events;
    void *arg;
    enum http2_state state;
    bool draining; /* takes no new requests; closes when the present ones are done */
    struct dial *dial;
    int fd;
    SSL *ssl;
    struct watch *watch;
    struct timer *timer; /* end of the handshake, then of silence and draining */
    struct http2_session session;

    struct buf out;
    uint64_t written; /* octets of the session's output before the first one in out */
    uint64_t handed;  /* octets ever handed to SSL_write */
    size_t retry;     /* octets at the front of out that SSL_write must be given again */

    int64_t deadline;   /* monotonic ms: of draining (0 = none) */
    int64_t last_sound; /* monotonic ms: last octet read, or when the first request in the air started */
    bool pinged;        /* and no octet since */
    int64_t ping_sent;  /* monotonic ms */

    enum send_fault fault; /* why it failed, once it has */
    char error[120];
};

/* events: must live as long. */
struct http2_connection *http2_connection_new(const struct backend_setup *setup,
                                              const struct http2_events *events, void *arg);
/* Ends its exchanges (unsent or in doubt, with the connection's fault) and frees it. */
void http2_connection_free(struct http2_connection *connection);
/* How many more requests it takes now. */
size_t http2_connection_room(const struct http2_connection *connection);
/* Puts a request into the output; false: none can be started here any more, the exchange is untouched. */
bool http2_connection_submit(struct http2_connection *connection, struct exchange *exchange) MUST_CHECK;
/* Writes what waits. False: the connection is broken (fault and error say why). */
bool http2_connection_flush(struct http2_connection *connection) MUST_CHECK;
void http2_connection_drain(struct http2_connection *connection); /* an open one */
void http2_connection_cancel(struct http2_connection *connection, struct exchange *exchange);

#endif
