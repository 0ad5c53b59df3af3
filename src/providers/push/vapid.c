#include "providers/push/vapid.h"

#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "crypto/base64.h"
#include "crypto/jose.h"
#include "crypto/p256.h"

/*
 * A token is a pure function of key, subject, origin and time window, as the signature is deterministic: all
 * dispatchers on all machines send the same one without talking. It is valid for two windows from the start
 * of its own: at least 6 hours are left when it is used, and never more than 12 of the 24 that services allow
 * (RFC 8292, 2), so clocks may differ.
 */
enum {
    WINDOW_S = 6 * 3600,
    TOKENS_KEPT = 16, /* signing costs more than encrypting; there are few push services */
    CLAIMS_MAX = 2048,
    AUTHORIZATION_MAX = 2 * CLAIMS_MAX
};

struct token {
    int64_t window;
    char *origin; /* NULL = free */
    char *authorization;
};

struct vapid {
    struct jose_key *key;
    char *subject;
    char public[VAPID_PUBLIC_TEXT + 1];
    struct token tokens[TOKENS_KEPT];
    size_t oldest; /* the next to be replaced */
};

/* Apple refuses every token whose subject is not an address or URL that could be real. */
static bool subject_check(const char *subject, struct error *err)
{
    static const char rule[] = "settings.subject: must be mailto:name@domain or https://domain";
    const char *host = NULL;
    if (strncmp(subject, "mailto:", 7) == 0) {
        const char *at = strchr(subject, '@');
        host = at != NULL && at > subject + 7 ? at + 1 : NULL;
    } else if (strncmp(subject, "https://", 8) == 0) {
        host = subject + 8;
    }
    if (host == NULL || strpbrk(subject, "<>\"\\ ") != NULL)
        return error_set(err, "%s", rule);
    size_t size = strcspn(host, "/?#:");
    const char *dot = memchr(host, '.', size);
    if (dot == NULL || dot == host || size == (size_t)(dot - host) + 1)
        return error_set(err, "%s", rule);
    return true;
}

static bool write_public(struct vapid *vapid)
{
    unsigned char point[P256_POINT];
    struct buf text;
    buf_init(&text, VAPID_PUBLIC_TEXT);
    bool ok = jose_public_point(vapid->key, point) && base64url_append(&text, point, sizeof point);
    if (ok)
        snprintf(vapid->public, sizeof vapid->public, "%s", buf_string(&text));
    buf_free(&text);
    return ok;
}

struct vapid *vapid_new(const char *pem, const char *subject, struct error *err)
{
    if (!subject_check(subject, err))
        return NULL;
    struct jose_key *key = jose_key_new(JOSE_ES256, pem, err);
    if (key == NULL) {
        error_prefix(err, "secret vapid_key");
        return NULL;
    }
    struct vapid *vapid = mem_alloc(sizeof *vapid);
    vapid->key = key;
    vapid->subject = mem_strdup(subject);
    if (write_public(vapid))
        return vapid;
    error_set(err, "secret vapid_key: has no public key");
    vapid_free(vapid);
    return NULL;
}

void vapid_free(struct vapid *vapid)
{
    if (vapid == NULL)
        return;
    for (size_t i = 0; i < TOKENS_KEPT; i++) {
        mem_free(vapid->tokens[i].origin);
        mem_free(vapid->tokens[i].authorization);
    }
    jose_key_free(vapid->key);
    mem_free(vapid->subject);
    mem_free(vapid);
}

static char *authorization_new(const struct vapid *vapid, const char *origin, int64_t expires_s)
{
    struct buf claims, out;
    buf_init(&claims, CLAIMS_MAX);
    buf_init(&out, AUTHORIZATION_MAX);
    buf_char(&claims, '{');
    json_member_text(&claims, "aud", origin);
    buf_printf(&claims, ",\"exp\":%lld", (long long)expires_s);
    json_member_text(&claims, "sub", vapid->subject);
    buf_char(&claims, '}');
    bool ok = !claims.overflowed && buf_text(&out, "vapid t=") &&
              jose_sign(vapid->key, "{\"typ\":\"JWT\",\"alg\":\"ES256\"}", buf_string(&claims), &out) &&
              buf_printf(&out, ", k=%s", vapid->public);
    char *authorization = ok ? mem_strdup(buf_string(&out)) : NULL;
    buf_free(&claims);
    buf_free(&out);
    return authorization;
}

/* The origin's own place, else the one that was filled first. */
static struct token *token_place(struct vapid *vapid, const char *origin)
{
    for (size_t i = 0; i < TOKENS_KEPT; i++) {
        struct token *token = &vapid->tokens[i];
        if (token->origin != NULL && strcmp(token->origin, origin) == 0)
            return token;
    }
    struct token *token = &vapid->tokens[vapid->oldest];
    vapid->oldest = (vapid->oldest + 1) % TOKENS_KEPT;
    mem_free(token->origin);
    mem_free(token->authorization);
    *token = (struct token){.origin = mem_strdup(origin)};
    return token;
}

const char *vapid_authorization(struct vapid *vapid, const char *origin, int64_t now_ms)
{
    struct token *token = token_place(vapid, origin);
    int64_t window = now_ms / 1000 / WINDOW_S;
    if (token->authorization == NULL || token->window != window) {
        mem_free(token->authorization);
        token->authorization = authorization_new(vapid, origin, (window + 2) * WINDOW_S);
        token->window = window;
    }
    return token->authorization;
}

void vapid_derive(const struct vapid *vapid, const void *data, size_t size, unsigned char secret[32])
{
    if (!jose_derive(vapid->key, data, size, secret))
        mem_exhausted(); /* impossible: vapid_new took an ES256 key only */
}
