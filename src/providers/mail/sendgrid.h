/* SendGrid, API version 3, mail/send. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_SENDGRID_H
#define PGOUTBOX_PROVIDERS_MAIL_SENDGRID_H

#include "providers/adapter.h"

extern const struct adapter sendgrid_adapter;

#endif
