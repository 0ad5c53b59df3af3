#include "sandbox/wire/smtp_data.h"

#include <string.h>

void smtp_data_command(struct smtp *smtp)
{
    if (!smtp->has_sender) {
        smtp_refuse(smtp, "503 5.5.1 MAIL first", "503 sequence");
    } else if (smtp->recipient_count == 0) {
        smtp_refuse(smtp, "554 5.5.1 no valid recipients", "554 no recipients");
    } else {
        smtp->expect = SMTP_DATA;
        smtp->place = PLACE_LINE_START;
        smtp_reply(smtp, "354 end with <CRLF>.<CRLF>");
        smtp->server->service->data(smtp->server->arg, smtp);
    }
}

/* Takes octets up to the next CR or LF as they are. */
static size_t take_text(struct smtp *smtp, const char *data, size_t size)
{
    size_t run = 0;
    while (run < size && data[run] != '\r' && data[run] != '\n')
        run++;
    (void)buf_append(&smtp->mail, data, run); /* too much shows as mail.overflowed */
    smtp->place = PLACE_TEXT;
    return run;
}

/* Takes a CR or LF that stands in the text. */
static size_t take_break(struct smtp *smtp, char c)
{
    (void)buf_char(&smtp->mail, c);
    smtp->bare = smtp->bare || c == '\n';
    smtp->place = c == '\r' ? PLACE_CR : PLACE_TEXT;
    return 1;
}

static size_t take_any(struct smtp *smtp, const char *data, size_t size)
{
    return *data == '\r' || *data == '\n' ? take_break(smtp, *data) : take_text(smtp, data, size);
}

/* Takes at least one octet. *ended: the final dot's line is complete. */
static size_t take_some(struct smtp *smtp, const char *data, size_t size, bool *ended)
{
    switch (smtp->place) {
    case PLACE_LINE_START:
        if (*data != '.')
            return take_any(smtp, data, size);
        smtp->place = PLACE_DOT;
        return 1;
    case PLACE_DOT:
        if (*data == '\r') {
            smtp->place = PLACE_DOT_CR;
            return 1;
        }
        /* The first dot of two goes; a single one is the client's fault. */
        smtp->bare = smtp->bare || *data != '.';
        return take_any(smtp, data, size);
    case PLACE_DOT_CR:
        *ended = *data == '\n';
        smtp->bare = smtp->bare || !*ended;
        return *ended ? 1 : take_any(smtp, data, size);
    case PLACE_CR:
        if (*data != '\n') {
            smtp->bare = true;
            return take_any(smtp, data, size);
        }
        (void)buf_char(&smtp->mail, '\n');
        smtp->place = PLACE_LINE_START;
        return 1;
    case PLACE_TEXT:
        break;
    }
    return take_any(smtp, data, size);
}

void smtp_data_take(struct smtp *smtp)
{
    bool ended = false;
    size_t used = 0;
    while (used < smtp->input.size && !ended)
        used += take_some(smtp, smtp->input.data + used, smtp->input.size - used, &ended);
    buf_consume(&smtp->input, used);
    if (!ended)
        return;
    smtp->server->service->mail(smtp->server->arg, smtp);
    smtp_forget_mail(smtp);
}
