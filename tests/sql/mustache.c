/* outbox.mustache: the specification, what it leaves open, its errors, and the same answers as
 * formats/mustache.
 */
#include "formats/mustache.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

static const char render_sql[] = "SELECT outbox.mustache($1, $2::jsonb, $3::jsonb, $4::boolean, $5::boolean)";

/* What the database renders; NULL with err. Caller frees with mem_free. */
static char *render(const char *text, const char *variables, const char *partials, bool escape, bool strict,
                    struct error *err)
{
    const char *const values[] = {text, variables, partials, escape ? "true" : "false",
                                  strict ? "true" : "false"};
    struct db_result *result = db_query(pg_case_session(), render_sql, 5, values, err);
    if (result == NULL)
        return NULL;
    ck_assert(db_rows(result) == 1 && !db_is_null(result, 0, 0));
    char *rendered = mem_strdup(db_text(result, 0, 0));
    db_result_free(result);
    return rendered;
}

/* expected: the text, or "OB008 message". */
static void check_render(const char *text, const char *variables, const char *partials, bool strict,
                         const char *expected)
{
    struct error err = {0};
    char *rendered = render(text, variables, partials, true, strict, &err);
    const char *given = rendered != NULL ? rendered : err.text;
    ck_assert_msg(strcmp(given, expected) == 0, "%s of %s, strict %d\n got: %s\nwant: %s", text, variables,
                  strict, given, expected);
    mem_free(rendered);
}

static const struct {
    const char *file;
    size_t cases;
} modules[] = {{"comments", 12}, {"delimiters", 14}, {"interpolation", 42},
               {"inverted", 22}, {"partials", 12},   {"sections", 34}};

START_TEST(test_specification)
{
    size_t done = 0;
    for (size_t m = 0; m < sizeof modules / sizeof *modules; m++) {
        char path[64];
        snprintf(path, sizeof path, "mustache/%s.json", modules[m].file);
        struct json_object *vectors = vectors_load(path);
        struct json_object *cases = json_get(vectors, "tests");
        ck_assert_uint_eq(json_object_array_length(cases), modules[m].cases);
        for (size_t i = 0; i < modules[m].cases; i++, done++) {
            struct json_object *one = json_object_array_get_idx(cases, i);
            struct json_object *partials = json_get(one, "partials");
            ck_assert_ptr_nonnull(json_get_text(one, "expected"));
            check_render(json_get_text(one, "template"), json_object_to_json_string(json_get(one, "data")),
                         partials != NULL ? json_object_to_json_string(partials) : "{}", false,
                         json_get_text(one, "expected"));
        }
        json_object_put(vectors);
    }
    ck_assert_uint_eq(done, 136);
}
END_TEST

#define MISSING(name) "OB008 variable \"" name "\" is missing"
#define WRONG(name)   "OB008 variable \"" name "\" is not a text, number or boolean"

