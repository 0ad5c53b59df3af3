#include "sandbox/authority.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "sandbox/key.h"

enum { CA_DAYS = 3650, SERVER_DAYS = 397, READ_BUFFER = 65536 };

struct extension {
    int nid;
    const char *value;
};

static bool add_extensions(X509 *certificate, X509 *issuer, const struct extension *extensions)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (; extensions->nid; extensions++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, extensions->nid, extensions->value);
        bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!added)
            return false;
    }
    return true;
}

static bool set_serial(X509 *certificate)
{
    unsigned char octets[16];
    BIGNUM *number = NULL;
    if (RAND_bytes(octets, sizeof(octets)) == 1) {
        octets[0] &= 0x7f; /* a positive number */
        number = BN_bin2bn(octets, sizeof(octets), NULL);
    }
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

/* issuer NULL: signed by itself. */
static X509 *issue(EVP_PKEY *key, const char *name, int days, X509 *issuer, EVP_PKEY *issuer_key,
                   const struct extension *extensions)
{
    X509 *certificate = X509_new();
    if (!certificate)
        return NULL;
    X509 *signer = issuer ? issuer : certificate;
    X509_NAME *subject = X509_get_subject_name(certificate);
    if (X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * days) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) ==
            1 &&
        X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1 &&
        X509_set_pubkey(certificate, key) == 1 && add_extensions(certificate, signer, extensions) &&
        X509_sign(certificate, issuer_key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool make_ca(struct authority *authority, const struct directory *directory, struct error *err)
{
    static const struct extension extensions[] = {{NID_basic_constraints, "critical,CA:TRUE"},
                                                  {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                                  {NID_subject_key_identifier, "hash"},
                                                  {0, NULL}};
    authority->ca =
        issue(authority->ca_key, "pgoutbox sandbox CA", CA_DAYS, NULL, authority->ca_key, extensions);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size = 0;
    if (authority->ca && bio && PEM_write_bio_X509(bio, authority->ca) == 1)
        size = BIO_get_mem_data(bio, &text);
    bool done = size > 0 ? directory_write(directory, "ca.pem", text, (size_t)size, 0644, err)
                         : error_set(err, "cannot make the certificate authority");
    BIO_free(bio);
    return done;
}

static bool read_ca(struct authority *authority, const struct directory *directory, struct error *err)
{
    struct buf pem;
    buf_init(&pem, DIRECTORY_FILE_MAX);
    bool read = directory_read(directory, "ca.pem", &pem, err);
    if (read) {
        BIO *bio = BIO_new_mem_buf(buf_string(&pem), (int)pem.size);
        if (bio)
            authority->ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
        read = authority->ca && X509_check_private_key(authority->ca, authority->ca_key) == 1;
        if (!read)
            error_set(err, "%s/ca.pem is not the certificate of ca.key: remove both", directory->path);
    }
    buf_free(&pem);
    return read;
}

bool authority_open(struct authority *authority, const struct directory *directory, struct error *err)
{
    static const struct extension extensions[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                  {NID_key_usage, "critical,digitalSignature"},
                                                  {NID_ext_key_usage, "serverAuth"},
                                                  {NID_subject_key_identifier, "hash"},
                                                  {NID_authority_key_identifier, "keyid:always"},
                                                  {NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1"},
                                                  {0, NULL}};
    bool known = directory_has(directory, "ca.pem") && directory_has(directory, "ca.key");
    authority->ca_key = key_open(directory, "ca.key", 0, err);
    if (!authority->ca_key)
        return false;
    if (!(known ? read_ca : make_ca)(authority, directory, err))
        return false;
    authority->key = EVP_EC_gen("P-256");
    if (authority->key)
        authority->certificate =
            issue(authority->key, "localhost", SERVER_DAYS, authority->ca, authority->ca_key, extensions);
    return authority->certificate || error_set(err, "cannot make the server's certificate");
}

void authority_close(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    X509_free(authority->ca);
    EVP_PKEY_free(authority->ca_key);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *offered, unsigned offered_size, void *arg)
{
    (void)ssl;
    const struct alpn *alpn = arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_size, (const unsigned char *)alpn->names,
                              (unsigned)strlen(alpn->names), offered,
                              offered_size) == OPENSSL_NPN_NEGOTIATED) {
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
    }
    return alpn->optional ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX *authority_tls(const struct authority *authority, const struct alpn *alpn, struct error *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1 ||
        SSL_CTX_use_certificate(tls, authority->certificate) != 1 ||
        SSL_CTX_use_PrivateKey(tls, authority->key) != 1) {
        SSL_CTX_free(tls);
        error_set(err, "cannot set up TLS");
        return NULL;
    }
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    /* Few large reads in place of two small ones per TLS record. */
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_default_read_buffer_len(tls, READ_BUFFER);
    if (alpn)
        SSL_CTX_set_alpn_select_cb(tls, choose_alpn, (void *)(uintptr_t)alpn);
    return tls;
}
