/* A throw-away certificate authority and server certificates for tests of TLS. */
#ifndef PGOUTBOX_TESTS_CERTS_H
#define PGOUTBOX_TESTS_CERTS_H

#include "support/scratch.h"

#include <openssl/ssl.h>

struct certs {
    EVP_PKEY *key;
    X509 *authority;
    char ca_file[SCRATCH_PATH]; /* PEM; removed by certs_free */
};

/* Dies on failure: nothing can be tested then. */
struct certs *certs_new(void);
void certs_free(struct certs *certs);

/* A server context with a fresh certificate. names: subjectAltName as OpenSSL writes it, such as
 * "DNS:localhost,IP:127.0.0.1". Caller frees with SSL_CTX_free. */
SSL_CTX *certs_server(struct certs *certs, const char *names);

#endif
