/* Files that go with a mail. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_MAIL_ATTACHMENT_H
#define PGOUTBOX_PROVIDERS_MAIL_MAIL_ATTACHMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/json.h"
#include "providers/adapter.h"

/* MAIL_ATTACHED_MAX: octets of all files of a mail together, before encoding. */
enum { MAIL_ATTACHMENTS_MAX = FILES_MAX, MAIL_ATTACHED_MAX = 10 << 20, MAIL_FILE_NAME_MAX = 200 };

struct mail_attachment {
    const char *name; /* UTF-8, without control characters and slashes */
    const char *type; /* "application/pdf" */
    const char *data;
    size_t size;
};

/* The files that payload.attachments names, a list of {"name", "type", "file"}. None when there are more than
 * a mail may have. */
void mail_attachments_files(struct json_object *payload, const char *directory, struct file_list *list);

/* Reads payload.attachments. Nothing is read from disk here: files is what was read of the list above. The
 * result borrows from both. err names the member at fault. */
bool mail_attachments_read(struct json_object *payload, const struct files *files,
                           struct mail_attachment list[MAIL_ATTACHMENTS_MAX], size_t *count,
                           struct error *err);

/* Appends the part: its fields and the base64 body (RFC 2045, RFC 2183), the name by RFC 2231 where it is not
 * plain ASCII or is long. */
bool mail_attachment_write(struct buf *out, const struct mail_attachment *attachment);

#endif
