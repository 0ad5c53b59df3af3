/* JSON Web Tokens as a provider's server sees them (RFC 7519 with ES256 or RS256, RFC 7518). */
#ifndef PGOUTBOX_SANDBOX_VENDORS_TOKEN_H
#define PGOUTBOX_SANDBOX_VENDORS_TOKEN_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/json.h"

enum { TOKEN_MAX = 4096 };

struct token {
    struct json_object *header;
    struct json_object *claims;
};

/* Splits the token and verifies its signature. algorithm: "ES256" or "RS256", which must be the header's.
 * Caller ends it with token_free, also after an error. */
bool token_verify(struct token *token, const char *text, const char *algorithm, EVP_PKEY *key,
                  struct error *err);
void token_free(struct token *token);

#endif
