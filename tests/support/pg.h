/* Private databases for tests. A failure here ends the test (ck_abort). */
#ifndef PGOUTBOX_TESTS_PG_H
#define PGOUTBOX_TESTS_PG_H

#include <check.h>
#include <stdint.h>

#include "db/db.h"

/* The test server, from $PGOUTBOX_TEST_CONNINFO (in keyword=value form). */
const char *pg_conninfo(void);

/* Makes the database NAME_PID as it is after `outboxctl migrate` and returns its conninfo. The caller drops
 * it with pg_drop_database. The migrations run once per server, by $PGOUTBOX_BUILD/bin/outboxctl. */
char *pg_fresh_database(const char *name);
/* An empty one: no migration was applied. */
char *pg_empty_database(const char *name);
/* Ends its sessions, drops it and frees conninfo. NULL is allowed. */
void pg_drop_database(char *conninfo);

/* A blocking session; the caller ends it with db_close. */
struct db_session *pg_session(const char *conninfo);

/* Runs a script that must succeed. */
void pg_exec(struct db_session *session, const char *sql);
/* The only value of a query's only row as text. NULL for a null. Caller frees with mem_free. */
char *pg_value(struct db_session *session, const char *sql);
int64_t pg_int(struct db_session *session, const char *sql); /* the same as a number; null fails */

/* Fails the test, with the query, unless its value is as expected; NULL expects a null. */
void pg_expect(struct db_session *session, const char *sql, const char *expected);
/* Fails the test unless the script is refused with "SQLSTATE message" that begins so. */
void pg_refused(struct db_session *session, const char *sql, const char *expected);

/* From now on every move of a message must stand in outbox.transition. */
void pg_guard_transitions(struct db_session *session);
/* Puts all messages into a state, against the rules. */
void pg_force(struct db_session *session, const char *assignments);

/* Adds a test case of one test, which runs with a fresh database and a session on it. */
void pg_case_add(Suite *suite, const char *name, const TTest *test);
struct db_session *pg_case_session(void);
const char *pg_case_conninfo(void); /* for more sessions */

#endif
