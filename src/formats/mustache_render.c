#include "formats/mustache_internal.h"

#include <limits.h>
#include <string.h>

#include "core/mem.h"

struct context {
    const struct context *outer;
    struct json_object *value;
};

struct indent {
    const struct indent *outer;
    struct slice blank;
};

struct render {
    const struct mustache_options *options;
    struct buf *out;
    int work;
    int partials; /* how many are around */
    struct error *err;
};

/* Where a node is rendered. */
struct place {
    const struct context *context;
    const struct indent *indent; /* NULL = none */
};

static bool render_nodes(struct render *render, const struct node *first, const struct node *last,
                         struct place place);

static bool put(struct render *render, const char *data, size_t size)
{
    return buf_append(render->out, data, size) || error_set(render->err, "template: too much output");
}

static bool put_indent(struct render *render, const struct indent *indent)
{
    return indent == NULL ||
           (put_indent(render, indent->outer) && put(render, indent->blank.data, indent->blank.size));
}

static bool put_escaped(struct render *render, const char *data, size_t size)
{
    static const char *const entities[UCHAR_MAX + 1] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;"};
    size_t done = 0;
    for (size_t i = 0; i < size; i++) {
        const char *entity = entities[(unsigned char)data[i]];
        if (entity == NULL)
            continue;
        if (!put(render, data + done, i - done) || !put(render, entity, strlen(entity)))
            return false;
        done = i + 1;
    }
    return put(render, data + done, size - done);
}

static bool member(struct json_object *object, const char *name, struct json_object **value)
{
    return json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, name, value);
}

/* The first part is looked for from the inside out, the rest only in what was found. */
static bool look_up(const struct node *node, const struct context *context, struct json_object **value)
{
    *value = context->value;
    if (node->parts == 0)
        return true;
    const char *part = node->name;
    while (!member(context->value, part, value)) {
        context = context->outer;
        if (context == NULL)
            return false;
    }
    for (size_t i = 1; i < node->parts; i++) {
        part += strlen(part) + 1;
        if (!member(*value, part, value))
            return false;
    }
    return true;
}

static bool is_true(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return false;
    case json_type_boolean:
        return json_object_get_boolean(value) != 0;
    case json_type_array:
        return json_object_array_length(value) > 0;
    case json_type_string:
        return json_object_get_string_len(value) > 0;
    default:
        return true;
    }
}

static bool render_text(struct render *render, const struct node *node, struct place place)
{
    if (place.indent == NULL)
        return put(render, node->text.data, node->text.size);
    if (node->line_start && !put_indent(render, place.indent))
        return false;
    const char *at = node->text.data, *end = at + node->text.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline != NULL ? newline + 1 : end;
        if (!put(render, at, (size_t)(next - at)) || (next < end && !put_indent(render, place.indent)))
            return false;
        at = next;
    }
    return true;
}

static bool render_variable(struct render *render, const struct node *node, struct place place)
{
    struct json_object *value = NULL;
    if (!look_up(node, place.context, &value))
        return !render->options->strict ||
               error_set(render->err, "variable \"%.*s\" is missing", SLICE_SHOWN(node->text));
    if (value == NULL)
        return true;
    if (json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array))
        return error_set(render->err, "variable \"%.*s\" is not a text, number or boolean",
                         SLICE_SHOWN(node->text));
    const char *text = json_object_get_string(value);
    if (text == NULL)
        mem_exhausted();
    bool is_text = json_object_is_type(value, json_type_string);
    size_t size = is_text ? (size_t)json_object_get_string_len(value) : strlen(text);
    bool escape = node->escape && render->options->escape_html;
    return escape ? put_escaped(render, text, size) : put(render, text, size);
}

static bool render_section(struct render *render, const struct node *node, struct place place)
{
    struct json_object *value = NULL;
    /* Rounds through nothing would be work that nobody counts. */
    if (node->span == 1 || !look_up(node, place.context, &value) || !is_true(value))
        return true;
    bool is_list = json_object_is_type(value, json_type_array);
    size_t rounds = is_list ? json_object_array_length(value) : 1;
    for (size_t i = 0; i < rounds; i++) {
        struct context inner = {place.context, is_list ? json_object_array_get_idx(value, i) : value};
        if (!render_nodes(render, node + 1, node + node->span, (struct place){&inner, place.indent}))
            return false;
    }
    return true;
}

static bool render_inverted(struct render *render, const struct node *node, struct place place)
{
    struct json_object *value = NULL;
    if (look_up(node, place.context, &value) && is_true(value))
        return true;
    return render_nodes(render, node + 1, node + node->span, place);
}

static bool render_partial(struct render *render, const struct node *node, struct place place)
{
    const struct mustache_options *options = render->options;
    struct slice name = {node->name, strlen(node->name)};
    const struct mustache *partial =
        options->partial != NULL ? options->partial(options->arg, name.data) : NULL;
    if (partial == NULL)
        return !options->strict || error_set(render->err, "partial \"%.*s\" is missing", SLICE_SHOWN(name));
    if (render->partials == MUSTACHE_MAX_PARTIALS)
        return error_set(render->err, "partial \"%.*s\" is nested more than %d deep", SLICE_SHOWN(name),
                         MUSTACHE_MAX_PARTIALS);
    render->partials++;
    struct indent indent = {place.indent, node->text};
    struct place inner = {place.context, node->line_start ? &indent : NULL};
    bool good = render_nodes(render, partial->nodes, partial->nodes + partial->count, inner);
    render->partials--;
    return good;
}

static bool render_nodes(struct render *render, const struct node *first, const struct node *last,
                         struct place place)
{
    static bool (*const kinds[NODE_KINDS])(struct render *, const struct node *, struct place) = {
        [NODE_TEXT] = render_text,         [NODE_VARIABLE] = render_variable, [NODE_SECTION] = render_section,
        [NODE_INVERTED] = render_inverted, [NODE_PARTIAL] = render_partial,
    };
    for (const struct node *node = first; node < last; node += node->span) {
        if (render->work++ == MUSTACHE_MAX_WORK)
            return error_set(render->err, "template: too much work");
        if (!kinds[node->kind](render, node, place))
            return false;
    }
    return true;
}

bool mustache_render(const struct mustache *mustache, struct json_object *variables,
                     const struct mustache_options *options, struct buf *out, struct error *err)
{
    struct render render = {.options = options, .out = out, .err = err};
    struct context root = {NULL, variables};
    return render_nodes(&render, mustache->nodes, mustache->nodes + mustache->count,
                        (struct place){&root, NULL});
}
