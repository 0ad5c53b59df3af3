/* APNs provider tokens: each is verified once and then known by its exact text. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_APNS_TOKEN_H
#define PGOUTBOX_SANDBOX_VENDORS_APNS_TOKEN_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { APNS_TOKENS_KEPT = 64, APNS_TOKEN_MAX = 1024, APNS_TEAM_MAX = 32 };

struct apns_token {
    char text[APNS_TOKEN_MAX];
    char team[APNS_TEAM_MAX];
    size_t size;
    int64_t issued_s;
    int64_t first_seen_ms;
};

struct apns_tokens {
    EVP_PKEY *key;
    int64_t updates; /* distinct tokens a team may use within 20 minutes */
    int64_t seen;    /* distinct good tokens so far */
    struct apns_token kept[APNS_TOKENS_KEPT];
};

/* Checks the value of the authorization header (NULL = absent). NULL when it is good, else APNs' reason;
 * *is_new tells that a good one was seen for the first time. */
const char *apns_tokens_check(struct apns_tokens *tokens, const char *authorization, int64_t now_ms,
                              bool *is_new);

#endif
