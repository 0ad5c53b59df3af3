#include "crypto/pem.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <string.h>

/* Without a callback OpenSSL would ask for the passphrase of an encrypted key on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

EVP_PKEY *pem_private_key(const char *pem, struct error *err)
{
    size_t size = strlen(pem);
    BIO *bio = size > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)size);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL)
        error_set(err, "must be a PEM private key without a passphrase");
    return key;
}
