#include "formats/sms_text.h"

#include <stdint.h>
#include <string.h>

#include "core/utf8.h"

/* Segments of a longer text lose 6 octets to the header that joins them. */
static const struct limits {
    size_t single, joined;
} limits[] = {
    [SMS_GSM7] = {160, 153},
    [SMS_UCS2] = {70, 67},
};

/* The default alphabet: its ASCII part and the rest. */
static const char basic_ascii[] = "@$\n\r_ !\"#%&'()*+,-./0123456789:;<=>?"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const uint16_t basic_other[] = {
    0x00A3, 0x00A5, 0x00E8, 0x00E9, 0x00F9, 0x00EC, 0x00F2, 0x00C7, 0x00D8, 0x00F8, 0x00C5, 0x00E5, 0x0394,
    0x03A6, 0x0393, 0x039B, 0x03A9, 0x03A0, 0x03A8, 0x03A3, 0x0398, 0x039E, 0x00C6, 0x00E6, 0x00DF, 0x00C9,
    0x00A4, 0x00A1, 0x00C4, 0x00D6, 0x00D1, 0x00DC, 0x00A7, 0x00BF, 0x00E4, 0x00F6, 0x00F1, 0x00FC, 0x00E0,
};
/* The extension table, each behind an escape. */
static const char extension_ascii[] = "\f^{}\\[~]|";
enum { EURO = 0x20AC };

static size_t gsm7_septets(uint32_t character)
{
    if (character == 0)
        return 0;
    if (character < 0x80)
        return strchr(basic_ascii, (int)character) != NULL       ? 1
               : strchr(extension_ascii, (int)character) != NULL ? 2
                                                                 : 0;
    for (size_t i = 0; i < sizeof basic_other / sizeof basic_other[0]; i++) {
        if (basic_other[i] == character)
            return 1;
    }
    return character == EURO ? 2 : 0;
}

struct tally {
    size_t units, segments, used;
};

static void tally_add(struct tally *tally, size_t width, size_t room)
{
    tally->units += width;
    if (tally->segments == 0 || tally->used + width > room) {
        tally->segments++;
        tally->used = 0;
    }
    tally->used += width;
}

bool sms_size(const char *text, size_t size, struct sms_size *result)
{
    struct tally tallies[2] = {{0}, {0}};
    enum sms_encoding encoding = SMS_GSM7;
    while (size > 0) {
        uint32_t character;
        size_t octets = utf8_read(text, size, &character);
        if (octets == 0)
            return false;
        size_t septets = gsm7_septets(character);
        if (septets == 0)
            encoding = SMS_UCS2;
        tally_add(&tallies[SMS_GSM7], septets, limits[SMS_GSM7].joined);
        tally_add(&tallies[SMS_UCS2], character > 0xFFFF ? 2 : 1, limits[SMS_UCS2].joined);
        text += octets;
        size -= octets;
    }
    const struct tally *tally = &tallies[encoding];
    bool single = tally->units <= limits[encoding].single;
    *result = (struct sms_size){encoding, tally->units, single ? 1 : tally->segments};
    return true;
}
