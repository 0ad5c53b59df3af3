#include <string.h>

#include "formats/mustache_internal.h"

static const enum mustache_part parts[NODE_KINDS] = {
    [NODE_TEXT] = MUSTACHE_LITERAL,  [NODE_VARIABLE] = MUSTACHE_NAME,   [NODE_SECTION] = MUSTACHE_NAME,
    [NODE_INVERTED] = MUSTACHE_NAME, [NODE_PARTIAL] = MUSTACHE_PARTIAL,
};

static bool visit_nodes(const struct node *first, const struct node *last, size_t depth,
                        mustache_visitor *visit, void *arg)
{
    for (const struct node *node = first; node < last; node += node->span) {
        struct slice text = node->text;
        if (node->kind == NODE_PARTIAL)
            text = (struct slice){node->name, strlen(node->name)};
        if (!visit(arg, parts[node->kind], text.data, text.size, depth) ||
            !visit_nodes(node + 1, node + node->span, depth + 1, visit, arg))
            return false;
    }
    return true;
}

bool mustache_visit(const struct mustache *mustache, mustache_visitor *visit, void *arg)
{
    return visit_nodes(mustache->nodes, mustache->nodes + mustache->count, 0, visit, arg);
}
