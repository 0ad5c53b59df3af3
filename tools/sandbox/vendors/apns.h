/* Apple Push Notification service: the provider API over HTTP/2, token authentication only. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_APNS_H
#define PGOUTBOX_SANDBOX_VENDORS_APNS_H

#include <openssl/evp.h>

#include "sandbox/store/store.h"
#include "sandbox/wire/http.h"

struct apns;

struct apns_options {
    struct store *store;
    EVP_PKEY *key;         /* whose public half verifies provider tokens; not owned */
    const char *topic;     /* bundle id; must outlive it */
    int64_t token_updates; /* distinct tokens a team may use within 20 minutes */
};

struct apns *apns_new(const struct apns_options *options);
void apns_free(struct apns *apns);
void apns_reset(struct apns *apns); /* forgets the provider tokens it has seen */

extern const struct http_service apns_service; /* its arg is a struct apns */

#endif
