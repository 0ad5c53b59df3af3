#include "core/utf8.h"

#include <string.h>

/* The well-formed sequences (Unicode, table 3-7). Octets behind the second are 80 to BF. */
static const struct form {
    unsigned char low, high; /* first octet */
    unsigned char from, to;  /* second octet */
    size_t size;
    unsigned char bits; /* of the code point in the first octet */
} forms[] = {
    {0x00, 0x7F, 0x00, 0x00, 1, 0x7F}, {0xC2, 0xDF, 0x80, 0xBF, 2, 0x1F}, {0xE0, 0xE0, 0xA0, 0xBF, 3, 0x0F},
    {0xE1, 0xEC, 0x80, 0xBF, 3, 0x0F}, {0xED, 0xED, 0x80, 0x9F, 3, 0x0F}, {0xEE, 0xEF, 0x80, 0xBF, 3, 0x0F},
    {0xF0, 0xF0, 0x90, 0xBF, 4, 0x07}, {0xF1, 0xF3, 0x80, 0xBF, 4, 0x07}, {0xF4, 0xF4, 0x80, 0x8F, 4, 0x07},
};

static const struct form *find_form(unsigned char first)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (first >= forms[i].low && first <= forms[i].high)
            return &forms[i];
    }
    return NULL;
}

size_t utf8_read(const char *text, size_t size, uint32_t *code)
{
    const unsigned char *octets = (const unsigned char *)text;
    const struct form *form = size > 0 ? find_form(octets[0]) : NULL;
    if (form == NULL || form->size > size)
        return 0;
    if (form->size > 1 && (octets[1] < form->from || octets[1] > form->to))
        return 0;
    uint32_t value = octets[0] & form->bits;
    for (size_t i = 1; i < form->size; i++) {
        if ((octets[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (octets[i] & 0x3F);
    }
    if (code != NULL)
        *code = value;
    return form->size;
}

size_t utf8_clean(const char *text, size_t size, char *clean, size_t max)
{
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        size_t octets = utf8_read(text + at, size - at, NULL);
        size_t step = octets > 0 ? octets : 1;
        if (used + step > max)
            break;
        memcpy(clean + used, octets > 0 ? text + at : "?", step);
        used += step;
        at += step;
    }
    return used;
}