START_TEST(test_values)
{
    static const struct {
        const char *text, *variables, *relaxed, *strict;
    } rows[] = {
        {"{{a}}", "{\"a\":null}", "", ""},
        {"{{a}} {{b}} {{c}} {{d}}", "{\"a\":true,\"b\":false,\"c\":0,\"d\":-1.50}", "true false 0 -1.50",
         "true false 0 -1.50"},
        {"{{a}}", "{\"a\":{}}", WRONG("a"), WRONG("a")},
        {"{{{a.b}}}", "{\"a\":{\"b\":[1]}}", WRONG("a.b"), WRONG("a.b")},
        {"{{.}}", "{}", WRONG("."), WRONG(".")},
        {"{{a}}{{{a}}}{{&a}}", "{\"a\":\"<&>\\\"'\"}", "&lt;&amp;&gt;&quot;'<&>\"'<&>\"'",
         "&lt;&amp;&gt;&quot;'<&>\"'<&>\"'"},
        {"x{{a}}y", "{}", "xy", MISSING("a")},
        {"{{&a}}", "[\"a\"]", "", MISSING("a")},
        {"{{{a}}}", "\"a\"", "", MISSING("a")},
        {"{{a.b}}", "{\"a\":{}}", "", MISSING("a.b")},
        {"{{a.b}}", "{\"a\":null}", "", MISSING("a.b")},
        {"{{a.b}}", "{\"a\":\"b\"}", "", MISSING("a.b")},
        {"{{a.0}}", "{\"a\":[1]}", "", MISSING("a.0")},
        {"{{a.b}}", "{\"a\":{\"b\":null}}", "", ""},
        {"{{a.b.c}}", "{\"a\":{\"b\":null}}", "", MISSING("a.b.c")},
        {"{{a.b}}", "{\"a.b\":1}", "", MISSING("a.b")},
        {"{{#s}}{{a.b}}{{/s}}", "{\"a\":{\"b\":1},\"s\":{\"a\":{}}}", "", MISSING("a.b")},
        {"{{#s}}{{a}}{{/s}}", "{\"a\":1,\"s\":{\"a\":null}}", "", ""},
        {"{{#s}}{{a}}{{/s}}", "{\"a\":1,\"s\":[0,\"x\",null,[]]}", "1111", "1111"},
        {"{{#s}}[{{.}}]{{/s}}", "{\"s\":[1,null,\"x\",true]}", "[1][][x][true]", "[1][][x][true]"},
        /* What is true; a section over a missing name is no error. */
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{}", "no", "no"},
        {"{{#a.b}}yes{{/a.b}}{{^a.b}}no{{/a.b}}", "{\"a\":1}", "no", "no"},
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":null}", "no", "no"},
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":false}", "no", "no"},
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":[]}", "no", "no"},
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":\"\"}", "no", "no"},
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":0}", "yes", "yes"},
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":{}}", "yes", "yes"},
        {"{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\":[null]}", "yes", "yes"},
        /* What a section does not render is not looked at. */
        {"{{#a}}{{b}}{{>p}}{{/a}}", "{}", "", ""},
        {"x{{>p}}y", "{}", "xy", "OB008 partial \"p\" is missing"},
        {"{{ #a }}{{ & b }}{{ /a }}", "{\"a\":1,\"b\":2}", "2", "2"},
        {"{{\n\ta\r\n}}{{ v }}", "{\"a\":1,\"v\":2}", "12", "12"},
        {"", "{}", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_render(rows[i].text, rows[i].variables, "{}", false, rows[i].relaxed);
        check_render(rows[i].text, rows[i].variables, "{}", true, rows[i].strict);
    }
}
END_TEST

START_TEST(test_refused)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"a\n\n{{#items}}\n{{#x}}{{/x}}", "line 3: section \"items\" is not closed"},
        {"{{#a}}\n{{#b}}\n", "line 2: section \"b\" is not closed"},
        {"\n{{/a}}", "line 2: section \"a\" is closed but not open"},
        {"{{#a}}\n{{^b}}\n{{/a}}{{/b}}", "line 3: section \"a\" is closed while \"b\" is open"},
        {"\n\n{{name} }", "line 3: tag \"{{name} }\" is not closed"},
        {"{{{name}}", "line 1: tag \"{{{name}}\" is not closed"},
        {"a{{", "line 1: tag \"{{\" is not closed"},
        {"{{}}", "line 1: tag \"{{}}\" has no name"},
        {"{{# }}", "line 1: tag \"{{# }}\" has no name"},
        {"{{>}}", "line 1: tag \"{{>}}\" has no name"},
        {"{{=<%=}}", "line 1: tag \"{{=<%=}}\" must hold two delimiters without \"=\""},
        {"{{=a b c=}}", "line 1: tag \"{{=a b c=}}\" must hold two delimiters without \"=\""},
        {"{{=<% %>=}}<%", "line 1: tag \"<%\" is not closed"},
        {"{{>bad}}", "partial \"bad\": line 2: section \"x\" is not closed"},
        {"{{>endless}}", "partial \"endless\" is nested more than 32 deep"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "OB008 %s", rows[i].error);
        check_render(rows[i].text, "{}", "{\"bad\":\"\\n{{#x}}\",\"endless\":\" {{>endless}}\\n\"}", false,
                     expected);
    }
}
END_TEST

START_TEST(test_limits)
{
    struct db_session *db = pg_case_session();
    pg_expect(
        db, "SELECT outbox.mustache(repeat('{{#a}}', 64) || 'deep' || repeat('{{/a}}', 64), '{\"a\":true}')",
        "deep");
    pg_refused(db, "SELECT outbox.mustache(repeat('{{#a}}', 65) || repeat('{{/a}}', 65), '{\"a\":true}')",
               "OB008 line 1: section \"a\" is nested more than 64 deep");
    /* A chain of partials: p1 to p32, then one more. */
    static const char chain[] =
        "SELECT outbox.mustache('{{>p1}}', '{}', jsonb_object_agg('p' || i, "
        "CASE WHEN i < %d THEN '{{>p' || i + 1 || '}}' ELSE 'end' END)) FROM generate_series(1, %d) AS i";
    char sql[512];
    snprintf(sql, sizeof sql, chain, 32, 32);
    pg_expect(db, sql, "end");
    snprintf(sql, sizeof sql, chain, 33, 33);
    pg_refused(db, sql, "OB008 partial \"p33\" is nested more than 32 deep");
    pg_expect(db, "SELECT outbox.mustache(NULL, '{}')", NULL);
}
END_TEST

