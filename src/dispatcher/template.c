#include "dispatcher/template.h"

#include <string.h>

#include "core/mem.h"
#include "formats/mustache.h"

enum { PATH_MAX_SIZE = 200 };

/* The strings of content and partials carry their compiled texts as json-c's user data. */
struct template
{
    int64_t id;
    size_t references;
    bool strict;
    struct json_object *content; /* NULL = broken */
    struct json_object *partials;
    struct error broken;
};

/* From a value up to the whole document. */
struct path {
    const struct path *outer;
    const char *name; /* NULL = an array's element */
    size_t index;
};

static void path_print(const struct path *path, struct buf *out)
{
    if (path->outer != NULL) {
        path_print(path->outer, out);
        buf_char(out, '.');
    }
    if (path->name == NULL)
        buf_printf(out, "%zu", path->index);
    else
        buf_printf(out, "%.60s", path->name);
}

static bool fail_at(const struct path *path, struct error *err)
{
    struct buf text;
    buf_init(&text, PATH_MAX_SIZE);
    path_print(path, &text);
    error_prefix(err, "%s", text.overflowed ? "deep inside" : buf_string(&text));
    buf_free(&text);
    return false;
}

static void forget_compiled(struct json_object *value, void *mustache)
{
    (void)value;
    mustache_free(mustache);
}

static bool compile_text(struct json_object *text, struct error *err)
{
    struct mustache *mustache =
        mustache_compile(json_object_get_string(text), (size_t)json_object_get_string_len(text), err);
    json_object_set_userdata(text, mustache, forget_compiled);
    return mustache != NULL;
}

static bool compile_value(struct json_object *value, const struct path *path, struct error *err);

static bool compile_members(struct json_object *object, const struct path *outer, struct error *err)
{
    struct json_object_iterator at = json_object_iter_begin(object), end = json_object_iter_end(object);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        struct path path = {outer, json_object_iter_peek_name(&at), 0};
        if (!compile_value(json_object_iter_peek_value(&at), &path, err))
            return false;
    }
    return true;
}

static bool compile_value(struct json_object *value, const struct path *path, struct error *err)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
        return compile_text(value, err) || fail_at(path, err);
    case json_type_object:
        return compile_members(value, path, err);
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            if (!compile_value(json_object_array_get_idx(value, i), &(struct path){path, NULL, i}, err))
                return false;
        }
        return true;
    default:
        return true;
    }
}

static bool compile_partials(struct json_object *partials, struct error *err)
{
    struct json_object_iterator at = json_object_iter_begin(partials), end = json_object_iter_end(partials);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        struct json_object *text = json_object_iter_peek_value(&at);
        bool is_text = json_object_is_type(text, json_type_string);
        if (!is_text)
            error_set(err, "it is not a text");
        if (!is_text || !compile_text(text, err))
            return error_prefix(err, "partial \"%.60s\"", json_object_iter_peek_name(&at));
    }
    return true;
}

static struct json_object *parse_object(const char *text, size_t size, const char *what, struct error *err)
{
    struct json_object *object = json_parse(text, size, err);
    if (object == NULL) {
        error_prefix(err, "%s", what);
    } else if (!json_object_is_type(object, json_type_object)) {
        error_set(err, "%s: it is not a JSON object", what);
        json_object_put(object);
        object = NULL;
    }
    return object;
}

static bool compile(struct template *template, const char *content, size_t content_size, const char *partials,
                    size_t partials_size)
{
    struct error *err = &template->broken;
    template->content = parse_object(content, content_size, "content", err);
    if (template->content == NULL || !compile_members(template->content, NULL, err))
        return false;
    if (partials == NULL)
        return true;
    template->partials = parse_object(partials, partials_size, "partials", err);
    return template->partials != NULL && compile_partials(template->partials, err);
}

static void forget_content(struct template *template)
{
    json_object_put(template->content);
    json_object_put(template->partials);
    template->content = template->partials = NULL;
}

