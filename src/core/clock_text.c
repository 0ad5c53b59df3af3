/* Times as texts: pure. */
#include <string.h>
#include <time.h>

#include "core/clock.h"

enum { SECOND_MS = 1000, DAY_S = 86400 };

static int64_t clamp_wait(int64_t wait_ms)
{
    if (wait_ms < SECOND_MS)
        return SECOND_MS;
    return wait_ms < (int64_t)DAY_S * SECOND_MS ? wait_ms : (int64_t)DAY_S * SECOND_MS;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static bool parse_seconds(const char *text, int64_t *seconds)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || *skip_blanks(text + digits) != '\0')
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < digits && value <= DAY_S; i++)
        value = value * 10 + (text[i] - '0');
    *seconds = value;
    return true;
}

bool clock_utc(int64_t ms, const char *format, char *out, size_t size)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) != NULL && strftime(out, size, format, &utc) > 0)
        return true;
    out[0] = '\0';
    return false;
}

/* RFC 9110, 5.6.7: a two-digit year that seems more than 50 years ahead means the one in the past. */
static void correct_century(struct tm *date, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm today = {0};
    if (gmtime_r(&now, &today) == NULL)
        return;
    date->tm_year = today.tm_year - today.tm_year % 100 + date->tm_year % 100;
    if (date->tm_year > today.tm_year + 50)
        date->tm_year -= 100;
}

static bool parse_date(const char *text, int64_t now_s, int64_t *seconds)
{
    /* IMF-fixdate, RFC 850 and asctime. A process that never calls setlocale has English names. */
    static const struct {
        const char *format;
        bool short_year;
    } forms[] = {{"%a, %d %b %Y %H:%M:%S GMT", false},
                 {"%A, %d-%b-%y %H:%M:%S GMT", true},
                 {"%a %b %e %H:%M:%S %Y", false}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm date = {0};
        const char *end = strptime(text, forms[i].format, &date);
        if (end == NULL || *skip_blanks(end) != '\0')
            continue;
        if (forms[i].short_year)
            correct_century(&date, now_s);
        *seconds = (int64_t)timegm(&date);
        return true;
    }
    return false;
}

int64_t clock_retry_after(const char *text, int64_t now_ms, int64_t fallback_ms)
{
    if (text == NULL)
        return fallback_ms;
    text = skip_blanks(text);
    int64_t seconds = 0;
    if (parse_seconds(text, &seconds))
        return clamp_wait(seconds * SECOND_MS);
    if (parse_date(text, now_ms / SECOND_MS, &seconds))
        return clamp_wait(seconds * SECOND_MS - now_ms);
    return fallback_ms;
}
