/* Building a mail (RFC 5322, RFC 2045 to 2047). */
#ifndef PGOUTBOX_PROVIDERS_MAIL_MIME_H
#define PGOUTBOX_PROVIDERS_MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/json.h"
#include "formats/address.h"
#include "providers/mail/mail_attachment.h"

/* Octets, but for the number of further fields. */
enum {
    MAIL_MAX = 16 << 20,
    MAIL_SUBJECT_MAX = 2000,
    MAIL_HEADERS_MAX = 20,
    MAIL_LINE_MAX = 998,
    MAIL_UNSUBSCRIBE_MAX = 900
};

/* Everything is borrowed. Addresses, mailboxes and attachments are checked already; the rest is checked here.
 */
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
    /* Where a reader leaves the list (RFC 2369, 3.2), each or both NULL: an https URL, which takes a POST
     * without a question (RFC 8058), and "local@domain" or "local@domain?subject=…". */
    const char *unsubscribe_url, *unsubscribe_mailto;
    const struct mail_attachment *attachments;
    size_t attachment_count;
};

/* Checks subject, further fields and unsubscribing. False: err names the field at fault. */
bool mail_check(const struct mail *mail, struct error *err);

/* Checks the mail and appends it finished: CRLF lines, encoded bodies; dot-stuffing is the transport's.
 * False: err names the field at fault. */
bool mail_build(struct buf *out, const struct mail *mail, struct error *err);

/* Appends the value of List-Unsubscribe; separator stands between its two parts. False, and nothing is
 * appended, when the mail has none. */
bool mail_unsubscribe(struct buf *out, const struct mail *mail, const char *separator);

/* The value of List-Unsubscribe-Post, which goes with an unsubscribe_url (RFC 8058, 3.1). */
extern const char mail_one_click[];

/* Appends "Fri, 11 Jul 2003 21:00:37 +0000" (RFC 5322, 3.3). */
bool mail_date(struct buf *out, int64_t date_ms);

#endif
