#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "dispatcher/template_cache.h"
#include "support/test_adapter.h"

static struct error err;

static struct template *template_of(int64_t id, const char *content, const char *partials, bool strict)
{
    return template_new(id, content, strlen(content), partials, partials != NULL ? strlen(partials) : 0,
                        strict);
}

static const struct {
    const char *content, *partials, *variables;
    const char *payload; /* NULL = the error */
    const char *error;
} rows[] = {
    {"{\"title\":\"Hi {{name}}\",\"body\":\"{{n}} left\"}", NULL, "{\"name\":\"Kim\",\"n\":7}",
     "{\"title\":\"Hi Kim\",\"body\":\"7 left\"}", NULL},
    /* Strings at any depth; other values and member names stay. */
    {"{\"{{a}}\":{\"{{a}}\":[\"{{a}}\",[\"{{a}}\"],{\"x\":\"-{{a}}\"}]}}", NULL, "{\"a\":1}",
     "{\"{{a}}\":{\"{{a}}\":[\"1\",[\"1\"],{\"x\":\"-1\"}]}}", NULL},
    {"{\"a\":1.50,\"b\":true,\"c\":null,\"d\":[null,{}],\"e\":\"\"}", NULL, "{}",
     "{\"a\":1.50,\"b\":true,\"c\":null,\"d\":[null,{}],\"e\":\"\"}", NULL},
    {"{}", NULL, "{}", "{}", NULL},
    /* Only the top-level member html is HTML. */
    {"{\"html\":\"{{a}}{{{a}}}{{&a}}\",\"text\":\"{{a}}\"}", NULL, "{\"a\":\"<\"}",
     "{\"html\":\"&lt;<<\",\"text\":\"<\"}", NULL},
    {"{\"html\":{\"x\":[\"{{a}}\"],\"text\":\"{{a}}\"},\"x\":{\"html\":\"{{a}}\"},\"htm\":\"{{a}}\"}", NULL,
     "{\"a\":\"&\"}",
     "{\"html\":{\"x\":[\"&amp;\"],\"text\":\"&amp;\"},\"x\":{\"html\":\"&\"},\"htm\":\"&\"}", NULL},
    /* Partials, in HTML too. */
    {"{\"text\":\"{{>a}}\",\"html\":\"{{>a}}\"}", "{\"a\":\"({{>b}})\",\"b\":\"{{x}}\"}", "{\"x\":\"<\"}",
     "{\"text\":\"(<)\",\"html\":\"(&lt;)\"}", NULL},
    /* Faults while rendering. */
    {"{\"title\":\"{{amount}}\"}", NULL, "{}", NULL, "title: variable \"amount\" is missing"},
    {"{\"x\":[0,{\"y\":{\"z\":\"{{a.b}}\"}}]}", NULL, "{}", NULL, "x.1.y.z: variable \"a.b\" is missing"},
    {"{\"x\":[[\"{{a}}\"]]}", NULL, "{\"a\":[]}", NULL,
     "x.0.0: variable \"a\" is not a text, number or boolean"},
    {"{\"body\":\"{{>sign}}\"}", "{}", "{}", NULL, "body: partial \"sign\" is missing"},
    {"{\"body\":\"{{>sign}}\"}", NULL, "{}", NULL, "body: partial \"sign\" is missing"},
    {"{\"body\":\"{{>a}}\"}", "{\"a\":\"{{>a}}\"}", "{}", NULL,
     "body: partial \"a\" is nested more than 32 deep"},
    /* Broken from birth. */
    {"{\"a\":\"\",\"body\":\"\\n{{#items}}\"}", NULL, "{}", NULL,
     "body: line 2: section \"items\" is not closed"},
    {"{\"a\":[\"\",\"{{}}\"]}", NULL, "{}", NULL, "a.1: line 1: tag \"{{}}\" has no name"},
    {"{}", "{\"sign\":\"{{/x}}\"}", "{}", NULL,
     "partial \"sign\": line 1: section \"x\" is closed but not open"},
    {"{}", "{\"sign\":null}", "{}", NULL, "partial \"sign\": it is not a text"},
    {"{}", "[]", "{}", NULL, "partials: it is not a JSON object"},
    {"[]", NULL, "{}", NULL, "content: it is not a JSON object"},
    {"{", NULL, "{}", NULL, "content: JSON text ends early"},
};

