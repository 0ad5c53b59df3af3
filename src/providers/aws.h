/* What the adapters of AWS share: who signs, and where the signature goes. */
#ifndef PGOUTBOX_PROVIDERS_AWS_H
#define PGOUTBOX_PROVIDERS_AWS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/json.h"
#include "core/mem.h"
#include "formats/sigv4.h"
#include "transport/transport.h"

struct aws_login {
    char *region, *access_key_id, *secret_access_key;
    char *session_token; /* or NULL */
};

/* Reads settings region and access_key_id. secrets: those that an adapter names AWS_SECRETS. login is zeroed;
 * free it whatever this returns. */
#define AWS_SECRETS "secret_access_key", "?session_token"
bool aws_login_read(struct aws_login *login, struct json_object *json, const char *const *secrets,
                    struct error *err);
void aws_login_free(struct aws_login *login);

/* Borrows from all that it is given. */
struct sigv4 aws_signer(const struct aws_login *login, const char *service, const char *url);

/* Signs the request as it stands and adds the headers that say so, whose memory comes from arena. False: it
 * is too large, or has no room for them. */
bool aws_sign(const struct sigv4 *signer, int64_t now_ms, struct arena *arena, struct request *request);

#endif
