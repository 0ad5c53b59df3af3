/*
 * One version of a message template as the database holds it, and a cache of them.
 *
 * The content is a JSON object, a message's payload: every string in it, at any depth, is a Mustache text
 * (core/mustache.h); other values stay as they are; member names are no templates. The partials are a JSON
 * object of Mustache texts. Values are escaped for HTML only at and below the top-level member "html".
 */
#ifndef PGOUTBOX_DISPATCHER_TEMPLATE_H
#define PGOUTBOX_DISPATCHER_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/json.h"

enum { TEMPLATE_MAX_OUTPUT = 262144 }; /* octets of all rendered strings together */

struct template;

/* Never NULL: a template that cannot be compiled is a broken one, each render of which fails with the reason.
 * The texts are borrowed for the call; partials may be NULL = none. The caller holds one reference and gives
 * it back with template_release. */
struct template *template_new(int64_t id, const char *content, size_t content_size, const char *partials,
                              size_t partials_size, bool strict);
void template_release(struct template *template); /* NULL is allowed */

/* A new payload, the caller's to json_object_put. NULL with err, which begins with the path of the member at
 * fault: `title: variable "amount" is missing`, `buttons.0.text: …`. */
struct json_object *template_render(const struct template *template, struct json_object *variables,
                                    struct error *err) MUST_CHECK;

/* Holds at most max templates; the one not asked for the longest goes first. A template that somebody holds
 * outlives its place in the cache. */
struct template_cache;

struct template_cache *template_cache_new(size_t max);
void template_cache_free(struct template_cache *cache); /* NULL is allowed */

/* A reference for the caller, given back with template_release; NULL = not cached. */
struct template *template_cache_get(struct template_cache *cache, int64_t id) MUST_CHECK;

/* The cache takes a reference of its own. A template with the same id is replaced. One cache per template. */
void template_cache_put(struct template_cache *cache, struct template *template);

#endif
