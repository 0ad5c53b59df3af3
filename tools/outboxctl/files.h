/* The migration files of a folder, read and checked. */
#ifndef PGOUTBOX_OUTBOXCTL_FILES_H
#define PGOUTBOX_OUTBOXCTL_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

enum { MIGRATION_MAX_OCTETS = 4 * 1024 * 1024 };

struct migration {
    int version;
    char *file; /* NNNN_name.sql */
    char *name; /* NNNN_name */
    char *sql;
    char checksum[65]; /* SHA-256 of the file, hex */
};

struct migration_files {
    struct migration *list; /* by version, each once */
    size_t count;
};

/* Reads every file of the folder; names that begin with a dot are passed over. On false there is nothing to
 * free. */
bool files_read(struct migration_files *files, const char *dir, struct error *err) MUST_CHECK;
void files_free(struct migration_files *files);

#endif