struct template *template_new(int64_t id, const char *content, size_t content_size, const char *partials,
                              size_t partials_size, bool strict)
{
    struct template *template = mem_alloc(sizeof *template);
    template->id = id;
    template->references = 1;
    template->strict = strict;
    if (!compile(template, content, content_size, partials, partials_size))
        forget_content(template);
    return template;
}

int64_t template_id(const struct template *template)
{
    return template->id;
}

struct template *template_hold(struct template *template)
{
    template->references++;
    return template;
}

void template_release(struct template *template)
{
    if (template == NULL || --template->references > 0)
        return;
    forget_content(template);
    mem_free(template);
}

struct rendering {
    struct json_object *variables;
    struct mustache_options options;
    struct buf out; /* of all strings, one after the other, so that its maximum is theirs together */
    struct error *err;
};

static bool render_value(struct rendering *rendering, struct json_object *value, const struct path *path,
                         struct json_object **result);

/* json-c gives NULL for "null", and for "no memory" too. */
static struct json_object *made(struct json_object *value)
{
    if (value == NULL)
        mem_exhausted();
    return value;
}

static bool render_text(struct rendering *rendering, struct json_object *text, const struct path *path,
                        struct json_object **result)
{
    struct buf *out = &rendering->out;
    size_t start = out->size;
    if (!mustache_render(json_object_get_userdata(text), rendering->variables, &rendering->options, out,
                         rendering->err))
        return fail_at(path, rendering->err);
    *result = made(json_object_new_string_len(buf_string(out) + start, (int)(out->size - start)));
    return true;
}

static bool render_members(struct rendering *rendering, struct json_object *object, const struct path *outer,
                           struct json_object *result)
{
    struct json_object_iterator at = json_object_iter_begin(object), end = json_object_iter_end(object);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        struct path path = {outer, json_object_iter_peek_name(&at), 0};
        if (outer == NULL)
            rendering->options.escape_html = strcmp(path.name, "html") == 0;
        struct json_object *value = NULL;
        if (!render_value(rendering, json_object_iter_peek_value(&at), &path, &value))
            return false;
        if (json_object_object_add(result, path.name, value) != 0)
            mem_exhausted();
    }
    return true;
}

static bool render_elements(struct rendering *rendering, struct json_object *array, const struct path *path,
                            struct json_object *result)
{
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        struct json_object *value = NULL;
        if (!render_value(rendering, json_object_array_get_idx(array, i), &(struct path){path, NULL, i},
                          &value))
            return false;
        if (json_object_array_add(result, value) != 0)
            mem_exhausted();
    }
    return true;
}

/* On failure the result, if any, is the caller's all the same. */
static bool render_value(struct rendering *rendering, struct json_object *value, const struct path *path,
                         struct json_object **result)
{
    bool good = true;
    switch (json_object_get_type(value)) {
    case json_type_string:
        return render_text(rendering, value, path, result);
    case json_type_object:
        *result = made(json_object_new_object());
        good = render_members(rendering, value, path, *result);
        break;
    case json_type_array:
        *result = made(json_object_new_array());
        good = render_elements(rendering, value, path, *result);
        break;
    default:
        *result = json_object_get(value);
    }
    if (!good) {
        json_object_put(*result);
        *result = NULL;
    }
    return good;
}

static const struct mustache *find_partial(void *partials, const char *name)
{
    struct json_object *text = json_get(partials, name);
    return text != NULL ? json_object_get_userdata(text) : NULL;
}

struct json_object *template_render(const struct template *template, struct json_object *variables,
                                    struct error *err)
{
    if (template->content == NULL) {
        error_set(err, "%s", template->broken.text);
        return NULL;
    }
    struct rendering rendering = {
        .variables = variables,
        .options = {.strict = template->strict, .partial = find_partial, .arg = template->partials},
        .err = err,
    };
    buf_init(&rendering.out, TEMPLATE_MAX_OUTPUT);
    struct json_object *payload = NULL;
    bool good = render_value(&rendering, template->content, NULL, &payload);
    buf_free(&rendering.out);
    return good ? payload : NULL;
}
