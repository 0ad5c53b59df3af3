/* NHN Cloud Notification, SMS API v3.0. */
#ifndef PGOUTBOX_PROVIDERS_SMS_NHN_H
#define PGOUTBOX_PROVIDERS_SMS_NHN_H

#include "providers/adapter.h"

extern const struct adapter nhn_adapter;

#endif
