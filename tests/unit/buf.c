#include "support/suite.h"

#include <string.h>

#include "core/buf.h"

START_TEST(test_append)
{
    struct buf buf;
    buf_init(&buf, 1000);
    ck_assert_str_eq(buf_string(&buf), "");
    ck_assert(buf_text(&buf, "one"));
    ck_assert(buf_char(&buf, ' '));
    ck_assert(buf_append(&buf, "two\0three", 9));
    ck_assert_uint_eq(buf.size, 13);
    ck_assert_mem_eq(buf.data, "one two\0three", 14);
    buf_wipe(&buf);
    ck_assert_ptr_null(buf.data);
    buf_wipe(&buf);
}
END_TEST

/* The maximum itself fits, one octet more does not; then everything fails until a reset. */
START_TEST(test_maximum)
{
    static const size_t limits[] = {0, 1, 63, 127, 128, 129, 1000, 5000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct buf buf;
        buf_init(&buf, limits[i]);
        for (size_t at = 0; at < limits[i]; at++)
            ck_assert_msg(buf_char(&buf, 'x'), "limit %zu, octet %zu", limits[i], at);
        ck_assert_uint_eq(buf.size, limits[i]);
        ck_assert(buf_append(&buf, "", 0));
        ck_assert(!buf_char(&buf, 'y'));
        ck_assert(buf.overflowed);
        ck_assert_uint_eq(buf.size, 0);
        ck_assert_str_eq(buf_string(&buf), "");
        ck_assert(!buf_append(&buf, "", 0));
        ck_assert(!buf_printf(&buf, "%s", ""));
        buf_reset(&buf);
        ck_assert(!buf.overflowed);
        ck_assert(buf_char(&buf, 'z') == (limits[i] > 0));
        buf_free(&buf);
    }
}
END_TEST

START_TEST(test_printf)
{
    struct buf buf;
    buf_init(&buf, 400);
    for (int i = 0; i < 100; i++)
        ck_assert(buf_printf(&buf, "%02d,", i));
    for (size_t i = 0; i < 100; i++) {
        const char expected[3] = {(char)('0' + i / 10), (char)('0' + i % 10), ','};
        ck_assert_mem_eq(buf.data + i * 3, expected, 3);
    }
    ck_assert(buf_printf(&buf, "%s", ""));
    ck_assert_uint_eq(buf.size, 300);
    ck_assert(!buf_printf(&buf, "%101s", "x"));
    ck_assert(buf.overflowed);
    buf_free(&buf);
}
END_TEST

START_TEST(test_consume)
{
    struct buf buf;
    buf_init(&buf, 100);
    buf_consume(&buf, 0);
    buf_consume(&buf, 5);
    buf_text(&buf, "abcdef");
    buf_consume(&buf, 2);
    ck_assert_str_eq(buf_string(&buf), "cdef");
    buf_text(&buf, "g");
    ck_assert_str_eq(buf_string(&buf), "cdefg");
    buf_consume(&buf, 5);
    ck_assert_uint_eq(buf.size, 0);
    ck_assert_str_eq(buf_string(&buf), "");
    buf_free(&buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf");
    suite_add(suite, test_append);
    suite_add(suite, test_maximum);
    suite_add(suite, test_printf);
    suite_add(suite, test_consume);
    return suite_run(suite);
}
