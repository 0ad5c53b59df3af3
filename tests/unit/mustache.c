#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "formats/mustache.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

enum { OUTPUT_MAX = 65536, GARBAGE_ROUNDS = 3000 };

/* The outcome of a compile and render: the text, or the error. */
static struct error err;
static struct buf out;

static void setup(void)
{
    buf_init(&out, OUTPUT_MAX);
}

static void teardown(void)
{
    buf_free(&out);
}

/* Compiled partials of a JSON object of texts. */
struct partials {
    size_t count;
    const char *names[8];
    struct mustache *texts[8];
};

static struct partials partials_of(struct json_object *object)
{
    struct partials partials = {0};
    if (object == NULL)
        return partials;
    struct json_object_iterator at = json_object_iter_begin(object), end = json_object_iter_end(object);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        const char *name = json_object_iter_peek_name(&at);
        struct json_object *text = json_object_iter_peek_value(&at);
        ck_assert_uint_lt(partials.count, 8);
        struct mustache *mustache =
            mustache_compile(json_object_get_string(text), (size_t)json_object_get_string_len(text), &err);
        ck_assert_msg(mustache != NULL, "%s: %s", name, err.text);
        partials.names[partials.count] = name;
        partials.texts[partials.count++] = mustache;
    }
    return partials;
}

static void partials_free(struct partials *partials)
{
    for (size_t i = 0; i < partials->count; i++)
        mustache_free(partials->texts[i]);
}

static const struct mustache *find_partial(void *arg, const char *name)
{
    const struct partials *partials = arg;
    for (size_t i = 0; i < partials->count; i++) {
        if (strcmp(partials->names[i], name) == 0)
            return partials->texts[i];
    }
    return NULL;
}

static bool try_render(const char *text, size_t size, struct json_object *data,
                       struct json_object *partial_texts, struct mustache_options options)
{
    buf_reset(&out);
    struct mustache *mustache = mustache_compile(text, size, &err);
    if (mustache == NULL)
        return false;
    struct partials partials = partials_of(partial_texts);
    options.partial = find_partial;
    options.arg = &partials;
    bool good = mustache_render(mustache, data, &options, &out, &err);
    partials_free(&partials);
    mustache_free(mustache);
    return good;
}

static const struct {
    const char *file;
    size_t cases;
} modules[] = {{"comments", 12}, {"delimiters", 14}, {"interpolation", 42},
               {"inverted", 22}, {"partials", 12},   {"sections", 34}};

START_TEST(test_specification)
{
    char path[64];
    snprintf(path, sizeof path, "mustache/%s.json", modules[_i].file);
    struct json_object *vectors = vectors_load(path);
    struct json_object *cases = json_get(vectors, "tests");
    ck_assert_uint_eq(json_object_array_length(cases), modules[_i].cases);
    for (size_t i = 0; i < modules[_i].cases; i++) {
        struct json_object *one = json_object_array_get_idx(cases, i);
        const char *name = json_get_text(one, "name"), *text = json_get_text(one, "template");
        const char *expected = json_get_text(one, "expected");
        ck_assert_ptr_nonnull(text);
        ck_assert_ptr_nonnull(expected);
        ck_assert_msg(try_render(text, strlen(text), json_get(one, "data"), json_get(one, "partials"),
                                 (struct mustache_options){.escape_html = true}),
                      "%s: %s", name, err.text);
        ck_assert_msg(strcmp(buf_string(&out), expected) == 0, "%s\n got: %s\nwant: %s", name,
                      buf_string(&out), expected);
    }
    json_object_put(vectors);
}
END_TEST

#define MISSING(name) NULL, "variable \"" name "\" is missing"
#define WRONG(name)   NULL, "variable \"" name "\" is not a text, number or boolean"

