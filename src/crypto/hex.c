#include "crypto/hex.h"

static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

static void write_pair(unsigned char octet, const char *alphabet, char *pair)
{
    pair[0] = alphabet[octet >> 4];
    pair[1] = alphabet[octet & 15];
}

bool hex_append(struct buf *out, const void *data, size_t size)
{
    const unsigned char *octets = data;
    for (size_t i = 0; i < size; i++) {
        char pair[2];
        write_pair(octets[i], lower, pair);
        if (!buf_append(out, pair, sizeof pair))
            return false;
    }
    return buf_append(out, "", 0);
}

void hex_encode(const unsigned char *data, size_t size, char *hex)
{
    for (size_t i = 0; i < size; i++)
        write_pair(data[i], lower, hex + 2 * i);
    hex[2 * size] = '\0';
}

void hex_escape(char octet, char digits[2])
{
    write_pair((unsigned char)octet, upper, digits);
}

int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}
