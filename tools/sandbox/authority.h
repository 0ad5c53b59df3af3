/* The throw-away certificate authority and the TLS settings of the listeners. */
#ifndef PGOUTBOX_SANDBOX_AUTHORITY_H
#define PGOUTBOX_SANDBOX_AUTHORITY_H

#include <openssl/ssl.h>

#include "sandbox/store/directory.h"

/* What ALPN offers, most wanted first; the handshake fails when the client has none of it, unless optional.
 */
struct alpn {
    const char *names; /* as in RFC 7301: each with its length in front */
    bool optional;
};

struct authority {
    EVP_PKEY *ca_key;
    X509 *ca;
    EVP_PKEY *key; /* the server's */
    X509 *certificate;
};

/* Reads ca.pem and ca.key or makes them; the server's certificate, for localhost, 127.0.0.1 and ::1, is new.
 */
bool authority_open(struct authority *authority, const struct directory *directory, struct error *err);
void authority_close(struct authority *authority);

/* alpn must outlive the context; NULL = no ALPN. Caller frees with SSL_CTX_free. */
SSL_CTX *authority_tls(const struct authority *authority, const struct alpn *alpn, struct error *err);

#endif
