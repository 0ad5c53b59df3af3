#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "db/db_internal.h"

enum { SECONDS_TO_CONNECT = 10 };

/* A limit of the database or the role was not meant for us; what comes with the connection was. */
#define TIME_LIMIT(name)                                                                                     \
    "pg_catalog.set_config('" name "', CASE (SELECT source FROM pg_catalog.pg_settings WHERE name = '" name  \
    "') WHEN 'client' THEN pg_catalog.current_setting('" name "') ELSE '0' END, false), "

/* A statement and not a startup option: it works behind a pooler and leaves the user's own options alone. Our
 * transactions are never prepared, so that they may notify. A commit that is answered is on disk: weaker
 * levels are raised, and remote_apply, which is stronger than "on", stays. */
const char db_setup_sql[] =
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false), "
    "pg_catalog.set_config('default_transaction_isolation', 'read committed', false), "
    "pg_catalog.set_config('default_transaction_read_only', 'off', false), "
    "pg_catalog.set_config('default_transaction_deferrable', 'off', false), "
    "pg_catalog.set_config('synchronous_commit', "
    "CASE pg_catalog.current_setting('synchronous_commit') "
    "WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false), "
    "pg_catalog.set_config('TimeZone', 'UTC', false), "
    "pg_catalog.set_config('DateStyle', 'ISO, YMD', false), "
    "pg_catalog.set_config('IntervalStyle', 'postgres', false), "
    "pg_catalog.set_config('standard_conforming_strings', 'on', false), "
    "pg_catalog.set_config('bytea_output', 'hex', false), "
    "pg_catalog.set_config('extra_float_digits', '1', false), " TIME_LIMIT("statement_timeout")
        TIME_LIMIT("lock_timeout") TIME_LIMIT("idle_session_timeout")
            TIME_LIMIT("idle_in_transaction_session_timeout") "pg_catalog.set_config('outbox.notify', "
                                                              "COALESCE(NULLIF(pg_catalog.current_setting('"
                                                              "outbox.notify', true), ''), 'on'), false)";

void db_parameters_fill(struct db_parameters *parameters, const char *conninfo, const char *name)
{
    /* Later rows win: those above dbname (which is the whole conninfo) are defaults, those below are fixed.
     * The user timeout also ends an attempt on a silent host, so that the next host gets its turn. */
    const char *const rows[][2] = {
        {"keepalives", "1"},
        {"keepalives_idle", "30"},
        {"keepalives_interval", "10"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "10000"},
        {"connect_timeout", getenv("PGCONNECT_TIMEOUT") == NULL ? "10" : NULL},
        {"fallback_application_name", name},
        {"dbname", conninfo},
        {"client_encoding", "UTF8"},
    };
    _Static_assert(sizeof rows / sizeof *rows < DB_PARAMETERS, "room for the terminator");
    *parameters = (struct db_parameters){0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parameters->keywords[i] = rows[i][0];
        parameters->values[i] = rows[i][1];
    }
}

static int64_t count_hosts(const char *list)
{
    int64_t count = 1;
    for (const char *at = list; at != NULL && (at = strchr(at, ',')) != NULL; at++)
        count++;
    return count;
}

int64_t db_connect_timeout(PGconn *conn)
{
    int64_t seconds = 0, hosts = 1;
    PQconninfoOption *options = PQconninfo(conn);
    if (options == NULL)
        mem_exhausted();
    for (PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (option->val == NULL)
            continue;
        if (strcmp(option->keyword, "connect_timeout") == 0)
            seconds = strtol(option->val, NULL, 10);
        else if (strcmp(option->keyword, "host") == 0 || strcmp(option->keyword, "hostaddr") == 0)
            hosts = count_hosts(option->val) > hosts ? count_hosts(option->val) : hosts;
    }
    PQconninfoFree(options);
    return (seconds > 0 ? seconds : SECONDS_TO_CONNECT) * hosts * 1000;
}

static void log_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    static const char *const quiet[] = {"NOTICE", "INFO", "LOG", "DEBUG"};
    enum log_level level = LOG_WARN;
    for (size_t i = 0; severity != NULL && i < sizeof quiet / sizeof *quiet; i++) {
        if (strcmp(severity, quiet[i]) == 0)
            level = LOG_DEBUG;
    }
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    log_event(level, "db_notice", log_text("text", text != NULL ? text : PQresultErrorMessage(notice)));
}

void db_log_notices(PGconn *conn)
{
    PQsetNoticeReceiver(conn, log_notice, NULL);
}
