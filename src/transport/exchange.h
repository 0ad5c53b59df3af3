/*
 * One request and its answer, on their way. Back ends fill the answer in and end the exchange whenever they
 * learn something; ending it only puts it on the list of done ones, from which its callback is run later
 * (queue.h).
 */
#ifndef PGOUTBOX_TRANSPORT_EXCHANGE_H
#define PGOUTBOX_TRANSPORT_EXCHANGE_H

#include <sys/queue.h>

#include "core/buf.h"
#include "transport/transport.h"

enum { EXCHANGE_HEADER_TEXT = 2048 };

TAILQ_HEAD(exchange_list, exchange);

/* The lists that an exchange leaves and enters when it ends. */
struct exchange_lists {
    struct exchange_list due;  /* all that have not ended, the most urgent first */
    struct exchange_list done; /* ended, callback not yet run */
};

struct backend;

struct exchange {
    TAILQ_ENTRY(exchange) place; /* the list that says where it is */
    TAILQ_ENTRY(exchange) due;   /* lists->due until it has ended */
    struct exchange_lists *lists;
    struct request request; /* a copy; what it points to is borrowed */
    response_fn *callback;
    void *arg;
    int64_t deadline; /* monotonic ms */

    struct response response;
    struct buf body;
    char header_text[EXCHANGE_HEADER_TEXT];
    size_t header_text_size;
    bool final; /* the headers of a final response (status >= 200) are complete */

    /* the back end that has taken it; NULL while it waits */
    struct backend *backend;
    void *carrier;        /* its connection or transfer */
    size_t body_sent;     /* octets of the request's body handed on so far */
    char length_text[24]; /* the body's size as text */
    int32_t stream_id;    /* HTTP/2 */
    uint64_t offset;      /* HTTP/2: where its HEADERS frame starts in the connection's output */
};

/* Forgets headers and body received so far: an interim response, or the reply to an earlier command. */
void exchange_restart_response(struct exchange *exchange);
/* Keeps a header, its name in lower case; drops it when there is no room. */
void exchange_keep_header(struct exchange *exchange, const char *name, size_t name_size, const char *value,
                          size_t value_size);
/* Keeps what fits into RESPONSE_MAX_BODY. */
void exchange_keep_body(struct exchange *exchange, const char *data, size_t size);

/* Both take an exchange that is on no place list and end it. Format: why it was not answered. */
void exchange_answered(struct exchange *exchange);
void exchange_failed(struct exchange *exchange, enum send_state state, enum send_fault fault,
                     const char *format, ...) PRINTF_LIKE(4, 5);

#endif
