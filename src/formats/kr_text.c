#include "formats/kr_text.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/utf8.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static iconv_t conversion_open(void)
{
    return iconv_open("EUC-KR", "UTF-8");
}

bool kr_text_ready(struct error *err)
{
    iconv_t conversion = conversion_open();
    if (conversion == (iconv_t)-1)
        return error_set(err, "EUC-KR: this system's iconv cannot convert to it");
    iconv_close(conversion);
    return true;
}

/* Octets and code point of the character at text, which is not empty. A broken one has one octet. */
static size_t character(const char *text, size_t size, uint32_t *code)
{
    size_t octets = utf8_read(text, size, code);
    if (octets > 0)
        return octets;
    *code = (unsigned char)text[0];
    return 1;
}

/* Octets of one character in EUC-KR; 0 when it has none there. */
static size_t octets_of(iconv_t conversion, const char *character, size_t size, uint32_t code)
{
    /* Carriers drop control characters, and glibc lets them pass. */
    if ((code < ' ' && code != '\t' && code != '\n' && code != '\r') || (code >= 0x7F && code < 0xA0))
        return 0;
    if (code < 0x7F)
        return 1;
    char in[4], out[8], *from = in, *to = out;
    size_t left = size, room = sizeof out;
    memcpy(in, character, size);
    if (iconv(conversion, &from, &left, &to, &room) == (size_t)-1 || left > 0)
        return 0;
    return sizeof out - room;
}

void kr_text_measure(const char *text, size_t size, struct buf *fitting, struct kr_text *measure)
{
    iconv_t conversion = conversion_open();
    if (conversion == (iconv_t)-1)
        mem_exhausted();
    *measure = (struct kr_text){0};
    for (size_t at = 0; at < size;) {
        uint32_t code;
        size_t length = character(text + at, size - at, &code);
        size_t octets = octets_of(conversion, text + at, length, code);
        if (octets == 0 && measure->unknown++ == 0)
            measure->first = code;
        measure->octets += octets == 0 ? 1 : octets;
        if (fitting != NULL)
            buf_append(fitting, octets == 0 ? "?" : text + at, octets == 0 ? 1 : length);
        at += length;
    }
    iconv_close(conversion);
}

size_t kr_text_head(const char *text, size_t size, size_t max)
{
    size_t octets = 0, at = 0;
    while (at < size && text[at] != '\n' && text[at] != '\r') {
        uint32_t code;
        size_t length = character(text + at, size - at, &code);
        octets += length == 1 ? 1 : 2; /* KS X 1001 has two octets for all but ASCII */
        if (octets > max)
            break;
        at += length;
    }
    return at;
}

bool kr_text_is_marked_ad(const char *text)
{
    static const char mark[] = "(광고)";
    return strncmp(text, mark, sizeof mark - 1) == 0;
}

/* Behind word and the separators that follow it, or NULL when text does not start with word. */
static const char *skip_word(const char *text, const char *word, const char *separators)
{
    size_t size = strlen(word);
    if (strncmp(text, word, size) != 0)
        return NULL;
    return text + size + strspn(text + size, separators);
}

/* The opt-out at text, up to the end of the text. */
static bool is_opt_out(const char *text)
{
    enum { DIGITS_LEAST = 10, DIGITS_MOST = 12 };
    const char *at = skip_word(text, "무료", " ");
    if (at == NULL)
        return false;
    const char *longer = skip_word(at, "수신", " ");
    at = skip_word(longer != NULL ? longer : at, "거부", " :)]\n\r");
    if (at == NULL || strncmp(at, "080", 3) != 0)
        return false;
    size_t digits = 0;
    for (; is_digit(*at) || *at == '-'; at++)
        digits += *at != '-';
    return digits >= DIGITS_LEAST && digits <= DIGITS_MOST && at[strspn(at, " \n\r\t)]")] == '\0';
}

bool kr_text_has_opt_out(const char *text)
{
    for (const char *at = text; (at = strstr(at, "무료")) != NULL; at++) {
        if (is_opt_out(at))
            return true;
    }
    return false;
}

/* Length of the calling code at the start of E.164 digits: of one digit are zones 1 and 7, of two the ones
 * listed, all others of three (ITU-T E.164, annex). */
static size_t country_length(const char *digits)
{
    static const char two[] = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 "
                              "60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 ";
    if (digits[0] == '1' || digits[0] == '7')
        return 1;
    for (const char *code = two; *code != '\0'; code += 3) {
        if (strncmp(code, digits, 2) == 0)
            return 2;
    }
    return 3;
}

bool kr_number_read(const char *e164, struct kr_number *number)
{
    if (e164[0] != '+')
        return false;
    const char *digits = e164 + 1;
    size_t size = strspn(digits, "0123456789");
    if (digits[size] != '\0' || size < 7 || size > 15 || digits[0] == '0')
        return false;
    size_t code = country_length(digits);
    bool korean = strncmp(digits, "82", 2) == 0;
    size_t rest = size - code;
    if (korean && (rest < 8 || rest > 11 || digits[code] == '0'))
        return false;
    snprintf(number->country, sizeof number->country, "%.*s", (int)code, digits);
    snprintf(number->national, sizeof number->national, "%s%s", korean ? "0" : "", digits + code);
    return true;
}

bool kr_sender_read(const char *text, char out[16])
{
    enum { LEAST = 3, MOST = 12 };
    struct kr_number number;
    size_t size = 0;
    if (text[0] == '+') {
        if (!kr_number_read(text, &number) || strcmp(number.country, "82") != 0)
            return false;
        memcpy(out, number.national, sizeof number.national);
        return true;
    }
    for (; *text != '\0'; text++) {
        if (*text == '-' && size > 0)
            continue;
        if (!is_digit(*text) || size == MOST)
            return false;
        out[size++] = *text;
    }
    out[size] = '\0';
    return size >= LEAST;
}
