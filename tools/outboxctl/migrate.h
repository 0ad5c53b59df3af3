/* Migrations: the files of a folder, applied in order, in one transaction. docs/adding-a-migration.md has the
 * rules. */
#ifndef PGOUTBOX_OUTBOXCTL_MIGRATE_H
#define PGOUTBOX_OUTBOXCTL_MIGRATE_H

#include <stdbool.h>

#include "core/error.h"
#include "db/db.h"

/* Applies the files NNNN_name.sql that are new; and, when there is one or when a file RNN_name.sql changed,
 * all of the latter. Prints a line for each. Callers at the same time wait for each other. False when a file
 * is badly named or fails, or when one that was applied was edited, is gone, or would come after a new one;
 * err names it, and nothing was changed. */
bool migrate_apply(struct db_session *session, const char *dir, struct error *err) MUST_CHECK;

/* Prints a line for each applied migration. */
bool migrate_status(struct db_session *session, struct error *err) MUST_CHECK;

/* The migrations that came with this program: installed beside it, or in the checkout it was built in. Caller
 * frees with mem_free. NULL: neither is there. */
char *migrate_default_dir(void);

#endif
