/* Command-line options from one table: parsing, checking and --help come from the same rows. */
#ifndef PGOUTBOX_CORE_OPTIONS_H
#define PGOUTBOX_CORE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

struct option_spec {
    const char *name;     /* "channels": used as --channels=VALUE or --channels VALUE */
    const char *env;      /* environment variable read when the option is absent, or NULL */
    const char *argument; /* "LIST" in the help; NULL for a switch */
    const char *fallback; /* default value as text, or NULL */
    int64_t min, max;     /* bounds when the target is a number */
    const char **text;    /* exactly one target is set */
    int64_t *number;
    bool *flag;
    const char *help;
};

/* The exit codes of every program of the project. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* the work could not be done; the log says why */
    EXIT_USAGE = 2,       /* bad options or configuration */
    EXIT_UNAVAILABLE = 3, /* Postgres or another needed service could not be reached in time */
    EXIT_NO_MEMORY = 4,
    EXIT_ABORTED = 5 /* stopped before the work in the air was settled; nothing is lost */
};

/* Parses argv. --help prints the usage text and the table to stdout and exits with EXIT_OK; --version
 * likewise. operands (may be NULL) gets the index of the first operand; without it operands are an error. */
bool options_parse(int argc, char **argv, const char *usage, const struct option_spec *specs, int *operands,
                   struct error *err) MUST_CHECK;

#endif
