/* Whether a report of a mail vendor is the vendor's. The caller checks the age of the timestamp, and for
 * Mailgun that the token is new. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_MAIL_SIGNATURES_H
#define PGOUTBOX_PROVIDERS_MAIL_MAIL_SIGNATURES_H

#include <stdbool.h>
#include <stddef.h>

/* SendGrid's event webhook: ECDSA P-256 with SHA-256 over timestamp and raw body. public_key: base64 of the
 * SubjectPublicKeyInfo; timestamp and signature: the two headers. */
bool mail_signature_sendgrid_ok(const char *public_key, const char *timestamp, const char *body, size_t size,
                                const char *signature);

/* Mailgun's webhooks: hexadecimal HMAC-SHA-256 over timestamp and token. */
bool mail_signature_mailgun_ok(const char *signing_key, const char *timestamp, const char *token,
                               const char *signature);

#endif