static const struct render_row {
    const char *text, *data;
    const char *relaxed; /* NULL = the error of strict */
    const char *strict;  /* NULL = the error that follows */
    const char *error;
} render_rows[] = {
    /* Values. */
    {"{{a}}", "{\"a\":\"x\"}", "x", "x", NULL},
    {"{{a}}", "{\"a\":\"\"}", "", "", NULL},
    {"{{a}}", "{\"a\":null}", "", "", NULL},
    {"{{a}}{{b}}", "{\"a\":true,\"b\":false}", "truefalse", "truefalse", NULL},
    {"{{a}} {{b}} {{c}}", "{\"a\":1.10,\"b\":1e5,\"c\":-0.0}", "1.10 1e5 -0.0", "1.10 1e5 -0.0", NULL},
    {"{{a}}", "{\"a\":9223372036854775807}", "9223372036854775807", "9223372036854775807", NULL},
    {"{{a}}", "{\"a\":0}", "0", "0", NULL},
    {"{{a}}", "{\"a\":{}}", NULL, WRONG("a")},
    {"{{{a.b}}}", "{\"a\":{\"b\":[1]}}", NULL, WRONG("a.b")},
    {"{{&.}}", "{}", NULL, WRONG(".")},
    {"<{{a}}|{{{a}}}|{{&a}}>", "{\"a\":\"<&>\\\"'\"}", "<<&>\"'|<&>\"'|<&>\"'>", "<<&>\"'|<&>\"'|<&>\"'>",
     NULL},
    /* Missing and found. */
    {"x{{a}}y", "{}", "xy", MISSING("a")},
    {"{{{a}}}", "{}", "", MISSING("a")},
    {"{{&a}}", "[]", "", MISSING("a")},
    {"{{a.b}}", "{}", "", MISSING("a.b")},
    {"{{a.b}}", "{\"a\":{}}", "", MISSING("a.b")},
    {"{{a.b}}", "{\"a\":null}", "", MISSING("a.b")},
    {"{{a.b}}", "{\"a\":\"b\"}", "", MISSING("a.b")},
    {"{{a.0}}", "{\"a\":[1]}", "", MISSING("a.0")},
    {"{{a.b}}", "{\"a\":{\"b\":null}}", "", "", NULL},
    {"{{a.b.c}}", "{\"a\":{\"b\":null}}", "", MISSING("a.b.c")},
    {"{{a.b}}", "{\"a.b\":1}", "", MISSING("a.b")},
    {"{{a..b}}", "{\"a\":{\"\":{\"b\":1}}}", "1", "1", NULL},
    {"{{ a b }}", "{\"a b\":1}", "1", "1", NULL},
    {"{{\n\ta\r\n}}", "{\"a\":1}", "1", "1", NULL},
    {"{{ #a }}{{ & b }}{{ /a }}", "{\"a\":1,\"b\":2}", "2", "2", NULL},
    /* Looking outwards: the first part decides, an inner null too. */
    {"{{#s}}{{a}}{{/s}}", "{\"a\":1,\"s\":{\"b\":2}}", "1", "1", NULL},
    {"{{#s}}{{a}}{{/s}}", "{\"a\":1,\"s\":{\"a\":null}}", "", "", NULL},
    {"{{#s}}{{a.b}}{{/s}}", "{\"a\":{\"b\":1},\"s\":{\"a\":{}}}", "", MISSING("a.b")},
    {"{{#s}}{{a}}{{/s}}", "{\"a\":1,\"s\":[0,\"x\",null,[]]}", "1111", "1111", NULL},
    {"{{#s}}{{.}}{{/s}}", "{\"s\":[1,null,\"x\",true]}", "1xtrue", "1xtrue", NULL},
    {"{{#s}}{{.}}{{/s}}", "{\"s\":[[]]}", NULL, WRONG(".")},
    /* What is true; sections over missing names are never an error. */
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{}", "no", "no", NULL},
    {"{{#a.b}}yes{{/a.b}}{{^a.b}}no{{/a.b}}", "{\"a\":1}", "no", "no", NULL},
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":null}", "no", "no", NULL},
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":false}", "no", "no", NULL},
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":[]}", "no", "no", NULL},
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":\"\"}", "no", "no", NULL},
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":0}", "yes", "yes", NULL},
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":{}}", "yes", "yes", NULL},
    {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":[null]}", "yes", "yes", NULL},
    {"{{#a}}{{.}}{{/a}}", "{\"a\":true}", "true", "true", NULL},
    {"{{#a}}{{/a}}{{^b}}{{/b}}", "{\"a\":[1,2]}", "", "", NULL},
    /* What a section does not render is not looked at. */
    {"{{#a}}{{b}}{{>p}}{{/a}}", "{}", "", "", NULL},
    {"x{{>p}}y", "{}", "xy", NULL, "partial \"p\" is missing"},
    /* Delimiters. */
    {"{{=<% %>=}}<%{a}%><%&a%>{{a}}", "{\"a\":1}", "11{{a}}", "11{{a}}", NULL},
    {"{{=| |=}}|#a||a||/a|", "{\"a\":1}", "1", "1", NULL},
    {"{{{a}}}}", "{\"a\":1}", "1}", "1}", NULL},
    {"{ {a}} }}", "{}", "{ {a}} }}", "{ {a}} }}", NULL},
    {"", "{}", "", "", NULL},
};

