/* VAPID (RFC 8292) as a push service checks it. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "crypto/digest.h"
#include "sandbox/vendors/token.h"
#include "sandbox/vendors/web.h"
#include "sandbox/wire/rfc4648.h"

enum { TOKENS_KEPT = 256, NAMES_KEPT = 65536, LIFE_MAX_S = 24 * 3600 };

/* Both tables are direct-mapped: a newcomer takes the place of whoever stood there. */
struct web_vapid {
    struct known_token {
        unsigned char digest[SHA256_SIZE]; /* of the whole header */
        unsigned char key[WEB_POINT];
        int64_t expires_s; /* 0 = empty */
    } tokens[TOKENS_KEPT];
    struct known_name {
        unsigned char digest[SHA256_SIZE];
        unsigned char key[WEB_POINT]; /* begins with 0: empty */
    } names[NAMES_KEPT];
};

struct web_vapid *web_vapid_new(void)
{
    return mem_alloc(sizeof(struct web_vapid));
}

void web_vapid_free(struct web_vapid *web)
{
    mem_free(web);
}

void web_vapid_reset(struct web_vapid *web)
{
    memset(web, 0, sizeof(*web));
}

/* The key of a "k" parameter, when it is a point of the curve. NULL: it is not. */
static EVP_PKEY *key_read(const unsigned char point[WEB_POINT])
{
    EVP_PKEY *key = NULL;
    char curve[] = "P-256";
    unsigned char copy[WEB_POINT];
    memcpy(copy, point, WEB_POINT);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
                           OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, WEB_POINT),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (context && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    return key;
}

/* The value of a parameter "t" or "k" (RFC 9110, 11.2), as far as base64url and dots go. */
static bool parameter(const char *list, char name, const char **value, size_t *size)
{
    bool found = false;
    while (*list) {
        list += strspn(list, " \t,");
        if (*list == name && list[1] == '=') {
            if (found)
                return false;
            found = true;
            *value = list + 2;
            *size = strcspn(*value, ", \t");
        }
        list += strcspn(list, ",");
    }
    return found && *size > 0;
}

/* A contact address (RFC 8292, 2.1), with Apple's rules. */
static bool is_contact(const char *text)
{
    if (!text || strpbrk(text, " \t\r\n<>") || strstr(text, "localhost"))
        return false;
    const char *at = strchr(text, '@');
    bool mail = strncmp(text, "mailto:", 7) == 0 && at && at > text + 7 && at[1] != '\0';
    return mail || (strncmp(text, "https://", 8) == 0 && text[8] != '\0');
}

static const char *check_claims(struct json_object *claims, const char *origin, int64_t now_s,
                                int64_t *expires_s)
{
    const char *audience = json_get_text(claims, "aud");
    *expires_s = json_get_int(claims, "exp", 0);
    if (!audience || strcmp(audience, origin) != 0)
        return "web: aud is not this origin";
    if (*expires_s <= now_s)
        return "web: exp is over";
    if (*expires_s > now_s + LIFE_MAX_S)
        return "web: exp is more than 24 hours ahead";
    return is_contact(json_get_text(claims, "sub")) ? NULL : "web: sub is no contact";
}

static const char *check_token(const char *text, const unsigned char point[WEB_POINT], const char *origin,
                               int64_t now_s, int64_t *expires_s)
{
    struct token token = {0};
    EVP_PKEY *key = key_read(point);
    const char *fault = "web: k is no point of P-256";
    if (key && !token_verify(&token, text, "ES256", key, NULL))
        fault = "web: bad token";
    else if (key)
        fault = check_claims(token.claims, origin, now_s, expires_s);
    token_free(&token);
    EVP_PKEY_free(key);
    return fault;
}

/* Splits the header, decodes k and checks t. */
static const char *check_header(const char *authorization, const char *origin, int64_t now_s,
                                struct known_token *known)
{
    const char *token = NULL, *key = NULL;
    size_t token_size = 0, key_size = 0;
    if (!parameter(authorization, 't', &token, &token_size) ||
        !parameter(authorization, 'k', &key, &key_size))
        return "web: authorization without t and k";
    struct buf text, point;
    buf_init(&text, TOKEN_MAX);
    buf_init(&point, WEB_POINT);
    const char *fault = "web: k is no point of P-256";
    bool decoded = rfc4648_base64url(&point, key, key_size);
    if (decoded && point.size == WEB_POINT && buf_append(&text, token, token_size)) {
        memcpy(known->key, point.data, WEB_POINT);
        fault = check_token(buf_string(&text), known->key, origin, now_s, &known->expires_s);
    }
    buf_free(&text);
    buf_free(&point);
    return fault;
}

static size_t place_of(const unsigned char digest[SHA256_SIZE], size_t places)
{
    return (digest[0] | (size_t)digest[1] << 8) % places;
}

const char *web_vapid_check(struct web_vapid *web, const char *authorization, const char *origin,
                            int64_t now_s, unsigned char key[WEB_POINT], bool *is_new)
{
    *is_new = false;
    if (!authorization)
        return "web: no authorization";
    if (strncasecmp(authorization, "vapid ", 6) != 0)
        return "web: authorization is not vapid";
    struct known_token found = {0};
    digest_sha256(authorization, strlen(authorization), found.digest);
    struct known_token *known = &web->tokens[place_of(found.digest, TOKENS_KEPT)];
    if (known->expires_s <= now_s || memcmp(known->digest, found.digest, SHA256_SIZE) != 0) {
        const char *fault = check_header(authorization + 6, origin, now_s, &found);
        if (fault)
            return fault;
        *known = found;
        *is_new = true;
    }
    memcpy(key, known->key, WEB_POINT);
    return NULL;
}

bool web_vapid_key_fits(struct web_vapid *web, const char *name, const unsigned char key[WEB_POINT])
{
    struct known_name found = {0};
    digest_sha256(name, strlen(name), found.digest);
    struct known_name *known = &web->names[place_of(found.digest, NAMES_KEPT)];
    if (known->key[0] != 0 && memcmp(known->digest, found.digest, SHA256_SIZE) == 0)
        return memcmp(known->key, key, WEB_POINT) == 0;
    memcpy(found.key, key, WEB_POINT);
    *known = found;
    return true;
}
