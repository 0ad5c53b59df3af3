/* The statements of inquiries, on the control connection. */
#ifndef PGOUTBOX_DISPATCHER_DOUBT_H
#define PGOUTBOX_DISPATCHER_DOUBT_H

#include "dispatcher/control.h"

struct job;

/* A message in doubt to ask about; ready: the providers whose turn it may be, text[]. See take_doubt.sql. */
void doubt_take(struct control *control, const char *channel, const char *ready, db_result_fn *taken,
                void *arg);
/* ids: bigint[]. See read_templates.sql. */
void doubt_read_templates(struct control *control, const char *ids, db_result_fn *read, void *arg);
/* What the asked providers (text[]) said: the job's state and verdict. turn: of doubt_take. See
 * settle_doubt.sql. */
void doubt_settle(struct control *control, const struct job *job, const char *turn, const char *asked,
                  db_result_fn *settled, void *arg);

#endif