/* --- The same answers as formats/mustache --- */

enum { ROUNDS = 600, PARTIALS = 3, TEXT_MAX = 16384 };

static unsigned int random_state = 20;

static unsigned int next_random(unsigned int below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 16) % below;
}

static const char *pick(const char *const *choices, size_t count)
{
    return choices[next_random((unsigned int)count)];
}
#define PICK(choices) pick((choices), sizeof(choices) / sizeof *(choices))

static const char *const names[] = {"a",   "b",   "l",   "o",     "a",       "b",    "s",
                                    "o.a", "o.b", "a.b", "o.o.a", "missing", "a.no", "."};

struct delimiters {
    const char *open, *close;
};

static void random_tag(struct buf *out, struct delimiters with, const char *sigil, const char *name)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t"};
    buf_printf(out, "%s%s%s%s%s%s", with.open, sigil, PICK(spaces), name, PICK(spaces), with.close);
}

/* level: how deep sections still may go; own: the partials that may be used are those above it. */
static void random_text(struct buf *out, struct delimiters *with, int level, int own)
{
    static const char *const texts[] = {"x",     "\n", "\n", "\n  ", " \n", "\r\n", " ",     "  ", "\t",
                                        "<&\">", "{ ", "}",  "é",    "y z", "\n\n", "\r\n ", "'",  "% >"};
    static const char *const comments[] = {"c", "", "two\nlines", "{{", "# a"};
    for (unsigned int pieces = next_random(7); pieces > 0; pieces--) {
        unsigned int kind = next_random(20);
        if (kind < 8) {
            buf_text(out, PICK(texts));
        } else if (kind < 11) {
            random_tag(out, *with, next_random(3) == 0 ? "&" : "", PICK(names));
        } else if (kind == 11) {
            buf_printf(out, "%s{ %s }%s", with->open, PICK(names), with->close);
        } else if (kind == 12) {
            random_tag(out, *with, "!", PICK(comments));
        } else if (kind == 13) {
            struct delimiters next =
                next_random(2) == 0 ? (struct delimiters){"<%", "%>"} : (struct delimiters){"{{", "}}"};
            buf_printf(out, "%s=%s %s =%s", with->open, next.open, next.close, with->close);
            *with = next;
        } else if (kind < 16 && own < PARTIALS) {
            char name[2] = {(char)('p' + own + (int)next_random((unsigned int)(PARTIALS - own))), '\0'};
            buf_text(out, next_random(2) == 0 ? "\n  " : "");
            random_tag(out, *with, ">", next_random(20) == 0 ? "none" : name);
            buf_text(out, next_random(2) == 0 ? "\n" : "");
        } else if (level > 0) {
            const char *name = PICK(names), *line = next_random(2) == 0 ? "\n" : "";
            random_tag(out, *with, next_random(3) == 0 ? "^" : "#", name);
            buf_text(out, line);
            random_text(out, with, level - 1, own);
            random_tag(out, *with, "/", name);
            buf_text(out, line);
        }
    }
}

static void random_value(struct buf *out, int level)
{
    static const char *const scalars[] = {"null", "true",     "false",          "0",    "7", "-1.50",
                                          "\"\"", "\"text\"", "\"<&>\\\"\\n\"", "\"é\""};
    unsigned int kind = next_random(level > 0 ? 14 : 10);
    if (kind < 10) {
        buf_text(out, scalars[kind]);
        return;
    }
    buf_char(out, kind < 12 ? '[' : '{');
    static const char *const members[] = {"a", "b", "o", "l"};
    for (unsigned int i = 0, count = next_random(4); i < count; i++) {
        buf_text(out, i > 0 ? "," : "");
        if (kind >= 12)
            buf_printf(out, "\"%s\":", members[i]);
        random_value(out, level - 1);
    }
    buf_char(out, kind < 12 ? ']' : '}');
}

static void random_variables(struct buf *out)
{
    static const char *const members[] = {"a", "b", "l", "o", "s"};
    buf_char(out, '{');
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        buf_printf(out, "%s\"%s\":", i > 0 ? "," : "", members[i]);
        if (next_random(2) == 0 && members[i][0] == 'l')
            buf_text(out, "[{\"a\":1},{\"b\":\"two\"},3]");
        else if (next_random(2) == 0 && members[i][0] == 'o')
            buf_text(out, "{\"a\":\"A\",\"b\":\"<b>\",\"o\":{\"a\":null}}");
        else
            random_value(out, 2);
    }
    buf_char(out, '}');
}

