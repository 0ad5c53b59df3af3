#include "crypto/ece.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/mem.h"
#include "crypto/digest.h"

enum { LAST_RECORD = 2, KEY_ID_MAX = 255 };

/* HKDF-Expand (RFC 5869, 2.3) of at most one block: all that RFC 8188 and 8291 ask for. info ends in the
 * octet 1, the number of the block. */
static void expand(const unsigned char prk[SHA256_SIZE], const void *info, size_t info_size, void *out,
                   size_t size)
{
    unsigned char block[SHA256_SIZE];
    digest_hmac_sha256(prk, SHA256_SIZE, info, info_size, block);
    memcpy(out, block, size);
    OPENSSL_cleanse(block, sizeof block);
}

void ece_content_keys(const unsigned char salt[ECE_SALT], const void *ikm, size_t ikm_size,
                      struct ece_content *content)
{
    static const char key_info[] = "Content-Encoding: aes128gcm\0\1",
                      nonce_info[] = "Content-Encoding: nonce\0\1";
    unsigned char prk[SHA256_SIZE];
    digest_hmac_sha256(salt, ECE_SALT, ikm, ikm_size, prk);
    expand(prk, key_info, sizeof key_info - 1, content->key, ECE_KEY);
    expand(prk, nonce_info, sizeof nonce_info - 1, content->nonce, ECE_NONCE);
    OPENSSL_cleanse(prk, sizeof prk);
}

/* record: the text, its delimiter and room for the tag; it is encrypted in place. */
static void encrypt(const struct ece_content *content, unsigned char *record, int size)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done = 0, rest = 0;
    if (context == NULL ||
        EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, content->key, content->nonce) != 1 ||
        EVP_EncryptUpdate(context, record, &done, record, size) != 1 || done != size ||
        EVP_EncryptFinal_ex(context, record + size, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, ECE_TAG, record + size) != 1)
        mem_exhausted();
    EVP_CIPHER_CTX_free(context);
}

bool ece_seal(const unsigned char salt[ECE_SALT], const void *ikm, size_t ikm_size, const void *key_id,
              size_t key_id_size, const void *text, size_t size, struct buf *out)
{
    unsigned char record[ECE_RECORD_SIZE];
    if (size > sizeof record - 1 - ECE_TAG || key_id_size > KEY_ID_MAX)
        return false;
    struct ece_content content;
    ece_content_keys(salt, ikm, ikm_size, &content);
    if (size > 0)
        memcpy(record, text, size);
    record[size] = LAST_RECORD;
    encrypt(&content, record, (int)size + 1);
    OPENSSL_cleanse(&content, sizeof content);

    static const unsigned char record_size[4] = {0, 0, ECE_RECORD_SIZE >> 8, ECE_RECORD_SIZE & 0xFF};
    return buf_append(out, salt, ECE_SALT) && buf_append(out, record_size, sizeof record_size) &&
           buf_char(out, (char)key_id_size) && buf_append(out, key_id, key_id_size) &&
           buf_append(out, record, size + 1 + ECE_TAG);
}

bool ece_web_push(const unsigned char salt[ECE_SALT], const unsigned char secret[P256_SECRET],
                  const struct ece_receiver *receiver, const void *text, size_t size, struct buf *out)
{
    static const char label[] = "WebPush: info"; /* its final zero octet belongs to it */
    unsigned char shared[P256_SECRET], prk[SHA256_SIZE], ikm[SHA256_SIZE];
    unsigned char sender[P256_POINT], info[sizeof label + 2 * P256_POINT + 1];
    if (size > ECE_WEB_TEXT || !p256_public(secret, sender) || !p256_shared(secret, receiver->point, shared))
        return false;
    memcpy(info, label, sizeof label);
    memcpy(info + sizeof label, receiver->point, P256_POINT);
    memcpy(info + sizeof label + P256_POINT, sender, P256_POINT);
    info[sizeof info - 1] = 1;
    digest_hmac_sha256(receiver->auth, ECE_AUTH, shared, sizeof shared, prk);
    expand(prk, info, sizeof info, ikm, sizeof ikm);
    bool ok = ece_seal(salt, ikm, sizeof ikm, sender, P256_POINT, text, size, out);
    OPENSSL_cleanse(shared, sizeof shared);
    OPENSSL_cleanse(prk, sizeof prk);
    OPENSSL_cleanse(ikm, sizeof ikm);
    return ok;
}
