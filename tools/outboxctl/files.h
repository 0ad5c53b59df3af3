/* The migration files of a folder, read and checked. */
#ifndef PGOUTBOX_OUTBOXCTL_FILES_H
#define PGOUTBOX_OUTBOXCTL_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

enum { MIGRATION_MAX_OCTETS = 4 * 1024 * 1024 };

/* NNNN_name.sql is applied once and never edited afterwards: tables and data. RNN_name.sql holds what can be
 * made again: functions, triggers, views and rights. */
struct migration {
    char *file;
    char *name; /* the file without .sql */
    char *sql;
    char checksum[65]; /* SHA-256 of the file, hex */
};

struct migration_files {
    struct migration *list; /* in the order of their names, each number once; those to make again come last */
    size_t count;
    size_t once; /* how many of them are applied once */
};

/* Reads every file of the folder; names that begin with a dot are passed over. On false there is nothing to
 * free. */
bool files_read(struct migration_files *files, const char *dir, struct error *err) MUST_CHECK;
void files_free(struct migration_files *files);

#endif
