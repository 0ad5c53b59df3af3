#include "formats/kr_text.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

/* The text of a vector: "text", or "repeat": [part, count]. */
static void vector_text(struct json_object *vector, struct buf *out)
{
    buf_reset(out);
    if (test_at(vector, "text") != NULL) {
        buf_text(out, test_text(vector, "text"));
        return;
    }
    int count = json_object_get_int(test_at(vector, "repeat/1"));
    for (int i = 0; i < count; i++)
        buf_text(out, test_text(vector, "repeat/0"));
}

START_TEST(test_vectors)
{
    struct error err;
    ck_assert_msg(kr_text_ready(&err), "%s", err.text);
    struct json_object *vectors = vectors_load("kr_sms_bytes.json");
    struct json_object *cases = test_at(vectors, "cases");
    size_t count = json_object_array_length(cases);
    ck_assert_uint_ge(count, 22);
    struct buf text;
    buf_init(&text, 8192);
    for (size_t i = 0; i < count; i++) {
        struct json_object *vector = json_object_array_get_idx(cases, i);
        const char *name = test_text(vector, "name");
        int64_t octets = json_get_int(vector, "euc_kr_bytes", -1);
        struct kr_text measure;
        vector_text(vector, &text);
        kr_text_measure(text.data, text.size, NULL, &measure);
        ck_assert_msg((measure.unknown == 0) == (octets >= 0), "%s: %zu unknown", name, measure.unknown);
        if (octets >= 0)
            ck_assert_msg(measure.octets == (size_t)octets, "%s: %zu octets", name, measure.octets);
        const char *type = measure.unknown > 0           ? "(none)"
                           : measure.octets > KR_LMS_MAX ? "TOO_LONG"
                           : measure.octets > KR_SMS_MAX ? "LMS"
                                                         : "SMS";
        ck_assert_msg(strcmp(test_text(vector, "type_by_euc_kr_bytes"), type) == 0, "%s: %s", name, type);
    }
    buf_free(&text);
    json_object_put(vectors);
}
END_TEST

START_TEST(test_unknown)
{
    static const struct {
        const char *text, *fitting;
        size_t octets, unknown;
        uint32_t first;
    } rows[] = {
        {"", "", 0, 0, 0},
        {"가a", "가a", 3, 0, 0},
        {"똠방각하", "?방각하", 7, 1, 0xB620},
        {"a😀뷁b", "a??b", 4, 2, 0x1F600},
        {"\t\r\n", "\t\r\n", 3, 0, 0},
        {"a\x01z", "a?z", 3, 1, 1},
        {"\x7F", "?", 1, 1, 0x7F},
        {"\xC2\x85", "?", 1, 1, 0x85},  /* U+0085, a control character of two octets */
        {"a\xFFz", "a?z", 3, 1, 0xFF},  /* not UTF-8 */
        {"\xEA\xB0", "??", 2, 2, 0xEA}, /* ends inside a character */
        {"\xF0\x9F\x98", "???", 3, 3, 0xF0},
        {"\xC1\x81", "??", 2, 2, 0xC1},      /* an overlong 'A' */
        {"\xED\xA0\x80", "???", 3, 3, 0xED}, /* a surrogate */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kr_text measure;
        struct buf fitting;
        size_t size = strlen(rows[i].text);
        buf_init(&fitting, size);
        kr_text_measure(rows[i].text, size, &fitting, &measure);
        ck_assert_str_eq(buf_string(&fitting), rows[i].fitting);
        ck_assert_uint_eq(measure.octets, rows[i].octets);
        ck_assert_uint_eq(measure.unknown, rows[i].unknown);
        ck_assert_uint_eq(measure.first, rows[i].first);
        buf_free(&fitting);
    }
}
END_TEST

