#include "sandbox/wire/smtp_envelope.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Reads "<address>" behind the prefix ("FROM:"). *rest gets what follows it. */
static bool read_path(const char *argument, const char *prefix, char address[SMTP_ADDRESS_MAX],
                      const char **rest)
{
    size_t size = strlen(prefix);
    if (strncasecmp(argument, prefix, size) != 0 || argument[size] != '<')
        return false;
    const char *start = argument + size + 1;
    const char *end = strchr(start, '>');
    if (!end || end - start >= SMTP_ADDRESS_MAX || (end[1] != '\0' && end[1] != ' '))
        return false;
    memcpy(address, start, (size_t)(end - start));
    address[end - start] = '\0';
    *rest = end + 1 + strspn(end + 1, " ");
    return true;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 126)
            return false;
    return true;
}

/* local@domain without white space, control characters or more than one '@'. */
static bool is_address(const char *address)
{
    const char *at = strchr(address, '@');
    for (const char *c = address; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 127 || strchr("<>()[]\\,;:\"", *c))
            return false;
    return at && at != address && at[1] != '\0' && !strchr(at + 1, '@');
}

/* One ESMTP parameter of MAIL; NULL when it is good, else the reply. */
static const char *take_parameter(struct smtp *smtp, const char *text, size_t size)
{
    if (size > 5 && strncasecmp(text, "SIZE=", 5) == 0)
        return strtoull(text + 5, NULL, 10) > SMTP_SIZE_MAX ? "552 5.3.4 too big" : NULL;
    if ((size == 9 && strncasecmp(text, "BODY=7BIT", 9) == 0) ||
        (size == 13 && strncasecmp(text, "BODY=8BITMIME", 13) == 0) ||
        (size > 5 && strncasecmp(text, "AUTH=", 5) == 0))
        return NULL;
    if (size == 8 && strncasecmp(text, "SMTPUTF8", 8) == 0) {
        smtp->utf8 = true;
        return NULL;
    }
    return "555 5.5.4 parameter not known";
}

static const char *mail_fault(struct smtp *smtp, const char *argument)
{
    char address[SMTP_ADDRESS_MAX];
    const char *rest;
    if (!wire_is_tls(smtp->wire))
        return "530 5.7.0 issue STARTTLS first";
    if (!smtp->helloed || smtp->has_sender)
        return "503 5.5.1 not now";
    if (!smtp->logged_in)
        return "530 5.7.0 authentication required";
    if (!read_path(argument, "FROM:", address, &rest))
        return "501 5.5.4 MAIL FROM:<address> expected";
    while (*rest) {
        size_t size = strcspn(rest, " ");
        const char *fault = take_parameter(smtp, rest, size);
        if (fault)
            return fault;
        rest += size + strspn(rest + size, " ");
    }
    if (*address != '\0' && !is_address(address))
        return "501 5.1.7 bad sender address";
    return !is_ascii(address) && !smtp->utf8 ? "553 5.6.7 SMTPUTF8 is needed" : NULL;
}

void smtp_envelope_mail(struct smtp *smtp, const char *argument)
{
    const char *fault = mail_fault(smtp, argument);
    if (fault) {
        smtp->utf8 = smtp->has_sender && smtp->utf8;
        smtp_refuse(smtp, fault, "MAIL refused");
        return;
    }
    smtp->has_sender = true;
    smtp_reply(smtp, "250 2.1.0 sender ok");
}

static const char *rcpt_fault(struct smtp *smtp, const char *argument, char address[SMTP_ADDRESS_MAX])
{
    const char *rest;
    if (!smtp->has_sender)
        return "503 5.5.1 MAIL first";
    if (!read_path(argument, "TO:", address, &rest))
        return "501 5.5.4 RCPT TO:<address> expected";
    if (*rest != '\0')
        return "555 5.5.4 parameter not known";
    if (!is_address(address))
        return "501 5.1.3 bad address";
    if (!is_ascii(address) && !smtp->utf8)
        return "553 5.6.7 SMTPUTF8 is needed";
    return smtp->recipient_count == SMTP_RECIPIENTS_MAX ? "452 4.5.3 too many recipients" : NULL;
}

void smtp_envelope_rcpt(struct smtp *smtp, const char *argument)
{
    char address[SMTP_ADDRESS_MAX];
    const char *fault = rcpt_fault(smtp, argument, address);
    if (fault) {
        smtp_refuse(smtp, fault, "RCPT refused");
        return;
    }
    if (!smtp->server->service->recipient(smtp->server->arg, smtp, address))
        return;
    buf_printf(&smtp->recipients, "%s%s", smtp->recipient_count > 0 ? ", " : "", address);
    smtp->recipient_count++;
    smtp_reply(smtp, "250 2.1.5 recipient ok");
}
