/* Voluntary Application Server Identification (RFC 8292): who sends a web push, told to the push service. */
#ifndef PGOUTBOX_PROVIDERS_PUSH_VAPID_H
#define PGOUTBOX_PROVIDERS_PUSH_VAPID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum { VAPID_PUBLIC_TEXT = 87 /* a public point in base64url */ };

struct vapid;

/* pem: a P-256 private key; subject: "mailto:…" or "https://…", where the service's people can complain.
 * NULL: err says which of both is wrong and why. */
struct vapid *vapid_new(const char *pem, const char *subject, struct error *err);
void vapid_free(struct vapid *vapid); /* NULL is allowed */

/* The value of the header Authorization for a push service; lives until the next call. NULL when OpenSSL
 * fails. origin: "https://host[:port]" in lower case, the port only if it is not 443. */
const char *vapid_authorization(struct vapid *vapid, const char *origin, int64_t now_ms);

/* A secret that depends on the private key and on data. */
void vapid_derive(const struct vapid *vapid, const void *data, size_t size, unsigned char secret[32]);

#endif
