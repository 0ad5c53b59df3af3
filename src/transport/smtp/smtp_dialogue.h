/*
 * What an SMTP client says (RFC 5321, 3207, 4954): lines in; octets, and what to do next, out. No socket in
 * here: a dialogue belongs to one connection, on which one mail follows another.
 */
#ifndef PGOUTBOX_TRANSPORT_SMTP_DIALOGUE_H
#define PGOUTBOX_TRANSPORT_SMTP_DIALOGUE_H

#include "core/buf.h"
#include "transport/transport.h"

struct smtp_login {
    const char *helo;     /* the name for EHLO */
    const char *username; /* NULL: none is needed */
    const char *password; /* NULL: empty */
};

struct smtp_mail {
    const char *from; /* addr-spec, no angle brackets */
    const char *to;
    const char *body; /* lines with CRLF */
    size_t body_size;
};

/* What is to be done now. */
enum smtp_move {
    SMTP_WRITE,    /* write what there is, wait for the next line */
    SMTP_STARTTLS, /* go over to TLS, then smtp_dialogue_secured */
    SMTP_DONE,     /* the mail was answered: code, phase and reply */
    SMTP_BROKEN    /* the connection cannot go on: fault and error */
};

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
    STEP_IDLE /* nobody's; ready for the next mail */
};

struct smtp_dialogue {
    /* to be read */
    enum smtp_phase phase; /* of the last command */
    int code;              /* of the deciding reply */
    struct buf reply;      /* its lines joined by \n, codes included; no more than RESPONSE_MAX_BODY */
    bool reply_truncated;
    bool spent; /* takes no further mail */
    enum send_fault fault;
    char error[80];

    /* its own */
    struct smtp_login login;
    struct smtp_mail mail;
    enum smtp_step step;
    bool secure;                                      /* TLS stands */
    bool offers_starttls, offers_plain, offers_login; /* by the last EHLO */
    bool dirty;                                       /* a transaction was begun and not accepted */
    struct buf out;
    size_t body_taken; /* octets of the body that went to out */
    bool sending_body;
    bool line_start; /* the next octet of the body starts a line */
    bool end_queued; /* the end of data is the end of out */
    bool end_handed; /* it was handed on: the mail may be accepted from now on */
};

/* Why this mail cannot be put into commands, or NULL. helo: NULL = one that needs no check. */
const char *smtp_dialogue_check(const struct smtp_mail *mail, const char *helo);

/* The strings of login are borrowed. */
void smtp_dialogue_init(struct smtp_dialogue *dialogue, const struct smtp_login *login);
void smtp_dialogue_free(struct smtp_dialogue *dialogue);

/* The next mail, borrowed until it is answered: the first before the greeting has come, others when the
 * dialogue is idle. */
enum smtp_move smtp_dialogue_begin(struct smtp_dialogue *dialogue, const struct smtp_mail *mail) MUST_CHECK;
/* A line of the server's, without its end. */
enum smtp_move smtp_dialogue_line(struct smtp_dialogue *dialogue, const char *line, size_t size) MUST_CHECK;
/* TLS stands: from the start, or after SMTP_STARTTLS. */
enum smtp_move smtp_dialogue_secured(struct smtp_dialogue *dialogue) MUST_CHECK;

/* Shows the next octets to be written, at most one TLS record, and how many; 0 = none for now. They count as
 * handed on from now, whatever becomes of them. */
size_t smtp_dialogue_output(struct smtp_dialogue *dialogue, const char **octets);
/* So many of them were written. */
void smtp_dialogue_wrote(struct smtp_dialogue *dialogue, size_t size);

/* The mail may have been accepted: the last octet of its end was handed on, and it was not answered. */
bool smtp_dialogue_in_doubt(const struct smtp_dialogue *dialogue);
/* Nothing is awaited and nothing is left to write. */
bool smtp_dialogue_is_idle(const struct smtp_dialogue *dialogue);

#endif
