/* DATA and what follows it. */
#ifndef PGOUTBOX_SANDBOX_WIRE_SMTP_DATA_H
#define PGOUTBOX_SANDBOX_WIRE_SMTP_DATA_H

#include "sandbox/wire/smtp.h"

void smtp_data_command(struct smtp *smtp);
void smtp_data_take(struct smtp *smtp); /* consumes input up to the end of the mail */

#endif
