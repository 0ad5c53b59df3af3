/* The program's own connection code (src/db) used step by step: queue statements, then wait for the answers.
 * A failure ends the program. */
#ifndef PGOUTBOX_BENCH_LINK_H
#define PGOUTBOX_BENCH_LINK_H

#include "db/db.h"

struct link;

struct link *link_open(const char *conninfo, const char *name); /* waits until it is up */
void link_close(struct link *link);

typedef void link_rows_fn(void *arg, const struct db_result *result);

/* Queues a statement; rows (may be NULL) gets its result during link_wait. */
void link_send(struct link *link, const struct db_statement *statement, int count, const char *const *values,
               link_rows_fn *rows, void *arg);
/* Sends what is queued in one write and returns when all of it is answered. */
void link_wait(struct link *link);

#endif
