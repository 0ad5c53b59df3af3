/* The files of the sandbox's directory: small texts, written whole or not at all. */
#ifndef PGOUTBOX_SANDBOX_STORE_DIRECTORY_H
#define PGOUTBOX_SANDBOX_STORE_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/error.h"

enum { DIRECTORY_FILE_MAX = 65536, DIRECTORY_PATH_MAX = 4096 };

struct directory {
    char path[DIRECTORY_PATH_MAX]; /* absolute, without symbolic links */
};

/* Makes the directory (mode 0700) unless it is there. */
bool directory_open(struct directory *directory, const char *path, struct error *err);

bool directory_has(const struct directory *directory, const char *name);
/* Appends the content; out's maximum applies. */
bool directory_read(const struct directory *directory, const char *name, struct buf *out, struct error *err);
/* Writes a temporary file and renames it, so that a reader sees all or nothing. */
bool directory_write(const struct directory *directory, const char *name, const void *data, size_t size,
                     unsigned mode, struct error *err);

#endif
