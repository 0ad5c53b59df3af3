/* Vonage's SMS API. */
#ifndef PGOUTBOX_PROVIDERS_SMS_VONAGE_H
#define PGOUTBOX_PROVIDERS_SMS_VONAGE_H

#include "providers/adapter.h"

extern const struct adapter vonage_adapter;

struct verdict vonage_judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms);

#endif
