/*
 * The streams of one HTTP/2 connection, on libnghttp2: octets in, octets out, no socket. Exchanges end here
 * when their answer is complete or their stream is closed.
 *
 * Each exchange notes at which octet of the session's output its HEADERS frame starts. Whoever writes that
 * output knows how many octets were handed on, and so what a lost connection means: handed, the peer may have
 * seen the request, so it is in doubt; not handed, it is surely unsent.
 */
#ifndef PGOUTBOX_TRANSPORT_HTTP2_SESSION_H
#define PGOUTBOX_TRANSPORT_HTTP2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "transport/exchange.h"
#include "transport/target.h"

struct http2_session {
    const struct target *target;
    nghttp2_session *nghttp2;       /* NULL before the start */
    struct exchange_list exchanges; /* on streams */
    size_t open;                    /* so many */
    bool settings_seen;             /* the peer's first SETTINGS have come */
    size_t stream_limit;            /* the peer's SETTINGS_MAX_CONCURRENT_STREAMS */
    bool going_away;                /* the peer wants no more requests */
    bool answered;                  /* at least one request was */
    int timeouts;                   /* in a row */
    uint64_t made;                  /* octets of output so far */
};

void http2_session_init(struct http2_session *session, const struct target *target);
/* Every exchange has ended. */
void http2_session_free(struct http2_session *session);

/* All that return false with err: the connection cannot go on. */
bool http2_session_start(struct http2_session *session, struct error *err) MUST_CHECK;
bool http2_session_receive(struct http2_session *session, const unsigned char *data, size_t size,
                           struct error *err) MUST_CHECK;
/* Appends frames to out until that is `limit` octets long or there are none. */
bool http2_session_collect(struct http2_session *session, struct buf *out, size_t limit,
                           struct error *err) MUST_CHECK;
bool http2_session_ping(struct http2_session *session, struct error *err) MUST_CHECK;

/* Starts a request; false: its stream identifiers are used up, the exchange is untouched. */
bool http2_session_submit(struct http2_session *session, struct exchange *exchange) MUST_CHECK;
/* Its time is up: ends it, in doubt if it is in the output, and resets the stream. */
void http2_session_cancel(struct http2_session *session, struct exchange *exchange);
/* Ends all exchanges, in doubt if one of their octets is among the first `handed` ones of the output. */
void http2_session_end(struct http2_session *session, uint64_t handed, enum send_fault fault,
                       const char *error);
/* Puts a farewell into the output. False: there is none. */
bool http2_session_terminate(struct http2_session *session);

#endif
