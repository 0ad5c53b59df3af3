#include "sandbox/vendors/magic.h"

#include <ctype.h>
#include <string.h>

/* Of equal length. No country has the code 999. */
static const char prefix[] = "fa17", phone_prefix[] = "+999";

enum { PREFIX_SIZE = 4, CODE_DIGITS = 4, COUNT_DIGITS = 2 };

static int number_at(const char *text, int digits)
{
    int number = 0;
    for (int i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        number = number * 10 + text[i] - '0';
    }
    return number;
}

int magic_code(const char *recipient)
{
    if (strncmp(recipient, prefix, PREFIX_SIZE) != 0 && strncmp(recipient, phone_prefix, PREFIX_SIZE) != 0)
        return MAGIC_NONE;
    int code = number_at(recipient + PREFIX_SIZE, CODE_DIGITS);
    return code > 0 && number_at(recipient + PREFIX_SIZE + CODE_DIGITS, COUNT_DIGITS) >= 0 ? code
                                                                                           : MAGIC_NONE;
}

int magic_take(struct store *store, enum channel channel, const char *recipient)
{
    int code = magic_code(recipient);
    if (code == MAGIC_NONE)
        return MAGIC_NONE;
    int first = number_at(recipient + PREFIX_SIZE + CODE_DIGITS, COUNT_DIGITS);
    uint32_t seen = store_count_recipient(store, channel, recipient);
    return first == 0 || (seen > 0 && seen <= (uint32_t)first) ? code : MAGIC_NONE;
}

bool magic_is_unprocessed(int magic)
{
    return magic == MAGIC_GOAWAY || magic == MAGIC_REFUSED || magic == MAGIC_CUT_BEFORE;
}

bool magic_is_unanswered(int magic)
{
    return magic == MAGIC_SILENT || magic == MAGIC_RESET || magic == MAGIC_CUT || magic == MAGIC_GOAWAY_AFTER;
}

void magic_abort(struct exchange *exchange, int magic)
{
    static const struct {
        int magic;
        enum http_abort how;
    } aborts[] = {{MAGIC_RESET, ABORT_INTERNAL},
                  {MAGIC_GOAWAY, ABORT_GOAWAY_BELOW},
                  {MAGIC_CUT, ABORT_CLOSE},
                  {MAGIC_REFUSED, ABORT_REFUSED},
                  {MAGIC_GOAWAY_AFTER, ABORT_GOAWAY_CLOSE},
                  {MAGIC_CUT_BEFORE, ABORT_CLOSE}};
    for (size_t i = 0; i < sizeof(aborts) / sizeof(*aborts); i++)
        if (aborts[i].magic == magic)
            http_abort(exchange, aborts[i].how);
}
