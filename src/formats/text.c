#include "formats/text.h"

#include <string.h>

bool text_is_one_line(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7F)
            return false;
    }
    return true;
}

static bool is_between(const char *text, size_t size, char first, char last)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] < first || text[i] > last)
            return false;
    }
    return true;
}

bool text_is_printable(const char *text, size_t size)
{
    return is_between(text, size, ' ', '~');
}

bool text_is_visible(const char *text, size_t size)
{
    return size > 0 && is_between(text, size, '!', '~');
}

bool text_is_decimal(const char *text)
{
    static const char digits[] = "0123456789";
    size_t whole = strspn(text, digits);
    size_t part = text[whole] == '.' ? 1 + strspn(text + whole + 1, digits) : 0;
    return whole > 0 && part != 1 && text[whole + part] == '\0';
}
