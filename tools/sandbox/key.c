#include "sandbox/key.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>

bool key_append_pem(struct buf *out, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size = 0;
    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        size = BIO_get_mem_data(bio, &text);
    bool done = size > 0 && buf_append(out, text, (size_t)size);
    BIO_free(bio);
    return done;
}

static EVP_PKEY *make(const struct directory *directory, const char *name, unsigned bits, struct error *err)
{
    EVP_PKEY *key = bits ? EVP_RSA_gen(bits) : EVP_EC_gen("P-256");
    struct buf pem;
    buf_init(&pem, DIRECTORY_FILE_MAX);
    if (!key || !key_append_pem(&pem, key))
        error_set(err, "cannot make the key %s", name);
    if (pem.size == 0 || !directory_write(directory, name, pem.data, pem.size, 0600, err)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    buf_free(&pem);
    return key;
}

EVP_PKEY *key_open(const struct directory *directory, const char *name, unsigned bits, struct error *err)
{
    if (!directory_has(directory, name))
        return make(directory, name, bits, err);
    EVP_PKEY *key = NULL;
    struct buf pem;
    buf_init(&pem, DIRECTORY_FILE_MAX);
    if (directory_read(directory, name, &pem, err)) {
        BIO *bio = BIO_new_mem_buf(buf_string(&pem), (int)pem.size);
        if (bio)
            key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        BIO_free(bio);
        if (!key)
            error_set(err, "%s/%s holds no private key in PEM", directory->path, name);
    }
    buf_free(&pem);
    return key;
}
