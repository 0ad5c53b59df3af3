#include "sandbox/vendors/apns_token.h"

#include <string.h>
#include <strings.h>

#include "sandbox/vendors/token.h"

enum { LIFETIME_S = 3600, FUTURE_S = 60, UPDATE_WINDOW_MS = 20 * 60 * 1000 };

static bool copy_text(char *out, size_t room, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    if (size == 0 || size >= room)
        return false;
    memcpy(out, text, size + 1);
    return true;
}

static bool read_token(const struct apns_tokens *tokens, const char *text, struct apns_token *out)
{
    struct token token;
    bool good = token_verify(&token, text, "ES256", tokens->key, NULL);
    const char *key_id = good ? json_get_text(token.header, "kid") : NULL;
    out->issued_s = good ? json_get_int(token.claims, "iat", -1) : -1;
    good = good && key_id && *key_id && out->issued_s >= 0 &&
           copy_text(out->team, sizeof(out->team), json_get_text(token.claims, "iss")) &&
           copy_text(out->text, sizeof(out->text), text);
    token_free(&token);
    out->size = strlen(out->text);
    return good;
}

static const char *age_fault(const struct apns_token *token, int64_t now_ms)
{
    int64_t age = now_ms / 1000 - token->issued_s;
    if (age > LIFETIME_S)
        return "ExpiredProviderToken";
    return age < -FUTURE_S ? "InvalidProviderToken" : NULL;
}

static bool too_many_updates(const struct apns_tokens *tokens, const struct apns_token *token, int64_t now_ms)
{
    int64_t recent = 0;
    for (int i = 0; i < APNS_TOKENS_KEPT; i++)
        recent += tokens->kept[i].size > 0 && now_ms - tokens->kept[i].first_seen_ms < UPDATE_WINDOW_MS &&
                  strcmp(tokens->kept[i].team, token->team) == 0;
    return recent >= tokens->updates;
}

static const struct apns_token *find(const struct apns_tokens *tokens, const char *text)
{
    size_t size = strlen(text);
    for (int i = 0; i < APNS_TOKENS_KEPT; i++)
        if (tokens->kept[i].size == size && memcmp(tokens->kept[i].text, text, size) == 0)
            return size > 0 ? &tokens->kept[i] : NULL;
    return NULL;
}

const char *apns_tokens_check(struct apns_tokens *tokens, const char *authorization, int64_t now_ms,
                              bool *is_new)
{
    static const char scheme[] = "bearer ";
    *is_new = false;
    if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return "MissingProviderToken";
    const char *text = authorization + sizeof(scheme) - 1;
    const struct apns_token *known = find(tokens, text);
    if (known)
        return age_fault(known, now_ms);

    struct apns_token token = {.first_seen_ms = now_ms};
    if (!read_token(tokens, text, &token))
        return "InvalidProviderToken";
    const char *fault = age_fault(&token, now_ms);
    if (fault)
        return fault;
    if (too_many_updates(tokens, &token, now_ms))
        return "TooManyProviderTokenUpdates";
    tokens->kept[tokens->seen++ % APNS_TOKENS_KEPT] = token;
    *is_new = true;
    return NULL;
}
