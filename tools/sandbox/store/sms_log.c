#include "sandbox/store/sms_log.h"

#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "crypto/digest.h"

/* The texts stand in one buffer, each with a zero octet behind it: id, key, to, from, text. */
struct slot {
    const char *vendor, *type;
    int64_t at_ms;
    struct buf texts;
};

struct sms_log {
    uint64_t count;
    struct slot slots[SMS_LOG_KEPT];
    uint64_t signature_count;
    uint64_t signatures[SMS_LOG_SIGNATURES];
};

struct sms_log *sms_log_new(void)
{
    struct sms_log *log = mem_alloc(sizeof(*log));
    for (size_t i = 0; i < SMS_LOG_KEPT; i++)
        buf_init(&log->slots[i].texts, SMS_LOG_MAX_TEXT);
    return log;
}

void sms_log_free(struct sms_log *log)
{
    for (size_t i = 0; log && i < SMS_LOG_KEPT; i++)
        buf_free(&log->slots[i].texts);
    mem_free(log);
}

void sms_log_reset(struct sms_log *log)
{
    log->count = 0;
}

void sms_log_add(struct sms_log *log, const struct sms_taken *sms)
{
    const char *const texts[] = {sms->id, sms->key, sms->to, sms->from, sms->text};
    struct slot *slot = &log->slots[log->count++ % SMS_LOG_KEPT];
    slot->vendor = sms->vendor;
    slot->type = sms->type;
    slot->at_ms = sms->at_ms;
    buf_reset(&slot->texts);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        (void)buf_append(&slot->texts, texts[i], strlen(texts[i]) + 1);
}

bool sms_log_get(const struct sms_log *log, uint64_t back, struct sms_taken *sms)
{
    if (back >= log->count || back >= SMS_LOG_KEPT)
        return false;
    const struct slot *slot = &log->slots[(log->count - 1 - back) % SMS_LOG_KEPT];
    const char **texts[] = {&sms->id, &sms->key, &sms->to, &sms->from, &sms->text};
    const char *at = slot->texts.overflowed ? NULL : slot->texts.data;
    *sms = (struct sms_taken){.vendor = slot->vendor, .type = slot->type, .at_ms = slot->at_ms};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        *texts[i] = at ? at : "";
        at += at ? strlen(at) + 1 : 0;
    }
    return true;
}

bool sms_log_use(struct sms_log *log, const char *signature)
{
    unsigned char digest[SHA256_SIZE];
    uint64_t mark;
    digest_sha256(signature, strlen(signature), digest);
    memcpy(&mark, digest, sizeof(mark));
    uint64_t kept = log->signature_count < SMS_LOG_SIGNATURES ? log->signature_count : SMS_LOG_SIGNATURES;
    for (uint64_t i = 0; i < kept; i++)
        if (log->signatures[i] == mark)
            return false;
    log->signatures[log->signature_count++ % SMS_LOG_SIGNATURES] = mark;
    return true;
}