START_TEST(test_render)
{
    const struct render_row *row = &render_rows[_i];
    struct json_object *data = test_json(row->data);
    for (int strict = 0; strict <= 1; strict++) {
        const char *expected = strict ? row->strict : row->relaxed;
        bool good =
            try_render(row->text, strlen(row->text), data, NULL, (struct mustache_options){.strict = strict});
        ck_assert_msg(good == (expected != NULL), "strict %d, %s: %s", strict, row->text,
                      good ? buf_string(&out) : err.text);
        ck_assert_str_eq(good ? buf_string(&out) : err.text, good ? expected : row->error);
    }
    json_object_put(data);
}
END_TEST

static const struct {
    const char *text, *error;
} refused_rows[] = {
    {"a\n\n{{#items}}\n{{#x}}{{/x}}", "line 3: section \"items\" is not closed"},
    {"{{#a}}\n{{#b}}\n", "line 2: section \"b\" is not closed"},
    {"\n{{/a}}", "line 2: section \"a\" is closed but not open"},
    {"{{#a}}\n{{^b}}\n{{/a}}{{/b}}", "line 3: section \"a\" is closed while \"b\" is open"},
    {"\n\n{{name} }", "line 3: tag \"{{name} }\" is not closed"},
    {"{{{name}}", "line 1: tag \"{{{name}}\" is not closed"},
    {"a{{", "line 1: tag \"{{\" is not closed"},
    {"a{{!", "line 1: tag \"{{!\" is not closed"},
    {"{{}}", "line 1: tag \"{{}}\" has no name"},
    {"\n{{ }}", "line 2: tag \"{{ }}\" has no name"},
    {"{{#}}", "line 1: tag \"{{#}}\" has no name"},
    {"{{^ }}", "line 1: tag \"{{^ }}\" has no name"},
    {"{{#a}}{{/}}", "line 1: tag \"{{/}}\" has no name"},
    {"{{&}}", "line 1: tag \"{{&}}\" has no name"},
    {"{{>}}", "line 1: tag \"{{>}}\" has no name"},
    {"{{{ }}}", "line 1: tag \"{{{ }}}\" has no name"},
    {"{{=<%=}}", "line 1: tag \"{{=<%=}}\" must hold two delimiters without \"=\""},
    {"{{= =}}", "line 1: tag \"{{= =}}\" must hold two delimiters without \"=\""},
    {"{{=a b c=}}", "line 1: tag \"{{=a b c=}}\" must hold two delimiters without \"=\""},
    {"{{=a b==}}", "line 1: tag \"{{=a b==}}\" must hold two delimiters without \"=\""},
    {"{{=a b}}", "line 1: tag \"{{=a b}}\" is not closed"},
    {"{{=<% %>=}}<%", "line 1: tag \"<%\" is not closed"},
};

START_TEST(test_refused)
{
    const char *text = refused_rows[_i].text;
    ck_assert_ptr_null(mustache_compile(text, strlen(text), &err));
    ck_assert_str_eq(err.text, refused_rows[_i].error);
    ck_assert_ptr_null(mustache_compile(text, strlen(text), NULL));
}
END_TEST

START_TEST(test_zero_octets)
{
    struct json_object *data = test_json("{\"a\":\"1\\u00002\"}");
    ck_assert(try_render("<\0{{a}}\0>", 9, data, NULL, (struct mustache_options){.escape_html = true}));
    ck_assert_uint_eq(out.size, 7);
    ck_assert_mem_eq(out.data, "<\0001\0002\0>", 7);
    ck_assert(!try_render("{{a\0b}}", 7, data, NULL, (struct mustache_options){0}));
    ck_assert_str_eq(err.text, "line 1: tag \"{{a\" has a zero octet in its name");
    json_object_put(data);
}
END_TEST

/* A name is cut in an error, so that the rest of it still fits. */
START_TEST(test_long_names)
{
    char text[2048] = "{{", expected[256];
    memset(text + 2, 'n', 1000);
    memcpy(text + 1002, "}}", 3);
    ck_assert(!try_render(text, strlen(text), NULL, NULL, (struct mustache_options){.strict = true}));
    snprintf(expected, sizeof expected, "variable \"%.100s\" is missing", text + 2);
    ck_assert_str_eq(err.text, expected);
}
END_TEST

