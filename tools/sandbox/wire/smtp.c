#include "sandbox/wire/smtp.h"

void smtp_reply(struct smtp *smtp, const char *line)
{
    buf_printf(&smtp->output, "%s\r\n", line);
}

static void stop(struct smtp *smtp)
{
    smtp->stopped = true;
    wire_close(smtp->wire);
}

void smtp_bye(struct smtp *smtp, const char *line)
{
    if (line)
        smtp_reply(smtp, line);
    stop(smtp);
}

void smtp_refuse(struct smtp *smtp, const char *line, const char *reason)
{
    smtp->server->service->refused(smtp->server->arg, reason);
    smtp_reply(smtp, line);
}

void smtp_wait(struct smtp *smtp)
{
    smtp->waiting = true;
}

void smtp_accept_later(struct smtp *smtp, int64_t ms)
{
    smtp->waiting = true;
    timer_set(smtp->delay, ms);
}

void smtp_forget_mail(struct smtp *smtp)
{
    smtp->has_sender = smtp->utf8 = smtp->bare = false;
    smtp->recipient_count = smtp->mark = 0;
    smtp->expect = SMTP_COMMAND;
    buf_reset(&smtp->recipients);
    buf_free(&smtp->mail);
    buf_init(&smtp->mail, SMTP_SIZE_MAX);
}
