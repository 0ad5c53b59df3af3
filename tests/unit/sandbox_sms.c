/* The sandbox's reading of texts, against published vectors and against the adapters' own. */
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>

#include "formats/kr_text.h"
#include "formats/sms_text.h"
#include "sandbox/vendors/sms_parts.c" /* the sandbox is a program, no library */
#include "support/test_adapter.h"
#include "support/vectors.h"

/* Runs of [text, repetitions]. */
static void append_runs(struct buf *text, struct json_object *runs)
{
    for (size_t i = 0; i < json_object_array_length(runs); i++) {
        struct json_object *run = json_object_array_get_idx(runs, i);
        int times = json_object_get_int(json_object_array_get_idx(run, 1));
        for (int n = 0; n < times; n++)
            buf_text(text, json_object_get_string(json_object_array_get_idx(run, 0)));
    }
}

START_TEST(test_parts)
{
    struct json_object *vectors = vectors_load("sms_segments.json"), *cases = test_at(vectors, "cases");
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        struct json_object *entry = json_object_array_get_idx(cases, i);
        const char *name = test_text(entry, "name");
        struct sms_parts parts;
        struct buf text;
        buf_init(&text, 65536);
        append_runs(&text, json_get(entry, "runs"));
        ck_assert_msg(sms_parts_measure(buf_string(&text), &parts), "%s", name);
        ck_assert_msg(parts.is_plain == (strcmp(test_text(entry, "encoding"), "GSM-7") == 0), "%s", name);
        ck_assert_msg((int64_t)parts.count == json_get_int(entry, "segments", -1), "%s: %zu", name,
                      parts.count);
        buf_free(&text);
    }
    json_object_put(vectors);
}
END_TEST

START_TEST(test_korean)
{
    struct json_object *vectors = vectors_load("kr_sms_bytes.json"), *cases = test_at(vectors, "cases");
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        struct json_object *entry = json_object_array_get_idx(cases, i), *repeat = json_get(entry, "repeat");
        const char *type = test_text(entry, "type_by_euc_kr_bytes");
        struct buf text;
        buf_init(&text, 8192);
        if (repeat == NULL)
            buf_text(&text, test_text(entry, "text"));
        for (int n = 0; repeat != NULL && n < json_object_get_int(test_at(entry, "repeat/1")); n++)
            buf_text(&text, test_text(entry, "repeat/0"));
        enum sms_fit sms = strcmp(type, "(none)") == 0 ? SMS_BAD_CHARACTER
                           : strcmp(type, "SMS") == 0  ? SMS_FITS
                                                       : SMS_TOO_LONG;
        enum sms_fit lms = strcmp(type, "LMS") == 0 ? SMS_FITS : sms;
        ck_assert_msg(sms_parts_fit(buf_string(&text), "SMS") == sms, "%s", test_text(entry, "name"));
        ck_assert_msg(sms_parts_fit(buf_string(&text), "LMS") == lms, "%s", test_text(entry, "name"));
        buf_free(&text);
    }
    json_object_put(vectors);
}
END_TEST

START_TEST(test_refused)
{
    static const char *const broken[] = {"\xFF", "a\xC3", "\xC0\x80", "\xED\xA0\x80"};
    static const char *const controls[] = {"a\x01", "\x7F", "\xC2\x85", "a\x1B"};
    struct sms_parts parts;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        ck_assert(!sms_parts_measure(broken[i], &parts));
        ck_assert(sms_parts_fit(broken[i], "LMS") == SMS_BAD_CHARACTER);
    }
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        ck_assert(sms_parts_fit(controls[i], "LMS") == SMS_BAD_CHARACTER);
    ck_assert(sms_parts_fit("a\t\r\n", "SMS") == SMS_FITS);
}
END_TEST

/* Two readings of the standards, made apart, agree on texts of any characters. */
START_TEST(test_agreement)
{
    static const char *const pieces[] = {"a", "@", "é", "Ω", "\n", "{", "€",  "가", "뷁", "힣",
                                         "😀", "'", "ç", "Ç", "\t", "^", "ㄱ", "漢", "\f", "¿"};
    srand(7);
    for (int round = 0; round < 4000; round++) {
        struct buf text;
        buf_init(&text, 8192);
        size_t kinds = round % 2 == 0 ? 7 : sizeof pieces / sizeof *pieces;
        for (int i = rand() % 400; i >= 0; i--)
            buf_text(&text, pieces[(size_t)rand() % kinds]);
        struct sms_parts parts;
        struct sms_size size;
        struct kr_text measure;
        kr_text_measure(text.data, text.size, NULL, &measure);
        enum sms_fit fit = measure.unknown > 0           ? SMS_BAD_CHARACTER
                           : measure.octets > KR_SMS_MAX ? SMS_TOO_LONG
                                                         : SMS_FITS;
        if (!sms_parts_measure(text.data, &parts) || !sms_size(text.data, text.size, &size) ||
            parts.count != size.segments || parts.is_plain != (size.encoding == SMS_GSM7) ||
            sms_parts_fit(text.data, "SMS") != fit)
            ck_abort_msg("%s", text.data);
        buf_free(&text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox_sms");
    suite_add(suite, test_parts);
    suite_add(suite, test_korean);
    suite_add(suite, test_refused);
    suite_add(suite, test_agreement);
    return suite_run(suite);
}
