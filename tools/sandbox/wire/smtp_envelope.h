/* MAIL and RCPT. */
#ifndef PGOUTBOX_SANDBOX_WIRE_SMTP_ENVELOPE_H
#define PGOUTBOX_SANDBOX_WIRE_SMTP_ENVELOPE_H

#include "sandbox/wire/smtp.h"

void smtp_envelope_mail(struct smtp *smtp, const char *argument);
void smtp_envelope_rcpt(struct smtp *smtp, const char *argument);

#endif
