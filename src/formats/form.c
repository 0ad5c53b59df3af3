#include "formats/form.h"

#include <string.h>

#include "crypto/hex.h"

bool form_escape(struct buf *out, const char *text, size_t size)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < size; i++) {
        char escaped[3] = "%";
        hex_escape(text[i], escaped + 1);
        bool plain = text[i] != '\0' && strchr(unreserved, text[i]) != NULL;
        buf_append(out, plain ? text + i : escaped, plain ? 1 : sizeof escaped);
    }
    return !out->overflowed;
}

bool form_field(struct buf *out, const char *name, const char *value)
{
    if (out->size > 0)
        buf_char(out, '&');
    form_escape(out, name, strlen(name));
    buf_char(out, '=');
    return form_escape(out, value, strlen(value));
}
