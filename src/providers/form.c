#include "providers/form.h"

#include <string.h>

bool percent_append(struct buf *out, const char *text, size_t size)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char octet = (unsigned char)text[i];
        if (octet != '\0' && strchr(unreserved, octet) != NULL)
            buf_char(out, text[i]);
        else
            buf_append(out, (const char[]){'%', digits[octet >> 4], digits[octet & 15]}, 3);
    }
    return !out->overflowed;
}

bool form_field(struct buf *out, const char *name, const char *value)
{
    if (out->size > 0)
        buf_char(out, '&');
    percent_append(out, name, strlen(name));
    buf_char(out, '=');
    return percent_append(out, value, strlen(value));
}
