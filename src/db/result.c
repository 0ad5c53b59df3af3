#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "db/db_internal.h"

void db_result_wrap(struct db_result *result, PGresult *pg)
{
    result->pg = pg;
    result->message.text[0] = '\0';
    if (PQresultStatus(pg) != PGRES_FATAL_ERROR)
        return;
    const char *primary = PQresultErrorField(pg, PG_DIAG_MESSAGE_PRIMARY);
    error_set(&result->message, "%s", primary != NULL ? primary : PQresultErrorMessage(pg));
}

/* A statement and the code that reads it do not fit together: a fault of this program, never of data. */
static _Noreturn void misread(const struct db_result *result, int column, const char *wanted)
{
    const char *name = PQfname(result->pg, column);
    log_event(LOG_ERROR, "bad_column", log_text("column", name != NULL ? name : "none"),
              log_int("number", column), log_text("wanted", wanted));
    abort();
}

/* The text of a cell, NULL for SQL null. */
static const char *cell(const struct db_result *result, int row, int column)
{
    if (row < 0 || row >= PQntuples(result->pg) || column < 0 || column >= PQnfields(result->pg))
        misread(result, column, "a cell inside the result");
    return PQgetisnull(result->pg, row, column) ? NULL : PQgetvalue(result->pg, row, column);
}

int db_rows(const struct db_result *result)
{
    return PQntuples(result->pg);
}

int64_t db_affected(const struct db_result *result)
{
    return strtoll(PQcmdTuples(result->pg), NULL, 10);
}

bool db_is_null(const struct db_result *result, int row, int column)
{
    return cell(result, row, column) == NULL;
}

const char *db_text(const struct db_result *result, int row, int column)
{
    const char *text = cell(result, row, column);
    return text != NULL ? text : "";
}

size_t db_size(const struct db_result *result, int row, int column)
{
    return cell(result, row, column) != NULL ? (size_t)PQgetlength(result->pg, row, column) : 0;
}

int64_t db_int(const struct db_result *result, int row, int column)
{
    const char *text = cell(result, row, column);
    if (text == NULL)
        return 0;
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        misread(result, column, "an integer");
    return number;
}

bool db_bool(const struct db_result *result, int row, int column)
{
    const char *text = cell(result, row, column);
    if (text != NULL && strcmp(text, "t") != 0 && strcmp(text, "f") != 0)
        misread(result, column, "a boolean");
    return text != NULL && text[0] == 't';
}

const char *db_sqlstate(const struct db_result *result)
{
    const char *state = PQresultErrorField(result->pg, PG_DIAG_SQLSTATE);
    return state != NULL ? state : "";
}

const char *db_message(const struct db_result *result)
{
    return result->message.text;
}
