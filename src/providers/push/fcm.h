/* The parts of the FCM adapter. */
#ifndef PGOUTBOX_PROVIDERS_PUSH_FCM_H
#define PGOUTBOX_PROVIDERS_PUSH_FCM_H

#include "crypto/jose.h"
#include "providers/adapter.h"
#include "providers/settings.h"

extern const struct adapter fcm_adapter;

struct fcm_settings {
    struct server server;
    char *path; /* "/v1/projects/…/messages:send" */
    /* The service account. */
    char *client_email, *key_id;
    char *token_uri, *token_origin;
    const char *token_path; /* inside token_uri */
    struct jose_key *key;
};

struct verdict fcm_judge(const void *settings, const struct message *message, const struct response *response,
                         int64_t now_ms);

/* The OAuth 2.0 JWT bearer grant (RFC 7523, 2.1) that turns the service account's key into an access token.
 */
bool fcm_grant_build(const void *settings, int64_t now_ms, struct arena *arena,
                     struct endpoint_options *options, struct request *request, struct error *err);
struct verdict fcm_grant_judge(const void *settings, const struct response *response, int64_t now_ms,
                               struct credential *credential);

#endif
