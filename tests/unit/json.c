#include "support/suite.h"

#include <string.h>

#include "core/json.h"

static struct json_object *parse(const char *text)
{
    struct error err;
    struct json_object *value = json_parse(text, strlen(text), &err);
    ck_assert_msg(value != NULL, "%s: %s", text, err.text);
    return value;
}

static void check_depth(int depth, bool accepted)
{
    char text[2 * JSON_MAX_DEPTH + 10] = {0};
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    struct json_object *value = json_parse(text, strlen(text), NULL);
    ck_assert_msg((value != NULL) == accepted, "depth %d", depth);
    json_object_put(value);
}

START_TEST(test_accepted)
{
    static const char *const good[] = {"{}", " {\"a\": [1, 2.5, null]} \n", "12", "-3.5e2", "\"x\"", "true",
                                       "[]"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        json_object_put(parse(good[i]));
    check_depth(JSON_MAX_DEPTH - 1, true);
}
END_TEST

START_TEST(test_refused)
{
    static const struct {
        const char *text;
        size_t size;
    } bad[] = {{"", 0},         {" ", 1},          {"{", 1},   {"{\"a\":1", 6}, {"{} {}", 5},
               {"{}x", 3},      {"null", 4},       {"tru", 3}, {"{a:1}", 5},    {"['a']", 5},
               {"[1,]", 4},     {"{\"a\":1,}", 8}, {"nan", 3}, {"\"\xff\"", 3}, {"{}\0", 3},
               {"[1]\0[2]", 7}, {"/* x */ {}", 10}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {0};
        struct json_object *value = json_parse(bad[i].text, bad[i].size, &err);
        ck_assert_msg(value == NULL, "row %zu: %s", i, bad[i].text);
        ck_assert_msg(err.text[0] != '\0', "row %zu has no error", i);
    }
    check_depth(JSON_MAX_DEPTH + 1, false);
}
END_TEST

/* The text may lie inside a larger buffer, without a terminator. */
START_TEST(test_size)
{
    struct json_object *value = json_parse("123456", 3, NULL);
    ck_assert_int_eq(json_object_get_int(value), 123);
    json_object_put(value);
}
END_TEST

START_TEST(test_members)
{
    struct json_object *o = parse("{\"t\":\"x\",\"i\":9007199254740993,\"b\":true,\"n\":null,\"f\":1.5,"
                                  "\"o\":{\"k\":1},\"z\":\"a\\u0000b\",\"u\":\"\\u00e9\\ud83d\\ude00\"}");
    ck_assert_str_eq(json_get_text(o, "t"), "x");
    ck_assert_str_eq(json_get_text(o, "u"), "\u00e9\U0001F600");
    ck_assert_ptr_null(json_get_text(o, "i"));
    ck_assert_ptr_null(json_get_text(o, "n"));
    ck_assert_ptr_null(json_get_text(o, "z"));
    ck_assert_ptr_null(json_get_text(o, "absent"));
    ck_assert_int_eq(json_get_int(o, "i", 0), 9007199254740993);
    ck_assert_int_eq(json_get_int(o, "f", 7), 7);
    ck_assert_int_eq(json_get_int(o, "t", 7), 7);
    ck_assert_int_eq(json_get_int(o, "absent", -7), -7);
    ck_assert(json_get_bool(o, "b", false));
    ck_assert(json_get_bool(o, "i", true));
    ck_assert(!json_get_bool(o, "absent", false));
    ck_assert_int_eq(json_get_int(json_get(o, "o"), "k", 0), 1);
    ck_assert_ptr_null(json_get(o, "n"));
    ck_assert_ptr_null(json_get(NULL, "x"));
    ck_assert_ptr_null(json_get(json_get(o, "t"), "x"));
    json_object_put(o);
}
END_TEST

START_TEST(test_lists)
{
    struct json_object *o = parse("{\"none\":[],\"two\":[1,\"b\"],\"other\":{\"0\":1}}");
    ck_assert_uint_eq(json_list_size(json_get(o, "two")), 2);
    ck_assert_str_eq(json_object_get_string(json_list_item(json_get(o, "two"), 1)), "b");
    ck_assert_ptr_null(json_list_item(json_get(o, "two"), 2));
    static const char *const names[] = {"none", "other", "absent"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_uint_eq(json_list_size(json_get(o, names[i])), 0);
        ck_assert_ptr_null(json_list_item(json_get(o, names[i]), 0));
    }
    json_object_put(o);
}
END_TEST

START_TEST(test_strings)
{
    static const struct {
        const char *text;
        size_t size;
        const char *expected;
    } rows[] = {{"", 0, "\"\""},
                {"plain", 5, "\"plain\""},
                {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
                {"\n\r\t\b\x1f", 5, "\"\\n\\r\\t\\u0008\\u001f\""},
                {"a\0b", 3, "\"a\\u0000b\""},
                {"\u00e9\U0001F600", 6, "\"\u00e9\U0001F600\""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        buf_init(&out, 100);
        ck_assert(json_append_string(&out, rows[i].text, rows[i].size));
        ck_assert_str_eq(buf_string(&out), rows[i].expected);
        struct json_object *back = parse(buf_string(&out));
        ck_assert_int_eq(json_object_get_string_len(back), (int)rows[i].size);
        ck_assert_mem_eq(json_object_get_string(back), rows[i].text, rows[i].size);
        json_object_put(back);
        buf_free(&out);
    }
    struct buf small;
    buf_init(&small, 6);
    ck_assert(!json_append_string(&small, "12345", 5));
    buf_free(&small);
}
END_TEST

START_TEST(test_values)
{
    const char *compact = "{\"a\":[1,2.50,\"x/y\",null,true],\"b\":{}}";
    struct json_object *o = parse(compact);
    struct buf out;
    buf_init(&out, 100);
    ck_assert(json_append_value(&out, o));
    ck_assert_str_eq(buf_string(&out), compact);
    buf_reset(&out);
    ck_assert(json_append_value(&out, NULL));
    ck_assert_str_eq(buf_string(&out), "null");
    buf_free(&out);
    json_object_put(o);
}
END_TEST

START_TEST(test_writing_members)
{
    struct buf out;
    buf_init(&out, 100);
    buf_char(&out, '{');
    ck_assert(json_member_text(&out, "none", NULL));
    ck_assert(json_member_text(&out, "a{", "x{"));
    ck_assert(json_member(&out, "b\""));
    buf_char(&out, '{');
    ck_assert(json_member_octets(&out, "c", "0\0001", 3));
    ck_assert(json_member_octets(&out, "none", NULL, 0));
    ck_assert(json_member_text(&out, "d", ""));
    buf_text(&out, "}}");
    ck_assert_str_eq(buf_string(&out), "{\"a{\":\"x{\",\"b\\\"\":{\"c\":\"0\\u00001\",\"d\":\"\"}}");
    ck_assert(!json_member_octets(&out, "e", "0123456789012345678901234567890123456789012345678901234", 55));
    ck_assert(!json_member_text(&out, "none", NULL));
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    suite_add(suite, test_accepted);
    suite_add(suite, test_refused);
    suite_add(suite, test_size);
    suite_add(suite, test_members);
    suite_add(suite, test_lists);
    suite_add(suite, test_strings);
    suite_add(suite, test_values);
    suite_add(suite, test_writing_members);
    return suite_run(suite);
}
