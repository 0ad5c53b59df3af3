/* The parts of the APNs adapter. */
#ifndef PGOUTBOX_PROVIDERS_PUSH_APNS_H
#define PGOUTBOX_PROVIDERS_PUSH_APNS_H

#include "providers/adapter.h"

extern const struct adapter apns_adapter;

struct verdict apns_judge(const void *settings, const struct message *message,
                          const struct response *response, int64_t now_ms);

#endif
