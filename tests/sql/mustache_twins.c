/* outbox.mustache and formats/mustache give the same answers. */
#include "formats/mustache.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"
#include "support/test_adapter.h"

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
    Suite *suite = suite_create("mustache twins");
    pg_case_add(suite, "same as core", test_same_as_core);
    return suite_run(suite);
}
