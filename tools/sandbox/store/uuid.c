#include "sandbox/store/uuid.h"

#include <string.h>

#include "crypto/hex.h"

void uuid_write(const unsigned char octets[UUID_OCTETS], char text[UUID_TEXT + 1])
{
    char *end = text;
    for (size_t i = 0; i < UUID_OCTETS; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *end++ = '-';
        hex_encode(octets + i, 1, end);
        end += 2;
    }
}

bool uuid_read(const char *text, size_t size, unsigned char octets[UUID_OCTETS])
{
    if (size != UUID_TEXT)
        return false;
    size_t digits = 0;
    for (size_t i = 0; i < UUID_TEXT && digits < 2 * UUID_OCTETS; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0)
            continue;
        unsigned char *octet = &octets[digits / 2];
        *octet = (unsigned char)(digits % 2 ? *octet | digit : digit << 4);
        digits++;
    }
    /* Only the canonical form comes out again as it went in. */
    char again[UUID_TEXT + 1];
    if (digits < 2 * UUID_OCTETS)
        return false;
    uuid_write(octets, again);
    return memcmp(text, again, UUID_TEXT) == 0;
}
