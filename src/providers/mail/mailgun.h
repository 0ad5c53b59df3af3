/* Mailgun, API version 3, messages.mime: mails are handed over finished. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_MAILGUN_H
#define PGOUTBOX_PROVIDERS_MAIL_MAILGUN_H

#include "providers/adapter.h"

extern const struct adapter mailgun_adapter;

#endif
