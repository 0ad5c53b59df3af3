/*
 * URLs that recipients bring (push subscriptions, webhooks): untrusted input, so that nobody uses a
 * dispatcher to reach what only it can reach. This checks the text; the addresses a name stands for are
 * checked by the transport when it connects.
 */
#ifndef PGOUTBOX_PROVIDERS_ORIGIN_H
#define PGOUTBOX_PROVIDERS_ORIGIN_H

#include <stdbool.h>

#include "core/error.h"
#include "core/json.h"
#include "core/mem.h"

enum { ORIGIN_URL_MAX = 2048 };

struct origin_rules;

/* Reads two settings, each a list of strings that may be absent:
 *   allow            hosts that a URL may name, "hooks.example.com" or "*.example.com" (any name below it);
 *                    absent = every host
 *   trusted_origins  "https://host[:port]" that are taken as they stand, with any host, address and port
 * NULL with err, which names the setting. Free with origin_rules_free. */
struct origin_rules *origin_rules_new(struct json_object *json, struct error *err);
void origin_rules_free(struct origin_rules *rules); /* NULL is allowed */

/* The trusted origins, for the transport; ends with NULL, lives as long as the rules. */
const char *const *origin_trusted(const struct origin_rules *rules);

struct origin_target {
    const char *origin; /* "https://host", lower case; of a trusted one as in the settings */
    const char *path;   /* "/…", with query */
};

/* Takes a URL apart; the strings come from arena. False: err names the rule that it breaks, never the URL. */
bool origin_read(const struct origin_rules *rules, const char *url, struct arena *arena,
                 struct origin_target *target, struct error *err) MUST_CHECK;

#endif
