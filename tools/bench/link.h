/* The program's own connection code (src/db) used step by step: queue statements, then wait for the answers.
 * A failure ends the program. */
#ifndef PGOUTBOX_BENCH_LINK_H
#define PGOUTBOX_BENCH_LINK_H

#include <stdint.h>

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

/* --- A plain blocking session, for what is not timed. --- */
struct db_session *session_open(const char *conninfo);
void session_run(struct db_session *session, const char *sql, ...) PRINTF_LIKE(2, 3);
/* Again and again while dispatchers or the scheduler hold one table and wait for another. */
void session_truncate(struct db_session *session, const char *tables);
int64_t session_int(struct db_session *session, const char *sql, ...) PRINTF_LIKE(2, 3);

double now_us(void); /* wall clock, microseconds: comparable with the sandbox's */
void pause_ms(int ms);

#endif
