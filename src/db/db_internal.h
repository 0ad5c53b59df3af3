/* What the files of this folder share; the only place that shows libpq's types. */
#ifndef PGOUTBOX_DB_DB_INTERNAL_H
#define PGOUTBOX_DB_DB_INTERNAL_H

#include <libpq-fe.h>

#include "core/error.h"
#include "db/db.h"

struct db_result {
    PGresult *pg;
    struct error message; /* flattened primary message of a failed statement */
};

/* Wraps a result; fills the message when it is an error. The caller keeps owning pg. */
void db_result_wrap(struct db_result *result, PGresult *pg);

/* --- connect.c: how a connection is asked for --- */

enum { DB_PARAMETERS = 16 };

struct db_parameters {
    const char *keywords[DB_PARAMETERS];
    const char *values[DB_PARAMETERS];
};

extern const char db_setup_sql[]; /* the first statement of every session */

/* Arrays for PQconnectStartParams with expand_dbname; they borrow conninfo and name. */
void db_parameters_fill(struct db_parameters *parameters, const char *conninfo, const char *name);
/* Time one connection attempt may take over all its hosts. */
int64_t db_connect_timeout(PGconn *conn);
/* Sends the server's notices to the log. */
void db_log_notices(PGconn *conn);

/* --- pipeline.c: statements on a live connection --- */

enum call_kind { CALL_STATEMENT, CALL_PREPARE, CALL_SYNC };

/* Something that has been sent (or refused) and whose result is awaited. */
struct call {
    struct call *next;
    enum call_kind kind;
    db_result_fn *callback;
    void *arg;
    size_t prepared; /* CALL_PREPARE: index in db->prepared */
    unsigned number; /* CALL_PREPARE: number within the server-side name */
};

struct call_queue {
    struct call *first, *last;
    size_t count;
};

/* A statement's life on this connection. Every attempt to prepare has a new number and so a new name on the
 * server: an attempt skipped by an error before it, or not answered yet, never matters to another group. */
struct prepared {
    const struct db_statement *statement;
    unsigned ready;   /* number known to exist on the server; 0 = none */
    unsigned pending; /* number sent in pending_group */
    uint64_t pending_group;
};

enum db_state {
    DB_STATE_DOWN,       /* waiting to try again */
    DB_STATE_CONNECTING, /* PQconnectPoll */
    DB_STATE_STARTING,   /* connected; the setup statement is on its way */
    DB_STATE_UP,
    DB_STATE_BROKEN, /* to be dropped from the loop */
    DB_STATE_FREED
};

struct db {
    struct loop *loop;
    const struct db_events *events;
    void *arg;
    char *conninfo, *name;

    enum db_state state;
    bool was_up;         /* this connection has been reported up */
    struct error reason; /* why it is broken */
    int attempt;         /* failed attempts to connect since the last success */
    struct timer *timer; /* down: try again; connecting: give up; broken: drop */
    struct timer *soon;  /* refused calls, or input that was read while writing */
    struct watch *watch;
    PGconn *conn;
    int entered; /* callbacks of the loop now running in here; memory is kept until 0 */

    struct call_queue open;    /* sent on conn, in order */
    struct call_queue refused; /* sent while down: DB_LOST from the loop */
    uint64_t group;            /* number of the group being filled */
    struct prepared *prepared;
    size_t prepared_count, prepared_capacity;
    unsigned prepared_number;
    PGresult *prepare_error; /* of a failed PREPARE, for the statement behind it */
};

/* The connection is unusable: the loop will drop it. Safe from anywhere. */
void db_break(struct db *db, const char *reason);

/* Sends the first statement of a session; callback as for db_send. */
void db_send_setup(struct db *db, db_result_fn *callback, void *arg);
/* Delivers all results and notifications that have been read. */
void db_drain(struct db *db);
/* Pushes unsent octets and watches for what is needed next. */
void db_flush(struct db *db);
/* Gives DB_LOST to every call that is in the queue now. */
void db_lose_calls(struct call_queue *queue);
/* Forgets all that belongs to a connection's life. */
void db_forget_statements(struct db *db);

#endif
