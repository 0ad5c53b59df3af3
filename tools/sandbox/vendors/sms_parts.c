#include "sandbox/vendors/sms_parts.h"

#include <iconv.h>
#include <string.h>

#include "core/mem.h"
#include "core/utf8.h"

/* In the order of the standard's tables (TS 23.038, 6.2.1), without the escape. */
static const char basic[] = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
                            "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
                  extension[] = "\f^{}\\[~]|€";

enum { SMS_OCTETS = 90, LMS_OCTETS = 2000 };

/* A message has 140 octets, 6 fewer in each of several: of 7 or of 16 bits a unit. */
struct room {
    size_t single, joined; /* units */
    size_t total, parts, used;
};

/* A character is never torn apart. */
static void room_take(struct room *room, size_t units)
{
    room->total += units;
    if (room->parts == 0 || room->used + units > room->joined) {
        room->parts++;
        room->used = 0;
    }
    room->used += units;
}

bool sms_parts_measure(const char *text, struct sms_parts *parts)
{
    struct room septets = {.single = 140 * 8 / 7, .joined = 134 * 8 / 7};
    struct room pairs = {.single = 140 / 2, .joined = 134 / 2};
    bool is_plain = true;
    size_t size;
    for (; *text; text += size) {
        char character[5] = "";
        size = utf8_read(text, strlen(text), NULL);
        if (size == 0)
            return false;
        memcpy(character, text, size);
        bool is_basic = strstr(basic, character) != NULL;
        is_plain = is_plain && (is_basic || strstr(extension, character) != NULL);
        room_take(&septets, is_basic ? 1 : 2);
        room_take(&pairs, size == 4 ? 2 : 1);
    }
    const struct room *room = is_plain ? &septets : &pairs;
    *parts = (struct sms_parts){room->total <= room->single ? 1 : room->parts, is_plain};
    return true;
}

/* Octets of the text in EUC-KR, 0 when it has characters that are not there. */
static size_t korean_size(const char *text)
{
    size_t left = strlen(text), room = left + 1, size = 0;
    char *in = mem_strdup(text), *out = mem_alloc(room), *from = in, *to = out;
    iconv_t conversion = iconv_open("EUC-KR", "UTF-8");
    if (conversion != (iconv_t)-1) {
        if (iconv(conversion, &from, &left, &to, &room) != (size_t)-1)
            size = (size_t)(to - out);
        iconv_close(conversion);
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char octet = (unsigned char)out[i];
        if ((octet < ' ' && strchr("\t\r\n", octet) == NULL) || (octet > '~' && octet < 0xA1))
            size = 0; /* control characters get lost */
    }
    mem_free(in);
    mem_free(out);
    return size;
}

enum sms_fit sms_parts_fit(const char *text, const char *type)
{
    size_t size = korean_size(text);
    if (size == 0 && *text)
        return SMS_BAD_CHARACTER;
    return size <= (strcmp(type, "SMS") == 0 ? SMS_OCTETS : LMS_OCTETS) ? SMS_FITS : SMS_TOO_LONG;
}
