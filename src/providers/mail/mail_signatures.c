#include "providers/mail/mail_signatures.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/hex.h"

/* A public key and a signature have about a hundred octets each. */
enum { DECODED_MAX = 512, TOKEN_MAX = 512 };

static EVP_PKEY *read_public_key(const char *text)
{
    struct buf der;
    buf_init(&der, DECODED_MAX);
    EVP_PKEY *key = NULL;
    if (base64_decode(&der, text, strlen(text)) && der.size > 0) {
        const unsigned char *at = (const unsigned char *)der.data;
        key = d2i_PUBKEY(NULL, &at, (long)der.size);
    }
    buf_free(&der);
    return key;
}

static bool verify(EVP_PKEY *key, const struct buf *signature, const char *timestamp, const char *body,
                   size_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerifyUpdate(context, timestamp, strlen(timestamp)) == 1 &&
              EVP_DigestVerifyUpdate(context, body, size) == 1 &&
              EVP_DigestVerifyFinal(context, (const unsigned char *)signature->data, signature->size) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

bool sendgrid_signature_ok(const char *public_key, const char *timestamp, const char *body, size_t size,
                           const char *signature)
{
    struct buf decoded;
    buf_init(&decoded, DECODED_MAX);
    EVP_PKEY *key = read_public_key(public_key);
    bool ok = key != NULL && EVP_PKEY_is_a(key, "EC") &&
              base64_decode(&decoded, signature, strlen(signature)) && decoded.size > 0 &&
              verify(key, &decoded, timestamp, body, size);
    EVP_PKEY_free(key);
    buf_free(&decoded);
    /* What is left in the queue would be taken for an error of the next TLS call in this thread. */
    ERR_clear_error();
    return ok;
}

bool mailgun_signature_ok(const char *signing_key, const char *timestamp, const char *token,
                          const char *signature)
{
    struct buf signed_text;
    unsigned char digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    buf_init(&signed_text, TOKEN_MAX);
    bool ok = buf_text(&signed_text, timestamp) && buf_text(&signed_text, token) &&
              strlen(signature) == sizeof hex - 1;
    if (ok) {
        hmac_sha256(signing_key, strlen(signing_key), buf_string(&signed_text), signed_text.size, digest);
        hex_encode(digest, sizeof digest, hex);
        ok = digest_equal(hex, signature, sizeof hex - 1);
    }
    buf_free(&signed_text);
    return ok;
}
