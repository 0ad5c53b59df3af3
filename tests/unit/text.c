#include "formats/text.h"

#include <string.h>

#include "support/suite.h"

START_TEST(test_characters)
{
    static const struct {
        const char *text;
        size_t size;
        bool one_line, printable, visible;
    } rows[] = {
        {"", 0, true, true, false},          {"a", 1, true, true, true},
        {"!~", 2, true, true, true},         {"a b", 3, true, true, false},
        {" ", 1, true, true, false},         {"a\tb", 3, false, false, false},
        {"a\r\n", 3, false, false, false},   {"a\0b", 3, false, false, false},
        {"a\x7f", 2, false, false, false},   {"a\x1f", 2, false, false, false},
        {"\xc3\xa9", 2, true, false, false}, {"a\xff", 2, true, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(text_is_one_line(rows[i].text, rows[i].size) == rows[i].one_line, "row %zu", i);
        ck_assert_msg(text_is_printable(rows[i].text, rows[i].size) == rows[i].printable, "row %zu", i);
        ck_assert_msg(text_is_visible(rows[i].text, rows[i].size) == rows[i].visible, "row %zu", i);
    }
}
END_TEST

START_TEST(test_decimal)
{
    static const char *const good[] = {"0", "7", "007", "0.5", "12.340", "123456789012345678901234567890.1"};
    static const char *const bad[] = {"",    ".",     "1.",  ".5", "-1", "+1",
                                      "1,5", "1.2.3", "1e3", " 1", "1 ", "0x1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(text_is_decimal(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!text_is_decimal(bad[i]), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    suite_add(suite, test_characters);
    suite_add(suite, test_decimal);
    return suite_run(suite);
}
