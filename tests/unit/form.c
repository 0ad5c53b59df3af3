#include "formats/form.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"

START_TEST(test_fields)
{
    struct buf out;
    buf_init(&out, 1024);
    ck_assert(form_field(&out, "To", "+821012345678"));
    ck_assert(form_field(&out, "Body", "a b&c=d%\r\n€~-._"));
    ck_assert(form_field(&out, "na me", ""));
    ck_assert_str_eq(buf_string(&out),
                     "To=%2B821012345678&Body=a%20b%26c%3Dd%25%0D%0A%E2%82%AC~-._&na%20me=");
    buf_free(&out);
}
END_TEST

START_TEST(test_every_octet)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (int i = 0; i < 256; i++) {
        char octet = (char)i, escaped[8];
        struct buf out;
        buf_init(&out, 8);
        ck_assert(form_escape(&out, &octet, 1));
        snprintf(escaped, sizeof escaped, "%%%02X", i);
        if (i > 0 && strchr(unreserved, i) != NULL)
            snprintf(escaped, sizeof escaped, "%c", i);
        ck_assert_str_eq(buf_string(&out), escaped);
        buf_free(&out);
    }
}
END_TEST

START_TEST(test_full)
{
    struct buf out;
    buf_init(&out, 8);
    ck_assert(form_field(&out, "a", "b"));
    ck_assert(!form_field(&out, "c", "12345678"));
    ck_assert(out.overflowed);
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("form");
    suite_add(suite, test_fields);
    suite_add(suite, test_every_octet);
    suite_add(suite, test_full);
    return suite_run(suite);
}
