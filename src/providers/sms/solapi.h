/* Solapi, formerly CoolSMS: SMS and LMS by messages/v4. */
#ifndef PGOUTBOX_PROVIDERS_SMS_SOLAPI_H
#define PGOUTBOX_PROVIDERS_SMS_SOLAPI_H

#include "providers/adapter.h"

extern const struct adapter solapi_adapter;

/* The value of the Authorization header. date: ISO 8601 in UTC; salt: 12 to 64 characters. Solapi takes a
 * signature once in 15 minutes, so each request needs a salt of its own. */
const char *solapi_authorization(const char *api_key, const char *api_secret, const char *date,
                                 const char *salt, struct arena *arena);

#endif
