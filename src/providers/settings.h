/*
 * Reading the settings of a provider row. Values are copies that their reader owns (mem_free). Every error
 * names the setting and the rule it breaks.
 */
#ifndef PGOUTBOX_PROVIDERS_SETTINGS_H
#define PGOUTBOX_PROVIDERS_SETTINGS_H

#include <stdbool.h>

#include "core/error.h"
#include "core/json.h"

/* A text without white space and control characters. fallback: the value of an absent setting; NULL = the
 * setting is required. NULL on error. */
char *setting_word(struct json_object *json, const char *name, const char *fallback, struct error *err);

/* A required word of at most `most` of the characters in `allowed`; else the error is the setting and rule.
 * NULL on error. */
char *setting_word_of(struct json_object *json, const char *name, const char *allowed, size_t most,
                      const char *rule, struct error *err);

/* An optional line of text; *value is NULL when it is absent. */
bool setting_line(struct json_object *json, const char *name, char **value, struct error *err);

/* True or false, or the fallback when it is absent. */
bool setting_flag(struct json_object *json, const char *name, bool fallback, bool *value, struct error *err);

/* settings.url: scheme, host and perhaps a port. schemes ends with NULL; each as "https". */
char *setting_url(struct json_object *json, const char *fallback, const char *const *schemes,
                  struct error *err);

/* A vendor's HTTPS server: settings.url and settings.ca_file. What an adapter makes of its settings begins
 * with it, if there is one. */
struct server {
    char *url;
    char *ca_file; /* or NULL */
};

/* server is zeroed; free it whatever this returns. fallback as above. */
bool setting_server(struct json_object *json, const char *fallback, struct server *server, struct error *err);
void server_free(struct server *server);

/* The hook `endpoint` of an adapter whose settings begin with a server: HTTP/1.1, or HTTP/2. */
struct endpoint_options;
void server_endpoint(const void *settings, struct endpoint_options *options);
void server_endpoint_http2(const void *settings, struct endpoint_options *options);

/* Length of the "scheme://host[:port]" at the start of url, or 0 when it does not start so. */
size_t setting_url_origin(const char *url, const char *scheme);

#endif
