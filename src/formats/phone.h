/* Phone numbers (ITU-T E.164) and senders of text messages. */
#ifndef PGOUTBOX_FORMATS_PHONE_H
#define PGOUTBOX_FORMATS_PHONE_H

#include <stdbool.h>

/* '+', a country code and the rest: 7 to 15 digits, the first not 0, nothing else. */
bool phone_ok(const char *text);

/* A number as above, a short code (3 to 15 digits), or a name: at most 11 letters, digits, spaces and
 * "&+-_.", at least one of them a letter. */
bool phone_sender_ok(const char *text);

/* Makes the digits of everything that may be a phone number (7 digits or more, spaces and "-.()" between
 * them) unreadable, in place: for texts of a vendor that people read. */
void phone_mask(char *text);

#endif
