/*
 * The HTTP/2 back end: a pool of connections per endpoint (http2_pool.c), each of which is a socket with TLS
 * (http2_connection.c) and a libnghttp2 session with its streams (http2_session.c).
 *
 * What a lost connection means for a request is decided by octets. libnghttp2's frames are appended to `out`;
 * an exchange notes at which octet its HEADERS frame starts, and the connection knows how many octets it has
 * handed to SSL_write. Handed: the peer may have seen it, so it is in doubt. Not handed: surely unsent.
 */
#ifndef PGOUTBOX_TRANSPORT_HTTP2_INTERNAL_H
#define PGOUTBOX_TRANSPORT_HTTP2_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "transport/backend.h"
#include "transport/dial.h"
#include "transport/tls.h"

enum {
    HTTP2_OUT_HIGH = 256 * 1024,      /* octets of waiting output above which no new request starts */
    HTTP2_OUT_BATCH = 64 * 1024,      /* octets collected before they are written */
    HTTP2_SILENCE_MS = 10 * 1000,     /* no octet for so long with requests in the air: PING */
    HTTP2_IDLE_PING_MS = 3600 * 1000, /* no octet for so long with none in the air: PING */
    HTTP2_PING_WAIT_MS = 5 * 1000,    /* no octet for so long after a PING: dead */
    HTTP2_TIMEOUTS_IN_ROW = 3,        /* this many time-outs without an answer: PING */
    HTTP2_DRAIN_MS = 60 * 1000        /* after GOAWAY or endpoint_renew */
};

#define HTTP2_NOT_WRITTEN UINT64_MAX /* offset of an exchange whose HEADERS frame does not exist yet */

enum http2_state { HTTP2_DIALING, HTTP2_HANDSHAKE, HTTP2_OPEN };

struct http2_connection {
    TAILQ_ENTRY(http2_connection) place;
    struct http2_pool *pool;
    const struct backend_setup *setup;
    enum http2_state state;
    bool draining; /* takes no new requests; closes when the present ones are done */
    struct dial *dial;
    int fd;
    SSL *ssl;
    struct watch *watch;
    struct timer *timer; /* end of the handshake, then of silence and draining */

    nghttp2_session *session;
    struct exchange_list streams;
    size_t open;         /* exchanges on streams */
    bool settings_seen;  /* the peer's first SETTINGS have come */
    size_t stream_limit; /* the peer's SETTINGS_MAX_CONCURRENT_STREAMS */
    bool answered;       /* at least one request was */

    struct buf out;
    uint64_t out_offset; /* octets written before the first one in out */
    uint64_t handed;     /* octets ever handed to SSL_write */
    size_t retry;        /* octets at the front of out that SSL_write must be given again */

    int64_t deadline;   /* monotonic ms: of the handshake, then of draining (0 = none) */
    int64_t last_sound; /* monotonic ms: last octet read, or when the first request in the air started */
    bool pinged;        /* and no octet since */
    int64_t ping_sent;  /* monotonic ms */
    int timeouts;       /* in a row */

    enum send_fault fault; /* why it failed, once it has */
    char error[120];
};

/* ---- http2_connection.c ---- */

struct http2_connection *http2_connection_new(struct http2_pool *pool, const struct backend_setup *setup);
/* Ends its streams (unsent or in doubt, with the connection's fault) and frees it. */
void http2_connection_free(struct http2_connection *connection);
/* How many more requests it takes now. */
size_t http2_connection_room(const struct http2_connection *connection);
/* Puts a request into the output; false: none can be started here any more, the exchange is untouched. */
bool http2_connection_submit(struct http2_connection *connection, struct exchange *exchange) MUST_CHECK;
/* Writes what waits. False: the connection is broken (fault and error say why). */
bool http2_connection_flush(struct http2_connection *connection) MUST_CHECK;
bool http2_connection_is_idle(const struct http2_connection *connection);
void http2_connection_drain(struct http2_connection *connection); /* an open one */
void http2_connection_cancel(struct http2_connection *connection, struct exchange *exchange);
/* For the log of failures; returns false. */
bool http2_connection_broken(struct http2_connection *connection, enum send_fault fault, const char *format,
                             ...) PRINTF_LIKE(3, 4);

/* ---- http2_session.c ---- */

bool http2_session_start(struct http2_connection *connection) MUST_CHECK;
/* Hands received octets to the session. False: broken. */
bool http2_session_receive(struct http2_connection *connection, const unsigned char *data,
                           size_t size) MUST_CHECK;
/* Appends the session's frames to out until out is `limit` octets long or there are none. False: broken. */
bool http2_session_collect(struct http2_connection *connection, size_t limit) MUST_CHECK;
bool http2_session_submit(struct http2_connection *connection, struct exchange *exchange) MUST_CHECK;
/* Takes the exchange off its stream and resets the stream if it is still open. */
void http2_session_abandon(struct http2_connection *connection, struct exchange *exchange);

/* ---- http2_pool.c: what a connection reports; the connection may be gone after these ---- */

void http2_pool_opened(struct http2_connection *connection);
void http2_pool_broken(struct http2_connection *connection);
void http2_pool_not_http2(struct http2_connection *connection);

#endif
