#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "crypto/base64.h"
#include "sandbox/vendors/fcm.h"
#include "sandbox/vendors/token.h"
#include "sandbox/wire/form.h"

enum { LIFETIME_S = 3600, SKEW_S = 60, TOKEN_OCTETS = 30 };

static const char grant_type[] = "urn:ietf:params:oauth:grant-type:jwt-bearer";
static const char scope[] = "https://www.googleapis.com/auth/firebase.messaging";

static bool equals(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

/* What is wrong with the assertion; NULL = nothing. */
static const char *assertion_fault(const struct fcm *fcm, const char *assertion, int64_t now_s)
{
    struct token token;
    const char *fault = NULL;
    if (!token_verify(&token, assertion, "RS256", fcm->key, NULL)) {
        fault = "Invalid JWT Signature.";
    } else {
        int64_t issued = json_get_int(token.claims, "iat", -1);
        int64_t expires = json_get_int(token.claims, "exp", -1);
        if (!equals(json_get_text(token.claims, "iss"), FCM_ACCOUNT))
            fault = "Invalid issuer: Not a valid email or user ID.";
        else if (!equals(json_get_text(token.claims, "aud"), fcm->token_uri))
            fault = "Invalid JWT: Failed audience check.";
        else if (!equals(json_get_text(token.claims, "scope"), scope))
            fault = "Invalid JWT: the scope does not grant messaging.";
        else if (issued < 0 || expires <= issued || expires - issued > LIFETIME_S ||
                 issued > now_s + SKEW_S || expires < now_s)
            fault = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                    "timeframe. Check your iat and exp values in the JWT claim.";
    }
    token_free(&token);
    return fault;
}

static const char *make_grant(struct fcm *fcm, int64_t now_ms)
{
    unsigned char octets[TOKEN_OCTETS];
    if (RAND_bytes(octets, sizeof(octets)) != 1)
        return NULL;
    struct fcm_grant *grant = &fcm->grants[fcm->next_grant++ % FCM_GRANTS_KEPT];
    struct buf text;
    buf_init(&text, FCM_TOKEN_SIZE - 1);
    buf_text(&text, "ya29.");
    base64url_append(&text, octets, sizeof(octets));
    snprintf(grant->token, sizeof(grant->token), "%s", buf_string(&text));
    buf_free(&text);
    grant->expires_ms = now_ms + FCM_GRANT_S * 1000;
    return grant->token;
}

static void refuse(struct fcm *fcm, struct exchange *x, int status, const char *error,
                   const char *description)
{
    store_reject(fcm->store, CHANNEL_FCM, error);
    buf_printf(&x->answer, "{\"error\":\"%s\",\"error_description\":\"%s\"}", error, description);
    http_answer(x, status, "application/json", 0);
}

void fcm_token_request(struct fcm *fcm, struct exchange *x)
{
    const char *type = http_header(x, "content-type");
    struct buf grant, assertion;
    buf_init(&grant, TOKEN_MAX);
    buf_init(&assertion, TOKEN_MAX);
    const char *form = buf_string(&x->body);
    bool is_form = type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0;
    int64_t now = clock_ms();

    if (strcmp(x->method, "POST") != 0) {
        refuse(fcm, x, 405, "invalid_request", "Only POST is allowed.");
    } else if (!is_form || !form_value(form, "grant_type", &grant) ||
               !form_value(form, "assertion", &assertion)) {
        refuse(fcm, x, 400, "invalid_request", "A form with grant_type and assertion is expected.");
    } else if (!equals(buf_string(&grant), grant_type)) {
        refuse(fcm, x, 400, "unsupported_grant_type", "The grant type is not jwt-bearer.");
    } else {
        const char *fault = assertion_fault(fcm, buf_string(&assertion), now / 1000);
        const char *token = fault ? NULL : make_grant(fcm, now);
        if (!token) {
            refuse(fcm, x, 400, "invalid_grant", fault ? fault : "No randomness.");
        } else {
            store_stats(fcm->store, CHANNEL_FCM)->tokens++;
            buf_printf(&x->answer, "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%d}",
                       token, FCM_GRANT_S);
            http_answer(x, 200, "application/json", 0);
        }
    }
    buf_free(&grant);
    buf_free(&assertion);
}

bool fcm_token_is_good(const struct fcm *fcm, const char *authorization, int64_t now_ms)
{
    static const char scheme[] = "bearer ";
    size_t prefix = sizeof(scheme) - 1;
    if (!authorization || strncasecmp(authorization, scheme, prefix) != 0 || authorization[prefix] == '\0')
        return false;
    for (size_t i = 0; i < FCM_GRANTS_KEPT; i++)
        if (strcmp(fcm->grants[i].token, authorization + prefix) == 0)
            return now_ms < fcm->grants[i].expires_ms;
    return false;
}
