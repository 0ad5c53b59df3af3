#include "dispatcher/doubt.h"

#include "dispatcher/settle.h"
#include "statements.h"

static void ask(struct control *control, const struct db_statement *statement, int count,
                const char *const *values, db_result_fn *answered, void *arg)
{
    db_send(control_db(control), statement, count, values, answered, arg);
    db_sync(control_db(control));
}

void doubt_take(struct control *control, const char *channel, const char *ready, db_result_fn *taken,
                void *arg)
{
    ask(control, &sql_take_doubt, 2, (const char *const[]){channel, ready}, taken, arg);
}

void doubt_read_templates(struct control *control, const char *ids, db_result_fn *read, void *arg)
{
    ask(control, &sql_read_templates, 1, (const char *const[]){ids}, read, arg);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

void doubt_settle(struct control *control, const struct job *job, const char *turn, const char *asked,
                  db_result_fn *settled, void *arg)
{
    const struct verdict *verdict = &job->verdict;
    char id[SETTLE_TEXT_SIZE], reason[SETTLE_TEXT_SIZE];
    settle_clean(verdict->provider_id, id);
    settle_clean(verdict->reason, reason);
    ask(control, &sql_settle_doubt, 10,
        (const char *const[]){DB_INT_TEXT(job->message.id), turn, DB_INT_TEXT(control_dispatcher(control)),
                              settle_word(job), job->provider_name, or_null(id), or_null(reason), asked,
                              or_null(verdict->cost), or_null(verdict->currency)},
        settled, arg);
}
