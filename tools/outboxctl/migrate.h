/* Migrations: files NNNN_name.sql, each applied once, in order, in a transaction of its own. */
#ifndef PGOUTBOX_OUTBOXCTL_MIGRATE_H
#define PGOUTBOX_OUTBOXCTL_MIGRATE_H

#include <stdbool.h>

#include "core/error.h"
#include "db/db.h"

/* Applies what is missing and prints a line for each. Callers at the same time wait for each other. False
 * when a file is badly named, was edited after it was applied, is gone, or would come after a later one; err
 * names it. Nothing is applied then; but files before one that fails in SQL stay applied. */
bool migrate_apply(struct db_session *session, const char *dir, struct error *err) MUST_CHECK;

/* Prints a line for each applied migration. */
bool migrate_status(struct db_session *session, struct error *err) MUST_CHECK;

/* The migrations that came with this program: installed beside it, or in the checkout it was built in. Caller
 * frees with mem_free. NULL: neither is there. */
char *migrate_default_dir(void);

#endif
