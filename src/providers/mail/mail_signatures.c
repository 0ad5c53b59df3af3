#include "providers/mail/mail_signatures.h"

#include <string.h>

#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/hex.h"
#include "crypto/signature.h"

/* A public key and a signature have about a hundred octets each. */
enum { DECODED_MAX = 512, TOKEN_MAX = 512 };

bool mail_signature_sendgrid_ok(const char *public_key, const char *timestamp, const char *body, size_t size,
                                const char *signature)
{
    struct buf key, signed_text, decoded;
    buf_init(&key, DECODED_MAX);
    buf_init(&signed_text, strlen(timestamp) + size);
    buf_init(&decoded, DECODED_MAX);
    buf_text(&signed_text, timestamp);
    buf_append(&signed_text, body, size);
    bool ok = base64_decode(&key, public_key, strlen(public_key)) &&
              base64_decode(&decoded, signature, strlen(signature)) &&
              signature_check_ecdsa(&key, signed_text.data, signed_text.size, &decoded);
    buf_free(&key);
    buf_free(&signed_text);
    buf_free(&decoded);
    return ok;
}

bool mail_signature_mailgun_ok(const char *signing_key, const char *timestamp, const char *token,
                               const char *signature)
{
    struct buf signed_text;
    unsigned char digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    buf_init(&signed_text, TOKEN_MAX);
    bool ok = buf_text(&signed_text, timestamp) && buf_text(&signed_text, token) &&
              strlen(signature) == sizeof hex - 1;
    if (ok) {
        digest_hmac_sha256(signing_key, strlen(signing_key), buf_string(&signed_text), signed_text.size,
                           digest);
        hex_encode(digest, sizeof digest, hex);
        ok = digest_equal(hex, signature, sizeof hex - 1);
    }
    buf_free(&signed_text);
    return ok;
}
