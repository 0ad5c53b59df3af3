/*
 * Postgres for an event loop: one connection that is made again for ever, and statements in pipeline mode.
 * The only code that knows libpq is this folder.
 */
#ifndef PGOUTBOX_DB_DB_H
#define PGOUTBOX_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/loop.h"

struct db;
struct db_result;

/* A statement that is prepared once per connection under its name. */
struct db_statement {
    const char *name;
    const char *sql;
};

struct db_events {
    /* Connected (again). Session settings, LISTEN and the like are sent from here. */
    void (*up)(void *arg);
    /* The connection is gone; every open call has had its callback with DB_LOST before. A new one is being
     * made. */
    void (*down)(void *arg, const char *reason);
    void (*notified)(void *arg, const char *channel, const char *payload); /* may be NULL */
};

/* conninfo: libpq string or URI, "" = environment only. name: application_name. TCP keepalive is switched on,
 * and the session is pinned to what the statements need (db_setup_sql). Connecting starts at once, with
 * jittered backoff up to 5 s. */
struct db *db_new(struct loop *loop, const char *conninfo, const char *name, const struct db_events *events,
                  void *arg);
void db_free(struct db *db); /* open calls get DB_LOST; NULL is allowed */
bool db_is_up(const struct db *db);
/* Drops the connection and makes a new one (for example when a call takes too long). */
void db_reconnect(struct db *db, const char *reason);

enum db_status {
    DB_OK,      /* rows can be read, or the command is done */
    DB_FAILED,  /* the server refused: db_sqlstate, db_message */
    DB_SKIPPED, /* an earlier statement before the same db_sync failed */
    DB_LOST     /* the connection broke, or its server only reads by now: the effect is unknown if this was a
                 * COMMIT, else there is none */
};

/* The result lives until the callback returns. NULL result only with DB_LOST and DB_SKIPPED. */
typedef void db_result_fn(void *arg, enum db_status status, const struct db_result *result);

/* Queues one statement with text parameters (NULL element = SQL null). Values are copied. Nothing may be sent
 * while the connection is down: the callback then comes from the loop with DB_LOST. callback may be NULL. */
void db_send(struct db *db, const struct db_statement *statement, int count, const char *const *values,
             db_result_fn *callback, void *arg);
/* Ends a group: everything since the last sync goes to the server in one write, and an error in it skips the
 * rest of the group. Without BEGIN a group is one implicit transaction. */
void db_sync(struct db *db);

int db_rows(const struct db_result *result);
int64_t db_affected(const struct db_result *result); /* rows changed by a command */
bool db_is_null(const struct db_result *result, int row, int column);
const char *db_text(const struct db_result *result, int row, int column); /* "" for null */
size_t db_size(const struct db_result *result, int row, int column);      /* octets of db_text */
int64_t db_int(const struct db_result *result, int row,
               int column); /* 0 for null; dies on text that is no integer */
bool db_bool(const struct db_result *result, int row, int column);
const char *db_sqlstate(const struct db_result *result); /* "" when none */
const char *db_message(const struct db_result *result);  /* primary message, one line */

/* A number as a parameter; the text lives until the end of the block. */
#define DB_INT_TEXT(value) db_int_text((char[24]){0}, (value))
const char *db_int_text(char room[24], int64_t value);

/* Postgres array literals, as parameters for bigint[], text[] …: start, add elements, finish. */
void db_array_start(struct buf *out);
void db_array_int(struct buf *out, int64_t value);
void db_array_text(struct buf *out, const char *value); /* NULL = null element */
void db_array_finish(struct buf *out);

/* --- For tools and tests: a blocking connection. --- */
struct db_session;
struct db_session *db_open(const char *conninfo, const char *name, struct error *err);
void db_close(struct db_session *session); /* NULL is allowed */
/* Runs one statement (or, with count 0, a script of several) and returns its result (the last one's), NULL on
 * error: err then has "SQLSTATE message". Free with db_result_free. */
struct db_result *db_query(struct db_session *session, const char *sql, int count, const char *const *values,
                           struct error *err);
void db_result_free(struct db_result *result); /* NULL is allowed; only for results of db_query */

#endif
