#include <string.h>

#include "sandbox/vendors/dkim_check.h"
#include "sandbox/vendors/magic.h"
#include "sandbox/vendors/mail.h"
#include "sandbox/wire/smtp_session.h"

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
        if (smtp->magic == MAGIC_CUT_BEFORE)
            smtp_bye(smtp, NULL);
    }
}

static void record(struct smtp *smtp, const struct mail_facts *facts, int status)
{
    struct arrival arrival = {
        .channel = CHANNEL_SMTP,
        .id = facts->message_id,
        .recipient = buf_string(&smtp->recipients),
        .status = status,
        .body = smtp->mail.data,
        .body_size = smtp->mail.size,
    };
    mail_note(facts, arrival.notes);
    arrival.notes[MAIL_NOTES] =
        (struct note){"dkim", dkim_check(smtp->server->directory, smtp->mail.data, smtp->mail.size)};
    store_record(smtp->server->store, &arrival);
}

static const char *content_fault(const struct smtp *smtp, struct mail_facts *facts)
{
    if (smtp->bare)
        return "a bare CR or LF, or a dot that is not doubled";
    return mail_inspect(buf_string(&smtp->mail), smtp->mail.size, facts);
}

static void answer(struct smtp *smtp, const struct mail_facts *facts)
{
    bool garbage = smtp->magic == MAGIC_GARBAGE;
    bool unanswered = smtp->magic == MAGIC_SILENT || smtp->magic == MAGIC_CUT;
    record(smtp, facts, unanswered || garbage ? 0 : 250);
    if (smtp->magic == MAGIC_CUT)
        smtp_bye(smtp, NULL);
    else if (garbage)
        smtp_reply(smtp, "no reply code at all");
    else if (unanswered || smtp->magic == MAGIC_SLOW)
        smtp->waiting = true;
    else
        smtp_reply(smtp, SMTP_ACCEPTED);
    if (smtp->magic == MAGIC_SLOW)
        timer_set(smtp->delay, MAGIC_DELAY_MS);
}

static void end_of_data(struct smtp *smtp)
{
    struct mail_facts facts;
    const char *fault = smtp->mail.overflowed ? NULL : content_fault(smtp, &facts);
    if (smtp->mail.overflowed || smtp->magic == 552) {
        smtp_refuse(smtp, "552 5.3.4 too big", "552 5.3.4");
    } else if (fault) {
        store_reject(smtp->server->store, CHANNEL_SMTP, fault);
        buf_printf(&smtp->output, "550 5.6.0 %s\r\n", fault);
    } else if (smtp->magic == 554) {
        smtp_refuse(smtp, "554 5.7.1 refused by policy", "554 5.7.1");
    } else {
        answer(smtp, &facts);
    }
    smtp_forget_mail(smtp);
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
    if (ended)
        end_of_data(smtp);
}
