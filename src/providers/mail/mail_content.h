/* What all mail adapters share: their settings of senders and rules, and a mail read from a payload. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_MAIL_CONTENT_H
#define PGOUTBOX_PROVIDERS_MAIL_MAIL_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/json.h"
#include "formats/address.h"
#include "providers/adapter.h"
#include "providers/mail/mime.h"

struct mail_rules {
    struct mailbox from, reply_to; /* reply_to.address is "" when there is none */
    bool require_unsubscribe;      /* of the lane bulk: one-click, as large mailbox providers demand */
    char *attachments_dir;         /* NULL = no mail may have any */
};

/* Reads settings from, reply_to, require_unsubscribe and attachments_dir. Free the rules whatever this
 * returns. */
bool mail_rules_read(struct json_object *json, struct mail_rules *rules, struct error *err);
void mail_rules_free(struct mail_rules *rules);

/* The files that a mail attaches: see the adapter's hook `files`. */
void mail_content_files(const struct mail_rules *rules, const struct message *message,
                        struct file_list *list);

/* A mail and what it points to; the rest it borrows from the rules and the message. */
struct mail_content {
    struct mail mail;
    struct mailbox from, reply_to;
    struct mail_attachment attachments[MAIL_ATTACHMENTS_MAX];
};

/* Reads the payload's keys and checks the recipient. What mime.h checks is left to mail_check and mail_build.
 * err names the key at fault. */
bool mail_content_read(struct mail_content *content, const struct mail_rules *rules,
                       const struct message *message, int64_t now_ms, struct error *err);

/* Reads the mail and appends it finished. On failure the verdict is REJECTED. */
bool mail_content_build(struct mail_content *content, const struct mail_rules *rules,
                        const struct message *message, int64_t now_ms, struct buf *out,
                        struct verdict *verdict);

#endif
