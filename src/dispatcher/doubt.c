/* The control connection's part in inquiries. */
#include "dispatcher/control_internal.h"
#include "dispatcher/settle.h"
#include "statements.h"

void control_take_doubt(struct control *control, const char *channel, const char *ready, db_result_fn *taken,
                        void *arg)
{
    db_send(control->db, &sql_take_doubt, 2, (const char *const[]){channel, ready}, taken, arg);
    db_sync(control->db);
}

void control_read_templates(struct control *control, const char *ids, db_result_fn *read, void *arg)
{
    db_send(control->db, &sql_read_templates, 1, (const char *const[]){ids}, read, arg);
    db_sync(control->db);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

void control_settle_doubt(struct control *control, const struct job *job, const char *turn, const char *asked,
                          db_result_fn *settled, void *arg)
{
    const struct verdict *verdict = &job->verdict;
    char id[SETTLE_TEXT_SIZE], reason[SETTLE_TEXT_SIZE];
    settle_clean(verdict->provider_id, id);
    settle_clean(verdict->reason, reason);
    db_send(control->db, &sql_settle_doubt, 10,
            (const char *const[]){INT_TEXT(job->message.id), turn, INT_TEXT(control->id), settle_word(job),
                                  job->provider_name, or_null(id), or_null(reason), asked,
                                  or_null(verdict->cost), or_null(verdict->currency)},
            settled, arg);
    db_sync(control->db);
}
