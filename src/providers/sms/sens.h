/* Naver Cloud Platform SENS, SMS API v2, with API Gateway signature v2. */
#ifndef PGOUTBOX_PROVIDERS_SMS_SENS_H
#define PGOUTBOX_PROVIDERS_SMS_SENS_H

#include "providers/adapter.h"

extern const struct adapter sens_adapter;

#endif
