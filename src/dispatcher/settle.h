/* Verdicts as parameters of the statements that note and settle them: parallel arrays, one element a job. */
#ifndef PGOUTBOX_DISPATCHER_SETTLE_H
#define PGOUTBOX_DISPATCHER_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "dispatcher/job.h"

/* In the order in which both statements take them. */
enum settle_column {
    SETTLE_IDS,
    SETTLE_VERDICTS,
    SETTLE_PROVIDERS,
    SETTLE_PROVIDER_IDS,
    SETTLE_REASONS,
    SETTLE_ATS,
    SETTLE_NOT_BEFORES,
    SETTLE_AS_OFS,
    SETTLE_NOTED, /* so many columns does a note have */
    SETTLE_COSTS = SETTLE_NOTED,
    SETTLE_CURRENCIES,
    SETTLE_GROUP_IDS,
    SETTLE_GROUP_SIZES,
    SETTLE_COLUMNS
};

enum { SETTLE_TEXT_SIZE = sizeof(((struct verdict *)NULL)->reason), SETTLE_GROUPS_MAX = 32 };

/* Messages that are sent and are one number in the ledger. */
struct settle_group {
    int64_t id; /* of one of them */
    int64_t day, block;
    bool bulk;
    int size;
};

struct settle_arrays {
    struct buf columns[SETTLE_COLUMNS];
    bool charged; /* some vendor named a price */
    struct settle_group groups[SETTLE_GROUPS_MAX];
    int group_count; /* above SETTLE_GROUPS_MAX: too many, the database counts them itself */
};

/* What the statements call the job's state or verdict. */
const char *settle_word(const struct job *job);
/* What a peer said, made UTF-8: Postgres would refuse anything else, and a whole batch with it. */
void settle_clean(const char *text, char clean[SETTLE_TEXT_SIZE]);

void settle_start(struct settle_arrays *arrays);
/* JOB_HANDED_BACK is left out: such a row stays as it is. */
void settle_add(struct settle_arrays *arrays, const struct job *job);
/* The message's uuid for a text[] beside them, which leaves out the same jobs. */
void settle_add_uuid(struct buf *uuids, const struct job *job);
/* Puts a message that is sent into its group; settle_add does it. created_ms: since 1970. */
void settle_count(struct settle_arrays *arrays, int64_t id, bool bulk, int64_t created_ms);
/* Fills parameters with the finished arrays; the texts live until settle_free. Without any price both columns
 * of it are NULL, with too many groups those of the groups. */
void settle_finish(struct settle_arrays *arrays, const char *parameters[SETTLE_COLUMNS]);
void settle_free(struct settle_arrays *arrays);

#endif
