/* A submission server: SMTP (RFC 5321) with STARTTLS (RFC 3207) or TLS from the start, and AUTH (RFC 4954).
 */
#ifndef PGOUTBOX_SANDBOX_WIRE_SMTP_SERVER_H
#define PGOUTBOX_SANDBOX_WIRE_SMTP_SERVER_H

#include "sandbox/wire/smtp.h"

/* The `accepted` of a listener; arg is the struct smtp_server. */
void smtp_server_accepted(void *server, struct wire *wire);

#endif
