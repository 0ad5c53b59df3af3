/* Private keys in files of the sandbox's directory. */
#ifndef PGOUTBOX_SANDBOX_KEY_H
#define PGOUTBOX_SANDBOX_KEY_H

#include <openssl/evp.h>

#include "sandbox/store/directory.h"

/* The key in the file `name` (PKCS#8 PEM); made and written when there is no such file. bits: 0 = EC P-256,
 * else RSA of that size. Caller frees with EVP_PKEY_free; NULL on error. */
EVP_PKEY *key_open(const struct directory *directory, const char *name, unsigned bits, struct error *err);
bool key_append_pem(struct buf *out, EVP_PKEY *key); /* PKCS#8 */

#endif
