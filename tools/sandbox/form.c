#include "sandbox/form.h"

#include <stdlib.h>
#include <string.h>

/* Decodes a form value (application/x-www-form-urlencoded) up to '&' or the end. */
static bool decode_form(const char *text, struct buf *out)
{
    for (; *text && *text != '&'; text++) {
        char c = *text == '+' ? ' ' : *text;
        if (c == '%') {
            char hex[3] = {text[1], text[1] ? text[2] : '\0', '\0'};
            char *end = NULL;
            c = (char)strtol(hex, &end, 16);
            if (end != hex + 2)
                return false;
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
