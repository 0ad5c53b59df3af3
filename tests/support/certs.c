#include "support/certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/mem.h"

#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "certs.c:%d: %s failed\n", __LINE__, #condition);                                \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    NEED(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, long serial)
{
    X509 *certificate = X509_new();
    NEED(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1);
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1);
    NEED(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL);
    NEED(X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600) != NULL);
    NEED(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                    (const unsigned char *)name, -1, -1, 0) == 1);
    NEED(X509_set_pubkey(certificate, key) == 1);
    return certificate;
}

struct certs *certs_new(void)
{
    struct certs *certs = mem_alloc(sizeof *certs);
    certs->key = EVP_EC_gen("P-256");
    NEED(certs->key != NULL);
    certs->authority = make_certificate(certs->key, "test authority", 1);
    NEED(X509_set_issuer_name(certs->authority, X509_get_subject_name(certs->authority)) == 1);
    add_extension(certs->authority, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certs->authority, NID_key_usage, "critical,keyCertSign,cRLSign");
    NEED(X509_sign(certs->authority, certs->key, EVP_sha256()) > 0);

    scratch_template(certs->ca_file, "ca");
    int fd = mkstemp(certs->ca_file);
    NEED(fd >= 0);
    FILE *file = fdopen(fd, "w");
    NEED(file != NULL && PEM_write_X509(file, certs->authority) == 1 && fclose(file) == 0);
    return certs;
}

void certs_free(struct certs *certs)
{
    unlink(certs->ca_file);
    X509_free(certs->authority);
    EVP_PKEY_free(certs->key);
    mem_free(certs);
}

SSL_CTX *certs_server(struct certs *certs, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    NEED(key != NULL);
    X509 *certificate = make_certificate(key, "test server", 2);
    NEED(X509_set_issuer_name(certificate, X509_get_subject_name(certs->authority)) == 1);
    add_extension(certificate, NID_subject_alt_name, names);
    NEED(X509_sign(certificate, certs->key, EVP_sha256()) > 0);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    NEED(context != NULL && SSL_CTX_use_certificate(context, certificate) == 1);
    NEED(SSL_CTX_use_PrivateKey(context, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}
