#include "core/json_syntax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/utf8.h"

enum { INTEGER_MAX_SIZE = 20 };

struct reader {
    const char *at;
    const char *end;
    int depth;
    const char *wrong; /* what is, at `at`; NULL: the text ends too early */
};

static bool refuse(struct reader *in, const char *wrong)
{
    in->wrong = in->at < in->end ? wrong : NULL;
    return false;
}

static bool sees(const struct reader *in, const char *any)
{
    return in->at < in->end && *in->at != '\0' && strchr(any, *in->at) != NULL;
}

static bool skip(struct reader *in, const char *any)
{
    bool seen = sees(in, any);
    in->at += seen;
    return seen;
}

static void skip_space(struct reader *in)
{
    while (skip(in, " \t\r\n"))
        ;
}

static bool skip_digits(struct reader *in)
{
    const char *start = in->at;
    while (skip(in, "0123456789"))
        ;
    return in->at > start || refuse(in, "digit expected");
}

static bool word(struct reader *in, const char *expected)
{
    for (; *expected != '\0'; expected++, in->at++)
        if (in->at == in->end || *in->at != *expected)
            return refuse(in, "value expected");
    return true;
}

/* json-c puts the nearest number it has in the place of one that does not fit. */
static bool integer_fits(struct reader *in, const char *start)
{
    char digits[INTEGER_MAX_SIZE + 1];
    size_t size = (size_t)(in->at - start);
    bool fits = size <= INTEGER_MAX_SIZE;
    if (fits) {
        memcpy(digits, start, size);
        digits[size] = '\0';
        errno = 0;
        if (*start == '-')
            (void)strtoll(digits, NULL, 10);
        else
            (void)strtoull(digits, NULL, 10);
        fits = errno != ERANGE;
    }
    if (!fits) {
        in->at = start;
        return refuse(in, "number out of range");
    }
    return true;
}

static bool number(struct reader *in)
{
    const char *start = in->at;
    skip(in, "-");
    if (!skip(in, "0") && !skip_digits(in))
        return false;
    if (!sees(in, ".eE"))
        return integer_fits(in, start);
    if (skip(in, ".") && !skip_digits(in))
        return false;
    if (!skip(in, "eE"))
        return true;
    skip(in, "+-");
    return skip_digits(in);
}

static bool escape(struct reader *in)
{
    if (skip(in, "\"\\/bfnrt"))
        return true;
    if (!skip(in, "u"))
        return refuse(in, "unknown escape");
    for (int i = 0; i < 4; i++)
        if (!skip(in, "0123456789abcdefABCDEF"))
            return refuse(in, "hexadecimal digit expected");
    return true;
}

static bool string(struct reader *in)
{
    if (!skip(in, "\""))
        return refuse(in, "string expected");
    while (in->at < in->end) {
        unsigned char c = (unsigned char)*in->at;
        if (c < ' ')
            return refuse(in, "control character in a string");
        if (c >= 0x80) {
            size_t size = utf8_read(in->at, (size_t)(in->end - in->at), NULL);
            if (size == 0)
                return refuse(in, "no UTF-8");
            in->at += size;
            continue;
        }
        in->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !escape(in))
            return false;
    }
    return refuse(in, NULL);
}

static bool value(struct reader *in);

static bool member(struct reader *in)
{
    skip_space(in);
    if (!string(in))
        return false;
    skip_space(in);
    return skip(in, ":") ? value(in) : refuse(in, "':' expected");
}

static bool items(struct reader *in, const char *close, bool (*item)(struct reader *in))
{
    in->at++;
    if (++in->depth >= JSON_MAX_DEPTH)
        return refuse(in, "nested too deep");
    skip_space(in);
    if (!skip(in, close)) {
        do {
            if (!item(in))
                return false;
            skip_space(in);
        } while (skip(in, ","));
        if (!skip(in, close))
            return refuse(in, "',' or the end of the list expected");
    }
    in->depth--;
    return true;
}

static bool value(struct reader *in)
{
    skip_space(in);
    switch (in->at < in->end ? *in->at : '\0') {
    case '{':
        return items(in, "}", member);
    case '[':
        return items(in, "]", value);
    case '"':
        return string(in);
    case 't':
        return word(in, "true");
    case 'f':
        return word(in, "false");
    case 'n':
        return word(in, "null");
    default:
        return sees(in, "-0123456789") ? number(in) : refuse(in, "value expected");
    }
}

bool json_syntax(const char *text, size_t size, struct error *err)
{
    struct reader in = {.at = text, .end = text + size};
    bool good = value(&in);
    if (good) {
        skip_space(&in);
        good = in.at == in.end || refuse(&in, "text after the value");
    }
    if (good)
        return true;
    if (in.wrong == NULL)
        return error_set(err, "JSON text ends early");
    return error_set(err, "no JSON at octet %zu: %s", (size_t)(in.at - text), in.wrong);
}