START_TEST(test_render)
{
    struct template *template = template_of(1, rows[_i].content, rows[_i].partials, true);
    struct json_object *variables = test_json(rows[_i].variables);
    /* A render leaves no traces in the next. */
    for (int round = 0; round < 2; round++) {
        struct json_object *payload = template_render(template, variables, &err);
        ck_assert_msg((payload != NULL) == (rows[_i].payload != NULL), "%s: %s", rows[_i].content, err.text);
        if (payload == NULL)
            ck_assert_str_eq(err.text, rows[_i].error);
        else
            ck_assert_str_eq(json_object_to_json_string_ext(payload, JSON_C_TO_STRING_PLAIN),
                             rows[_i].payload);
        json_object_put(payload);
    }
    json_object_put(variables);
    template_release(template);
}
END_TEST

START_TEST(test_not_strict)
{
    struct template *template = template_of(1, "{\"a\":\"<{{b}}{{c.d}}{{>e}}>\"}", NULL, false);
    struct json_object *payload = template_render(template, NULL, &err);
    ck_assert_msg(payload != NULL, "%s", err.text);
    template_release(template);
    /* The payload does not need its template any more. */
    ck_assert_str_eq(json_get_text(payload, "a"), "<>");
    json_object_put(payload);
}
END_TEST

/* All strings count together. */
START_TEST(test_output_limit)
{
    struct template *template = template_of(1, "{\"a\":\"{{x}}\",\"b\":[\"{{y}}\"]}", NULL, true);
    for (int extra = 0; extra <= 1; extra++) {
        struct buf half;
        buf_init(&half, TEMPLATE_MAX_OUTPUT);
        while (half.size < TEMPLATE_MAX_OUTPUT / 2)
            buf_char(&half, 'x');
        struct json_object *variables = json_object_new_object();
        json_object_object_add(variables, "x", json_object_new_string(half.data));
        if (extra)
            buf_char(&half, 'x');
        json_object_object_add(variables, "y", json_object_new_string(half.data));
        struct json_object *payload = template_render(template, variables, &err);
        ck_assert_int_eq(payload != NULL, !extra);
        if (extra)
            ck_assert_str_eq(err.text, "b.0: template: too much output");
        json_object_put(payload);
        json_object_put(variables);
        buf_free(&half);
    }
    template_release(template);
}
END_TEST

START_TEST(test_long_paths)
{
    char content[1024], expected[256], name[101] = {0};
    memset(name, 'n', 100);
    snprintf(content, sizeof content, "{\"%s\":\"{{a}}\"}", name);
    struct template *template = template_of(1, content, NULL, true);
    ck_assert_ptr_null(template_render(template, NULL, &err));
    snprintf(expected, sizeof expected, "%.60s: variable \"a\" is missing", name);
    ck_assert_str_eq(err.text, expected);
    template_release(template);

    snprintf(content, sizeof content, "{\"%s\":{\"%s\":{\"%s\":{\"%s\":\"{{a}}\"}}}}", name, name, name,
             name);
    template = template_of(1, content, NULL, true);
    ck_assert_ptr_null(template_render(template, NULL, &err));
    ck_assert_str_eq(err.text, "deep inside: variable \"a\" is missing");
    template_release(template);
}
END_TEST

/* A template whose render says its id and its version. */
static struct template *numbered(int64_t id, int version)
{
    char content[64];
    snprintf(content, sizeof content, "{\"id\":\"%lld.%d{{x}}\"}", (long long)id, version);
    return template_of(id, content, NULL, false);
}

