/*
 * The parts of the http adapter: a vendor that is described wholly by its provider row. Its settings, and
 * what they mean, are in docs/http-adapter.md; outbox.check_http_settings refuses the same rows with the same
 * words.
 */
#ifndef PGOUTBOX_PROVIDERS_HTTP_HTTP_H
#define PGOUTBOX_PROVIDERS_HTTP_HTTP_H

#include "formats/mustache.h"
#include "providers/adapter.h"

enum { HTTP_MAX_HEADERS = 12, HTTP_PATH_MAX = 2048, HTTP_HEADER_MAX = 4096, HTTP_BODY_MAX = 512 * 1024 };

/* How a value is written so that it cannot leave its place. */
enum http_escape { HTTP_ESCAPE_NONE, HTTP_ESCAPE_PERCENT, HTTP_ESCAPE_JSON, HTTP_ESCAPE_XML, HTTP_ESCAPES };

/* Where a text of the settings stands. */
enum http_place {
    HTTP_PLACE_PATH,
    HTTP_PLACE_HEADER,
    HTTP_PLACE_SIGNED, /* what an HMAC is made of: method, path and body are values too */
    HTTP_PLACE_MEMBER, /* a string within a JSON body, quoted and escaped as a whole */
    HTTP_PLACE_JSON,
    HTTP_PLACE_FORM,
    HTTP_PLACE_XML,
    HTTP_PLACE_PLAIN
};

enum http_auth { HTTP_AUTH_NONE, HTTP_AUTH_FIXED, HTTP_AUTH_HMAC };

/* One answer and its meaning. */
struct http_rule {
    enum verdict_kind kind;
    struct http_status {
        int low, high;
    } * statuses;
    size_t status_count; /* 0 = any */
    struct http_match {
        const char *path;
        const char **values;
        size_t value_count;
    } * matches; /* all must hold */
    size_t match_count;
    int64_t wait_ms; /* 0 = as the channel's backoff says */
    bool ignore_retry_after;
    const char *reason; /* path of the answer's text for people; NULL = the response's own */
};

struct http_settings {
    struct arena *arena; /* of the texts and lists below */
    const char *url, *ca_file, *method;

    struct mustache **templates; /* all that are named below */
    size_t template_count;
    const struct mustache *path;
    struct http_header {
        const char *name;
        const struct mustache *value;
    } headers[HTTP_MAX_HEADERS];
    size_t header_count;

    const char *content_type;    /* NULL = no body */
    const struct mustache *body; /* a text, */
    enum http_place body_place;
    struct json_object *members; /* or JSON, whose strings are the templates from first_member on */
    size_t first_member;

    enum http_auth auth;
    const char *auth_header;
    char *credential; /* FIXED: the header's value; HMAC: the key */
    bool sha1, base64;
    const struct mustache *prefix, *signed_text;

    struct http_rule *rules; /* the first that matches decides */
    size_t rule_count;
    const char *id, *cost, *currency, *reason; /* paths; currency may be the code itself */
};

/* Fills settings that are all zero but for its arena. secret may be NULL. The caller frees what was made in
 * either case. */
bool http_settings_read(struct http_settings *settings, struct json_object *json, const char *secret,
                        struct error *err) MUST_CHECK;

/* The part of it that is settings.response; response may be NULL. */
bool http_rules_read(struct http_settings *settings, struct json_object *response,
                     struct error *err) MUST_CHECK;

/* Compiles a text of the settings and checks what its author wrote: names of values that exist, no partials,
 * and only octets that may stand in its place. err begins with where. The settings own the result. */
const struct mustache *http_template_new(struct http_settings *settings, struct json_object *text,
                                         enum http_place place, const char *where, struct error *err);

/* The values that texts may name, made once for each way of escaping. */
struct http_values {
    const struct message *message;
    int64_t now_ms;
    struct json_object *escaped[HTTP_ESCAPES]; /* NULL = not needed yet */
};

void http_values_free(struct http_values *values);
/* Adds a value for signed texts. */
void http_values_add(struct http_values *values, const char *name, const char *text, size_t size);
bool http_render(struct http_values *values, const struct mustache *text, enum http_place place,
                 struct buf *out, struct error *err) MUST_CHECK;

/* Whether text is a path into a JSON document: "$" and then any of ".name" and "[index]". */
bool http_path_ok(const char *text);

struct verdict http_judge(const void *settings, const struct message *message,
                          const struct response *response, int64_t now_ms);

extern const struct adapter http_adapter;

#endif
