/* NHN Cloud Notification, SMS API v3.0. */
#ifndef PGOUTBOX_PROVIDERS_NHN_H
#define PGOUTBOX_PROVIDERS_NHN_H

#include "providers/provider.h"

extern const struct provider provider_nhn;

#endif
