#include "formats/sms_text.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

/* The vectors' cases are runs of [text, repetitions]. */
static void case_text(struct json_object *runs, struct buf *text)
{
    for (size_t i = 0; i < json_object_array_length(runs); i++) {
        struct json_object *run = json_object_array_get_idx(runs, i);
        int times = json_object_get_int(json_object_array_get_idx(run, 1));
        for (int n = 0; n < times; n++)
            buf_text(text, json_object_get_string(json_object_array_get_idx(run, 0)));
    }
}

START_TEST(test_vectors)
{
    struct json_object *vectors = vectors_load("sms_segments.json"), *cases = test_at(vectors, "cases");
    size_t count = json_object_array_length(cases);
    ck_assert_uint_ge(count, 24);
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(cases, i);
        const char *name = test_text(entry, "name");
        struct buf text;
        struct sms_size size;
        buf_init(&text, 65536);
        case_text(json_get(entry, "runs"), &text);
        ck_assert_msg(sms_size(buf_string(&text), text.size, &size), "%s", name);
        ck_assert_msg(strcmp(size.encoding == SMS_GSM7 ? "GSM-7" : "UCS-2", test_text(entry, "encoding")) ==
                          0,
                      "%s", name);
        ck_assert_msg((int64_t)size.units == json_get_int(entry, "units", -1), "%s: %zu units", name,
                      size.units);
        ck_assert_msg((int64_t)size.segments == json_get_int(entry, "segments", -1), "%s: %zu segments", name,
                      size.segments);
        buf_free(&text);
    }
    json_object_put(vectors);
}
END_TEST

static size_t utf8(unsigned int c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    out[0] = (char)(0xE0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3F));
    out[2] = (char)(0x80 | (c & 0x3F));
    return 3;
}

/* Every character of the basic plane against the tables: 1 septet, 2 septets, or not GSM-7. */
START_TEST(test_alphabet)
{
    static unsigned char septets[0x10000];
    struct json_object *vectors = vectors_load("sms_segments.json");
    struct json_object *basic = test_at(vectors, "gsm7_basic_index_to_codepoint");
    for (size_t i = 0; i < json_object_array_length(basic); i++) {
        struct json_object *value = json_object_array_get_idx(basic, i);
        if (value != NULL)
            septets[json_object_get_int(value)] = 1;
    }
    struct json_object_iter member;
    json_object_object_foreachC(test_at(vectors, "gsm7_extension"), member)
    {
        septets[json_object_get_int(member.val)] = 2;
    }
    json_object_put(vectors);
    for (unsigned int c = 0; c < 0x10000; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char text[4];
        struct sms_size size;
        ck_assert_msg(sms_size(text, utf8(c, text), &size), "U+%04X", c);
        ck_assert_msg(size.encoding == (septets[c] > 0 ? SMS_GSM7 : SMS_UCS2), "U+%04X", c);
        ck_assert_msg(size.units == (septets[c] > 0 ? septets[c] : 1), "U+%04X", c);
    }
}
END_TEST

START_TEST(test_not_utf8)
{
    static const char *const rows[] = {
        "\x80",
        "a\xC3",
        "\xC3\x28",
        "\xE2\x82",
        "\xE2\x28\xA1",
        "\xC0\xAF",
        "\xE0\x80\xAF",
        "\xED\xA0\x80",
        "\xF0\x9F\x98",
        "\xF0\x80\x80\xAF",
        "\xF4\x90\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFF",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sms_size size;
        ck_assert_msg(!sms_size(rows[i], strlen(rows[i]), &size), "row %zu", i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sms_text");
    suite_add(suite, test_vectors);
    suite_add(suite, test_alphabet);
    suite_add(suite, test_not_utf8);
    return suite_run(suite);
}
