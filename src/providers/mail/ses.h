/* Amazon SES, API version 2, SendEmail with raw mails. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_SES_H
#define PGOUTBOX_PROVIDERS_MAIL_SES_H

#include "providers/adapter.h"

extern const struct adapter ses_adapter;

struct verdict ses_judge(const void *settings, const struct message *message, const struct response *response,
                         int64_t now_ms);

#endif
