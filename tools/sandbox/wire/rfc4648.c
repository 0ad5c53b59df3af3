#include "sandbox/wire/rfc4648.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/mem.h"

/* text: a multiple of 4, padded. OpenSSL passes over more than it should, so it must give the same text back.
 */
static bool decode(struct buf *out, const char *text, size_t size)
{
    if (size == 0)
        return buf_append(out, "", 0);
    if (size > INT_MAX / 2)
        return false;
    size_t padding = text[size - 1] != '=' ? 0 : text[size - 2] != '=' ? 1 : 2;
    unsigned char *octets = mem_alloc(size), *again = mem_alloc(size + 1);
    int decoded = EVP_DecodeBlock(octets, (const unsigned char *)text, (int)size);
    bool good = decoded > 0 && (size_t)decoded == size / 4 * 3;
    if (good) {
        int encoded = EVP_EncodeBlock(again, octets, decoded - (int)padding);
        good = (size_t)encoded == size && memcmp(again, text, size) == 0 &&
               buf_append(out, octets, (size_t)decoded - padding);
    }
    mem_free(octets);
    mem_free(again);
    return good;
}

bool rfc4648_base64(struct buf *out, const char *text, size_t size)
{
    return size % 4 == 0 && decode(out, text, size);
}

bool rfc4648_base64url(struct buf *out, const char *text, size_t size)
{
    size_t padding = (4 - size % 4) % 4;
    if (padding == 3)
        return false;
    char *standard = mem_alloc(size + padding + 1);
    bool good = true;
    for (size_t i = 0; i < size && good; i++) {
        good = strchr("+/=", text[i]) == NULL;
        standard[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }
    memset(standard + size, '=', padding);
    good = good && decode(out, standard, size + padding);
    mem_free(standard);
    return good;
}
