/* Verdicts as parameters of the statements that note and settle them: parallel arrays, one element a job. */
#ifndef PGOUTBOX_DISPATCHER_SETTLE_H
#define PGOUTBOX_DISPATCHER_SETTLE_H

#include <stddef.h>

#include "core/buf.h"
#include "dispatcher/job.h"

struct settle_arrays {
    struct buf ids, verdicts, providers, provider_ids, reasons, ats, not_befores;
};

void settle_start(struct settle_arrays *arrays);
/* JOB_HANDED_BACK is left out: such a row stays as it is. */
void settle_add(struct settle_arrays *arrays, const struct job *job);
void settle_finish(struct settle_arrays *arrays);
void settle_free(struct settle_arrays *arrays);

#endif
