#include "crypto/hex.h"

#include <stdlib.h>

#include "support/suite.h"

START_TEST(test_append)
{
    struct buf out;
    buf_init(&out, 8);
    ck_assert(hex_append(&out, "", 0));
    ck_assert_str_eq(buf_string(&out), "");
    ck_assert(hex_append(&out, "\x00\x01\x9a\xff", 4));
    ck_assert_str_eq(buf_string(&out), "00019aff");
    ck_assert(!hex_append(&out, "a", 1));
    ck_assert(out.overflowed);
    buf_free(&out);
}
END_TEST

START_TEST(test_encode)
{
    char hex[9] = "........";
    hex_encode((const unsigned char *)"\x00\x01\x9a\xff", 4, hex);
    ck_assert_str_eq(hex, "00019aff");
    hex_encode((const unsigned char *)"", 0, hex);
    ck_assert_str_eq(hex, "");
}
END_TEST

START_TEST(test_every_octet)
{
    for (int octet = 0; octet < 256; octet++) {
        char digits[3] = "";
        hex_escape((char)octet, digits);
        char *end = NULL;
        ck_assert_int_eq(strtol(digits, &end, 16), octet);
        ck_assert_ptr_eq(end, digits + 2);
        for (int i = 0; i < 2; i++)
            ck_assert_msg(digits[i] < 'a', "%s", digits);
        ck_assert_int_eq(hex_value(digits[0]) << 4 | hex_value(digits[1]), octet);
        hex_encode((const unsigned char[]){(unsigned char)octet}, 1, digits);
        ck_assert_int_eq(hex_value(digits[0]) << 4 | hex_value(digits[1]), octet);
    }
}
END_TEST

START_TEST(test_no_digit)
{
    static const char none[] = "/:@G`g \xC1";
    for (size_t i = 0; i < sizeof none; i++)
        ck_assert_msg(hex_value(none[i]) == -1, "%zu", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hex");
    suite_add(suite, test_append);
    suite_add(suite, test_encode);
    suite_add(suite, test_every_octet);
    suite_add(suite, test_no_digit);
    return suite_run(suite);
}
