/* A plain blocking session, for what is not timed. A failure ends the program. */
#ifndef PGOUTBOX_BENCH_SESSION_H
#define PGOUTBOX_BENCH_SESSION_H

#include <stdint.h>

#include "db/db.h"

struct db_session *session_open(const char *conninfo);
void session_run(struct db_session *session, const char *sql, ...) PRINTF_LIKE(2, 3);
/* Again and again while dispatchers or the scheduler hold one table and wait for another. */
void session_truncate(struct db_session *session, const char *tables);
/* The first column of the first row; 0 without one. */
int64_t session_int(struct db_session *session, const char *sql, ...) PRINTF_LIKE(2, 3);

#endif
