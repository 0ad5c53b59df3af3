/* AWS SNS: Publish to a phone number (API of 2010-03-31). */
#ifndef PGOUTBOX_PROVIDERS_SMS_SNS_H
#define PGOUTBOX_PROVIDERS_SMS_SNS_H

#include "providers/adapter.h"

extern const struct adapter sns_adapter;

struct verdict sns_judge(const void *settings, const struct message *message, const struct response *response,
                         int64_t now_ms);

#endif
