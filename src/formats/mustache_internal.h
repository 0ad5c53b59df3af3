/* Between the parser and the renderer of Mustache texts. */
#ifndef PGOUTBOX_FORMATS_MUSTACHE_INTERNAL_H
#define PGOUTBOX_FORMATS_MUSTACHE_INTERNAL_H

#include "formats/mustache.h"

struct slice {
    const char *data;
    size_t size;
};

enum node_kind { NODE_TEXT, NODE_VARIABLE, NODE_SECTION, NODE_INVERTED, NODE_PARTIAL, NODE_KINDS };

struct node {
    enum node_kind kind;
    bool escape;       /* variable: for HTML, if the render wants it */
    bool line_start;   /* text: it begins a line; partial: it has a line for itself */
    struct slice text; /* text: itself; variable, section: the name as written; partial: its indentation */
    const char *name;  /* terminated; of a variable or section: its parts, one after the other */
    size_t parts;      /* 0 = the name is "." */
    size_t span;       /* nodes from this one to behind its last child */
};

struct mustache {
    char *text;
    char *names;
    struct node *nodes;
    size_t count, capacity;
};

/* Arguments for "%.*s". */
#define SLICE_SHOWN(slice) ((slice).size < 100 ? (int)(slice).size : 100), (slice).data

#endif
