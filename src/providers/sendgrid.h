/* SendGrid, API version 3, mail/send. */
#ifndef PGOUTBOX_PROVIDERS_SENDGRID_H
#define PGOUTBOX_PROVIDERS_SENDGRID_H

#include "providers/provider.h"

extern const struct provider provider_sendgrid;

#endif
