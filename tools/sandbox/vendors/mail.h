/* Checks a finished mail as it arrived (RFC 5322, RFC 2045) and finds what is shown of it. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_MAIL_H
#define PGOUTBOX_SANDBOX_VENDORS_MAIL_H

#include <stddef.h>

#include "sandbox/store/store.h"

enum { MAIL_FIELD_MAX = 1000, MAIL_NOTES = 7 };

struct mail_facts {
    char from[MAIL_FIELD_MAX];
    char to[MAIL_FIELD_MAX];
    char subject[MAIL_FIELD_MAX];    /* raw, unfolded */
    char message_id[MAIL_FIELD_MAX]; /* without brackets and domain */
    char content_type[MAIL_FIELD_MAX];
    char reply_to[MAIL_FIELD_MAX];
    char unsubscribe[MAIL_FIELD_MAX]; /* List-Unsubscribe */
    char one_click[MAIL_FIELD_MAX];   /* List-Unsubscribe-Post */
};

/* mail: the content with CRLF lines, dots unstuffed. Returns what is wrong, a constant, or NULL. */
const char *mail_inspect(const char *mail, size_t size, struct mail_facts *facts);

/* Fills MAIL_NOTES notes, borrowed from the facts. */
void mail_note(const struct mail_facts *facts, struct note *notes);

#endif
