/* How many parts a text message takes on the air (3GPP TS 23.038, 23.040). */
#ifndef PGOUTBOX_FORMATS_SMS_TEXT_H
#define PGOUTBOX_FORMATS_SMS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum sms_encoding { SMS_GSM7, SMS_UCS2 };

struct sms_size {
    enum sms_encoding encoding; /* one character outside GSM-7 makes the whole text UCS-2 */
    size_t units;               /* septets of GSM-7, UTF-16 units of UCS-2 */
    size_t segments;            /* at least 1 */
};

/* An escape and its character, or the halves of a surrogate pair, stay in one segment. False: not UTF-8. */
bool sms_size(const char *text, size_t size, struct sms_size *result);

#endif
