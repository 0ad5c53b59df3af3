#include "core/error.h"

#include <stdio.h>
#include <string.h>

/* Texts of libraries and servers may hold line breaks; a log line and a status column want one line. */
static void error_flatten(char *text)
{
    char *end = text;
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at >= ' ')
            *end++ = *at;
        else if (end > text && end[-1] != ' ')
            *end++ = ' ';
    }
    while (end > text && end[-1] == ' ')
        end--;
    *end = '\0';
}

bool error_set(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    /* The arguments may point into err itself. */
    struct error fresh = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(fresh.text, sizeof fresh.text, format, args);
    va_end(args);
    error_flatten(fresh.text);
    *err = fresh;
    return false;
}

bool error_prefix(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    struct error prefix = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(prefix.text, sizeof prefix.text, format, args);
    va_end(args);
    return error_set(err, "%s: %s", prefix.text, err->text);
}
