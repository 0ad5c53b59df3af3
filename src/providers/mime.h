/* Building a mail (RFC 5322, RFC 2045 to 2047). */
#ifndef PGOUTBOX_PROVIDERS_MIME_H
#define PGOUTBOX_PROVIDERS_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/json.h"
#include "providers/address.h"

enum { MAIL_MAX = 16 << 20, MAIL_SUBJECT_MAX = 2000, MAIL_HEADERS_MAX = 20, MAIL_LINE_MAX = 998 };

/* Everything is borrowed. Addresses and mailboxes are checked already; the rest is checked here. */
struct mail {
    const struct mailbox *from;
    const struct mailbox *reply_to; /* or NULL */
    const char *to;                 /* addr-spec */
    const char *uuid;               /* Message-ID is <uuid@domain of from> */
    int64_t date_ms;                /* Unix ms */
    bool automatic;                 /* says Auto-Submitted: auto-generated (RFC 3834) */
    const char *subject;
    size_t subject_size;
    const char *text, *html; /* UTF-8; at least one is not NULL */
    size_t text_size, html_size;
    struct json_object *headers; /* further fields by name, or NULL */
};

/* Appends the finished mail: CRLF lines, encoded bodies; dot-stuffing is the transport's. False: err names
 * the field at fault. */
bool mail_build(struct buf *out, const struct mail *mail, struct error *err);

/* Appends "Fri, 11 Jul 2003 21:00:37 +0000" (RFC 5322, 3.3). */
bool mail_date(struct buf *out, int64_t date_ms);

#endif
