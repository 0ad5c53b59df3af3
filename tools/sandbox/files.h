/* The files of the sandbox's directory: small texts, written whole or not at all. */
#ifndef PGOUTBOX_SANDBOX_FILES_H
#define PGOUTBOX_SANDBOX_FILES_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/error.h"

enum { FILE_MAX = 65536, FILE_PATH_MAX = 4096 };

struct directory {
    char path[FILE_PATH_MAX]; /* absolute, without symbolic links */
};

/* Makes the directory (mode 0700) unless it is there. */
bool directory_open(struct directory *directory, const char *path, struct error *err);

bool file_exists(const struct directory *directory, const char *name);
/* Appends the content; out's maximum applies. */
bool file_read(const struct directory *directory, const char *name, struct buf *out, struct error *err);
/* Writes a temporary file and renames it, so that a reader sees all or nothing. */
bool file_write(const struct directory *directory, const char *name, const void *data, size_t size,
                unsigned mode, struct error *err);

/* The key in the file `name` (PKCS#8 PEM); made and written when there is no such file. bits: 0 = EC P-256,
 * else RSA of that size. Caller frees with EVP_PKEY_free; NULL on error. */
EVP_PKEY *key_open(const struct directory *directory, const char *name, unsigned bits, struct error *err);
bool key_append_pem(struct buf *out, EVP_PKEY *key); /* PKCS#8 */

#endif
