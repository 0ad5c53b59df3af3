#include "support/suite.h"

#include <string.h>

#include "crypto/base64.h"

/* RFC 4648, 10, and one pair that shows the two alphabets (5). */
static const struct {
    const char *plain, *standard, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void check_decodes(const char *text, const char *plain)
{
    struct buf out;
    buf_init(&out, 100);
    ck_assert_msg(base64_decode(&out, text, strlen(text)), "%s", text);
    ck_assert_str_eq(buf_string(&out), plain);
    buf_free(&out);
}

START_TEST(test_vectors)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct buf out;
        buf_init(&out, 100);
        ck_assert(base64_append(&out, vectors[i].plain, strlen(vectors[i].plain)));
        ck_assert_str_eq(buf_string(&out), vectors[i].standard);
        buf_reset(&out);
        ck_assert(base64url_append(&out, vectors[i].plain, strlen(vectors[i].plain)));
        ck_assert_str_eq(buf_string(&out), vectors[i].url);
        buf_free(&out);
        check_decodes(vectors[i].standard, vectors[i].plain);
        check_decodes(vectors[i].url, vectors[i].plain);
    }
}
END_TEST

START_TEST(test_refused)
{
    static const char *const bad[] = {"Z",    "Zm9vY", "Zg=",   "Z===", "====", "Zm9v=",     "Zg==Zg==",
                                      "Zm 9", "Zm9\n", "Zm9v*", "=Zg=", "Z=g=", "\xc3\xa9Zg"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf out;
        buf_init(&out, 100);
        buf_text(&out, "kept");
        ck_assert_msg(!base64_decode(&out, bad[i], strlen(bad[i])), "%s", bad[i]);
        ck_assert_str_eq(buf_string(&out), "kept");
        ck_assert_uint_eq(out.size, 4);
        buf_free(&out);
    }
}
END_TEST

START_TEST(test_all_octets)
{
    unsigned char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    for (size_t size = 0; size <= sizeof all; size++) {
        struct buf text, back;
        buf_init(&text, 1000);
        buf_init(&back, 1000);
        ck_assert(base64url_append(&text, all, size));
        ck_assert(base64_decode(&back, buf_string(&text), text.size));
        ck_assert_uint_eq(back.size, size);
        ck_assert(memcmp(buf_string(&back), all, size) == 0);
        buf_free(&text);
        buf_free(&back);
    }
}
END_TEST

START_TEST(test_limit)
{
    struct buf out;
    buf_init(&out, 5);
    ck_assert(!base64_append(&out, "foobar", 6));
    ck_assert(out.overflowed);
    buf_reset(&out);
    ck_assert(!base64_decode(&out, "Zm9vYmFy", 8));
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base64");
    suite_add(suite, test_vectors);
    suite_add(suite, test_refused);
    suite_add(suite, test_all_octets);
    suite_add(suite, test_limit);
    return suite_run(suite);
}
