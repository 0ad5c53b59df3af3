#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "transport/smtp/smtp_internal.h"

enum { BODY_CHUNK = 32 * 1024 };

struct step {
    enum smtp_phase phase;
    int good; /* first digit of the reply that lets the dialogue go on */
    bool (*next)(struct smtp_connection *connection); /* NULL: the mail is accepted */
};

static const struct step steps[STEP_IDLE];

static bool fail(struct smtp_connection *connection, enum send_fault fault, const char *error)
{
    return smtp_dialogue_lost(connection, fault, error);
}

/* Starts a command; its text follows in out. */
static struct buf *command(struct smtp_connection *connection, enum smtp_step step)
{
    connection->step = step;
    connection->exchange->response.phase = steps[step].phase;
    exchange_restart_response(connection->exchange);
    return &connection->out;
}

/* ---- what is said next ---- */

static bool say_ehlo(struct smtp_connection *connection)
{
    char host[256] = "localhost";
    const char *name = connection->setup->options->helo;
    if (name == NULL && gethostname(host, sizeof host - 1) == 0)
        name = host;
    connection->offers_starttls = connection->offers_plain = connection->offers_login = false;
    return buf_printf(command(connection, STEP_EHLO), "EHLO %s\r\n", name != NULL ? name : host);
}

static bool say_mail(struct smtp_connection *connection)
{
    connection->dirty = true;
    return buf_printf(command(connection, STEP_MAIL), "MAIL FROM:<%s>\r\n",
                      connection->exchange->request.mail_from);
}

static bool say_rcpt(struct smtp_connection *connection)
{
    return buf_printf(command(connection, STEP_RCPT), "RCPT TO:<%s>\r\n",
                      connection->exchange->request.mail_to);
}

static bool say_data(struct smtp_connection *connection)
{
    return buf_text(command(connection, STEP_DATA), "DATA\r\n");
}

static bool say_base64(struct smtp_connection *connection, const void *data, size_t size)
{
    return base64_append(&connection->out, data, size) && buf_text(&connection->out, "\r\n");
}

/* RFC 4616: NUL user NUL password, sent along with the command (RFC 4954, 4). */
static bool say_auth_plain(struct smtp_connection *connection)
{
    const struct endpoint_options *options = connection->setup->options;
    struct buf secret;
    buf_init(&secret, 2048);
    bool good = buf_append(&secret, "", 1) && buf_text(&secret, options->username) &&
                buf_append(&secret, "", 1) &&
                buf_text(&secret, options->password != NULL ? options->password : "") &&
                buf_text(command(connection, STEP_AUTH_PLAIN), "AUTH PLAIN ") &&
                say_base64(connection, secret.data, secret.size);
    buf_wipe(&secret);
    return good || fail(connection, FAULT_LOGIN, "username or password is too long");
}

static bool say_auth_user(struct smtp_connection *connection)
{
    const char *user = connection->setup->options->username;
    command(connection, STEP_AUTH_USER);
    return say_base64(connection, user, strlen(user));
}

static bool say_auth_password(struct smtp_connection *connection)
{
    const char *password = connection->setup->options->password;
    command(connection, STEP_AUTH_PASSWORD);
    return say_base64(connection, password != NULL ? password : "", password != NULL ? strlen(password) : 0);
}

/* Neither a login nor a mail ever goes over a connection without TLS. */
static bool after_ehlo(struct smtp_connection *connection)
{
    if (connection->ssl == NULL) {
        if (!connection->offers_starttls)
            return fail(connection, FAULT_TLS, "STARTTLS is not offered");
        return buf_text(command(connection, STEP_STARTTLS), "STARTTLS\r\n");
    }
    if (connection->setup->options->username == NULL)
        return say_mail(connection);
    if (connection->offers_plain)
        return say_auth_plain(connection);
    if (connection->offers_login)
        return buf_text(command(connection, STEP_AUTH_LOGIN), "AUTH LOGIN\r\n");
    return fail(connection, FAULT_LOGIN, "neither AUTH PLAIN nor AUTH LOGIN is offered");
}

static bool begin_body(struct smtp_connection *connection)
{
    command(connection, STEP_END_OF_DATA);
    connection->sending_body = true;
    connection->line_start = true;
    smtp_dialogue_fill(connection);
    return true;
}

bool smtp_dialogue_secured(struct smtp_connection *connection)
{
    return (say_ehlo(connection) || fail(connection, FAULT_PROTOCOL, "command too long")) &&
           smtp_connection_write(connection);
}

static const struct step steps[STEP_IDLE] = {
    [STEP_GREETING] = {SMTP_CONNECT, 2, say_ehlo},
    [STEP_EHLO] = {SMTP_CONNECT, 2, after_ehlo},
    [STEP_STARTTLS] = {SMTP_CONNECT, 2, smtp_connection_start_tls},
    [STEP_AUTH_PLAIN] = {SMTP_AUTH, 2, say_mail},
    [STEP_AUTH_LOGIN] = {SMTP_AUTH, 3, say_auth_user},
    [STEP_AUTH_USER] = {SMTP_AUTH, 3, say_auth_password},
    [STEP_AUTH_PASSWORD] = {SMTP_AUTH, 2, say_mail},
    [STEP_RSET] = {SMTP_CONNECT, 2, say_mail},
    [STEP_MAIL] = {SMTP_MAIL, 2, say_rcpt},
    [STEP_RCPT] = {SMTP_RCPT, 2, say_data},
    [STEP_DATA] = {SMTP_DATA, 3, begin_body},
    [STEP_END_OF_DATA] = {SMTP_END_OF_DATA, 2, NULL},
};

