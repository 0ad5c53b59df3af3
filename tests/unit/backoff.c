#include "support/suite.h"

#include "core/backoff.h"

START_TEST(test_bounds)
{
    static const struct {
        int64_t base, cap;
        int attempt;
        int64_t low, high;
    } rows[] = {
        {100, 5000, 1, 10, 100},
        {100, 5000, 2, 10, 200},
        {100, 5000, 6, 10, 3200},
        {100, 5000, 7, 10, 5000},
        {100, 5000, 1000000, 10, 5000},
        {100, 5000, INT32_MAX, 10, 5000},
        {1000, 300, 1, 100, 300},
        {5000, 300, 1, 300, 300},
        {1, 10, 1, 0, 1},
        {1, INT64_MAX, 63, 0, (int64_t)1 << 62},
        {1, INT64_MAX, 64, 0, INT64_MAX},
        {60000, 6LL * 3600 * 1000, 4, 6000, 480000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct backoff policy = {.base_ms = rows[i].base, .cap_ms = rows[i].cap};
        int64_t low = backoff_delay(&policy, rows[i].attempt, 0);
        int64_t high = backoff_delay(&policy, rows[i].attempt, UINT32_MAX);
        ck_assert_msg(low == rows[i].low, "row %zu: low %lld", i, (long long)low);
        /* 32 bits cannot hit the exact end of a wider range. */
        int64_t slack = (rows[i].high - rows[i].low) >> 32;
        ck_assert_msg(high <= rows[i].high && high >= rows[i].high - slack, "row %zu: high %lld", i,
                      (long long)high);
    }
}
END_TEST

START_TEST(test_uniform)
{
    const struct backoff policy = {.base_ms = 100, .cap_ms = 5000};
    int64_t sum = 0;
    for (uint32_t i = 0; i < 1000; i++)
        sum += backoff_delay(&policy, 3, i * (UINT32_MAX / 1000));
    ck_assert_int_ge(sum / 1000, 203); /* the middle of 10..400 is 205 */
    ck_assert_int_le(sum / 1000, 207);
}
END_TEST

START_TEST(test_random)
{
    uint32_t seen = 0;
    for (int i = 0; i < 64; i++)
        seen |= backoff_random();
    ck_assert_uint_eq(seen, UINT32_MAX); /* every bit was set once; fails once in 2^59 runs */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backoff");
    suite_add(suite, test_bounds);
    suite_add(suite, test_uniform);
    suite_add(suite, test_random);
    return suite_run(suite);
}
