/*
 * A database that says what a test lets it say: in place of src/db, but for values.c. A connection is down
 * until the test lets it come up. Each group of statements that is sent is a word in the journal:
 * "begin+claim". Their results come in order, as from a server: when a test answers one, those before it that
 * nobody waits for are answered too, and the test fails if any other is before it.
 */
#ifndef PGOUTBOX_TESTS_FAKES_DB_H
#define PGOUTBOX_TESTS_FAKES_DB_H

#include <stddef.h>

#include "db/db.h"
#include "statements.h"

/* The n-th connection that was made of those that there are; 0 = the first. */
struct db *fake_db(size_t number);
void fake_db_up(struct db *db);
/* It breaks. */
void fake_db_lose(struct db *db);
void fake_db_notify(struct db *db, const char *channel, const char *payload);

/* Answers of this statement are of no interest: they have no rows and come by themselves. Until the next
 * loop. */
void fake_db_quiet(const struct db_statement *statement);

/* The result of a statement: a line for each row, '|' between columns, nothing for null. NULL = no rows. */
void fake_db_answer(struct db *db, const struct db_statement *statement, const char *rows);
/* The server refuses it; the rest of its group is skipped. */
void fake_db_fail(struct db *db, const struct db_statement *statement, const char *sqlstate);

/* How many of the statement wait for an answer. */
size_t fake_db_open(const struct db *db, const struct db_statement *statement);
/* A parameter of the first that does, as $1, $2, … in SQL; NULL = null. */
const char *fake_db_value(const struct db *db, const struct db_statement *statement, int number);

#endif
