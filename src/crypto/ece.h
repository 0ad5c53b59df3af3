/*
 * Encrypted Content-Encoding "aes128gcm" (RFC 8188) in one record, and the keys of Web Push (RFC 8291).
 * Nothing here is random: salt and ephemeral key are arguments. A salt with a key must never be used for two
 * different texts.
 */
#ifndef PGOUTBOX_CRYPTO_ECE_H
#define PGOUTBOX_CRYPTO_ECE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "crypto/p256.h"

enum {
    ECE_SALT = 16,
    ECE_KEY = 16,
    ECE_NONCE = 12,
    ECE_TAG = 16,
    ECE_RECORD_SIZE = 4096,
    ECE_AUTH = 16,       /* the authentication secret of a push subscription (RFC 8291, 3.2) */
    ECE_WEB_BODY = 4096, /* what every push service takes (RFC 8030, 7.2) */
    /* Header (salt, record size, key id length, key id), delimiter and tag are taken off: 3993. */
    ECE_WEB_TEXT = ECE_WEB_BODY - (ECE_SALT + 4 + 1 + P256_POINT) - 1 - ECE_TAG
};

/* The content encryption key and the nonce of the first record (RFC 8188, 2.2 and 2.3). */
struct ece_content {
    unsigned char key[ECE_KEY];
    unsigned char nonce[ECE_NONCE];
};

void ece_content_keys(const unsigned char salt[ECE_SALT], const void *ikm, size_t ikm_size,
                      struct ece_content *content);

/* Appends header and one record without padding. False: the text does not fit in one record, key_id is longer
 * than 255 octets, or out is full. */
bool ece_seal(const unsigned char salt[ECE_SALT], const void *ikm, size_t ikm_size, const void *key_id,
              size_t key_id_size, const void *text, size_t size, struct buf *out);

/* Whom a web push is for: two of the subscription's fields. */
struct ece_receiver {
    unsigned char point[P256_POINT]; /* p256dh */
    unsigned char auth[ECE_AUTH];
};

/* Appends the body of a web push. False: the receiver's point is not on the curve, secret is not a private
 * number, the text has more than ECE_WEB_TEXT octets, or out is full. */
bool ece_web_push(const unsigned char salt[ECE_SALT], const unsigned char secret[P256_SECRET],
                  const struct ece_receiver *receiver, const void *text, size_t size, struct buf *out);

#endif
