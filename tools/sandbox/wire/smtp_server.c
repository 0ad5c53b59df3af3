#include "sandbox/wire/smtp_server.h"

#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "sandbox/wire/smtp_auth.h"
#include "sandbox/wire/smtp_data.h"
#include "sandbox/wire/smtp_envelope.h"

enum { OUTPUT_MAX = 131072 };

typedef void command_fn(struct smtp *smtp, const char *argument);

static void on_ehlo(struct smtp *smtp, const char *argument)
{
    if (*argument == '\0') {
        smtp_reply(smtp, "501 5.5.4 EHLO needs a name");
        return;
    }
    smtp_forget_mail(smtp);
    smtp->helloed = true;
    smtp_reply(smtp, "250-localhost");
    buf_printf(&smtp->output, "250-SIZE %d\r\n", SMTP_SIZE_MAX);
    smtp_reply(smtp, "250-8BITMIME");
    smtp_reply(smtp, "250-SMTPUTF8");
    smtp_reply(smtp, "250-PIPELINING");
    smtp_reply(smtp, wire_is_tls(smtp->wire) ? "250-AUTH PLAIN LOGIN" : "250-STARTTLS");
    smtp_reply(smtp, "250 ENHANCEDSTATUSCODES");
}

static void on_helo(struct smtp *smtp, const char *argument)
{
    if (*argument == '\0') {
        smtp_reply(smtp, "501 5.5.4 HELO needs a name");
        return;
    }
    smtp_forget_mail(smtp);
    smtp->helloed = true;
    smtp_reply(smtp, "250 localhost");
}

static void on_starttls(struct smtp *smtp, const char *argument)
{
    if (*argument != '\0') {
        smtp_reply(smtp, "501 5.5.4 STARTTLS takes nothing");
    } else if (wire_is_tls(smtp->wire)) {
        smtp_reply(smtp, "503 5.5.1 TLS is active already");
    } else if (smtp->input.size > 0) {
        /* Commands that would be taken for the client's own behind the handshake. */
        smtp_bye(smtp, "554 5.5.0 nothing may follow STARTTLS");
    } else {
        smtp_reply(smtp, "220 2.0.0 go ahead");
        smtp->open = smtp->helloed = false;
        smtp_forget_mail(smtp);
        wire_start_tls(smtp->wire, smtp->server->tls);
    }
}

static void on_data_command(struct smtp *smtp, const char *argument)
{
    if (*argument != '\0')
        smtp_reply(smtp, "501 5.5.4 DATA takes nothing");
    else
        smtp_data_command(smtp);
}

static void on_rset(struct smtp *smtp, const char *argument)
{
    (void)argument;
    smtp_forget_mail(smtp);
    smtp_reply(smtp, "250 2.0.0 forgotten");
}

static void on_noop(struct smtp *smtp, const char *argument)
{
    (void)argument;
    smtp_reply(smtp, "250 2.0.0 here");
}

static void on_vrfy(struct smtp *smtp, const char *argument)
{
    (void)argument;
    smtp_reply(smtp, "252 2.5.0 try and see");
}

static void on_quit(struct smtp *smtp, const char *argument)
{
    (void)argument;
    smtp_bye(smtp, "221 2.0.0 bye");
}

static const struct {
    const char *name;
    command_fn *run;
} commands[] = {{"EHLO", on_ehlo},
                {"HELO", on_helo},
                {"STARTTLS", on_starttls},
                {"AUTH", smtp_auth_command},
                {"MAIL", smtp_envelope_mail},
                {"RCPT", smtp_envelope_rcpt},
                {"DATA", on_data_command},
                {"RSET", on_rset},
                {"NOOP", on_noop},
                {"VRFY", on_vrfy},
                {"QUIT", on_quit}};

static void run_command(struct smtp *smtp, const char *line)
{
    size_t size = strcspn(line, " ");
    const char *argument = line + size;
    argument += strspn(argument, " ");
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strlen(commands[i].name) == size && strncasecmp(commands[i].name, line, size) == 0) {
            commands[i].run(smtp, argument);
            return;
        }
    }
    smtp_refuse(smtp, "500 5.5.1 unknown command", "500 command");
}

/* Takes one line of commands from the input; false when none is whole. */
static bool take_line(struct smtp *smtp)
{
    struct buf *in = &smtp->input;
    char *lf = in->size > 0 ? memchr(in->data, '\n', in->size) : NULL;
    if (!lf) {
        if (in->size > SMTP_LINE_MAX)
            smtp_bye(smtp, "500 5.5.2 line too long");
        return false;
    }
    size_t size = (size_t)(lf - in->data);
    char line[SMTP_LINE_MAX + 1];
    if (size > SMTP_LINE_MAX || size == 0 || lf[-1] != '\r' || memchr(in->data, '\r', size - 1) ||
        memchr(in->data, '\0', size)) {
        smtp_bye(smtp, "500 5.5.2 a line must end with CRLF and be at most 4096 octets");
        return false;
    }
    memcpy(line, in->data, size - 1);
    line[size - 1] = '\0';
    buf_consume(in, size + 1);
    if (smtp->expect == SMTP_COMMAND)
        run_command(smtp, line);
    else
        smtp_auth_line(smtp, line);
    return true;
}

static void take_input(struct smtp *smtp)
{
    while (!smtp->stopped && !smtp->waiting && smtp->open) {
        size_t before = smtp->input.size;
        if (smtp->expect == SMTP_DATA)
            smtp_data_take(smtp);
        else if (!take_line(smtp))
            return;
        if (smtp->input.size == before)
            return;
    }
}

static bool ready(void *user, struct wire *wire)
{
    (void)wire;
    struct smtp *smtp = user;
    if (!smtp->greeted)
        smtp_reply(smtp, "220 localhost ESMTP pgoutbox sandbox");
    smtp->greeted = smtp->open = true;
    return true;
}

static bool input(void *user, const char *data, size_t size)
{
    struct smtp *smtp = user;
    if (smtp->stopped)
        return true;
    if (!buf_append(&smtp->input, data, size))
        return false;
    take_input(smtp);
    return true;
}

static void room(void *user, struct buf *out)
{
    struct smtp *smtp = user;
    if (smtp->output.size == 0)
        return;
    buf_append(out, smtp->output.data, smtp->output.size);
    buf_reset(&smtp->output);
}

static void gone(void *user)
{
    struct smtp *smtp = user;
    timer_free(smtp->delay);
    buf_free(&smtp->input);
    buf_free(&smtp->output);
    buf_free(&smtp->recipients);
    buf_free(&smtp->mail);
    mem_free(smtp);
}

static void on_delay(void *arg)
{
    struct smtp *smtp = arg;
    smtp->waiting = false;
    smtp_reply(smtp, SMTP_ACCEPTED);
    take_input(smtp);
    wire_turn(smtp->wire);
}

void smtp_server_accepted(void *server, struct wire *wire)
{
    static const struct wire_user calls = {ready, input, room, gone};
    struct smtp *smtp = mem_alloc(sizeof(*smtp));
    smtp->server = server;
    smtp->wire = wire;
    smtp->delay = timer_new(smtp->server->loop, on_delay, smtp);
    buf_init(&smtp->input, SMTP_INPUT_MAX);
    buf_init(&smtp->output, OUTPUT_MAX);
    buf_init(&smtp->recipients, SMTP_RECIPIENTS_MAX * (SMTP_ADDRESS_MAX + 2));
    smtp_forget_mail(smtp);
    wire_use(wire, &calls, smtp);
}
