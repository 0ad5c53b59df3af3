/* TLS 1.2 or later towards servers that prove who they are. */
#ifndef PGOUTBOX_TRANSPORT_TLS_H
#define PGOUTBOX_TRANSPORT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "core/error.h"

/* Servers are verified against ca_file (PEM), or the system's authorities when it is NULL. NULL with err. */
SSL_CTX *tls_context_new(const char *ca_file, struct error *err);
/* A client connection on a connected descriptor that accepts only a certificate for host (name or address).
 * NULL: tls_error_text says why. */
SSL *tls_new(SSL_CTX *context, int fd, const char *host);
/* Why the last call failed. ssl may be NULL. */
void tls_error_text(const SSL *ssl, char *text, size_t size);
/* Whether that was TLS itself (a certificate, a version) rather than a lost connection. Health checks stop a
 * provider for the one, not for the other. error: of SSL_get_error. */
bool tls_is_at_fault(int error);

#endif
