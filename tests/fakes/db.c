#include "fakes/db.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "fakes/journal.h"

enum { CONNECTIONS_MAX = 8, QUIET_MAX = 16, GROUP_MAX = 512 };

struct call {
    struct call *next;
    const struct db_statement *statement;
    uint64_t group; /* 0 = refused, as the connection is down */
    char **values;
    int count;
    db_result_fn *callback;
    void *arg;
};

struct db {
    const struct db_events *events;
    void *arg;
    bool up, broken;
    uint64_t group, synced;
    struct call *first, **last;
    struct timer *soon; /* refused calls, or a connection to be dropped */
};

struct db_result {
    int rows, columns;
    char **cells; /* NULL = null */
    const char *sqlstate;
};

static struct db *connections[CONNECTIONS_MAX];
static const struct db_statement *quiet[QUIET_MAX];

/* ---- Results ---- */

static const char *cell(const struct db_result *result, int row, int column)
{
    if (row < 0 || row >= result->rows || column < 0 || column >= result->columns)
        ck_abort_msg("row %d, column %d of %d rows with %d columns", row, column, result->rows,
                     result->columns);
    return result->cells[row * result->columns + column];
}

int db_rows(const struct db_result *result)
{
    return result->rows;
}

bool db_is_null(const struct db_result *result, int row, int column)
{
    return cell(result, row, column) == NULL;
}

const char *db_text(const struct db_result *result, int row, int column)
{
    const char *text = cell(result, row, column);
    return text ? text : "";
}

size_t db_size(const struct db_result *result, int row, int column)
{
    return strlen(db_text(result, row, column));
}

int64_t db_int(const struct db_result *result, int row, int column)
{
    char *end;
    const char *text = cell(result, row, column);
    int64_t number = text ? strtoll(text, &end, 10) : 0;
    if (text && (end == text || *end != '\0'))
        ck_abort_msg("\"%s\" in column %d is no integer", text, column);
    return number;
}

bool db_bool(const struct db_result *result, int row, int column)
{
    const char *text = db_text(result, row, column);
    if (strcmp(text, "t") != 0 && strcmp(text, "f") != 0 && text[0] != '\0')
        ck_abort_msg("\"%s\" in column %d is no boolean", text, column);
    return text[0] == 't';
}

const char *db_sqlstate(const struct db_result *result)
{
    return result->sqlstate;
}

const char *db_message(const struct db_result *result)
{
    (void)result;
    return "refused";
}

static size_t count_of(const char *text, char c)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == c;
    return count;
}

/* Cuts text up; cells must be freed. */
static struct db_result read_rows(char *text)
{
    size_t lines = count_of(text, '\n') + 1, columns = count_of(text, '|') / lines + 1;
    if (count_of(text, '|') != (columns - 1) * lines)
        ck_abort_msg("rows of different lengths: %s", text);
    struct db_result result = {.rows = (int)lines, .columns = (int)columns};
    result.cells = mem_array(lines * columns, sizeof *result.cells);
    for (size_t i = 0; i < lines * columns; i++) {
        size_t size = strcspn(text, "|\n");
        text[size] = '\0';
        result.cells[i] = size > 0 ? text : NULL;
        text += size + 1;
    }
    return result;
}

/* ---- Statements ---- */

static void push(struct db *db, const struct call *model)
{
    struct call *call = mem_alloc(sizeof *call);
    *call = *model;
    *db->last = call;
    db->last = &call->next;
}

static struct call pop(struct db *db)
{
    struct call *first = db->first, call = *first;
    db->first = first->next;
    if (!db->first)
        db->last = &db->first;
    for (int i = 0; i < call.count; i++)
        mem_free(call.values[i]);
    mem_free(call.values);
    mem_free(first);
    return call;
}

static void answer(struct db *db, enum db_status status, const struct db_result *result)
{
    struct call call = pop(db);
    if (call.callback)
        call.callback(call.arg, status, result);
}

/* Those that there are when it is called; or just those that were sent while it was down. */
static void lose_calls(struct db *db, bool all)
{
    size_t count = 0;
    for (const struct call *call = db->first; call && (all || call->group == 0); call = call->next)
        count++;
    while (count-- > 0)
        answer(db, DB_LOST, NULL);
}

/* As the server counts them. */
static int parameters_of(const struct db_statement *statement)
{
    long highest = 0;
    for (const char *at = strchr(statement->sql, '$'); at; at = strchr(at + 1, '$')) {
        long number = strtol(at + 1, NULL, 10);
        highest = number > highest ? number : highest;
    }
    return (int)highest;
}

void db_send(struct db *db, const struct db_statement *statement, int count, const char *const *values,
             db_result_fn *callback, void *arg)
{
    ck_assert_msg(count == parameters_of(statement), "%s has %d parameters, not %d", statement->name,
                  parameters_of(statement), count);
    struct call call = {.statement = statement,
                        .group = db->up ? db->group : 0,
                        .values = mem_array((size_t)count + 1, sizeof *call.values),
                        .count = count,
                        .callback = callback,
                        .arg = arg};
    for (int i = 0; i < count; i++)
        call.values[i] = mem_strdup(values[i]);
    push(db, &call);
    if (!db->up)
        timer_set(db->soon, 0);
}