/* The standalone tag's indentation goes before each line of the partial's text, and nowhere else. */
static const struct {
    const char *text, *partial, *other, *expected;
} indent_rows[] = {
    {"  {{>p}}\n", "a\nb", "", "  a\n  b"},
    {"  {{>p}}\n", "a\n\nb\n", "", "  a\n  \n  b\n"},
    {"  {{>p}}\r\n.", "a\r\nb\r\n", "", "  a\r\n  b\r\n."},
    {"  {{>p}}\n.", "", "", "."},
    {"\t{{>p}}", "{{text}}{{text}}\n{{text}}", "", "\t1\n21\n2\n\t1\n2"},
    {"  {{>p}}", "{{#list}}\n{{.}}\n{{/list}}\n.", "", "  x\n  y\n  ."},
    {"  {{>p}}", "{{#list}}{{.}}\n{{/list}}.", "", "  x\n  y\n  ."},
    {"  {{>p}}", "{{#none}}x{{/none}}\n.", "", "  \n  ."},
    {"  {{>p}}", "{{! c }}{{! d }}\n.", "", "  \n  ."},
    {"  {{>p}}", "{{! c }}\n.", "", "  ."},
    {"  {{>p}}", "a\n\t{{>o}}\nb", "c\nd\n", "  a\n  \tc\n  \td\n  b"},
    {"  {{>p}}", "a {{>o}}\nb", "c\nd", "  a c\nd\n  b"},
    {"  {{>p}}", "{{>o}}.", "c\nd", "  c\nd."},
    {"- {{>p}}\n.", "a\nb", "", "- a\nb\n."},
    {"{{#list}}\n  {{>p}}\n{{/list}}\n", "{{.}}\n", "", "  x\n  y\n"},
};

START_TEST(test_indent)
{
    struct json_object *data = test_json("{\"text\":\"1\\n2\",\"list\":[\"x\",\"y\"]}");
    struct json_object *partials = json_object_new_object();
    json_object_object_add(partials, "p", json_object_new_string(indent_rows[_i].partial));
    json_object_object_add(partials, "o", json_object_new_string(indent_rows[_i].other));
    const char *text = indent_rows[_i].text;
    ck_assert_msg(try_render(text, strlen(text), data, partials, (struct mustache_options){.strict = true}),
                  "%s", err.text);
    ck_assert_str_eq(buf_string(&out), indent_rows[_i].expected);
    json_object_put(partials);
    json_object_put(data);
}
END_TEST

/* Sections inside each other: the deepest that is allowed, and one more. */
START_TEST(test_section_limit)
{
    for (int extra = 0; extra <= 1; extra++) {
        struct buf text;
        buf_init(&text, OUTPUT_MAX);
        for (int i = 0; i < MUSTACHE_MAX_SECTIONS + extra; i++)
            buf_text(&text, i == 1 ? "-\n{{#a}}" : "{{#a}}");
        buf_text(&text, "deep");
        for (int i = 0; i < MUSTACHE_MAX_SECTIONS + extra; i++)
            buf_text(&text, "{{/a}}");
        struct json_object *data = test_json("{\"a\":true}");
        bool good = try_render(text.data, text.size, data, NULL, (struct mustache_options){0});
        ck_assert_str_eq(good ? buf_string(&out) : err.text,
                         extra ? "line 2: section \"a\" is nested more than 64 deep" : "-\ndeep");
        json_object_put(data);
        buf_free(&text);
    }
}
END_TEST

/* A partial that includes itself as often as there are lists inside each other. */
START_TEST(test_partial_limit)
{
    struct json_object *partials = test_json("{\"p\":\"({{#a}}{{>p}}{{/a}})\"}");
    for (int extra = 0; extra <= 1; extra++) {
        struct json_object *data = json_object_new_object();
        for (int i = 1; i < MUSTACHE_MAX_PARTIALS + extra; i++) {
            struct json_object *outer = json_object_new_object();
            json_object_object_add(outer, "a", data);
            data = outer;
        }
        struct json_object *innermost = data;
        while (json_get(innermost, "a") != NULL)
            innermost = json_get(innermost, "a");
        json_object_object_add(innermost, "a", json_object_new_boolean(0));
        bool good = try_render("{{>p}}", 6, data, partials, (struct mustache_options){0});
        ck_assert_msg(good == !extra, "%s", good ? buf_string(&out) : err.text);
        if (good)
            ck_assert_uint_eq(out.size, 2 * MUSTACHE_MAX_PARTIALS);
        else
            ck_assert_str_eq(err.text, "partial \"p\" is nested more than 32 deep");
        json_object_put(data);
    }
    struct json_object *empty = test_json("{}"), *endless = test_json("{\"p\":\" {{>p}}\\n\"}");
    ck_assert(!try_render("{{>p}}", 6, empty, endless, (struct mustache_options){0}));
    ck_assert_str_eq(err.text, "partial \"p\" is nested more than 32 deep");
    json_object_put(endless);
    json_object_put(empty);
    json_object_put(partials);
}
END_TEST

