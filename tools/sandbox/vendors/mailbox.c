#include "sandbox/vendors/mailbox.h"

#include <stdio.h>

#include "sandbox/vendors/dkim_check.h"
#include "sandbox/vendors/magic.h"
#include "sandbox/vendors/mail.h"

enum { REPLY_MAX = 256 };

/* The magic recipients that are refused at RCPT. */
static const struct {
    int magic;
    const char *line;
    const char *reason;
} rcpt_refusals[] = {{450, "450 4.2.0 mailbox busy, greylisted", "450 4.2.0"},
                     {451, "451 4.3.0 local error", "451 4.3.0"},
                     {452, "452 4.2.2 mailbox full", "452 4.2.2"},
                     {550, "550 5.1.1 no such user", "550 5.1.1"}};

/* True when its magic refused the recipient. */
static bool refuse_by_magic(struct smtp *smtp, int magic)
{
    if (magic == 421) {
        smtp_refuse(smtp, "421 4.3.2 shutting down", "421 4.3.2");
        smtp_bye(smtp, NULL);
        return true;
    }
    for (size_t i = 0; i < sizeof(rcpt_refusals) / sizeof(*rcpt_refusals); i++) {
        if (rcpt_refusals[i].magic == magic) {
            smtp_refuse(smtp, rcpt_refusals[i].line, rcpt_refusals[i].reason);
            return true;
        }
    }
    return false;
}

static void record(const struct mailbox *mailbox, const struct smtp *smtp, const struct mail_facts *facts,
                   int status)
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
        (struct note){"dkim", dkim_check(mailbox->directory, smtp->mail.data, smtp->mail.size)};
    store_record(mailbox->store, &arrival);
}

static const char *content_fault(const struct smtp *smtp, struct mail_facts *facts)
{
    if (smtp->bare)
        return "a bare CR or LF, or a dot that is not doubled";
    return mail_inspect(buf_string(&smtp->mail), smtp->mail.size, facts);
}

static void answer(const struct mailbox *mailbox, struct smtp *smtp, const struct mail_facts *facts)
{
    bool garbage = smtp->mark == MAGIC_GARBAGE;
    bool unanswered = smtp->mark == MAGIC_SILENT || smtp->mark == MAGIC_CUT;
    record(mailbox, smtp, facts, unanswered || garbage ? 0 : 250);
    if (smtp->mark == MAGIC_CUT)
        smtp_bye(smtp, NULL);
    else if (garbage)
        smtp_reply(smtp, "no reply code at all");
    else if (unanswered)
        smtp_wait(smtp);
    else if (smtp->mark == MAGIC_SLOW)
        smtp_accept_later(smtp, MAGIC_DELAY_MS);
    else
        smtp_reply(smtp, SMTP_ACCEPTED);
}

static bool on_recipient(void *arg, struct smtp *smtp, const char *address)
{
    const struct mailbox *mailbox = arg;
    int magic = magic_take(mailbox->store, CHANNEL_SMTP, address);
    if (refuse_by_magic(smtp, magic))
        return false;
    if (smtp->mark == MAGIC_NONE)
        smtp->mark = magic;
    return true;
}

static void on_data(void *arg, struct smtp *smtp)
{
    (void)arg;
    if (smtp->mark == MAGIC_CUT_BEFORE)
        smtp_bye(smtp, NULL);
}

static void on_mail(void *arg, struct smtp *smtp)
{
    struct mail_facts facts;
    const char *fault = smtp->mail.overflowed ? NULL : content_fault(smtp, &facts);
    if (smtp->mail.overflowed || smtp->mark == 552) {
        smtp_refuse(smtp, "552 5.3.4 too big", "552 5.3.4");
    } else if (fault) {
        char line[REPLY_MAX];
        snprintf(line, sizeof(line), "550 5.6.0 %s", fault);
        smtp_refuse(smtp, line, fault);
    } else if (smtp->mark == 554) {
        smtp_refuse(smtp, "554 5.7.1 refused by policy", "554 5.7.1");
    } else {
        answer(arg, smtp, &facts);
    }
}

static void on_refused(void *arg, const char *reason)
{
    const struct mailbox *mailbox = arg;
    store_reject(mailbox->store, CHANNEL_SMTP, reason);
}

const struct smtp_service mailbox_service = {on_recipient, on_data, on_mail, on_refused};
