/* One SMTP connection: a socket, in clear or with TLS, lines in and octets out. */
#ifndef PGOUTBOX_TRANSPORT_SMTP_CONNECTION_H
#define PGOUTBOX_TRANSPORT_SMTP_CONNECTION_H

#include "transport/backend.h"
#include "transport/smtp/smtp_dialogue.h"

struct smtp_connection;

struct smtp_events {
    /* It is at its end, without an exchange. It is freed in here. */
    void (*ended)(void *arg, struct smtp_connection *connection);
};

struct smtp_connection {
    TAILQ_ENTRY(smtp_connection) place; /* the owner's */
    const struct backend_setup *setup;
    const struct smtp_events *events;
    void *arg;
    struct exchange *exchange; /* NULL while idle */
    bool last;                 /* takes no further mail */
    struct dial *dial;         /* while there is no connection */
    int fd;
    SSL *ssl; /* NULL while in clear */
    bool handshaking;
    struct watch *watch;
    struct timer *timer; /* end of the TLS handshake, or of idleness */
    struct buf in;       /* an incomplete line */
    char host[256];      /* this machine's name, when EHLO wants it */
    struct smtp_dialogue dialogue;
};

/* events: must live as long. */
struct smtp_connection *smtp_connection_new(const struct backend_setup *setup,
                                            const struct smtp_events *events, void *arg);
void smtp_connection_free(struct smtp_connection *connection); /* its exchange has ended */

/* What is wrong with the mail of an exchange, or NULL. */
const char *smtp_connection_check(const struct backend_setup *setup, const struct exchange *exchange);
/* The first mail of a new connection, or the next one of an idle one. False: it was lost, the exchange has
 * ended. */
bool smtp_connection_begin(struct smtp_connection *connection, struct exchange *exchange) MUST_CHECK;
/* Ends the exchange, if there is one, unanswered: in doubt if the mail may have been accepted. Returns false.
 */
bool smtp_connection_lost(struct smtp_connection *connection, enum send_fault fault, const char *error);

#endif
