/* Whether a receipt comes from the SMS vendor it claims to come from. Comparisons take constant time. */
#ifndef PGOUTBOX_PROVIDERS_RECEIPT_SIGNATURES_H
#define PGOUTBOX_PROVIDERS_RECEIPT_SIGNATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decoded parameter of a form or query; names may repeat. */
struct receipt_field {
    const char *name, *value;
};

/* X-Twilio-Signature. url: as Twilio called it, with scheme, host and query. fields: those of a form body.
 * When the query has bodySHA256, the raw body is checked against it and the fields are left out, as for JSON.
 */
bool receipt_signature_twilio_ok(const char *auth_token, const char *url, const struct receipt_field *fields,
                                 size_t count, const void *body, size_t body_size, const char *signature);

/* The field sig over all others. method: "md5hash" or the digest of an HMAC, "md5", "sha1", "sha256" or
 * "sha512". Refuses a field timestamp (Unix seconds) that is missing or more than five minutes away from
 * now_ms. */
bool receipt_signature_vonage_ok(const char *method, const char *secret, const struct receipt_field *fields,
                                 size_t count, int64_t now_ms);

#endif
