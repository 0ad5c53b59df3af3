/* Files that a mail attaches, read beside the loop: a disk, or one that is far away, may take its time. */
#ifndef PGOUTBOX_DISPATCHER_MAIL_FILES_H
#define PGOUTBOX_DISPATCHER_MAIL_FILES_H

#include "core/loop.h"
#include "providers/adapter.h"

struct mail_files;

/* Reads what the list names, which is copied. Symbolic links, ".." and mount points are followed as long as
 * they stay below the directory; regular files only. `done` comes once, from the loop. */
struct mail_files *mail_files_read(struct loop *loop, const struct file_list *list, void (*done)(void *arg),
                                   void *arg);

/* What was read; after `done`. It lives as long as the files do. */
const struct files *mail_files_result(const struct mail_files *files);

/* No callback comes after. NULL is allowed. */
void mail_files_free(struct mail_files *files);

#endif
