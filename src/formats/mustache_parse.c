#include "formats/mustache_internal.h"

#include <string.h>

#include "core/mem.h"

struct parser {
    struct mustache *mustache;
    const char *text;
    size_t size;
    size_t at;           /* octets done */
    size_t names;        /* octets of mustache->names used */
    struct slice opener; /* the delimiters now in force */
    struct slice closer;
    struct section {
        size_t node;
        size_t tag; /* where its opening tag starts */
    } sections[MUSTACHE_MAX_SECTIONS];
    size_t depth;
    struct error *err;
};

struct tag {
    size_t start, end; /* with the delimiters */
    const struct sigil *sigil;
    struct slice name;  /* what the tag holds behind its sigil, trimmed */
    bool standalone;    /* it has a line for itself, */
    struct slice blank; /* which begins with this */
};

static bool add_value(struct parser *parser, const struct tag *tag);
static bool add_partial(struct parser *parser, const struct tag *tag);
static bool section_open(struct parser *parser, const struct tag *tag);
static bool section_close(struct parser *parser, const struct tag *tag);
static bool set_delimiters(struct parser *parser, const struct tag *tag);
static bool ignore(struct parser *parser, const struct tag *tag);

static const struct sigil {
    char letter;
    char before_closer; /* stands directly before the closing delimiter */
    bool may_stand_alone;
    bool nameless;
    enum node_kind kind;
    bool escape;
    bool (*apply)(struct parser *parser, const struct tag *tag);
} sigils[] = {
    {.letter = '\0', .kind = NODE_VARIABLE, .escape = true, .apply = add_value}, /* every other letter */
    {.letter = '&', .kind = NODE_VARIABLE, .apply = add_value},
    {.letter = '{', .before_closer = '}', .kind = NODE_VARIABLE, .apply = add_value},
    {.letter = '#', .may_stand_alone = true, .kind = NODE_SECTION, .apply = section_open},
    {.letter = '^', .may_stand_alone = true, .kind = NODE_INVERTED, .apply = section_open},
    {.letter = '/', .may_stand_alone = true, .apply = section_close},
    {.letter = '>', .may_stand_alone = true, .kind = NODE_PARTIAL, .apply = add_partial},
    {.letter = '=', .before_closer = '=', .may_stand_alone = true, .nameless = true, .apply = set_delimiters},
    {.letter = '!', .may_stand_alone = true, .nameless = true, .apply = ignore},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_white(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

static struct slice trim(struct slice slice)
{
    while (slice.size > 0 && is_white(slice.data[slice.size - 1]))
        slice.size--;
    while (slice.size > 0 && is_white(slice.data[0])) {
        slice.data++;
        slice.size--;
    }
    return slice;
}

static size_t line_of(const struct parser *parser, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset; i++)
        line += parser->text[i] == '\n';
    return line;
}

static bool fail(const struct parser *parser, size_t start, size_t end, const char *what)
{
    struct slice source = {parser->text + start, end - start};
    return error_set(parser->err, "line %zu: tag \"%.*s\" %s", line_of(parser, start), SLICE_SHOWN(source),
                     what);
}

/* Where the text occurs at or after `from`; the parser's size when it does not. */
static size_t find(const struct parser *parser, struct slice wanted, size_t from)
{
    const char *hit = memmem(parser->text + from, parser->size - from, wanted.data, wanted.size);
    return hit != NULL ? (size_t)(hit - parser->text) : parser->size;
}

/* The same for the closing delimiter with the letter (0 = none) before it, which is included. */
static size_t find_closer(const struct parser *parser, char before, size_t from)
{
    if (before == '\0')
        return find(parser, parser->closer, from);
    size_t hit = from;
    do {
        hit = find(parser, parser->closer, hit + 1);
    } while (hit < parser->size && parser->text[hit - 1] != before);
    return hit < parser->size ? hit - 1 : hit;
}

static const struct sigil *sigil_of(char letter)
{
    for (size_t i = 1; i < sizeof sigils / sizeof sigils[0]; i++) {
        if (sigils[i].letter == letter)
            return &sigils[i];
    }
    return &sigils[0];
}

static bool begins_line(const struct parser *parser, size_t offset)
{
    return offset == 0 || parser->text[offset - 1] == '\n';
}

/* A tag that has a line for itself takes the whole line away. */
static void tag_stand_alone(const struct parser *parser, struct tag *tag)
{
    const char *text = parser->text;
    size_t start = tag->start, end = tag->end;
    while (start > 0 && is_blank(text[start - 1]))
        start--;
    while (end < parser->size && is_blank(text[end]))
        end++;
    if (!begins_line(parser, start))
        return;
    if (end + 1 < parser->size && text[end] == '\r' && text[end + 1] == '\n')
        end++;
    if (end < parser->size && text[end] != '\n')
        return;
    tag->standalone = true;
    tag->blank = (struct slice){text + start, tag->start - start};
    tag->start = start;
    tag->end = end < parser->size ? end + 1 : end;
}

static bool tag_read(const struct parser *parser, size_t start, struct tag *tag)
{
    size_t at = start + parser->opener.size;
    while (at < parser->size && is_white(parser->text[at]))
        at++;
    const struct sigil *sigil = sigil_of(at < parser->size ? parser->text[at] : '\0');
    if (sigil->letter != '\0')
        at++;
    size_t closer = at < parser->size ? find_closer(parser, sigil->before_closer, at) : parser->size;
    if (closer == parser->size)
        return fail(parser, start, parser->size, "is not closed");
    *tag = (struct tag){
        .start = start,
        .end = closer + (sigil->before_closer != '\0') + parser->closer.size,
        .sigil = sigil,
        .name = trim((struct slice){parser->text + at, closer - at}),
    };
    if (!sigil->nameless && tag->name.size == 0)
        return fail(parser, start, tag->end, "has no name");
    if (!sigil->nameless && memchr(tag->name.data, '\0', tag->name.size) != NULL)
        return fail(parser, start, tag->end, "has a zero octet in its name");
    if (sigil->may_stand_alone)
        tag_stand_alone(parser, tag);
    return true;
}

static struct node *add_node(struct parser *parser, enum node_kind kind, struct slice text)
{
    struct mustache *mustache = parser->mustache;
    if (mustache->count == mustache->capacity) {
        mustache->capacity *= 2;
        mustache->nodes = mem_grow(mustache->nodes, mustache->capacity, sizeof *mustache->nodes);
    }
    struct node *node = &mustache->nodes[mustache->count++];
    *node = (struct node){.kind = kind, .text = text, .span = 1};
    return node;
}

/* The names of a text have room in its own size: a tag is longer than its name and a terminator. */
static char *copy_name(struct parser *parser, struct slice name)
{
    char *copy = parser->mustache->names + parser->names;
    memcpy(copy, name.data, name.size);
    parser->names += name.size + 1;
    return copy;
}

static void add_text(struct parser *parser, size_t start, size_t end)
{
    struct node *node = add_node(parser, NODE_TEXT, (struct slice){parser->text + start, end - start});
    node->line_start = begins_line(parser, start);
}

static bool add_value(struct parser *parser, const struct tag *tag)
{
    struct node *node = add_node(parser, tag->sigil->kind, tag->name);
    node->escape = tag->sigil->escape;
    char *name = copy_name(parser, tag->name);
    node->name = name;
    if (strcmp(name, ".") == 0)
        return true;
    node->parts = 1;
    for (char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        *dot = '\0';
        node->parts++;
    }
    return true;
}

static bool add_partial(struct parser *parser, const struct tag *tag)
{
    struct node *node = add_node(parser, NODE_PARTIAL, tag->blank);
    node->line_start = tag->standalone;
    node->name = copy_name(parser, tag->name);
    return true;
}

static bool section_open(struct parser *parser, const struct tag *tag)
{
    if (parser->depth == MUSTACHE_MAX_SECTIONS)
        return error_set(parser->err, "line %zu: section \"%.*s\" is nested more than %d deep",
                         line_of(parser, tag->start), SLICE_SHOWN(tag->name), MUSTACHE_MAX_SECTIONS);
    parser->sections[parser->depth++] = (struct section){parser->mustache->count, tag->start};
    return add_value(parser, tag);
}

static bool section_close(struct parser *parser, const struct tag *tag)
{
    if (parser->depth == 0)
        return error_set(parser->err, "line %zu: section \"%.*s\" is closed but not open",
                         line_of(parser, tag->start), SLICE_SHOWN(tag->name));
    struct mustache *mustache = parser->mustache;
    size_t index = parser->sections[--parser->depth].node;
    struct node *node = &mustache->nodes[index];
    if (node->text.size != tag->name.size || memcmp(node->text.data, tag->name.data, tag->name.size) != 0)
        return error_set(parser->err, "line %zu: section \"%.*s\" is closed while \"%.*s\" is open",
                         line_of(parser, tag->start), SLICE_SHOWN(tag->name), SLICE_SHOWN(node->text));
    node->span = mustache->count - index;
    return true;
}

static bool set_delimiters(struct parser *parser, const struct tag *tag)
{
    struct slice content = tag->name;
    size_t size = 0;
    while (size < content.size && !is_white(content.data[size]))
        size++;
    struct slice opener = {content.data, size};
    struct slice closer = trim((struct slice){content.data + size, content.size - size});
    bool good = closer.size > 0 && memchr(content.data, '=', content.size) == NULL;
    for (size_t i = 0; i < closer.size; i++)
        good = good && !is_white(closer.data[i]);
    if (!good)
        return fail(parser, tag->start, tag->end, "must hold two delimiters without \"=\"");
    parser->opener = opener;
    parser->closer = closer;
    return true;
}

static bool ignore(struct parser *parser, const struct tag *tag)
{
    (void)parser;
    (void)tag;
    return true;
}

static bool parse(struct parser *parser)
{
    for (;;) {
        size_t start = find(parser, parser->opener, parser->at);
        if (start == parser->size)
            break;
        struct tag tag;
        if (!tag_read(parser, start, &tag))
            return false;
        if (parser->at < tag.start)
            add_text(parser, parser->at, tag.start);
        /* An indented partial indents this line too, whatever the tag turns out to give. */
        if (!tag.standalone && begins_line(parser, tag.start))
            add_text(parser, tag.start, tag.start);
        if (!tag.sigil->apply(parser, &tag))
            return false;
        parser->at = tag.end;
    }
    if (parser->at < parser->size)
        add_text(parser, parser->at, parser->size);
    if (parser->depth == 0)
        return true;
    const struct section *section = &parser->sections[parser->depth - 1];
    struct slice name = parser->mustache->nodes[section->node].text;
    return error_set(parser->err, "line %zu: section \"%.*s\" is not closed", line_of(parser, section->tag),
                     SLICE_SHOWN(name));
}

struct mustache *mustache_compile(const char *text, size_t size, struct error *err)
{
    struct mustache *mustache = mem_alloc(sizeof *mustache);
    mustache->text = mem_alloc(size);
    if (size > 0)
        memcpy(mustache->text, text, size);
    mustache->names = mem_alloc(size);
    mustache->capacity = 8;
    mustache->nodes = mem_array(mustache->capacity, sizeof *mustache->nodes);
    struct parser parser = {
        .mustache = mustache,
        .text = mustache->text,
        .size = size,
        .opener = {"{{", 2},
        .closer = {"}}", 2},
        .err = err,
    };
    if (parse(&parser))
        return mustache;
    mustache_free(mustache);
    return NULL;
}

void mustache_free(struct mustache *mustache)
{
    if (mustache == NULL)
        return;
    mem_free(mustache->text);
    mem_free(mustache->names);
    mem_free(mustache->nodes);
    mem_free(mustache);
}
