/*
 * Signing mail: DomainKeys Identified Mail (RFC 6376) with rsa-sha256 (RFC 8301) and ed25519-sha256
 * (RFC 8463). Mails have CRLF lines and are signed as they are sent, before dot-stuffing.
 */
#ifndef PGOUTBOX_FORMATS_DKIM_H
#define PGOUTBOX_FORMATS_DKIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/error.h"

struct dkim_key;

/* Reads an unencrypted PEM private key: RSA of 1024 to 4096 bits, what every verifier must take (RFC 8301,
 * 3.2), or Ed25519. NULL: err says what the key must be, never what it is. */
struct dkim_key *dkim_key_new(const char *pem, struct error *err);
void dkim_key_free(struct dkim_key *key); /* NULL is allowed */

const char *dkim_key_algorithm(const struct dkim_key *key); /* "rsa-sha256" or "ed25519-sha256" */

/* Appends the raw signature of data. False only when OpenSSL fails or out is full. */
bool dkim_key_sign(const struct dkim_key *key, const char *data, size_t size, struct buf *out);

/* Canonical forms (RFC 6376, 3.4), used for header and body alike. */
enum dkim_form { DKIM_SIMPLE, DKIM_RELAXED };

/* Appends the canonical form of one header field, continuation lines included, or of a whole body. */
bool dkim_canonical_field(struct buf *out, const char *field, size_t size, enum dkim_form form);
bool dkim_canonical_body(struct buf *out, const char *body, size_t size, enum dkim_form form);

/* Appends what a signature signs (RFC 6376, 3.7): the fields that names, a value of h=, lists, each from the
 * bottom of the header up, then the signature's own field, whose b= is empty and which has no line end. */
bool dkim_signed_data(struct buf *out, const char *mail, size_t size, const char *names,
                      const char *signature, enum dkim_form form);

struct dkim_signer {
    const char *domain, *selector;
    const struct dkim_key *key;
};

/* Appends one DKIM-Signature field per signer and then the mail. Signed are the fields a reader sees and
 * those of lists; From, To and Subject once more than they occur, so that none can be added. False when out
 * is full or OpenSSL fails. */
bool dkim_add_signatures(struct buf *out, const char *mail, size_t size, enum dkim_form form,
                         const struct dkim_signer *signers, size_t count, int64_t now_ms);

#endif
