#include "formats/phone.h"

#include <stddef.h>
#include <string.h>

enum { NUMBER_MIN = 7, NUMBER_MAX = 15, SHORT_CODE_MIN = 3, NAME_MAX_SIZE = 11 };

#define DIGITS  "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* The number of digits when there is nothing else, or 0. */
static size_t digits_only(const char *text)
{
    size_t size = strspn(text, DIGITS);
    return text[size] == '\0' ? size : 0;
}

bool phone_ok(const char *text)
{
    if (text[0] != '+' || text[1] == '0')
        return false;
    size_t digits = digits_only(text + 1);
    return digits >= NUMBER_MIN && digits <= NUMBER_MAX;
}

bool phone_sender_ok(const char *text)
{
    size_t digits = digits_only(text);
    if (digits > 0)
        return digits >= SHORT_CODE_MIN && digits <= NUMBER_MAX;
    if (phone_ok(text))
        return true;
    return strlen(text) <= NAME_MAX_SIZE && text[strspn(text, LETTERS DIGITS " &+-_.")] == '\0' &&
           strpbrk(text, LETTERS) != NULL;
}

void phone_mask(char *text)
{
    while (*(text += strcspn(text, DIGITS)) != '\0') {
        size_t size = strspn(text, DIGITS " -.()"), digits = 0;
        for (size_t i = 0; i < size; i++)
            digits += strchr(DIGITS, text[i]) != NULL;
        for (size_t i = 0; digits >= NUMBER_MIN && i < size; i++) {
            if (strchr(DIGITS, text[i]) != NULL)
                text[i] = '#';
        }
        text += size;
    }
}
