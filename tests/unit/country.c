#include "formats/country.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "support/suite.h"
#include "support/vectors.h"

/* Numbers of the codes that countries share, by their numbering plans. */
static const struct country_case {
    const char *number, *country;
} cases[] = {
    {"+12125550123", "US"},
    {"+14165550123", "CA"},
    {"+18765550123", "JM"},
    {"+16585550123", "JM"},
    {"+18095550123", "DO"},
    {"+18495550123", "DO"},
    {"+17875550123", "PR"},
    {"+16715550123", "GU"},
    {"+13105550123", "US"},
    {"+18005550123", "US"},
    {"+79161234567", "RU"},
    {"+73832123456", "RU"},
    {"+77012345678", "KZ"},
    {"+77172123456", "KZ"},
    {"+76001234567", "KZ"},
    {"+442071234567", "GB"},
    {"+447400123456", "GB"},
    {"+447781123456", "GG"},
    {"+441481256789", "GG"},
    {"+447911123456", "GG"},
    {"+447911023456", "GB"},
    {"+447797712345", "JE"},
    {"+447700312345", "JE"},
    {"+447700900123", "GB"},
    {"+447624123456", "IM"},
    {"+447924123456", "IM"},
    {"+447457612345", "IM"},
    {"+390612345678", "IT"},
    {"+390669812345", "VA"},
    {"+4740612345", "NO"},
    {"+4779123456", "SJ"},
    {"+61412345678", "AU"},
    {"+61891621234", "CC"},
    {"+61891641234", "CX"},
    {"+212650123456", "MA"},
    {"+212528812345", "EH"},
    {"+262692123456", "RE"},
    {"+262639012345", "YT"},
    {"+262269012345", "YT"},
    {"+29051234", "SH"},
    {"+2908999", "TA"},
    {"+2478999", "AC"},
    {"+358412345678", "FI"},
    {"+358181234567", "AX"},
    {"+590690001234", "GP"},
    {"+590590271234", "BL"},
    {"+590590771234", "MF"},
    {"+59995181234", "CW"},
    {"+5993181234", "BQ"},
    {"+821012345678", "KR"},
    {"+4915112345678", "DE"},
    {"+38343201234", "XK"},
    /* Of no country. */
    {"+80012345678", NULL},
    {"+870301234567", NULL},
    {"+881612345678", NULL},
    {"+88213456789", NULL},
    {"+979123456789", NULL},
    {"+2101234567", NULL},
    {"+9991234567", NULL},
    /* No numbers. */
    {"821012345678", NULL},
    {"+82", NULL},
    {"+8210123456789012", NULL},
    {"+82101234567x", NULL},
    {"+0821012345678", NULL},
    {"KR", NULL},
    {"+", NULL},
    {"", NULL},
    {"kim@example.com", NULL},
};

START_TEST(test_number)
{
    const char *country = country_of_phone(cases[_i].number);
    ck_assert_msg(country == cases[_i].country ||
                      (country && cases[_i].country && strcmp(country, cases[_i].country) == 0),
                  "%s: %s", cases[_i].number, country ? country : "none");
}
END_TEST

/* Numbers of every kind and country, see tests/interop/country.sh. */
START_TEST(test_library)
{
    char *text = vectors_text("country.tsv"), *rest = text, number[32], expected[8];
    int count = 0, wrong = 0;
    for (const char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        ck_assert_msg(sscanf(line, "%31s %7s", number, expected) == 2, "%s", line);
        const char *country = country_of_phone(number);
        count++;
        if (strcmp(country ? country : "-", expected) == 0)
            continue;
        if (++wrong <= 20)
            printf("%s: %s, expected %s\n", number, country ? country : "-", expected);
    }
    mem_free(text);
    ck_assert_int_ge(count, 2000);
    ck_assert_msg(wrong == 0, "%d of %d differ", wrong, count);
}
END_TEST

START_TEST(test_table)
{
    for (size_t i = 0; i < country_prefix_count; i++) {
        const struct country_prefix *entry = &country_prefixes[i];
        size_t size = strlen(entry->digits);
        ck_assert_msg(size >= 1 && size <= 15 && strspn(entry->digits, "0123456789") == size, "%s",
                      entry->digits);
        ck_assert_msg(strlen(entry->code) == 2, "%s: %s", entry->digits, entry->code);
        ck_assert_msg(i == 0 || strcmp(entry[-1].digits, entry->digits) < 0, "%s: not in order",
                      entry->digits);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("country");
    TCase *numbers = tcase_create("numbers");
    tcase_add_loop_test(numbers, test_number, 0, sizeof cases / sizeof cases[0]);
    suite_add_tcase(suite, numbers);
    suite_add(suite, test_library);
    suite_add(suite, test_table);
    return suite_run(suite);
}
