#include "core/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "support/suite.h"

START_TEST(test_characters)
{
    static const struct {
        const char *text;
        size_t octets;
        uint32_t code;
    } rows[] = {
        {"a", 1, 'a'},
        {"ab", 1, 'a'},
        {"\x7F", 1, 0x7F},
        {"\xC2\x80", 2, 0x80},
        {"\xDF\xBF", 2, 0x7FF},
        {"\xE0\xA0\x80", 3, 0x800},
        {"\xE1\x80\x80", 3, 0x1000},
        {"\xEC\xBF\xBF", 3, 0xCFFF},
        {"\xED\x9F\xBF", 3, 0xD7FF},
        {"\xEE\x80\x80", 3, 0xE000},
        {"\xEF\xBF\xBF", 3, 0xFFFF}, /* not a character, but UTF-8 */
        {"\xF0\x90\x80\x80", 4, 0x10000},
        {"\xF1\x80\x80\x80", 4, 0x40000},
        {"\xF3\xBF\xBF\xBF", 4, 0xFFFFF},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
        {"가나", 3, 0xAC00},
        {"😀", 4, 0x1F600},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t code = 0;
        ck_assert_msg(utf8_read(rows[i].text, strlen(rows[i].text), &code) == rows[i].octets, "row %zu", i);
        ck_assert_msg(code == rows[i].code, "row %zu: U+%04X", i, code);
        ck_assert_msg(utf8_read(rows[i].text, rows[i].octets, NULL) == rows[i].octets, "row %zu", i);
        for (size_t less = 0; less < rows[i].octets; less++)
            ck_assert_msg(utf8_read(rows[i].text, less, NULL) == 0, "row %zu, %zu octets", i, less);
    }
    uint32_t code = 1;
    ck_assert_uint_eq(utf8_read("", 1, &code), 1);
    ck_assert_uint_eq(code, 0);
}
END_TEST

START_TEST(test_refused)
{
    static const char *const rows[] = {
        "\x80", /* a later octet alone */
        "\xBF",
        "\xC0\x80", /* overlong U+0000 */
        "\xC1\xBF", /* overlong U+007F */
        "\xE0\x80\xAF",
        "\xE0\x9F\xBF", /* overlong U+07FF */
        "\xF0\x80\x80\xAF",
        "\xF0\x8F\xBF\xBF", /* overlong U+FFFF */
        "\xED\xA0\x80",     /* surrogates: U+D800 */
        "\xED\xBF\xBF",     /* U+DFFF */
        "\xF4\x90\x80\x80", /* U+110000 */
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xC3\x28", /* the next character too early */
        "\xC3\xC3",
        "\xE2\x28\xA1",
        "\xE2\x82\x28",
        "\xF0\x28\x8C\xBC",
        "\xF0\x90\x28\xBC",
        "\xF0\x90\x8C\x28",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t code = 42;
        ck_assert_msg(utf8_read(rows[i], strlen(rows[i]), &code) == 0, "row %zu", i);
        ck_assert_msg(code == 42, "row %zu", i);
    }
}
END_TEST

/* Every code point, encoded here, is read back, and its surrogates are not. */
START_TEST(test_all)
{
    for (uint32_t code = 0; code <= 0x110000; code++) {
        size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        char text[4];
        for (size_t i = size; i-- > 1;)
            text[i] = (char)(0x80 | (code >> 6 * (size - 1 - i) & 0x3F));
        text[0] = (char)(code >> 6 * (size - 1) | (size > 1 ? 0xF00U >> size & 0xF0U : 0));
        bool exists = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
        uint32_t read = 0;
        if (utf8_read(text, size, &read) != (exists ? size : 0) || read != (exists ? code : 0))
            ck_abort_msg("U+%04X", code);
    }
}
END_TEST

START_TEST(test_clean)
{
    static const struct {
        const char *text;
        size_t max;
        const char *clean;
    } rows[] = {
        {"", 9, ""},           {"ab", 9, "ab"},           {"a\xFFz", 9, "a?z"},
        {"\xC1\x81", 9, "??"}, {"가\xEA\xB0", 9, "가??"}, {"\xED\xA0\x80", 9, "???"},
        {"가나", 5, "가"},     {"가나", 6, "가나"},       {"\xFF", 0, ""},
        {"a\xFF", 1, "a"},     {"\xE9t\xE9", 9, "?t?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char clean[10];
        size_t size = utf8_clean(rows[i].text, strlen(rows[i].text), clean, rows[i].max);
        clean[size] = '\0';
        ck_assert_str_eq(clean, rows[i].clean);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    suite_add(suite, test_characters);
    suite_add(suite, test_refused);
    suite_add(suite, test_all);
    suite_add(suite, test_clean);
    return suite_run(suite);
}
