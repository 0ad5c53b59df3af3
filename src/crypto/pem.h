/* Private keys in PEM. */
#ifndef PGOUTBOX_CRYPTO_PEM_H
#define PGOUTBOX_CRYPTO_PEM_H

#include <openssl/types.h>

#include "core/error.h"

/* EVP_PKEY_free. NULL: err says so, and OpenSSL's queue of errors may hold more. */
EVP_PKEY *pem_private_key(const char *pem, struct error *err);

#endif
