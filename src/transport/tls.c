#include "transport/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

SSL_CTX *tls_context_new(const char *ca_file, struct error *err)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        error_set(err, "TLS: %s", ERR_reason_error_string(ERR_peek_error()));
        return NULL;
    }
    int trusted = ca_file != NULL ? SSL_CTX_load_verify_file(context, ca_file)
                                  : SSL_CTX_set_default_verify_paths(context);
    if (trusted != 1) {
        error_set(err, "ca_file: cannot read certificates from \"%s\"", ca_file != NULL ? ca_file : "system");
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    /* Writes may be partial and repeated from another place: output lives in a buffer that moves. */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        error_set(err, "TLS: %s", ERR_reason_error_string(ERR_peek_error()));
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
    /* Server Name Indication is for names only (RFC 6066, 3). */
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

SSL *tls_new(SSL_CTX *context, int fd, const char *host)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(context);
    if (ssl == NULL)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1 || !expect_host(ssl, host)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

void tls_error_text(const SSL *ssl, char *text, size_t size)
{
    long verdict = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (verdict != X509_V_OK)
        snprintf(text, size, "certificate refused: %s", X509_verify_cert_error_string(verdict));
    else
        snprintf(text, size, "TLS: %s", reason != NULL ? reason : "connection lost");
}

bool tls_is_at_fault(int error)
{
    return error == SSL_ERROR_SSL &&
           ERR_GET_REASON(ERR_peek_last_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING;
}
