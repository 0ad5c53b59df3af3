/*
 * The duties: SQL functions that are called for ever, each call after the answer to the one before it. They
 * are divided into groups, one database connection each, so that a long statement delays its own group only.
 */
#ifndef PGOUTBOX_SCHEDULER_DUTIES_H
#define PGOUTBOX_SCHEDULER_DUTIES_H

#include <stdint.h>

#include "core/loop.h"
#include "db/db.h"

enum duty_group {
    GROUP_CONTROL,  /* what has to be on time; nothing that takes long */
    GROUP_GATHER,   /* queries of audiences, which people write */
    GROUP_AUDIENCE, /* notifications for audiences */
    GROUP_HOUSE,    /* housekeeping */
    GROUPS
};

struct duties;

/* The duties of one group on its connection, which must outlive them. interval_ms: how often due messages and
 * notifications are looked for. They rest until duties_start. */
struct duties *duties_new(struct loop *loop, struct db *db, enum duty_group group, int64_t interval_ms);
void duties_free(struct duties *duties); /* NULL is allowed; the connection must be gone */

/* The connection must be up. Starting twice changes nothing. */
void duties_start(struct duties *duties);
/* No new calls; a call that is open goes on, and its answer is heard. */
void duties_stop(struct duties *duties);

#endif
