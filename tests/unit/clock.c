#include "support/suite.h"

#include "core/clock.h"

/* 1994-11-06T08:49:37Z, the moment of all examples in RFC 9110, 5.6.7. */
static const int64_t example = 784111777000;
static const int64_t day = 86400000;
enum { FALLBACK = 4321 };

START_TEST(test_retry_after)
{
    const struct {
        const char *text;
        int64_t now, expected;
    } rows[] = {
        {NULL, 0, FALLBACK},
        {"120", example, 120000}, /* RFC 9110, 10.2.3 */
        {" 120\t", example, 120000},
        {"0", example, 1000},
        {"1", example, 1000},
        {"2", example, 2000},
        {"86400", example, day},
        {"86401", example, day},
        {"99999999999999999999999999", example, day},
        {"", example, FALLBACK},
        {" ", example, FALLBACK},
        {"-1", example, FALLBACK},
        {"+1", example, FALLBACK},
        {"1.5", example, FALLBACK},
        {"12 34", example, FALLBACK},
        {"soon", example, FALLBACK},
        {"Sun, 06 Nov 1994 08:49:37 GMT", example - 90500, 90500},
        {"Sunday, 06-Nov-94 08:49:37 GMT", example - 90500, 90500},
        {"Sun Nov  6 08:49:37 1994", example - 90500, 90500},
        {"Sun, 06 Nov 1994 08:49:37 GMT", example, 1000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", example + 5000, 1000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", example - 2 * day, day},
        {"Fri, 31 Dec 1999 23:59:59 GMT", 946684799000 - 5000, 5000}, /* RFC 9110, 10.2.3 */
        {"Sun, 06 Nov 1994 08:49:37", example, FALLBACK},
        {"Sun, 06 Nov 1994 08:49:37 +0900", example, FALLBACK},
        {"Sun, 06 Nov 1994 08:49:37 GMT or so", example, FALLBACK},
        /* A two-digit year more than 50 years ahead is in the past: 94 in 2020 is 1994, in 2050 it is 2094.
         */
        {"Sunday, 06-Nov-94 08:49:37 GMT", 1577836800000, 1000},
        {"Saturday, 06-Nov-94 08:49:37 GMT", 2524608000000, day},
        {"Tuesday, 06-Nov-74 08:49:37 GMT", 1704067200000, day},   /* in 2024: 2074 */
        {"Thursday, 06-Nov-75 08:49:37 GMT", 1704067200000, 1000}, /* in 2024: 1975 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t got = clock_retry_after(rows[i].text, rows[i].now, FALLBACK);
        ck_assert_msg(got == rows[i].expected, "row %zu '%s': %lld", i, rows[i].text, (long long)got);
    }
}
END_TEST

START_TEST(test_utc)
{
    char out[32];
    ck_assert(clock_utc(784111777999, "%Y-%m-%dT%H:%M:%SZ", out, sizeof out));
    ck_assert_str_eq(out, "1994-11-06T08:49:37Z"); /* the moment of RFC 9110, 5.6.7 */
    ck_assert(!clock_utc(784111777999, "%Y-%m-%dT%H:%M:%SZ", out, 20));
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(test_clocks)
{
    int64_t mono = clock_mono();
    ck_assert(clock_mono() >= mono);
    ck_assert(clock_ms() > 1700000000000); /* milliseconds, later than 2023 */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    suite_add(suite, test_retry_after);
    suite_add(suite, test_utc);
    suite_add(suite, test_clocks);
    return suite_run(suite);
}
