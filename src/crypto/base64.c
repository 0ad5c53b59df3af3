#include "crypto/base64.h"

static const char standard_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool encode(struct buf *out, const unsigned char *data, size_t size, const char *alphabet, bool padded)
{
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at < 3 ? size - at : 3;
        unsigned bits = (unsigned)data[at] << 16;
        if (left > 1)
            bits |= (unsigned)data[at + 1] << 8;
        if (left > 2)
            bits |= data[at + 2];
        char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63], alphabet[bits >> 6 & 63],
                         alphabet[bits & 63]};
        for (size_t i = left + 1; i < 4; i++)
            group[i] = '=';
        if (!buf_append(out, group, padded ? 4 : left + 1))
            return false;
    }
    return buf_append(out, "", 0);
}

bool base64_append(struct buf *out, const void *data, size_t size)
{
    return encode(out, data, size, standard_alphabet, true);
}

bool base64url_append(struct buf *out, const void *data, size_t size)
{
    return encode(out, data, size, url_alphabet, false);
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct buf *out, const char *text, size_t size)
{
    if (size > 0 && size % 4 == 0) {
        for (int i = 0; i < 2 && text[size - 1] == '='; i++)
            size--;
    }
    if (size % 4 == 1)
        return false;
    size_t start = out->size;
    unsigned bits = 0;
    int count = 0;
    for (size_t i = 0; i < size; i++) {
        int value = digit_value(text[i]);
        if (value < 0) {
            /* A caller that ignores the result must not find half a value. */
            if (out->data != NULL)
                out->data[start] = '\0';
            out->size = start;
            return false;
        }
        bits = bits << 6 | (unsigned)value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (!buf_char(out, (char)(bits >> count & 255)))
            return false;
    }
    return buf_append(out, "", 0);
}
