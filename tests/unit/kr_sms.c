#include "providers/sms/kr_sms.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"

#define FROM   "\"from\":\"02-1234-5678\""
#define MOBILE "+821012345678"

static struct arena *arena;

static void setup(void)
{
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
}

static bool settings_read(struct kr_sms *sms, const char *text, struct error *err)
{
    struct json_object *settings = test_json(text);
    *sms = (struct kr_sms){0};
    bool ok = kr_sms_read_settings(sms, settings, "https://vendor.example", err);
    json_object_put(settings);
    return ok;
}

START_TEST(test_settings)
{
    static const struct {
        const char *settings, *error;
    } rows[] = {
        {"{}", "settings.from: is required"},
        {"{\"from\":\"Shop\"}", "settings.from: must be a Korean number"},
        {"{\"from\":\"+14155550100\"}", "settings.from: must be a Korean number"},
        {"{\"from\":15881234}", "settings.from: must be a string"},
        {"{" FROM ",\"url\":\"http://h\"}", "settings.url: must be https://"},
        {"{" FROM ",\"ca_file\":1}", "settings.ca_file: must be a string"},
        {"{" FROM ",\"replace_unknown\":1}", "settings.replace_unknown: must be true or false"},
        {"{" FROM ",\"advertising\":\"yes\"}", "settings.advertising: must be true or false"},
        {"{" FROM ",\"abroad\":0}", "settings.abroad: must be true or false"},
        {"{" FROM ",\"inquire_after\":-1}", "settings.inquire_after: must be a whole number of seconds"},
        {"{" FROM ",\"inquire_after\":3601}", "settings.inquire_after: must be a whole number of seconds"},
        {"{" FROM ",\"inquire_after\":\"1\"}", "settings.inquire_after: must be a whole number of seconds"},
    };
    struct kr_sms sms;
    struct error err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(!settings_read(&sms, rows[i].settings, &err), "%s", rows[i].settings);
        ck_assert_msg(strstr(err.text, rows[i].error) == err.text, "%s: %s", rows[i].settings, err.text);
        kr_sms_free(&sms);
    }
    ck_assert(settings_read(&sms, "{" FROM "}", &err));
    ck_assert_str_eq(sms.from, "0212345678");
    ck_assert(!sms.replace_unknown && !sms.advertising && !sms.abroad);
    struct sent_span search;
    ck_assert(!kr_sms_search_span(&sms, TEST_SENT, TEST_NOW_MS + 59999, &search));
    ck_assert(kr_sms_search_span(&sms, TEST_SENT, TEST_NOW_MS + 60000, &search));
    ck_assert(!kr_sms_search_span(&sms, TEST_SENT_10MIN, TEST_NOW_MS + 659999, &search));
    ck_assert(kr_sms_search_span(&sms, TEST_SENT_10MIN, TEST_NOW_MS + 660000, &search));
    struct endpoint_options options = {.http2 = true};
    server_endpoint(&sms.server, &options);
    ck_assert_str_eq(options.url, "https://vendor.example");
    ck_assert(!options.http2);
    kr_sms_free(&sms);
    ck_assert(settings_read(&sms, "{" FROM ",\"inquire_after\":0,\"url\":\"https://x:1\"}", &err));
    ck_assert_str_eq(sms.server.url, "https://x:1");
    ck_assert(kr_sms_search_span(&sms, TEST_SENT, TEST_NOW_MS, &search));
    kr_sms_free(&sms);
}
END_TEST

START_TEST(test_secret)
{
    static const char *const bad[] = {"", "a b", "a\r\nx: y", "키", "\x7F"};
    struct error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_ptr_null(kr_sms_secret("secret_key", bad[i], &err));
        ck_assert_str_eq(err.text, "secret secret_key: must be visible ASCII characters without spaces");
    }
    char *good = kr_sms_secret("secret_key", "aZ09/+=", &err);
    ck_assert_str_eq(good, "aZ09/+=");
    mem_free(good);
}
END_TEST

static const char *repeat(const char *part, int count)
{
    static char text[8192];
    size_t used = 0;
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", part);
    return text;
}

START_TEST(test_choice)
{
    static const struct {
        const char *part;
        int count;
        const char *rest, *type, *reason; /* reason NULL: taken as type */
    } rows[] = {
        {"가", 45, "", "sms", NULL},
        {"가", 46, "", "lms", NULL},
        {"a", 90, "", "sms", NULL},
        {"a", 91, "", "lms", NULL},
        {"가", 1000, "", "lms", NULL},
        {"a", 1, ",\"type\":\"lms\"", "lms", NULL},
        {"a", 90, ",\"type\":\"sms\"", "sms", NULL},
        {"a", 1, ",\"type\":\"mms\"", NULL, "payload.type: must be sms or lms"},
        {"a", 1, ",\"type\":1", NULL, "payload.type: must be sms or lms"},
    };
    struct kr_sms sms;
    struct error err;
    ck_assert(settings_read(&sms, "{" FROM "}", &err));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char payload[9000];
        snprintf(payload, sizeof payload, "{\"text\":\"%s\"%s}", repeat(rows[i].part, rows[i].count),
                 rows[i].rest);
        struct message message = test_message(MOBILE, payload);
        struct kr_sms_message out;
        struct verdict verdict = {.reason = ""};
        bool ok = kr_sms_read(&sms, &message, arena, &out, &verdict);
        ck_assert_msg(ok == (rows[i].reason == NULL), "row %zu: %s", i, verdict.reason);
        if (ok) {
            ck_assert_msg(out.lms == (strcmp(rows[i].type, "lms") == 0), "row %zu", i);
        } else {
            ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
            ck_assert_str_eq(verdict.reason, rows[i].reason);
        }
    }
    kr_sms_free(&sms);
}
END_TEST

