#include "support/suite.h"

#include <string.h>

#include "core/json.h"
#include "core/mem.h"

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

/* A text as the compiler counts it, zero octets too. */
#define TEXT(text)                                                                                           \
    {                                                                                                        \
        (text), sizeof(text) - 1                                                                             \
    }

static const struct text {
    const char *octets;
    size_t size;
} good[] =
    {
        TEXT("{}"),
        TEXT("[]"),
        TEXT(" {\"a\": [1, 2.5, null]} \n"),
        TEXT("\t\r\n[ ]\t\r\n"),
        TEXT("true"),
        TEXT("false"),
        TEXT("0"),
        TEXT("-0"),
        TEXT("12"),
        TEXT("-3.5e2"),
        TEXT("0.5E+10"),
        TEXT("1e400"),
        TEXT("18446744073709551615"),
        TEXT("-9223372036854775808"),
        TEXT("\"x\""),
        TEXT("\"\x7f\""),
        TEXT("\"\xc2\x80\u07ff\u0800\uffff\U00010000\U0010ffff\""),
        TEXT("{\"\uc774\ub984\": \"\uae40 \U0001F600\"}"),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00\\u0000\""),
        TEXT("{\"a\":1,\"a\":2,\"\":3}"),
},
  bad[] = {
      /* ends early */
      TEXT(""),
      TEXT(" "),
      TEXT("{"),
      TEXT("["),
      TEXT("{\"a\""),
      TEXT("{\"a\":"),
      TEXT("{\"a\":1"),
      TEXT("[1,"),
      TEXT("\"a"),
      TEXT("\"\\"),
      TEXT("\"\\u12"),
      TEXT("tru"),
      TEXT("-"),
      TEXT("1."),
      TEXT("1e"),
      TEXT("1e+"),
      /* something behind the value */
      TEXT("{} {}"),
      TEXT("{}x"),
      TEXT("{},"),
      TEXT("{}\0"),
      TEXT("[1]\0[2]"),
      TEXT("1 2"),
      TEXT("1]"),
      TEXT("truex"),
      TEXT("\"a\"b"),
      TEXT("{}\v"),
      TEXT("{}\f"),
      TEXT("{}\xc2\xa0"),
      TEXT("\xef\xbb\xbf{}"),
      /* commas and colons */
      TEXT("[1,]"),
      TEXT("[,1]"),
      TEXT("[,]"),
      TEXT("[1,,2]"),
      TEXT("[1 2]"),
      TEXT("{\"a\":1,}"),
      TEXT("{,}"),
      TEXT("{\"a\" 1}"),
      TEXT("{\"a\"::1}"),
      TEXT("{\"a\",1}"),
      TEXT("{\"a\":}"),
      TEXT("{1:1}"),
      TEXT("[\"a\":1]"),
      TEXT("[1}"),
      TEXT("{\"a\":1]"),
      TEXT("]"),
      TEXT("}"),
      /* comments, quotes, words */
      TEXT("/* x */ {}"),
      TEXT("{} // x"),
      TEXT("[1/**/]"),
      TEXT("# x\n{}"),
      TEXT("{a:1}"),
      TEXT("['a']"),
      TEXT("{'a':1}"),
      TEXT("null"),
      TEXT("Null"),
      TEXT("[NULL]"),
      TEXT("[True]"),
      TEXT("[FALSE]"),
      TEXT("[undefined]"),
      /* numbers */
      TEXT("nan"),
      TEXT("[NaN]"),
      TEXT("[-NaN]"),
      TEXT("[Infinity]"),
      TEXT("[-Infinity]"),
      TEXT("[inf]"),
      TEXT("01"),
      TEXT("[00]"),
      TEXT("[-01]"),
      TEXT("[+1]"),
      TEXT("[.5]"),
      TEXT("[-.5]"),
      TEXT("[1.]"),
      TEXT("[1.e5]"),
      TEXT("[1e]"),
      TEXT("[1e5.5]"),
      TEXT("[0x1f]"),
      TEXT("[1_000]"),
      TEXT("[--1]"),
      TEXT("[1-1]"),
      TEXT("18446744073709551616"),
      TEXT("[-9223372036854775809]"),
      TEXT("[100000000000000000000000000000000000000000]"),
      /* strings */
      TEXT("\"\n\""),
      TEXT("\"\t\""),
      TEXT("\"\x1f\""),
      TEXT("\"a\0b\""),
      TEXT("{\"\x01\":1}"),
      TEXT("\"\\x41\""),
      TEXT("\"\\'\""),
      TEXT("\"\\U0041\""),
      TEXT("\"\\u00g0\""),
      TEXT("\"\\\n\""),
      /* no UTF-8 */
      TEXT("\"\xff\""),
      TEXT("\"\x80\""),
      TEXT("\"\xc0\xaf\""),
      TEXT("\"\xe0\x80\xaf\""),
      TEXT("\"\xed\xa0\x80\""),
      TEXT("\"\xf4\x90\x80\x80\""),
      TEXT("\"\xc3\""),
      TEXT("\"\xe2\x82\""),
      TEXT("{\"\xff\":1}"),
      TEXT("\xff"),
      TEXT("\xea\xb0\x80"),
};

