/* Amazon SES, API version 2, SendEmail with raw mails. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_SES_H
#define PGOUTBOX_PROVIDERS_MAIL_SES_H

#include "providers/adapter.h"

extern const struct adapter ses_adapter;

/* What an answer means; response is answered. */
struct verdict ses_judge_answer(const struct response *response, const char *recipient, int64_t now_ms);

#endif
