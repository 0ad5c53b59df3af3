/*
 * One version of a message template as the database holds it.
 *
 * The content is a JSON object, a message's payload: every string in it, at any depth, is a Mustache text
 * (formats/mustache.h); other values stay as they are; member names are no templates. The partials are a JSON
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
struct template *template_hold(struct template *template); /* one more reference; returns the template */
void template_release(struct template *template);          /* NULL is allowed */
int64_t template_id(const struct template *template);

/* A new payload, the caller's to json_object_put. NULL with err, which begins with the path of the member at
 * fault: `title: variable "amount" is missing`, `buttons.0.text: …`. */
struct json_object *template_render(const struct template *template, struct json_object *variables,
                                    struct error *err) MUST_CHECK;

#endif