START_TEST(test_head)
{
    static const struct {
        const char *text;
        size_t max, kept;
    } rows[] = {
        {"abc", 40, 3}, {"abc", 2, 2},       {"가나", 4, 6},      {"가나", 3, 3},
        {"a가", 2, 1},  {"one\ntwo", 40, 3}, {"one\rtwo", 40, 3}, {"", 40, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(kr_text_head(rows[i].text, strlen(rows[i].text), rows[i].max) == rows[i].kept, "%s",
                      rows[i].text);
}
END_TEST

START_TEST(test_advertising)
{
    ck_assert(kr_text_is_marked_ad("(광고) 세일"));
    ck_assert(!kr_text_is_marked_ad("세일 (광고)"));
    ck_assert(!kr_text_is_marked_ad(" (광고)"));
    ck_assert(!kr_text_is_marked_ad("(광"));
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"(광고) 세일 무료수신거부 0801234567", true},
        {"(광고) 세일\n무료거부 080-123-4567", true},
        {"(광고) 세일\n무료거부0801234567\n", true},
        {"(광고) 무료 배송\n[무료 수신 거부] 080-1234-5678", true},
        {"(광고) 세일 (무료수신거부:0801234567)", true},
        {"(광고) 세일", false},
        {"(광고) 세일 무료수신거부", false},
        {"(광고) 세일 수신거부 0801234567", false},
        {"(광고) 세일 무료수신거부 0212345678", false}, /* not a free number */
        {"(광고) 세일 무료수신거부 0811234567", false},
        {"(광고) 세일 무료수신거부 080123", false},
        {"(광고) 세일 무료수신거부 08012345678901", false},
        {"무료수신거부 0801234567 (광고) 세일", false}, /* not at the end */
        {"무료", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(kr_text_has_opt_out(rows[i].text) == rows[i].ok, "%s", rows[i].text);
}
END_TEST

START_TEST(test_number)
{
    static const struct {
        const char *e164, *country, *national; /* NULL: refused */
    } rows[] = {
        {"+821012345678", "82", "01012345678"},
        {"+82212345678", "82", "0212345678"},
        {"+827012345678", "82", "07012345678"},
        {"+8250112345678", "82", "050112345678"},
        {"+14155550100", "1", "4155550100"},
        {"+79161234567", "7", "9161234567"},
        {"+447700900123", "44", "7700900123"},
        {"+819012345678", "81", "9012345678"},
        {"+85291234567", "852", "91234567"},
        {"+3531234567", "353", "1234567"},
        {"+8201012345678", NULL, NULL}, /* the leading 0 is not part of E.164 */
        {"+821012", NULL, NULL},
        {"+822123456", NULL, NULL},
        {"+82101234567890", NULL, NULL},
        {"01012345678", NULL, NULL},
        {"821012345678", NULL, NULL},
        {"+82-10-1234-5678", NULL, NULL},
        {"+0821012345678", NULL, NULL},
        {"+1234567890123456", NULL, NULL},
        {"+8210123\r\n456", NULL, NULL},
        {"+", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kr_number number;
        bool ok = kr_number_read(rows[i].e164, &number);
        ck_assert_msg(ok == (rows[i].country != NULL), "%s", rows[i].e164);
        if (ok) {
            ck_assert_str_eq(number.country, rows[i].country);
            ck_assert_str_eq(number.national, rows[i].national);
        }
    }
}
END_TEST

START_TEST(test_sender)
{
    static const struct {
        const char *text, *sender;
    } rows[] = {
        {"0212345678", "0212345678"},
        {"02-1234-5678", "0212345678"},
        {"1588-1234", "15881234"},
        {"+82212345678", "0212345678"},
        {"010-1234-5678", "01012345678"},
        {"-0212345678", NULL},
        {"02 1234 5678", NULL},
        {"12", NULL},
        {"0123456789012", NULL},
        {"+14155550100", NULL},
        {"Shop", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sender[16];
        ck_assert_msg(kr_sender_read(rows[i].text, sender) == (rows[i].sender != NULL), "%s", rows[i].text);
        if (rows[i].sender != NULL)
            ck_assert_str_eq(sender, rows[i].sender);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kr_text");
    suite_add(suite, test_vectors);
    suite_add(suite, test_unknown);
    suite_add(suite, test_head);
    suite_add(suite, test_advertising);
    suite_add(suite, test_number);
    suite_add(suite, test_sender);
    return suite_run(suite);
}
