/* HTTP as the sandbox's services see it: exchanges, whichever version (h2.h, http1.h) carries them. */
#ifndef PGOUTBOX_SANDBOX_WIRE_HTTP_H
#define PGOUTBOX_SANDBOX_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/loop.h"
#include "sandbox/wire/wire.h"

enum { HTTP_MAX_HEADERS = 32, HTTP_MAX_HEAD = 6144, HTTP_MAX_ANSWER_HEADERS = 4 };

struct field {
    const char *name; /* lower case */
    const char *value;
};

/* How an exchange may end without an answer. Over HTTP/1.1 each closes the connection. */
enum http_abort {
    ABORT_REFUSED,      /* RST_STREAM REFUSED_STREAM */
    ABORT_INTERNAL,     /* RST_STREAM INTERNAL_ERROR */
    ABORT_GOAWAY_BELOW, /* GOAWAY with a last stream below this one; others finish, then the connection ends
                         */
    ABORT_GOAWAY_CLOSE, /* GOAWAY that includes this stream, then the connection ends */
    ABORT_CLOSE         /* the connection ends; answers given before still leave */
};

struct exchange;
struct http_server;

/* A body that is made while it is sent. Freed with mem_free when the exchange ends. */
struct http_pull {
    bool (*next)(struct http_pull *pull, struct buf *out); /* appends some; false: that was the end */
};

/* What carries an exchange. */
struct http_carrier {
    void (*answer)(struct exchange *exchange);
    void (*abort)(struct exchange *exchange, enum http_abort how);
    void (*trust)(struct exchange *exchange);
    void (*turn)(struct exchange *exchange); /* ends a turn that began with the exchange's timer */
};

struct exchange {
    /* The request. Texts live in `head`. */
    const char *method;
    const char *path;
    struct field headers[HTTP_MAX_HEADERS];
    size_t header_count;
    bool head_overflowed; /* more than HTTP_MAX_HEADERS or HTTP_MAX_HEAD */
    struct buf body;
    /* The answer. Its fields' texts are constants or live in `head`. */
    int status;
    struct field answer_headers[HTTP_MAX_ANSWER_HEADERS];
    size_t answer_header_count;
    struct buf answer;
    size_t answer_sent;
    struct http_pull *pull; /* over HTTP/1.1 only: the body in place of `answer` */
    /* The carrier's and the server's own. */
    const struct http_carrier *carrier;
    void *connection;
    int32_t stream;
    bool complete; /* the service has seen the whole request */
    struct http_server *server;
    struct timer *delay;
    struct exchange *previous, *next;
    size_t head_size;
    char head[HTTP_MAX_HEAD];
};

struct http_service {
    size_t max_body; /* a longer one arrives empty, with body.overflowed set */
    /* The header section is complete. May answer or abort; `request` is then not called. May be NULL. */
    void (*head)(void *arg, struct exchange *exchange);
    /* The request is complete. Answers or aborts now or later, or never. */
    void (*request)(void *arg, struct exchange *exchange);
};

struct http_server {
    struct loop *loop;
    const struct http_service *service;
    void *arg;         /* given to the service */
    bool http1;        /* HTTP/1.1 is spoken when ALPN does not choose h2 */
    int first_streams; /* SETTINGS_MAX_CONCURRENT_STREAMS until http_trust */
    int streams;       /* and after it */
    struct exchange *spare;
};

void http_server_clear(struct http_server *server); /* frees spare memory; connections must be gone */

/* For services. */
const char *http_header(const struct exchange *exchange, const char *name); /* the first one, or NULL */
bool http_has_duplicates(const struct exchange *exchange);
char *http_keep(struct exchange *exchange, const char *text, size_t size); /* NULL when full */
void http_set_header(struct exchange *exchange, const char *name, const char *value);
/* Sends status, the headers set and exchange->answer, after the delay. type: content type, NULL without body.
 */
void http_answer(struct exchange *exchange, int status, const char *type, int64_t delay_ms);
void http_abort(struct exchange *exchange, enum http_abort how);
/* The client has proved who it is: its connection gets the full number of streams. */
void http_trust(struct exchange *exchange);

/* For carriers. */
struct exchange *http_exchange_new(struct http_server *server, const struct http_carrier *carrier,
                                   void *connection);
void http_exchange_free(struct exchange *exchange);
void http_add_header(struct exchange *exchange, const char *name, size_t name_size, const char *value,
                     size_t value_size);

#endif
