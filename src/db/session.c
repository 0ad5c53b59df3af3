#include "core/mem.h"
#include "db/db_internal.h"

struct db_session {
    PGconn *conn;
};

/* Takes pg over; NULL with err when the statement failed. */
static struct db_result *session_result(PGconn *conn, PGresult *pg, struct error *err)
{
    ExecStatusType status = PQresultStatus(pg);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
        struct db_result *result = mem_alloc(sizeof *result);
        db_result_wrap(result, pg);
        return result;
    }
    const char *state = PQresultErrorField(pg, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(pg, PG_DIAG_MESSAGE_PRIMARY);
    if (state != NULL && message != NULL)
        error_set(err, "%s %s", state, message);
    else if (status == PGRES_FATAL_ERROR)
        error_set(err, "08006 %s", PQerrorMessage(conn)); /* connection_failure */
    else
        error_set(err, "0A000 COPY is not possible here"); /* feature_not_supported */
    PQclear(pg);
    return NULL;
}

struct db_session *db_open(const char *conninfo, const char *name, struct error *err)
{
    struct db_parameters parameters;
    db_parameters_fill(&parameters, conninfo, name);
    PGconn *conn = PQconnectdbParams(parameters.keywords, parameters.values, 1);
    if (conn == NULL)
        mem_exhausted();
    struct db_session *session = mem_alloc(sizeof *session);
    session->conn = conn;
    if (PQstatus(conn) != CONNECTION_OK) {
        error_set(err, "%s", PQerrorMessage(conn));
        db_close(session);
        return NULL;
    }
    db_log_notices(conn);
    struct db_result *ready = db_query(session, db_setup_sql, 0, NULL, err);
    if (ready == NULL) {
        db_close(session);
        return NULL;
    }
    db_result_free(ready);
    return session;
}

void db_close(struct db_session *session)
{
    if (session == NULL)
        return;
    PQfinish(session->conn);
    mem_free(session);
}

struct db_result *db_query(struct db_session *session, const char *sql, int count, const char *const *values,
                           struct error *err)
{
    PGresult *pg = count == 0 ? PQexec(session->conn, sql)
                              : PQexecParams(session->conn, sql, count, NULL, values, NULL, NULL, 0);
    return session_result(session->conn, pg, err);
}

void db_result_free(struct db_result *result)
{
    if (result == NULL)
        return;
    PQclear(result->pg);
    mem_free(result);
}
