/* Firebase Cloud Messaging, HTTP v1, and the OAuth token endpoint of its service account, on one port. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_FCM_H
#define PGOUTBOX_SANDBOX_VENDORS_FCM_H

#include <openssl/evp.h>

#include "core/json.h"
#include "sandbox/store/store.h"
#include "sandbox/wire/http.h"

#define FCM_PROJECT "sandbox-project"
#define FCM_ACCOUNT "sandbox@sandbox-project.iam.gserviceaccount.com"

enum { FCM_GRANTS_KEPT = 256, FCM_TOKEN_SIZE = 64, FCM_GRANT_S = 3599 };

struct fcm_grant {
    char token[FCM_TOKEN_SIZE]; /* empty: none */
    int64_t expires_ms;
};

struct fcm {
    struct store *store;
    EVP_PKEY *key; /* the service account's; not owned */
    char token_uri[128];
    uint64_t next_message;
    uint64_t next_grant;
    struct fcm_grant grants[FCM_GRANTS_KEPT];
};

extern const struct http_service fcm_service; /* its arg is a struct fcm */

/* POST /token (RFC 7523). */
void fcm_token_request(struct fcm *fcm, struct exchange *x);
/* Whether this authorization header carries an access token that was given out and still lives. */
bool fcm_token_is_good(const struct fcm *fcm, const char *authorization, int64_t now_ms);

/* What is wrong with a message. */
struct fcm_fault {
    const char *field;       /* "message.token"; NULL = nothing is wrong */
    const char *description; /* a constant */
};
struct fcm_fault fcm_message_check(struct json_object *request);

#endif
