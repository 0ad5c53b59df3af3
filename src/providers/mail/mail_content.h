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
    bool attachments;              /* there is a folder for them */
};

/* Reads settings from, reply_to, require_unsubscribe and attachments_dir. */
bool mail_rules_read(struct json_object *json, struct mail_rules *rules, struct error *err);

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