void db_sync(struct db *db)
{
    char words[GROUP_MAX] = "";
    for (const struct call *call = db->first; call; call = call->next) {
        if (call->group != db->group)
            continue;
        ck_assert_uint_lt(strlen(words) + strlen(call->statement->name) + 2, sizeof words);
        strcat(strcat(words, words[0] != '\0' ? "+" : ""), call->statement->name);
    }
    if (!db->up)
        return;
    journal_add("%s", words);
    db->synced = db->group++;
}

static bool is_of_no_interest(const struct call *call)
{
    bool found = call->callback == NULL;
    for (size_t i = 0; i < QUIET_MAX && !found; i++)
        found = call->statement == quiet[i];
    return found;
}

void fake_db_quiet(const struct db_statement *statement)
{
    size_t i = 0;
    while (quiet[i])
        i++;
    ck_assert_uint_lt(i, QUIET_MAX);
    quiet[i] = statement;
}

/* Answers what is of no interest, up to the statement, which must be the first then. */
static void reach(struct db *db, const struct db_statement *statement)
{
    static const struct db_result nothing = {.sqlstate = ""};
    while (db->first && db->first->statement != statement && is_of_no_interest(db->first))
        answer(db, DB_OK, &nothing);
    const struct call *first = db->first;
    if (!db->up || !first || first->statement != statement || first->group > db->synced)
        ck_abort_msg("%s is not to be answered, but %s", statement->name,
                     first ? first->statement->name : "nothing");
}

void fake_db_answer(struct db *db, const struct db_statement *statement, const char *rows)
{
    reach(db, statement);
    char *text = mem_strdup(rows);
    struct db_result result = {0};
    if (text)
        result = read_rows(text);
    result.sqlstate = "";
    answer(db, DB_OK, &result);
    mem_free(result.cells);
    mem_free(text);
}

void fake_db_fail(struct db *db, const struct db_statement *statement, const char *sqlstate)
{
    reach(db, statement);
    uint64_t group = db->first->group;
    answer(db, DB_FAILED, &(struct db_result){.sqlstate = sqlstate});
    while (db->first && db->first->group == group)
        answer(db, DB_SKIPPED, NULL);
}

static const struct call *find(const struct db *db, const struct db_statement *statement)
{
    const struct call *call = db->first;
    while (call && call->statement != statement)
        call = call->next;
    return call;
}

size_t fake_db_open(const struct db *db, const struct db_statement *statement)
{
    size_t count = 0;
    for (const struct call *call = db->first; call; call = call->next)
        count += call->statement == statement;
    return count;
}

const char *fake_db_value(const struct db *db, const struct db_statement *statement, int number)
{
    const struct call *call = find(db, statement);
    if (!call || number < 1 || number > call->count)
        ck_abort_msg("nobody has sent %s with %d parameters", statement->name, number);
    return call->values[number - 1];
}

/* ---- Connections ---- */

static void on_soon(void *arg)
{
    struct db *db = arg;
    if (db->broken)
        fake_db_lose(db);
    else
        lose_calls(db, false);
}

struct db *db_new(struct loop *loop, const char *conninfo, const char *name, const struct db_events *events,
                  void *arg)
{
    (void)conninfo;
    (void)name;
    struct db *db = mem_alloc(sizeof *db);
    *db = (struct db){.events = events, .arg = arg, .group = 1};
    db->last = &db->first;
    db->soon = timer_new(loop, on_soon, db);
    size_t i = 0;
    while (connections[i])
        i++;
    ck_assert_uint_lt(i, CONNECTIONS_MAX - 1);
    if (i == 0)
        memset(quiet, 0, sizeof quiet);
    connections[i] = db;
    return db;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db->up = false;
    while (db->first)
        lose_calls(db, true);
    size_t i = 0;
    while (connections[i] != db)
        i++;
    for (; connections[i]; i++)
        connections[i] = connections[i + 1];
    timer_free(db->soon);
    mem_free(db);
}

bool db_is_up(const struct db *db)
{
    return db->up;
}

void db_reconnect(struct db *db, const char *reason)
{
    (void)reason;
    if (!db->up)
        return;
    journal_add("reconnect");
    db->up = false;
    db->broken = true;
    timer_set(db->soon, 0);
}

struct db *fake_db(size_t number)
{
    ck_assert_uint_lt(number, CONNECTIONS_MAX);
    ck_assert_ptr_nonnull(connections[number]);
    return connections[number];
}

void fake_db_up(struct db *db)
{
    ck_assert(!db->up && !db->broken);
    db->up = true;
    db->group++;
    db->events->up(db->arg);
}

void fake_db_lose(struct db *db)
{
    db->up = db->broken = false;
    lose_calls(db, true);
    db->events->down(db->arg, "lost");
}

void fake_db_notify(struct db *db, const char *channel, const char *payload)
{
    ck_assert(db->up);
    db->events->notified(db->arg, channel, payload);
}
