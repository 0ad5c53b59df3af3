/* One SMTP connection: shared by the parts that read commands, log in and take the mail. */
#ifndef PGOUTBOX_SANDBOX_WIRE_SMTP_SESSION_H
#define PGOUTBOX_SANDBOX_WIRE_SMTP_SESSION_H

#include "sandbox/wire/smtp.h"

enum {
    SMTP_INPUT_MAX = 131072,
    SMTP_LINE_MAX = 4096, /* octets of a command line */
    SMTP_SIZE_MAX = 10 * 1024 * 1024,
    SMTP_RECIPIENTS_MAX = 100,
    SMTP_ADDRESS_MAX = 320
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
    int magic;             /* of its first recipient that has any */
    struct buf recipients; /* accepted ones, with ", " between */
    enum smtp_place place;
    bool bare; /* a CR or LF that stands alone, or a dot that was not doubled */
    struct buf mail;
};

void smtp_reply(struct smtp *smtp, const char *line); /* without CRLF */
/* Replies and closes. */
void smtp_bye(struct smtp *smtp, const char *line);
void smtp_forget_mail(struct smtp *smtp);                                  /* RSET: the transaction is over */
void smtp_refuse(struct smtp *smtp, const char *line, const char *reason); /* and counts the reason */

/* smtp_auth.c: AUTH and its further lines. */
void smtp_auth_command(struct smtp *smtp, const char *argument);
void smtp_auth_line(struct smtp *smtp, const char *line);

/* smtp_envelope.c: MAIL and RCPT. */
void smtp_mail_command(struct smtp *smtp, const char *argument);
void smtp_rcpt_command(struct smtp *smtp, const char *argument);

/* smtp_data.c: DATA and what follows it. smtp_data_take consumes input up to the end of the mail. */
void smtp_data_command(struct smtp *smtp);
void smtp_data_take(struct smtp *smtp);

#endif