/* Takes an octet away, so that the syntax may be bad. */
static void damage(struct buf *text)
{
    static const char marks[] = "{}/#>%=";
    char *mark = text->size > 0 ? strpbrk(text->data + next_random((unsigned int)text->size), marks) : NULL;
    if (mark == NULL)
        return;
    memmove(mark, mark + 1, strlen(mark));
    text->size--;
}

struct texts {
    struct buf source[PARTIALS];
    struct mustache *compiled[PARTIALS];
};

static const struct mustache *find_partial(void *arg, const char *name)
{
    const struct texts *texts = arg;
    bool known = name[0] >= 'p' && name[0] < 'p' + PARTIALS && name[1] == '\0';
    return known ? texts->compiled[name[0] - 'p'] : NULL;
}

static bool render_by_core(const struct buf *text, const char *variables, struct mustache_options options,
                           struct buf *out, struct error *err)
{
    struct mustache *mustache = mustache_compile(buf_string(text), text->size, err);
    if (mustache == NULL)
        return false;
    struct json_object *value = test_json(variables);
    bool good = mustache_render(mustache, value, &options, out, err);
    json_object_put(value);
    mustache_free(mustache);
    return good;
}

/* One random template by both; true when it could be rendered. */
static bool compare_once(void)
{
    struct error err = {0};
    struct texts texts;
    struct buf text, variables, partials, expected;
    buf_init(&partials, TEXT_MAX);
    buf_char(&partials, '{');
    for (int i = 0; i < PARTIALS; i++) {
        struct delimiters with = {"{{", "}}"};
        buf_init(&texts.source[i], TEXT_MAX);
        random_text(&texts.source[i], &with, 2, i + 1);
        texts.compiled[i] = mustache_compile(buf_string(&texts.source[i]), texts.source[i].size, &err);
        ck_assert_msg(texts.compiled[i] != NULL, "%s: %s", buf_string(&texts.source[i]), err.text);
        buf_printf(&partials, "%s\"%c\":", i > 0 ? "," : "", 'p' + i);
        json_append_string(&partials, buf_string(&texts.source[i]), texts.source[i].size);
    }
    buf_char(&partials, '}');
    buf_init(&text, TEXT_MAX);
    struct delimiters with = {"{{", "}}"};
    random_text(&text, &with, 3, 0);
    if (next_random(6) == 0)
        damage(&text);
    buf_init(&variables, TEXT_MAX);
    random_variables(&variables);
    buf_init(&expected, 1 << 20);
    ck_assert(!text.overflowed && !variables.overflowed && !partials.overflowed);

    struct mustache_options options = {.escape_html = next_random(2) == 0,
                                       .strict = next_random(2) == 0,
                                       .partial = find_partial,
                                       .arg = &texts};
    struct error core_err = {0};
    bool good = render_by_core(&text, buf_string(&variables), options, &expected, &core_err);
    char *rendered = render(buf_string(&text), buf_string(&variables), buf_string(&partials),
                            options.escape_html, options.strict, &err);
    bool same = good ? rendered != NULL && strcmp(rendered, buf_string(&expected)) == 0
                     : rendered == NULL && strncmp(err.text, "OB008 ", 6) == 0;
    ck_assert_msg(same, "template: %s\nvariables: %s\npartials: %s\nstrict %d, escape %d\ncore: %s\nSQL: %s",
                  buf_string(&text), buf_string(&variables), buf_string(&partials), options.strict,
                  options.escape_html, good ? buf_string(&expected) : core_err.text,
                  rendered != NULL ? rendered : err.text);
    bool telling = good && expected.size > 0;
    mem_free(rendered);
    for (int i = 0; i < PARTIALS; i++) {
        mustache_free(texts.compiled[i]);
        buf_free(&texts.source[i]);
    }
    buf_free(&text);
    buf_free(&variables);
    buf_free(&partials);
    buf_free(&expected);
    return telling;
}

START_TEST(test_same_as_core)
{
    int telling = 0;
    for (int i = 0; i < ROUNDS; i++)
        telling += compare_once();
    /* The comparison is worth something only if most of it has something to say. */
    ck_assert_int_gt(telling, ROUNDS / 3);
    ck_assert_int_lt(telling, ROUNDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mustache");
    pg_case_add(suite, "specification", test_specification);
    pg_case_add(suite, "values", test_values);
    pg_case_add(suite, "refused", test_refused);
    pg_case_add(suite, "limits", test_limits);
    pg_case_add(suite, "same as core", test_same_as_core);
    return suite_run(suite);
}
