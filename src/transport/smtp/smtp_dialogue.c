#include "transport/smtp/smtp_dialogue.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/base64.h"

enum {
    BODY_CHUNK = 32 * 1024,
    OUT_MAX = 256 * 1024, /* a chunk of the body, every line of it dotted */
    OUTPUT_MAX = 16384    /* a TLS record */
};

struct step {
    enum smtp_phase phase;
    int good; /* first digit of the reply that lets the dialogue go on */
    enum smtp_move (*next)(struct smtp_dialogue *dialogue); /* NULL: the mail is accepted */
};

static const struct step steps[STEP_IDLE];

static enum smtp_move broken(struct smtp_dialogue *dialogue, enum send_fault fault, const char *error)
{
    dialogue->fault = fault;
    snprintf(dialogue->error, sizeof dialogue->error, "%s", error);
    return SMTP_BROKEN;
}

/* Starts a command; its text follows in out. */
static struct buf *command(struct smtp_dialogue *dialogue, enum smtp_step step)
{
    dialogue->step = step;
    dialogue->phase = steps[step].phase;
    dialogue->reply_truncated = false;
    buf_reset(&dialogue->reply);
    return &dialogue->out;
}

/* Whether the text of a command found room. */
static enum smtp_move said(struct smtp_dialogue *dialogue, bool good)
{
    return good ? SMTP_WRITE : broken(dialogue, FAULT_PROTOCOL, "command too long");
}

/* ---- what is said next ---- */

static enum smtp_move say_ehlo(struct smtp_dialogue *dialogue)
{
    dialogue->offers_starttls = dialogue->offers_plain = dialogue->offers_login = false;
    return said(dialogue, buf_printf(command(dialogue, STEP_EHLO), "EHLO %s\r\n", dialogue->login.helo));
}

static enum smtp_move say_mail(struct smtp_dialogue *dialogue)
{
    dialogue->dirty = true;
    return said(dialogue,
                buf_printf(command(dialogue, STEP_MAIL), "MAIL FROM:<%s>\r\n", dialogue->mail.from));
}

static enum smtp_move say_rcpt(struct smtp_dialogue *dialogue)
{
    return said(dialogue, buf_printf(command(dialogue, STEP_RCPT), "RCPT TO:<%s>\r\n", dialogue->mail.to));
}

static enum smtp_move say_data(struct smtp_dialogue *dialogue)
{
    return said(dialogue, buf_text(command(dialogue, STEP_DATA), "DATA\r\n"));
}

static enum smtp_move say_base64(struct smtp_dialogue *dialogue, const void *data, size_t size)
{
    return said(dialogue, base64_append(&dialogue->out, data, size) && buf_text(&dialogue->out, "\r\n"));
}

/* RFC 4616: NUL user NUL password, sent along with the command (RFC 4954, 4). */
static enum smtp_move say_auth_plain(struct smtp_dialogue *dialogue)
{
    const char *password = dialogue->login.password;
    struct buf secret;
    buf_init(&secret, 2048);
    enum smtp_move move;
    if (buf_append(&secret, "", 1) && buf_text(&secret, dialogue->login.username) &&
        buf_append(&secret, "", 1) && buf_text(&secret, password != NULL ? password : "") &&
        buf_text(command(dialogue, STEP_AUTH_PLAIN), "AUTH PLAIN "))
        move = say_base64(dialogue, secret.data, secret.size);
    else
        move = broken(dialogue, FAULT_LOGIN, "username or password is too long");
    buf_wipe(&secret);
    return move;
}

static enum smtp_move say_auth_login(struct smtp_dialogue *dialogue)
{
    return said(dialogue, buf_text(command(dialogue, STEP_AUTH_LOGIN), "AUTH LOGIN\r\n"));
}

static enum smtp_move say_auth_user(struct smtp_dialogue *dialogue)
{
    command(dialogue, STEP_AUTH_USER);
    return say_base64(dialogue, dialogue->login.username, strlen(dialogue->login.username));
}

static enum smtp_move say_auth_password(struct smtp_dialogue *dialogue)
{
    const char *password = dialogue->login.password != NULL ? dialogue->login.password : "";
    command(dialogue, STEP_AUTH_PASSWORD);
    return say_base64(dialogue, password, strlen(password));
}

