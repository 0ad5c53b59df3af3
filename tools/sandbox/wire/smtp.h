/* SMTP as the sandbox's mailbox sees it: one connection and its transaction. */
#ifndef PGOUTBOX_SANDBOX_WIRE_SMTP_H
#define PGOUTBOX_SANDBOX_WIRE_SMTP_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "core/buf.h"
#include "core/loop.h"
#include "sandbox/wire/wire.h"

enum {
    SMTP_INPUT_MAX = 131072,
    SMTP_LINE_MAX = 4096, /* octets of a command line */
    SMTP_SIZE_MAX = 10 * 1024 * 1024,
    SMTP_RECIPIENTS_MAX = 100,
    SMTP_ADDRESS_MAX = 320
};

struct smtp;

/* What becomes of what the dialogue brings. Each may reply, end the connection or let it wait. */
struct smtp_service {
    /* A recipient that could be taken. False: it is not, and was replied to. */
    bool (*recipient)(void *arg, struct smtp *smtp, const char *address);
    /* DATA was allowed. */
    void (*data)(void *arg, struct smtp *smtp);
    /* The mail is whole, or overflowed. The transaction ends with this call. */
    void (*mail)(void *arg, struct smtp *smtp);
    /* A command was refused. */
    void (*refused)(void *arg, const char *reason);
};

struct smtp_server {
    struct loop *loop;
    SSL_CTX *tls; /* for STARTTLS; not owned */
    const char *user, *password;
    const struct smtp_service *service;
    void *arg; /* given to the service */
};

#define SMTP_ACCEPTED "250 2.0.0 taken"

/* What the next line is. */
enum smtp_expect { SMTP_COMMAND, SMTP_PLAIN, SMTP_LOGIN_USER, SMTP_LOGIN_PASSWORD, SMTP_DATA };

/* Where the reader of the mail's data is within a line. */
enum smtp_place { PLACE_LINE_START, PLACE_TEXT, PLACE_CR, PLACE_DOT, PLACE_DOT_CR };

struct smtp {
    struct smtp_server *server;
    struct wire *wire;
    struct timer *delay;
    struct buf input;
    struct buf output;
    bool greeted;
    bool open;    /* commands are taken: not during the handshake */
    bool waiting; /* for a delayed reply, or for ever: no input is taken */
    bool stopped;
    enum smtp_expect expect;
    bool helloed;
    bool logged_in;
    bool user_is_right; /* of AUTH LOGIN, whose password is still to come */
    /* The transaction. */
    bool has_sender;
    bool utf8;
    int recipient_count;
    int mark;              /* the service's own; 0 at first */
    struct buf recipients; /* accepted ones, with ", " between */
    enum smtp_place place;
    bool bare; /* a CR or LF that stands alone, or a dot that was not doubled */
    struct buf mail;
};

void smtp_reply(struct smtp *smtp, const char *line); /* without CRLF */
void smtp_bye(struct smtp *smtp, const char *line);   /* replies, unless line is NULL, and closes */
void smtp_refuse(struct smtp *smtp, const char *line, const char *reason); /* reason: a constant, counted */
void smtp_wait(struct smtp *smtp);                                         /* takes no further input */
void smtp_accept_later(struct smtp *smtp, int64_t ms); /* the same, until SMTP_ACCEPTED is replied */
void smtp_forget_mail(struct smtp *smtp);              /* the transaction is over */

#endif