#define LONG_TEXT                                                                                            \
    "\"text\":"                                                                                              \
    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define AD  "(광고) 세일"
#define OUT " 무료수신거부 0801234567"
#define TEN "가나다라마바사아자차"

START_TEST(test_read)
{
    static const struct {
        const char *settings, *recipient, *payload;
        bool bulk;
        const char *reason; /* NULL: taken */
    } rows[] = {
        {"", MOBILE, "{\"text\":\"안녕\"}", false, NULL},
        {"", MOBILE, "{}", false, "payload.text: is required"},
        {"", MOBILE, "{\"text\":\"\"}", false, "payload.text: is required"},
        {"", MOBILE, "{\"text\":null}", false, "payload.text: is required"},
        {"", MOBILE, "{\"text\":5}", false, "payload.text: must be a string"},
        {"", MOBILE, "{\"text\":\"a\\u0000b\"}", false, "payload.text: must be a string"},
        {"", MOBILE, "{\"text\":\"확인😀\"}", false, "payload.text: character U+1F600 is not in EUC-KR"},
        {"", MOBILE, "{\"text\":\"똠\"}", false, "payload.text: character U+B620 is not in EUC-KR"},
        {"", MOBILE, "{\"text\":\"가\\u00a0나\"}", false, "payload.text: character U+00A0 is not in EUC-KR"},
        {",\"replace_unknown\":true", MOBILE, "{\"text\":\"확인😀\"}", false, NULL},
        {"", "+14155550100", "{\"text\":\"a\"}", false,
         "recipient: is outside Korea, which settings.abroad forbids"},
        {",\"abroad\":true", "+14155550100", "{\"text\":\"a\"}", false, NULL},
        {"", "01012345678", "{\"text\":\"a\"}", false, "recipient: is not an E.164 number"},
        {"", "kim@example.com", "{\"text\":\"a\"}", false, "recipient: is not an E.164 number"},
        {"", MOBILE, "{\"text\":\"a\",\"from\":\"Shop\"}", false, "payload.from: must be a Korean number"},
        {"", MOBILE, "{\"text\":\"a\",\"from\":7}", false, "payload.from: must be a Korean number"},
        {"", MOBILE, "{" LONG_TEXT ",\"subject\":\"" TEN TEN "\"}", false, NULL},
        {"", MOBILE, "{" LONG_TEXT ",\"subject\":\"a\\nb\"}", false, "payload.subject: must be one line"},
        {"", MOBILE, "{" LONG_TEXT ",\"subject\":\"😀\"}", false,
         "payload.subject: character U+1F600 is not in EUC-KR"},
        {"", MOBILE, "{" LONG_TEXT ",\"subject\":[]}", false, "payload.subject: must be a string"},
        {"", MOBILE, "{\"text\":\"세일\"}", true, NULL},
        {",\"advertising\":true", MOBILE, "{\"text\":\"세일\"}", false, NULL},
        {",\"advertising\":true", MOBILE, "{\"text\":\"" AD OUT "\"}", true, NULL},
        {",\"advertising\":true", MOBILE, "{\"text\":\"세일" OUT "\"}", true,
         "payload.text: advertising must start with (광고)"},
        {",\"advertising\":true", MOBILE, "{\"text\":\"" AD "\"}", true,
         "payload.text: advertising must end with a free opt-out (무료수신거부 080…)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char settings[256];
        struct kr_sms sms;
        struct error err;
        snprintf(settings, sizeof settings, "{" FROM "%s}", rows[i].settings);
        ck_assert_msg(settings_read(&sms, settings, &err), "%s", err.text);
        struct message message = test_message(rows[i].recipient, rows[i].payload);
        message.bulk = rows[i].bulk;
        struct kr_sms_message out;
        struct verdict verdict = {.reason = ""};
        bool ok = kr_sms_read(&sms, &message, arena, &out, &verdict);
        ck_assert_msg(ok == (rows[i].reason == NULL), "%s: %s", rows[i].payload, verdict.reason);
        if (!ok) {
            ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
            ck_assert_str_eq(verdict.reason, rows[i].reason);
        } else {
            ck_assert(out.advertising == (sms.advertising && rows[i].bulk));
        }
        kr_sms_free(&sms);
    }
}
END_TEST

START_TEST(test_read_values)
{
    struct kr_sms sms;
    struct error err;
    struct kr_sms_message out;
    struct verdict verdict;
    ck_assert(settings_read(&sms, "{" FROM ",\"replace_unknown\":true}", &err));
    struct message message =
        test_message(MOBILE, "{\"text\":\"확인😀뷁.\",\"from\":\"1588-0000\",\"subject\":\"s\"}");
    ck_assert(kr_sms_read(&sms, &message, arena, &out, &verdict));
    ck_assert_str_eq(out.text, "확인??.");
    ck_assert_str_eq(out.from, "15880000");
    ck_assert_str_eq(out.to.national, "01012345678");
    ck_assert_ptr_null(out.subject); /* an SMS has none */
    message = test_message(MOBILE, "{" LONG_TEXT ",\"subject\":\"제목\"}");
    ck_assert(kr_sms_read(&sms, &message, arena, &out, &verdict));
    ck_assert_str_eq(out.subject, "제목");
    ck_assert_str_eq(out.from, "0212345678");
    message = test_message(MOBILE, "{" LONG_TEXT ",\"subject\":\"\"}");
    ck_assert(kr_sms_read(&sms, &message, arena, &out, &verdict));
    ck_assert_ptr_null(out.subject);
    kr_sms_free(&sms);
}
END_TEST

START_TEST(test_query_time)
{
    char text[32];
    kr_sms_query_time(TEST_NOW_MS, text); /* 2023-11-14T22:13:20Z */
    ck_assert_str_eq(text, "2023-11-15%2007%3A13%3A20");
}
END_TEST

START_TEST(test_codes)
{
    static const struct kr_codes rows[] = {{KR_TAKEN, "0"}, {KR_REJECT, "10 100 -1"}, {KR_STOP, "E9"}};
    static const struct {
        const char *code;
        enum kr_meaning meaning;
    } codes[] = {
        {"0", KR_TAKEN},   {"10", KR_REJECT},  {"100", KR_REJECT},     {"-1", KR_REJECT}, {"E9", KR_STOP},
        {"1", KR_UNKNOWN}, {"00", KR_UNKNOWN}, {"10 100", KR_UNKNOWN}, {"E", KR_UNKNOWN}, {"", KR_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        ck_assert_msg(kr_codes_find(rows, 3, codes[i].code) == codes[i].meaning, "%s", codes[i].code);

    struct json_object *object =
        test_json("{\"a\":-5,\"b\":\"2000\",\"c\":\"a b\",\"d\":1.5,\"e\":\"12345678\"}");
    static const struct {
        const char *name, *value;
    } values[] = {{"a", "-5"}, {"b", "2000"}, {"c", ""}, {"d", ""}, {"e", ""}, {"f", ""}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char code[8];
        kr_sms_code(object, values[i].name, code, sizeof code);
        ck_assert_str_eq(code, values[i].value);
    }
    json_object_put(object);
}
END_TEST

START_TEST(test_daylight)
{
    /* Korean time is 9 hours ahead; 08:00 there is 23:00 UTC. */
    static const struct {
        int64_t now_ms, morning_ms;
    } rows[] = {
        {INT64_C(1699999200000), INT64_C(1700002800000)}, /* 22:00Z = 07:00 -> 23:00Z of the day */
        {INT64_C(1700002799999), INT64_C(1700002800000)},
        {INT64_C(1700002800000), INT64_C(1700089200000)}, /* 08:00 sharp: the next day */
        {INT64_C(1700053200000), INT64_C(1700089200000)}, /* 13:00Z = 22:00 */
    };
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict verdict = kr_sms_verdict(KR_DAYLIGHT, &message, "E919", NULL, rows[i].now_ms);
        ck_assert_int_eq(verdict.kind, VERDICT_RETRY);
        ck_assert_msg(verdict.not_before_ms == rows[i].morning_ms, "row %zu: %lld", i,
                      (long long)verdict.not_before_ms);
    }
}
END_TEST

START_TEST(test_reason)
{
    struct message message = test_message(MOBILE, "{\"text\":\"a\"}");
    struct verdict verdict =
        kr_sms_verdict(KR_REJECT, &message, "1010", "to=01012345678 or 010-1234-5678\r\n" MOBILE " 형식", 0);
    ck_assert_str_eq(verdict.reason, "1010: to=*********** or ************* [hidden] 형식");
    ck_assert_str_eq(kr_sms_verdict(KR_TAKEN, &message, "0", "SUCCESS", 0).reason, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kr_sms");
    TCase *tests = tcase_create("kr_sms");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_secret);
    tcase_add_test(tests, test_choice);
    tcase_add_test(tests, test_read);
    tcase_add_test(tests, test_read_values);
    tcase_add_test(tests, test_query_time);
    tcase_add_test(tests, test_codes);
    tcase_add_test(tests, test_daylight);
    tcase_add_test(tests, test_reason);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
