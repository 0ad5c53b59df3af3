/* Rows of a claim as jobs. */
#ifndef PGOUTBOX_DISPATCHER_CLAIM_H
#define PGOUTBOX_DISPATCHER_CLAIM_H

#include <stddef.h>

#include "core/mem.h"
#include "db/db.h"
#include "dispatcher/job.h"
#include "dispatcher/lane.h"

/* What a scan or a look saw. */
struct claimed {
    struct job *jobs; /* in the arena */
    size_t count;
    int rows[LANES];     /* of each lane */
    int64_t last[LANES]; /* highest position of each lane, 0 = none */
};

enum { CLAIM_COLUMNS = 16 };

/* The columns of claim.sql, which reclaim.sql and take_doubt.sql begin with too. A first row without an id
 * is a look that took none. flight: of the jobs, may be NULL. */
void claim_read(const struct db_result *result, struct flight *flight, struct arena *arena,
                struct claimed *claimed);

/* The rest of reclaim.sql's columns: how much of the range is pending, up to where it stopped. */
void claim_read_look(const struct db_result *result, int64_t *pending, int64_t *lowest, int64_t *highest,
                     int64_t *stopped);

/* Frees what rendering made. */
void claim_free(struct claimed *claimed);

#endif
