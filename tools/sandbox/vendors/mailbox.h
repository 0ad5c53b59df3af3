/* The mailbox behind the sandbox's mail server: checks a mail and its DKIM signatures, obeys magic, records.
 */
#ifndef PGOUTBOX_SANDBOX_VENDORS_MAILBOX_H
#define PGOUTBOX_SANDBOX_VENDORS_MAILBOX_H

#include "sandbox/store/directory.h"
#include "sandbox/store/store.h"
#include "sandbox/wire/smtp.h"

#define MAILBOX_USER "sandbox"

struct mailbox {
    struct store *store;
    const struct directory *directory; /* whose DKIM records verify mails; see dkim_check.h */
};

extern const struct smtp_service mailbox_service; /* its arg is a struct mailbox */

#endif
