/*
 * Mustache templates (mustache.github.io/mustache.5.html) with all modules of the specification that are not
 * optional: interpolation, sections, inverted sections, comments, delimiters, partials. Compiled once,
 * rendered many times; pure.
 *
 * Where the specification leaves a choice:
 * - False for a section: missing, null, false, [] and "". A list iterates; anything else (0 too) is pushed as
 *   context once.
 * - null is interpolated as nothing, booleans as true and false, numbers as their JSON text; an object or an
 *   array is an error.
 * - White space is the space, tab, CR and LF. A name may hold it inside, not around.
 * - Only & < > " are escaped for HTML.
 * - A standalone partial's indentation goes before every line of the partial's own text, empty ones too, and
 *   before no line of an interpolated value.
 */
#ifndef PGOUTBOX_FORMATS_MUSTACHE_H
#define PGOUTBOX_FORMATS_MUSTACHE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/error.h"

enum {
    MUSTACHE_MAX_SECTIONS = 64, /* sections inside each other in one text */
    MUSTACHE_MAX_PARTIALS = 32, /* partials inside each other in one render */
    MUSTACHE_MAX_WORK = 1000000 /* pieces of text and tags that one render passes */
};

struct mustache;

/* The text is copied; it may hold any octets. NULL with err, which names the line and the tag. Free with
 * mustache_free. */
struct mustache *mustache_compile(const char *text, size_t size, struct error *err);
void mustache_free(struct mustache *mustache); /* NULL is allowed */

struct mustache_options {
    bool escape_html; /* {{x}}; never {{{x}}} and {{&x}} */
    bool strict;      /* a variable or partial that is missing is an error, not empty */
    /* The partial of that name, borrowed for the render; NULL = missing. May itself be NULL = no partials. */
    const struct mustache *(*partial)(void *arg, const char *name);
    void *arg;
};

/* Appends to out. variables may be of any type (NULL = null) and only lends its values. False with err: a
 * variable or partial is at fault (names longer than 100 octets are cut), a limit above is passed, or out's
 * maximum is. What out then holds is of no use. */
bool mustache_render(const struct mustache *mustache, struct json_object *variables,
                     const struct mustache_options *options, struct buf *out, struct error *err) MUST_CHECK;

/* What the author of a text wrote: octets to copy, names of variables and sections, names of partials. */
enum mustache_part { MUSTACHE_LITERAL, MUSTACHE_NAME, MUSTACHE_PARTIAL };

/* Called for each part in order. depth: how many sections are around it. False ends the walk. */
typedef bool mustache_visitor(void *arg, enum mustache_part part, const char *text, size_t size,
                              size_t depth);

/* Shows a compiled text to visit; false when a call returned false. */
bool mustache_visit(const struct mustache *mustache, mustache_visitor *visit, void *arg) MUST_CHECK;

#endif
