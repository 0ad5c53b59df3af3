/*
 * Requests out, responses in. The only code that knows sockets, TLS, libnghttp2 and libcurl.
 *
 * Two promises hold for every endpoint:
 *   - a request is put on the wire at most once: nothing is ever repeated in here;
 *   - every request ends in exactly one callback, and its response says whether it was surely not processed
 *     (SEND_UNSENT), answered (SEND_ANSWERED) or perhaps processed (SEND_IN_DOUBT).
 */
#ifndef PGOUTBOX_TRANSPORT_TRANSPORT_H
#define PGOUTBOX_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/loop.h"

struct header {
    const char *name; /* lower case */
    const char *value;
};

enum { REQUEST_MAX_HEADERS = 16, RESPONSE_MAX_HEADERS = 16, RESPONSE_MAX_BODY = 65536 };

/* One HTTP request or one SMTP transaction. It is copied; what it points to is borrowed and must live until
 * the callback. */
struct request {
    /* HTTP */
    const char *method; /* "POST" */
    const char *path;   /* "/3/device/…", with query */
    const char *origin; /* in place of the endpoint's own: "https://host[:port]", for a provider whose
                           recipients bring their own; NULL = the endpoint's */
    struct header headers[REQUEST_MAX_HEADERS];
    size_t header_count;
    const char *const *changing; /* names of headers whose value is another one in each request, so that
                                    nobody need remember it; ends with NULL; may be NULL */
    /* SMTP */
    const char *mail_from; /* checked addr-spec, no angle brackets */
    const char *mail_to;
    /* both: HTTP body, or the finished mail with CRLF lines */
    const char *body;
    size_t body_size;
    int64_t timeout_ms; /* from endpoint_send to the callback; 0 = the endpoint's */
};

enum send_state { SEND_UNSENT, SEND_ANSWERED, SEND_IN_DOUBT };

/* How far an SMTP transaction came; which command the last reply belongs to. */
enum smtp_phase { SMTP_CONNECT, SMTP_AUTH, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_END_OF_DATA };

/* Why a request was not answered, as far as a provider's health is concerned. */
enum send_fault {
    FAULT_NONE,
    FAULT_RESOLVE,
    FAULT_NOT_ALLOWED, /* a guarded endpoint has no address that it may connect to */
    FAULT_CONNECT,
    FAULT_TLS,
    FAULT_TIMEOUT,
    FAULT_PROTOCOL,
    FAULT_REFUSED,
    FAULT_LOGIN
};

struct response {
    enum send_state state;
    enum send_fault fault;                       /* FAULT_NONE when answered */
    int status;                                  /* HTTP status or SMTP basic code; 0 when not answered */
    struct header headers[RESPONSE_MAX_HEADERS]; /* lower-case names; further headers are dropped */
    size_t header_count;
    const char
        *body; /* terminated; for SMTP the text of the deciding reply, lines joined by \n, code included */
    size_t body_size;
    bool body_truncated;   /* the peer sent more than RESPONSE_MAX_BODY */
    enum smtp_phase phase; /* SMTP only */
    char error[160];       /* why it was not answered; empty when it was */
};

/* Value of a header (first one), or NULL. name: lower case. */
const char *response_header(const struct response *response, const char *name);

/* The response and all it points to live until the callback returns. */
typedef void response_fn(void *arg, const struct response *response);

struct transport;
struct endpoint;

struct transport_options {
    const char *ca_file; /* PEM bundle to verify servers against; NULL = the system's */
};

struct transport *transport_new(struct loop *loop, const struct transport_options *options,
                                struct error *err);
void transport_free(struct transport *transport); /* endpoints must be gone; NULL is allowed */

/* What it was made with. */
struct loop *transport_loop(const struct transport *transport);
const char *transport_ca_file(const struct transport *transport);

/* Connections to one host, never shared with another endpoint. Strings are copied. */
struct endpoint_options {
    const char
        *url;   /* "https://host[:port]", "smtp://host[:port]" (STARTTLS demanded) or "smtps://host[:port]" */
    bool http2; /* https only: HTTP/2 on libnghttp2; a server whose ALPN is not h2 gets HTTP/1.1 */
    int connections; /* at most this many at once */
    int streams; /* h2: at most this many requests in the air per connection, within the peer's SETTINGS */
    const char *username; /* SMTP AUTH, or NULL for none */
    const char *password;
    const char *helo;    /* EHLO name, or NULL for the local host name */
    const char *ca_file; /* instead of the transport's, or NULL */
    bool guarded;        /* url comes from outside: refuse addresses that are not public (guard.h) */
    const char *const
        *trusted_origins;           /* urls that are not guarded all the same; ends with NULL; may be NULL */
    int64_t connect_timeout_ms;     /* name look-up, TCP and TLS together */
    int64_t timeout_ms;             /* default of a request */
    void (*on_capacity)(void *arg); /* free slots have appeared; called from the loop, may be NULL */
    void *arg;
};

/* NULL with err: bad URL, option out of range, unreadable CA file. Connects only when there is something to
 * send. */
struct endpoint *endpoint_new(struct transport *transport, const struct endpoint_options *options,
                              struct error *err);

/* How many requests endpoint_send takes now without queueing in here. At least 1 while nothing is in the air,
 * as connections are made on demand; it grows once a connection's SETTINGS are known and falls to 0 when
 * full. */
size_t endpoint_free_slots(const struct endpoint *endpoint);

/* Upper bound of requests in the air that this endpoint could ever hold (connections * streams). */
size_t endpoint_capacity(const struct endpoint *endpoint);

/* Starts a request. The callback comes later from the loop, exactly once, never from inside this call. More
 * requests than free slots wait in order within the endpoint, their timeouts running. Requests of one turn of
 * the loop leave in few writes at its end. */
void endpoint_send(struct endpoint *endpoint, const struct request *request, response_fn *callback,
                   void *arg);

/* New requests use new connections from now on; the old ones end when their answers have come. */
void endpoint_renew(struct endpoint *endpoint);

/* Ends every request in the air (SEND_UNSENT or SEND_IN_DOUBT, callbacks run before this returns), then
 * frees. Of this endpoint such a callback may only use endpoint_send, whose request ends the same way. */
void endpoint_free(struct endpoint *endpoint); /* NULL is allowed */

#endif