/* Partials one after the other are not inside each other. */
START_TEST(test_many_partials)
{
    struct json_object *partials = test_json("{\"p\":\"x\"}");
    struct buf text;
    buf_init(&text, OUTPUT_MAX);
    for (int i = 0; i <= MUSTACHE_MAX_PARTIALS; i++)
        buf_text(&text, "{{>p}}");
    ck_assert_msg(try_render(text.data, text.size, NULL, partials, (struct mustache_options){0}), "%s",
                  err.text);
    ck_assert_uint_eq(out.size, MUSTACHE_MAX_PARTIALS + 1);
    buf_free(&text);
    json_object_put(partials);
}
END_TEST

START_TEST(test_work_limit)
{
    enum { ROUNDS = 999 };
    /* The text, the outer section, then 999 * (1 + 999); the variables after it fill up to the limit. */
    const int rest = MUSTACHE_MAX_WORK - 2 - ROUNDS * (1 + ROUNDS);
    struct json_object *data = test_json("{\"e\":\"\"}"), *list = json_object_new_array();
    for (int i = 0; i < ROUNDS; i++)
        json_object_array_add(list, json_object_new_int(i));
    json_object_object_add(data, "a", list);
    struct buf text;
    buf_init(&text, OUTPUT_MAX);
    buf_text(&text, "-{{#a}}{{#a}}{{e}}{{/a}}{{/a}}");
    for (int i = 0; i < rest; i++)
        buf_text(&text, "{{e}}");
    ck_assert_msg(try_render(text.data, text.size, data, NULL, (struct mustache_options){0}), "%s", err.text);
    buf_text(&text, "{{e}}");
    ck_assert(!try_render(text.data, text.size, data, NULL, (struct mustache_options){0}));
    ck_assert_str_eq(err.text, "template: too much work");
    buf_free(&text);
    json_object_put(data);
}
END_TEST

/* Out's maximum, ten octets, is passed by text, a value, an entity. */
START_TEST(test_output_limit)
{
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {{"{{b}}.....", true},    {"{{b}}......", false}, {".....{{b}}", true},
                {"......{{b}}", false},  {"{{a}}123456", true},  {"123456{{a}}{{a}}", false},
                {"1234567{{a}}", false}, {"123456{{a}}", true}};
    struct json_object *data = test_json("{\"a\":\"<\",\"b\":\"12345\"}");
    buf_free(&out);
    buf_init(&out, 10);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool good = try_render(rows[i].text, strlen(rows[i].text), data, NULL,
                               (struct mustache_options){.escape_html = true});
        ck_assert_msg(good == rows[i].fits, "%s", rows[i].text);
        if (good)
            ck_assert_uint_eq(out.size, 10);
        else
            ck_assert_str_eq(err.text, "template: too much output");
    }
    json_object_put(data);
}
END_TEST

static const char *const pieces[] = {
    "{{",         "}}",          "{{{",         "}}}",
    "{",          "}",           "#",           "^",
    "/",          ">",           "!",           "=",
    "&",          ".",           "a",           "b",
    "list",       "p",           "o",           " ",
    "  ",         "\n",          "\n",          "\r\n",
    "\t",         "<%",          "%>",          "text",
    "\xff",       "é",           "none",        "b.c",
    "{{a}}",      "{{#list}}",   "{{/list}}",   "{{^none}}",
    "{{>p}}",     "{{! c }}",    "{{#b}}",      "{{/b}}",
    "{{/none}}",  "{{=<% %>=}}", "<%={{ }}=%>", "\n  {{>o}}\n",
    "\n{{#b}}\n", "\n{{/b}}\n",
};

