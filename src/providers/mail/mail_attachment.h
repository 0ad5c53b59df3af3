/* Files that go with a mail. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_MAIL_ATTACHMENT_H
#define PGOUTBOX_PROVIDERS_MAIL_MAIL_ATTACHMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/json.h"

/* MAIL_ATTACHED_MAX: octets of all files of a mail together, before encoding. */
enum { MAIL_ATTACHMENTS_MAX = 20, MAIL_ATTACHED_MAX = 10 << 20, MAIL_FILE_NAME_MAX = 200 };

struct mail_attachment {
    const char *name; /* UTF-8, without control characters and slashes */
    const char *type; /* "application/pdf" */
    const char *data;
    size_t size;
};

/* Reads payload.attachments: a list of {"name", "type", "file"}. Nothing is read from disk here: whoever
 * hands the payload to a provider has put the file's octets beside "file", as the string "data". The result
 * borrows from the payload. err names the member at fault. */
bool mail_attachments_read(struct json_object *payload, struct mail_attachment list[MAIL_ATTACHMENTS_MAX],
                           size_t *count, struct error *err);

/* Appends the part: its fields and the base64 body (RFC 2045, RFC 2183), the name by RFC 2231 where it is not
 * plain ASCII or is long. */
bool mail_attachment_write(struct buf *out, const struct mail_attachment *attachment);

#endif