void smtp_dialogue_begin(struct smtp_connection *connection)
{
    connection->end_handed = false;
    if (connection->dirty)
        buf_text(command(connection, STEP_RSET), "RSET\r\n");
    else
        say_mail(connection);
}

/* ---- the body: dot-stuffing (RFC 5321, 4.5.2) in pieces, so that a large mail needs little memory ---- */

void smtp_dialogue_fill(struct smtp_connection *connection)
{
    if (!connection->sending_body || connection->out.size >= BODY_CHUNK)
        return;
    struct exchange *exchange = connection->exchange;
    const struct request *request = &exchange->request;
    size_t end = exchange->body_sent + BODY_CHUNK;
    if (end > request->body_size)
        end = request->body_size;
    while (exchange->body_sent < end) {
        const char *start = request->body + exchange->body_sent;
        const char *newline = memchr(start, '\n', end - exchange->body_sent);
        size_t size = newline != NULL ? (size_t)(newline - start) + 1 : end - exchange->body_sent;
        if (connection->line_start && *start == '.')
            buf_char(&connection->out, '.');
        buf_append(&connection->out, start, size);
        connection->line_start = newline != NULL;
        exchange->body_sent += size;
    }
    if (exchange->body_sent == request->body_size) {
        buf_text(&connection->out, connection->line_start ? ".\r\n" : "\r\n.\r\n");
        connection->sending_body = false;
        connection->end_queued = true;
    }
}

/* ---- replies ---- */

static bool has_word(const char *line, size_t size, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++) {
        bool starts = i == 0 || line[i - 1] == ' ' || line[i - 1] == '=';
        bool ends = i + length == size || line[i + length] == ' ';
        if (starts && ends && strncasecmp(line + i, word, length) == 0)
            return true;
    }
    return false;
}

static void note_capability(struct smtp_connection *connection, const char *text, size_t size)
{
    if (size == 8 && strncasecmp(text, "STARTTLS", 8) == 0)
        connection->offers_starttls = true;
    if (size > 4 && strncasecmp(text, "AUTH", 4) == 0 && (text[4] == ' ' || text[4] == '=')) {
        connection->offers_plain |= has_word(text + 4, size - 4, "PLAIN");
        connection->offers_login |= has_word(text + 4, size - 4, "LOGIN");
    }
}

/* Ends the exchange with the present reply. False when the connection has no future. */
static bool answered(struct smtp_connection *connection, int code)
{
    struct exchange *exchange = connection->exchange;
    enum smtp_step step = connection->step;
    connection->exchange = NULL;
    connection->step = STEP_IDLE;
    exchange->response.status = code;
    exchange_answered(exchange);
    /* A reply before the whole mail was sent leaves both sides out of step. */
    return step >= STEP_RSET && code != 421 && !connection->sending_body && connection->out.size == 0;
}

static bool reply(struct smtp_connection *connection, int code)
{
    const struct step *step = &steps[connection->step];
    bool good = code / 100 == step->good;
    if (good && step->next != NULL)
        return step->next(connection) || fail(connection, FAULT_PROTOCOL, "command too long");
    if (!good && code < 400)
        return fail(connection, FAULT_PROTOCOL, "unexpected reply");
    if (good && !connection->end_handed)
        return fail(connection, FAULT_PROTOCOL, "mail accepted before it was sent");
    if (good)
        connection->dirty = false;
    /* A 4xx is a server in trouble, not a wrong password. */
    if (step->phase == SMTP_AUTH && code >= 500) {
        char text[40];
        snprintf(text, sizeof text, "login refused: %d", code);
        return fail(connection, FAULT_LOGIN, text);
    }
    return answered(connection, code);
}

/* A reply is lines of "NNN-text", the last one "NNN text" or "NNN" (RFC 5321, 4.2). */
bool smtp_dialogue_line(struct smtp_connection *connection, const char *line, size_t size)
{
    struct exchange *exchange = connection->exchange;
    if (exchange == NULL) /* 421 or worse on an idle connection */
        return false;
    bool coded = size >= 3 && line[0] >= '2' && line[0] <= '5' && isdigit((unsigned char)line[1]) &&
                 isdigit((unsigned char)line[2]) && (size == 3 || line[3] == ' ' || line[3] == '-');
    if (!coded)
        return fail(connection, FAULT_PROTOCOL, "not an SMTP reply");
    if (exchange->body.size > 0)
        exchange_keep_body(exchange, "\n", 1);
    exchange_keep_body(exchange, line, size);
    if (connection->step == STEP_EHLO && size > 4)
        note_capability(connection, line + 4, size - 4);
    if (size > 3 && line[3] == '-')
        return true;
    return reply(connection, (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

bool smtp_dialogue_lost(struct smtp_connection *connection, enum send_fault fault, const char *error)
{
    struct exchange *exchange = connection->exchange;
    connection->exchange = NULL;
    if (exchange != NULL)
        exchange_failed(exchange, connection->end_handed ? SEND_IN_DOUBT : SEND_UNSENT, fault, "%s", error);
    return false;
}

static bool is_safe(const char *text)
{
    if (text == NULL || *text == '\0')
        return false;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '<' || *c == '>')
            return false;
    return true;
}

const char *smtp_dialogue_check(const struct exchange *exchange, const char *helo)
{
    if (!is_safe(exchange->request.mail_from) || !is_safe(exchange->request.mail_to))
        return "bad mail address";
    return helo != NULL && !is_safe(helo) ? "bad EHLO name" : NULL;
}