static void check_says(struct template *template, const char *expected)
{
    ck_assert_ptr_nonnull(template);
    struct json_object *payload = template_render(template, NULL, &err);
    ck_assert_str_eq(json_get_text(payload, "id"), expected);
    json_object_put(payload);
}

static void put(struct template_cache *cache, struct template *template)
{
    template_cache_put(cache, template);
    template_release(template);
}

/* The ids among 1 to 9 that are cached, asked for in this order. */
static void check_cached(struct template_cache *cache, const char *ids)
{
    char found[10] = {0};
    size_t count = 0;
    for (int id = 1; id <= 9; id++) {
        struct template *template = template_cache_get(cache, id);
        if (template != NULL)
            found[count++] = (char)('0' + id);
        template_release(template);
    }
    ck_assert_str_eq(found, ids);
}

START_TEST(test_cache_order)
{
    struct template_cache *cache = template_cache_new(3);
    check_cached(cache, "");
    for (int id = 1; id <= 3; id++)
        put(cache, numbered(id, 1));
    check_cached(cache, "123");
    template_release(template_cache_get(cache, 1));
    put(cache, numbered(5, 1)); /* 2 was not asked for the longest */
    check_cached(cache, "135");
    put(cache, numbered(9, 1)); /* the same slot as 1 and 5 */
    check_cached(cache, "359");
    put(cache, numbered(4, 1));
    put(cache, numbered(6, 1));
    check_cached(cache, "469");
    template_cache_free(cache);
}
END_TEST

START_TEST(test_cache_references)
{
    struct template_cache *cache = template_cache_new(1);
    put(cache, numbered(-7, 1));
    struct template *held = template_cache_get(cache, -7);
    check_says(held, "-7.1");
    put(cache, numbered(8, 1));
    check_cached(cache, "8");
    check_says(held, "-7.1");

    struct template *old = template_cache_get(cache, 8);
    put(cache, numbered(8, 2));
    struct template *fresh = template_cache_get(cache, 8);
    check_says(old, "8.1");
    check_says(fresh, "8.2");
    template_cache_put(cache, fresh); /* again */
    template_cache_free(cache);
    check_says(held, "-7.1");
    check_says(fresh, "8.2");
    template_release(fresh);
    template_release(old);
    template_release(held);
}
END_TEST

START_TEST(test_cache_sizes)
{
    struct template_cache *none = template_cache_new(0);
    put(none, numbered(1, 1));
    check_cached(none, "");
    template_cache_free(none);
    template_cache_free(NULL);
    template_release(NULL);

    enum { MANY = 1000, KEPT = 100 };
    struct template_cache *cache = template_cache_new(KEPT);
    for (int64_t id = 0; id < MANY; id++)
        put(cache, numbered(id * 37, 1));
    for (int64_t id = 0; id < MANY; id++) {
        struct template *template = template_cache_get(cache, id * 37);
        ck_assert_int_eq(template != NULL, id >= MANY - KEPT);
        template_release(template);
    }
    template_cache_free(cache);
}
END_TEST

START_TEST(test_cache_broken)
{
    struct template_cache *cache = template_cache_new(2);
    put(cache, template_of(3, "{\"a\":\"{{\"}", NULL, true));
    for (int round = 0; round < 2; round++) {
        struct template *template = template_cache_get(cache, 3);
        ck_assert_ptr_nonnull(template);
        ck_assert_ptr_null(template_render(template, NULL, &err));
        ck_assert_str_eq(err.text, "a: line 1: tag \"{{\" is not closed");
        template_release(template);
    }
    template_cache_free(cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("template");
    TCase *table = tcase_create("render");
    tcase_add_loop_test(table, test_render, 0, (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, table);
    suite_add(suite, test_not_strict);
    suite_add(suite, test_output_limit);
    suite_add(suite, test_long_paths);
    suite_add(suite, test_cache_order);
    suite_add(suite, test_cache_references);
    suite_add(suite, test_cache_sizes);
    suite_add(suite, test_cache_broken);
    return suite_run(suite);
}
