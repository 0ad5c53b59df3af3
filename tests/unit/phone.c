#include "formats/phone.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"

struct row {
    const char *text;
    bool ok;
};

START_TEST(test_number)
{
    static const struct row rows[] = {
        {"+821012345678", true},
        {"+15005550006", true},
        {"+1234567", true},
        {"+123456789012345", true},
        {"+123456", false},
        {"+1234567890123456", false},
        {"821012345678", false},
        {"+0821012345", false},
        {"+82 10 1234 5678", false},
        {"+82-10-1234-5678", false},
        {"++8210123456", false},
        {"+82101234567\n", false},
        {"+82101234567x", false},
        {"+", false},
        {"", false},
        {"+８２１０１２３４", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(phone_ok(rows[i].text) == rows[i].ok, "row %zu: %s", i, rows[i].text);
}
END_TEST

START_TEST(test_sender)
{
    static const struct row rows[] = {
        {"+15005550006", true}, {"15005550006", true},
        {"12345", true},        {"123", true},
        {"12", false},          {"1234567890123456", false},
        {"ACME", true},         {"A", true},
        {"ACME Shop 1", true},  {"ACME Shop 12", false},
        {"A&B+c-d_e.f", true},  {"", false},
        {" ", false},           {"+1", false},
        {"A\r\nB", false},      {"A<B", false},
        {"가나", false},        {"+500555", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(phone_sender_ok(rows[i].text) == rows[i].ok, "row %zu: %s", i, rows[i].text);
}
END_TEST

START_TEST(test_mask)
{
    static const struct {
        const char *text, *masked;
    } rows[] = {
        {"The number +15005550001 is bad", "The number +########### is bad"},
        {"(500) 555-0006.", "(###) ###-####."},
        {"code 21211", "code 21211"},
        {"1234567", "#######"},
        {"123456", "123456"},
        {"12345678 and 1234567", "######## and #######"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", rows[i].text);
        phone_mask(text);
        ck_assert_str_eq(text, rows[i].masked);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("phone");
    suite_add(suite, test_number);
    suite_add(suite, test_sender);
    suite_add(suite, test_mask);
    return suite_run(suite);
}
