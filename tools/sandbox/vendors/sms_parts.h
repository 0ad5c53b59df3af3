/* What a text becomes on the air (3GPP TS 23.038, 23.040; KS X 1001), read from the standards a second time:
 * how the adapters read them is what stands to be judged. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_SMS_PARTS_H
#define PGOUTBOX_SANDBOX_VENDORS_SMS_PARTS_H

#include <stdbool.h>
#include <stddef.h>

struct sms_parts {
    size_t count;  /* of messages that the phone joins; at least 1 */
    bool is_plain; /* all of it is in GSM's default alphabet and its extension */
};

/* False: text is not UTF-8. */
bool sms_parts_measure(const char *text, struct sms_parts *parts);

/* Whether a Korean carrier shows this text whole: EUC-KR, of at most 90 (SMS) or 2000 (LMS) octets. */
enum sms_fit { SMS_FITS, SMS_TOO_LONG, SMS_BAD_CHARACTER };
enum sms_fit sms_parts_fit(const char *text, const char *type);

#endif
