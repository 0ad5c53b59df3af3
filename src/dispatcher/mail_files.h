/* Files that a mail's payload names, read into it. */
#ifndef PGOUTBOX_DISPATCHER_MAIL_FILES_H
#define PGOUTBOX_DISPATCHER_MAIL_FILES_H

#include <stdbool.h>

#include "core/error.h"
#include "core/json.h"

/* For each element of payload.attachments: takes away the member "data", which only this program may give,
 * then sets it to the octets of the file that "file" names below `directory`. Symbolic links, ".." and mount
 * points are followed as long as they stay below it. Regular files only, MAIL_ATTACHED_MAX octets together.
 * directory NULL: no file may be read, "data" is only taken away. Members that are missing or of a wrong type
 * are left to the adapter, which names them. False: err names the element and the rule, never the directory;
 * the payload must not be used then. */
bool mail_files_read(const char *directory, struct json_object *payload, struct error *err) MUST_CHECK;

#endif
