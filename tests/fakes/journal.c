#include "fakes/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char written[65536], shown[sizeof written];

void journal_add(const char *format, ...)
{
    size_t size = strlen(written);
    ck_assert_uint_lt(size, sizeof written / 2);
    if (size > 0)
        written[size++] = ' ';
    va_list args;
    va_start(args, format);
    vsnprintf(written + size, sizeof written - size, format, args);
    va_end(args);
}

const char *journal_read(void)
{
    memcpy(shown, written, sizeof shown);
    written[0] = '\0';
    return shown;
}
