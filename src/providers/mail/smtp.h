/* The parts of the SMTP adapter. */
#ifndef PGOUTBOX_PROVIDERS_MAIL_SMTP_H
#define PGOUTBOX_PROVIDERS_MAIL_SMTP_H

#include "providers/adapter.h"

extern const struct adapter smtp_adapter;

/* What the deciding reply of a transaction means; SENT comes without a provider id. response is answered. */
struct verdict smtp_judge_reply(const struct response *response, const char *recipient, int64_t now_ms);

/* Enhanced status code (RFC 3463); class 0 = none. */
struct smtp_enhanced {
    int class, subject, detail;
};

/* Reads the enhanced code of a reply, which may have several lines. */
struct smtp_enhanced smtp_enhanced_read(const char *reply);

#endif
