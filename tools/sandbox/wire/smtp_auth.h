/* AUTH PLAIN and LOGIN (RFC 4954). */
#ifndef PGOUTBOX_SANDBOX_WIRE_SMTP_AUTH_H
#define PGOUTBOX_SANDBOX_WIRE_SMTP_AUTH_H

#include "sandbox/wire/smtp.h"

void smtp_auth_command(struct smtp *smtp, const char *argument);
void smtp_auth_line(struct smtp *smtp,
                    const char *line); /* a further line, while SMTP_PLAIN or SMTP_LOGIN_* is expected */

#endif