/* Not one octet of another text lies behind it. */
static struct json_object *parse_alone(const struct text *text, struct error *err)
{
    char *copy = mem_alloc(text->size > 0 ? text->size : 1);
    memcpy(copy, text->octets, text->size);
    struct json_object *value = json_parse(copy, text->size, err);
    mem_free(copy);
    return value;
}

START_TEST(test_accepted)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct error err = {0};
        struct json_object *value = parse_alone(&good[i], &err);
        ck_assert_msg(value != NULL, "row %zu: %s: %s", i, good[i].octets, err.text);
        json_object_put(value);
    }
    check_depth(JSON_MAX_DEPTH - 1, true);
}
END_TEST

START_TEST(test_refused)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {0};
        struct json_object *value = parse_alone(&bad[i], &err);
        ck_assert_msg(value == NULL, "row %zu: %s", i, bad[i].octets);
        ck_assert_msg(err.text[0] != '\0', "row %zu has no error", i);
    }
    check_depth(JSON_MAX_DEPTH, false);
    check_depth(JSON_MAX_DEPTH + 1, false);
}
END_TEST

/* Cut anywhere, a text that needs its last octet is none. */
START_TEST(test_cut)
{
    static const struct text whole =
        TEXT("{\"\uc774\ub984\": [1.5e3, \"\\u00e9\U0001F600\", null, {\"b\": true}]}");
    for (size_t size = 0; size < whole.size; size++) {
        const struct text cut = {whole.octets, size};
        ck_assert_msg(parse_alone(&cut, NULL) == NULL, "%zu octets", size);
    }
}
END_TEST

/* Characters beyond ASCII come out as they went in. */
START_TEST(test_beyond_ascii)
{
    struct json_object *o = parse("{\"\uc774\ub984\": \"\uae40\U0001F600\xc2\x80\"}");
    ck_assert_str_eq(json_get_text(o, "\uc774\ub984"), "\uae40\U0001F600\xc2\x80");
    struct buf out;
    buf_init(&out, 100);
    ck_assert(json_append_value(&out, o));
    ck_assert_str_eq(buf_string(&out), "{\"\uc774\ub984\":\"\uae40\U0001F600\xc2\x80\"}");
    buf_free(&out);
    json_object_put(o);
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
    suite_add(suite, test_cut);
    suite_add(suite, test_beyond_ascii);
    suite_add(suite, test_size);
    suite_add(suite, test_members);
    suite_add(suite, test_lists);
    suite_add(suite, test_strings);
    suite_add(suite, test_values);
    suite_add(suite, test_writing_members);
    return suite_run(suite);
}