static unsigned int random_state = 1;

/* xorshift32 (Marsaglia): the same garbage each time. */
static unsigned int next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static void garbage(struct buf *text)
{
    buf_reset(text);
    size_t count = next_random() % 14;
    for (size_t i = 0; i < count; i++)
        buf_text(text, pieces[next_random() % (sizeof pieces / sizeof pieces[0])]);
}

/* "Prepended to each line of the partial before rendering", as the specification says it. */
static void indent_lines(const struct buf *text, struct buf *indented)
{
    buf_reset(indented);
    for (size_t i = 0; i < text->size; i++) {
        if (i == 0 || text->data[i - 1] == '\n')
            buf_text(indented, " \t");
        buf_char(indented, text->data[i]);
    }
}

/* Whatever the text: no crash; and a standalone partial gives what its indented text gives. */
START_TEST(test_garbage)
{
    struct json_object *data = test_json("{\"a\":\"1\\n2\",\"b\":{\"c\":\"<\"},\"list\":[1,{\"a\":3},[]]}");
    struct json_object *texts = test_json("{\"p\":\"({{a}}\\n{{>o}}\\n)\",\"o\":\"x\\ny\\n\"}");
    struct partials partials = partials_of(texts), with_garbage;
    struct buf text, indented, first;
    buf_init(&text, OUTPUT_MAX);
    buf_init(&indented, OUTPUT_MAX);
    buf_init(&first, OUTPUT_MAX);
    struct mustache *standalone = mustache_compile(" \t{{>g}}\n", 9, &err);
    ck_assert_ptr_nonnull(standalone);
    int compiled = 0, rendered = 0;
    for (int i = 0; i < GARBAGE_ROUNDS; i++) {
        garbage(&text);
        indent_lines(&text, &indented);
        struct mustache *plain = mustache_compile(buf_string(&text), text.size, &err);
        struct mustache *direct = mustache_compile(buf_string(&indented), indented.size, &err);
        ck_assert_msg((plain != NULL) == (direct != NULL), "%s", buf_string(&text));
        if (plain != NULL && direct != NULL) {
            compiled++;
            struct mustache_options options = {.strict = i % 2 == 0,
                                               .escape_html = i % 3 == 0,
                                               .partial = find_partial,
                                               .arg = &with_garbage};
            with_garbage = partials;
            with_garbage.names[with_garbage.count] = "g";
            with_garbage.texts[with_garbage.count++] = plain;
            buf_reset(&first);
            buf_reset(&out);
            bool good = mustache_render(standalone, data, &options, &first, &err);
            ck_assert_int_eq(good, mustache_render(direct, data, &options, &out, &err));
            ck_assert_msg(!good || strcmp(buf_string(&first), buf_string(&out)) == 0,
                          "%s\n got: %s\nwant: %s", buf_string(&text), buf_string(&first), buf_string(&out));
            rendered += good;
        }
        mustache_free(plain);
        mustache_free(direct);
    }
    /* Else the garbage proves little. */
    ck_assert_int_gt(compiled, GARBAGE_ROUNDS / 8);
    ck_assert_int_gt(rendered, GARBAGE_ROUNDS / 16);
    mustache_free(standalone);
    partials_free(&partials);
    json_object_put(texts);
    buf_free(&first);
    buf_free(&indented);
    buf_free(&text);
    json_object_put(data);
}
END_TEST

static void add_table(Suite *suite, const char *name, const TTest *test, size_t rows)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test, 0, (int)rows);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    Suite *suite = suite_create("mustache");
    add_table(suite, "specification", test_specification, sizeof modules / sizeof modules[0]);
    add_table(suite, "render", test_render, sizeof render_rows / sizeof render_rows[0]);
    add_table(suite, "refused", test_refused, sizeof refused_rows / sizeof refused_rows[0]);
    add_table(suite, "zero octets", test_zero_octets, 1);
    add_table(suite, "long names", test_long_names, 1);
    add_table(suite, "indent", test_indent, sizeof indent_rows / sizeof indent_rows[0]);
    add_table(suite, "section limit", test_section_limit, 1);
    add_table(suite, "partial limit", test_partial_limit, 1);
    add_table(suite, "many partials", test_many_partials, 1);
    add_table(suite, "work limit", test_work_limit, 1);
    add_table(suite, "output limit", test_output_limit, 1);
    add_table(suite, "garbage", test_garbage, 1);
    return suite_run(suite);
}
