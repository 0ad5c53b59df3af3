/* The newest text messages that arrived over any vendor, for the vendors' lists of what they took. */
#ifndef PGOUTBOX_SANDBOX_STORE_SMS_LOG_H
#define PGOUTBOX_SANDBOX_STORE_SMS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SMS_LOG_KEPT = 4096,
    SMS_LOG_MAX_TEXT = 8192, /* octets of one message with all its fields; a larger one is kept empty */
    SMS_LOG_SIGNATURES = 8192
};

struct sms_taken {
    const char *vendor; /* a constant: "twilio" */
    const char *id;     /* the vendor's */
    const char *key;    /* our message's uuid, or "" */
    const char *to;     /* +E.164 */
    const char *from;
    const char *text;
    const char *type; /* a constant: "SMS", "LMS" */
    int64_t at_ms;    /* Unix time */
};

struct sms_log;

struct sms_log *sms_log_new(void);
void sms_log_free(struct sms_log *log); /* NULL is allowed */
void sms_log_reset(struct sms_log *log);

void sms_log_add(struct sms_log *log, const struct sms_taken *sms); /* texts are copied */
/* The newest but `back` (0 = the newest); its texts live until the next sms_log_add. False: not kept. */
bool sms_log_get(const struct sms_log *log, uint64_t back, struct sms_taken *sms);

/* Remembers a signature that may be used once. False: it is among the newest SMS_LOG_SIGNATURES. */
bool sms_log_use(struct sms_log *log, const char *signature);

#endif
