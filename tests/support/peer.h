/*
 * A scripted bad server for tests of the transport: HTTP/2, HTTP/1.1 or SMTP on 127.0.0.1, in threads of the
 * test's own process. What it does with a request is written in the request's path, so a test reads as the
 * list of its requests:
 *
 *   /answer      200, header x-peer: yes, body "ok"        /echo        200 with the request's body
 *   /status/N    N without a body                          /big         200 with 200,000 octets
 *   /status/N/after/M  HTTP/1.1: the same, once the peer has answered M requests
 *   /silent      recorded, never answered
 *   /close       recorded, then the connection is closed
 *   /reset       recorded, then a TCP reset
 *   /leave       HTTP/1.1: 200, then the idle connection is closed, as by a load balancer
 *   /rst/N       recorded, RST_STREAM with error code N
 *   /refuse      RST_STREAM REFUSED_STREAM, not recorded
 *   /half        headers of a response, no end
 *   /goaway      GOAWAY whose last-stream-id includes this stream; then answered
 *   /goaway-not  GOAWAY whose last-stream-id is below this stream; the others are answered
 *   /goaway-end  GOAWAY that includes this stream, then closed without an answer
 *   /freeze      the peer reads and writes nothing on this connection from now on
 * A query (?2) tells requests to the same path apart. The name of a header that must not be remembered
 * (HPACK: never indexed) is recorded, too.
 *
 * SMTP: replies come from `replies`, else the usual ones are given.
 */
#ifndef PGOUTBOX_TESTS_PEER_H
#define PGOUTBOX_TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "support/certs.h"

enum peer_kind {
    PEER_HTTP2,
    PEER_HTTP1,
    PEER_SMTP,
    PEER_SMTPS,
    PEER_MUTE /* accepts TCP and says nothing */
};

struct peer_reply {
    const char *verb; /* "RCPT", "AUTH", …; "" the greeting, "." the end of data, "+" an AUTH line */
    const char *text; /* lines with CRLF; NULL: the connection is closed instead; "" no reply */
};

struct peer_options {
    enum peer_kind kind;
    const char *names;    /* of the certificate; NULL: localhost and 127.0.0.1 */
    unsigned max_streams; /* in the first SETTINGS; 0 = 100 */
    unsigned raise_to;    /* new limit after the first answer; 0 = none */
    bool wide;            /* flow control windows of 64 MB */
    bool no_starttls;
    bool dribble;                     /* SMTP, HTTP/1.1: replies come one octet after the other */
    bool stall_data;                  /* SMTP: nothing is read after the reply to DATA */
    bool cut_data;                    /* SMTP: closed in the middle of the mail */
    int status;                       /* HTTP/1.1: of every answer; 0 = as the path says */
    const struct peer_reply *replies; /* SMTP; ends with a NULL verb; may be NULL */
};

struct peer;

struct peer *peer_new(struct certs *certs, const struct peer_options *options);
void peer_free(struct peer *peer);
int peer_port(const struct peer *peer);

/* How many requests with this path (and query), or SMTP commands or mails with this first line, were
 * recorded.
 */
size_t peer_count(struct peer *peer, const char *text);
size_t peer_connections(struct peer *peer);
size_t peer_left(struct peer *peer);         /* connections whose end the peer has seen or made */
size_t peer_most_streams(struct peer *peer); /* most requests open at once on a connection */
/* The last mail, with dots removed. Caller frees with mem_free. */
char *peer_mail(struct peer *peer);

#endif
