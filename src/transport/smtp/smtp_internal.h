/*
 * The SMTP back end (RFC 5321, 3207, 4954): smtp_pool.c keeps the connections of an endpoint,
 * smtp_connection.c is one socket with lines in and octets out, smtp_dialogue.c decides what is said next.
 *
 * Not on libcurl: its multi interface waits for the reply to the end of data with the whole process, and a
 * transfer removed while it uploads is ended with a valid end of data, so half a mail would be delivered.
 */
#ifndef PGOUTBOX_TRANSPORT_SMTP_INTERNAL_H
#define PGOUTBOX_TRANSPORT_SMTP_INTERNAL_H

#include "transport/backend.h"
#include "transport/dial.h"
#include "transport/tls.h"

enum { SMTP_IDLE_MS = 30 * 1000 /* servers close idle connections soon */ };

/* Whose reply is awaited. */
enum smtp_step {
    STEP_GREETING,
    STEP_EHLO,
    STEP_STARTTLS,
    STEP_AUTH_PLAIN,
    STEP_AUTH_LOGIN,
    STEP_AUTH_USER,
    STEP_AUTH_PASSWORD,
    STEP_RSET,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_END_OF_DATA,
    STEP_IDLE /* no reply is awaited, the connection is ready for the next mail */
};

struct smtp_connection {
    TAILQ_ENTRY(smtp_connection) place;
    struct smtp_pool *pool;
    const struct backend_setup *setup;
    struct exchange *exchange; /* NULL while idle */
    bool last;                 /* takes no further mail */
    struct dial *dial;
    int fd;
    SSL *ssl; /* NULL while in clear */
    bool handshaking;
    struct watch *watch;
    struct timer *timer; /* end of the TLS handshake, or of idleness */
    struct buf in;       /* an incomplete line */
    struct buf out;

    enum smtp_step step;
    bool offers_starttls, offers_plain, offers_login; /* by the last EHLO */
    bool dirty;                                       /* a transaction was begun and refused */
    bool sending_body;
    bool line_start; /* the next octet of the body starts a line */
    bool end_queued; /* the end of data is the end of out */
    bool end_handed; /* it was handed to the socket: the mail may be accepted from now on */
};

/* ---- smtp_dialogue.c ---- */

/* Begins the transaction of connection->exchange on a connection that is ready. */
void smtp_dialogue_begin(struct smtp_connection *connection);
/* Takes a line without its end. False: the connection cannot go on; its exchange has ended. */
bool smtp_dialogue_line(struct smtp_connection *connection, const char *line, size_t size) MUST_CHECK;
/* TLS stands after STARTTLS. False: lost. */
bool smtp_dialogue_secured(struct smtp_connection *connection) MUST_CHECK;
/* Puts more of the body into out when there is little left in it. */
void smtp_dialogue_fill(struct smtp_connection *connection);
/* Ends the exchange, if there is one, unanswered: in doubt once the end of data was handed over. Returns
 * false. */
bool smtp_dialogue_lost(struct smtp_connection *connection, enum send_fault fault, const char *error);
/* Why this mail cannot be put into commands, or NULL. */
const char *smtp_dialogue_check(const struct exchange *exchange, const char *helo);

/* ---- smtp_connection.c ---- */

struct smtp_connection *smtp_connection_new(struct smtp_pool *pool, const struct backend_setup *setup,
                                            struct exchange *exchange);
void smtp_connection_free(struct smtp_connection *connection); /* its exchange has ended */
/* Sends what is in out. False: lost. */
bool smtp_connection_write(struct smtp_connection *connection) MUST_CHECK;
/* Goes over to TLS. False: lost. */
bool smtp_connection_start_tls(struct smtp_connection *connection) MUST_CHECK;

/* ---- smtp_pool.c ---- */

void smtp_pool_remove(struct smtp_connection *connection); /* frees it */

#endif