/* Neither a login nor a mail ever goes over a connection without TLS. */
static enum smtp_move after_ehlo(struct smtp_dialogue *dialogue)
{
    if (!dialogue->secure) {
        if (!dialogue->offers_starttls)
            return broken(dialogue, FAULT_TLS, "STARTTLS is not offered");
        return said(dialogue, buf_text(command(dialogue, STEP_STARTTLS), "STARTTLS\r\n"));
    }
    if (dialogue->login.username == NULL)
        return say_mail(dialogue);
    if (dialogue->offers_plain)
        return say_auth_plain(dialogue);
    if (dialogue->offers_login)
        return say_auth_login(dialogue);
    return broken(dialogue, FAULT_LOGIN, "neither AUTH PLAIN nor AUTH LOGIN is offered");
}

static enum smtp_move after_starttls(struct smtp_dialogue *dialogue)
{
    (void)dialogue;
    return SMTP_STARTTLS;
}

static enum smtp_move begin_body(struct smtp_dialogue *dialogue)
{
    command(dialogue, STEP_END_OF_DATA);
    dialogue->sending_body = true;
    dialogue->line_start = true;
    return SMTP_WRITE;
}

static const struct step steps[STEP_IDLE] = {
    [STEP_GREETING] = {SMTP_CONNECT, 2, say_ehlo},
    [STEP_EHLO] = {SMTP_CONNECT, 2, after_ehlo},
    [STEP_STARTTLS] = {SMTP_CONNECT, 2, after_starttls},
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

enum smtp_move smtp_dialogue_begin(struct smtp_dialogue *dialogue, const struct smtp_mail *mail)
{
    dialogue->mail = *mail;
    dialogue->body_taken = 0;
    dialogue->end_handed = false;
    if (dialogue->step == STEP_GREETING)
        return SMTP_WRITE;
    if (!dialogue->dirty)
        return say_mail(dialogue);
    return said(dialogue, buf_text(command(dialogue, STEP_RSET), "RSET\r\n"));
}

enum smtp_move smtp_dialogue_secured(struct smtp_dialogue *dialogue)
{
    dialogue->secure = true;
    /* With implicit TLS the greeting comes now. */
    return dialogue->step == STEP_STARTTLS ? say_ehlo(dialogue) : SMTP_WRITE;
}

/* ---- output ---- */

/* The body with its dots stuffed (RFC 5321, 4.5.2), in pieces, so that a large mail needs little memory. */
static void fill(struct smtp_dialogue *dialogue)
{
    const struct smtp_mail *mail = &dialogue->mail;
    if (!dialogue->sending_body || dialogue->out.size >= BODY_CHUNK)
        return;
    size_t end = dialogue->body_taken + BODY_CHUNK;
    if (end > mail->body_size)
        end = mail->body_size;
    while (dialogue->body_taken < end) {
        const char *start = mail->body + dialogue->body_taken;
        const char *newline = memchr(start, '\n', end - dialogue->body_taken);
        size_t size = newline != NULL ? (size_t)(newline - start) + 1 : end - dialogue->body_taken;
        if (dialogue->line_start && *start == '.')
            buf_char(&dialogue->out, '.');
        buf_append(&dialogue->out, start, size);
        dialogue->line_start = newline != NULL;
        dialogue->body_taken += size;
    }
    if (dialogue->body_taken == mail->body_size) {
        buf_text(&dialogue->out, dialogue->line_start ? ".\r\n" : "\r\n.\r\n");
        dialogue->sending_body = false;
        dialogue->end_queued = true;
    }
}

size_t smtp_dialogue_output(struct smtp_dialogue *dialogue, const char **octets)
{
    fill(dialogue);
    size_t size = dialogue->out.size < OUTPUT_MAX ? dialogue->out.size : OUTPUT_MAX;
    if (dialogue->end_queued && size == dialogue->out.size)
        dialogue->end_handed = true;
    *octets = dialogue->out.data;
    return size;
}

void smtp_dialogue_wrote(struct smtp_dialogue *dialogue, size_t size)
{
    buf_consume(&dialogue->out, size);
    if (dialogue->out.size == 0)
        dialogue->end_queued = false;
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

static void note_capability(struct smtp_dialogue *dialogue, const char *text, size_t size)
{
    if (size == 8 && strncasecmp(text, "STARTTLS", 8) == 0)
        dialogue->offers_starttls = true;
    if (size > 4 && strncasecmp(text, "AUTH", 4) == 0 && (text[4] == ' ' || text[4] == '=')) {
        dialogue->offers_plain |= has_word(text + 4, size - 4, "PLAIN");
        dialogue->offers_login |= has_word(text + 4, size - 4, "LOGIN");
    }
}

static void keep_reply(struct smtp_dialogue *dialogue, const char *text, size_t size)
{
    size_t room = RESPONSE_MAX_BODY - dialogue->reply.size;
    dialogue->reply_truncated |= size > room;
    buf_append(&dialogue->reply, text, size < room ? size : room);
}

static enum smtp_move done(struct smtp_dialogue *dialogue, int code)
{
    /* A reply before the whole mail was sent leaves both sides out of step. */
    dialogue->spent =
        dialogue->step < STEP_RSET || code == 421 || dialogue->sending_body || dialogue->out.size > 0;
    dialogue->step = STEP_IDLE;
    dialogue->code = code;
    return SMTP_DONE;
}

static enum smtp_move reply(struct smtp_dialogue *dialogue, int code)
{
    const struct step *step = &steps[dialogue->step];
    bool good = code / 100 == step->good;
    if (good && step->next != NULL)
        return step->next(dialogue);
    if (!good && code < 400)
        return broken(dialogue, FAULT_PROTOCOL, "unexpected reply");
    if (good && !dialogue->end_handed)
        return broken(dialogue, FAULT_PROTOCOL, "mail accepted before it was sent");
    if (good)
        dialogue->dirty = false;
    /* A 4xx is a server in trouble, not a wrong password. */
    if (step->phase == SMTP_AUTH && code >= 500) {
        char text[40];
        snprintf(text, sizeof text, "login refused: %d", code);
        return broken(dialogue, FAULT_LOGIN, text);
    }
    return done(dialogue, code);
}

/* A reply is lines of "NNN-text", the last one "NNN text" or "NNN" (RFC 5321, 4.2). */
enum smtp_move smtp_dialogue_line(struct smtp_dialogue *dialogue, const char *line, size_t size)
{
    if (dialogue->step == STEP_IDLE) /* 421 or worse */
        return broken(dialogue, FAULT_PROTOCOL, "reply to nothing");
    bool coded = size >= 3 && line[0] >= '2' && line[0] <= '5' && isdigit((unsigned char)line[1]) &&
                 isdigit((unsigned char)line[2]) && (size == 3 || line[3] == ' ' || line[3] == '-');
    if (!coded)
        return broken(dialogue, FAULT_PROTOCOL, "not an SMTP reply");
    if (dialogue->reply.size > 0)
        keep_reply(dialogue, "\n", 1);
    keep_reply(dialogue, line, size);
    if (dialogue->step == STEP_EHLO && size > 4)
        note_capability(dialogue, line + 4, size - 4);
    if (size > 3 && line[3] == '-')
        return SMTP_WRITE;
    return reply(dialogue, (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

bool smtp_dialogue_in_doubt(const struct smtp_dialogue *dialogue)
{
    return dialogue->end_handed && dialogue->step != STEP_IDLE;
}

bool smtp_dialogue_is_idle(const struct smtp_dialogue *dialogue)
{
    return dialogue->step == STEP_IDLE && dialogue->out.size == 0;
}

/* ---- life ---- */

static bool is_safe(const char *text)
{
    if (text == NULL || *text == '\0')
        return false;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '<' || *c == '>')
            return false;
    return true;
}

const char *smtp_dialogue_check(const struct smtp_mail *mail, const char *helo)
{
    if (!is_safe(mail->from) || !is_safe(mail->to))
        return "bad mail address";
    return helo != NULL && !is_safe(helo) ? "bad EHLO name" : NULL;
}

void smtp_dialogue_init(struct smtp_dialogue *dialogue, const struct smtp_login *login)
{
    *dialogue = (struct smtp_dialogue){.login = *login};
    buf_init(&dialogue->reply, RESPONSE_MAX_BODY);
    buf_init(&dialogue->out, OUT_MAX);
}

void smtp_dialogue_free(struct smtp_dialogue *dialogue)
{
    buf_free(&dialogue->reply);
    buf_free(&dialogue->out);
}
