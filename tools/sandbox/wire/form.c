#include "sandbox/wire/form.h"

#include <string.h>

#include "crypto/hex.h"

/* Decodes a form value (application/x-www-form-urlencoded) up to '&' or the end. */
static bool decode_form(const char *text, struct buf *out)
{
    for (; *text && *text != '&'; text++) {
        char c = *text == '+' ? ' ' : *text;
        if (c == '%') {
            int high = hex_value(text[1]), low = high < 0 ? -1 : hex_value(text[2]);
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            text += 2;
        }
        if (!buf_char(out, c))
            return false;
    }
    return true;
}

bool form_value(const char *form, const char *name, struct buf *out)
{
    size_t size = strlen(name);
    for (const char *field = form; field; field = strchr(field, '&')) {
        field += *field == '&';
        if (strncmp(field, name, size) == 0 && field[size] == '=')
            return decode_form(field + size + 1, out);
    }
    return false;
}
