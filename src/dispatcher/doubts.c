/* The control connection's part in inquiries. */
#include "dispatcher/control_internal.h"
#include "statements.h"

void control_take_doubts(struct control *control, const char *channel, const char *providers, int limit,
                         db_result_fn *taken, void *arg)
{
    db_send(control->db, &sql_take_doubts, 3, (const char *const[]){channel, providers, INT_TEXT(limit)},
            taken, arg);
    db_sync(control->db);
}

void control_read_templates(struct control *control, const char *ids, db_result_fn *read, void *arg)
{
    db_send(control->db, &sql_read_templates, 1, (const char *const[]){ids}, read, arg);
    db_sync(control->db);
}

void control_settle_doubts(struct control *control, const char *channel,
                           const char *const settled[SETTLE_COLUMNS], db_result_fn *done, void *arg)
{
    db_send(control->db, &sql_settle_doubts, 9,
            (const char *const[]){channel, INT_TEXT(control->id), settled[SETTLE_IDS],
                                  settled[SETTLE_VERDICTS], settled[SETTLE_PROVIDERS],
                                  settled[SETTLE_PROVIDER_IDS], settled[SETTLE_REASONS],
                                  settled[SETTLE_COSTS], settled[SETTLE_CURRENCIES]},
            done, arg);
    db_sync(control->db);
}
