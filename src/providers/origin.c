#include "providers/origin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "formats/text.h"
#include "transport/url.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

struct origin_rules {
    char **allow, **trusted; /* in lower case; end with NULL; allow may be NULL */
    const char *const *known;
};

static bool is_label(const char *label, size_t size)
{
    if (size == 0 || size > LABEL_MAX || label[0] == '-' || label[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)label[i]) && label[i] != '-')
            return false;
    }
    return true;
}

/* A full name, no address: resolvers read many forms of numbers (127.1, 0x7f000001) as addresses, and all of
 * them have a last label that begins with a digit; no top-level domain does. */
static bool is_host(const char *host)
{
    size_t labels = 0, start = 0, size = strlen(host);
    if (size > HOST_MAX)
        return false;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && host[i] != '.')
            continue;
        if (!is_label(host + start, i - start) || (i == size && isdigit((unsigned char)host[start])))
            return false;
        labels++;
        start = i + 1;
    }
    return labels >= 2;
}

/* ---- Settings ---- */

/* A copy in lower case; NULL: it is none. */
static char *pattern_new(const char *text)
{
    if (!is_host(strncmp(text, "*.", 2) == 0 ? text + 2 : text))
        return NULL;
    char *pattern = mem_strdup(text);
    for (char *c = pattern; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return pattern;
}

static void write_origin(const struct url *url, char origin[URL_ORIGIN_MAX + 1])
{
    bool port = url->port[0] != '\0' && strcmp(url->port, "443") != 0;
    snprintf(origin, URL_ORIGIN_MAX + 1, "https://%s%s%s", url->host, port ? ":" : "", port ? url->port : "");
}

/* A copy in the form of write_origin; NULL: it is none. */
static char *trusted_new(const char *text)
{
    struct url url;
    char origin[URL_ORIGIN_MAX + 1];
    if (!url_parse(&url, text, NULL) || strcmp(url.scheme, "https") != 0 ||
        (url.rest[0] != '\0' && strcmp(url.rest, "/") != 0))
        return NULL;
    write_origin(&url, origin);
    return mem_strdup(origin);
}

static void list_free(char **list)
{
    for (char **item = list; item != NULL && *item != NULL; item++)
        mem_free(*item);
    mem_free(list);
}

static bool read_list(struct json_object *json, const char *name, char *(*item_new)(const char *text),
                      const char *rule, char ***list, struct error *err)
{
    struct json_object *value = json_get(json, name);
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_array) || json_object_array_length(value) == 0)
        return error_set(err, "settings.%s: must be a list with at least one text", name);
    size_t count = json_object_array_length(value);
    *list = mem_array(count + 1, sizeof **list);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(value, i);
        const char *text = json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        bool whole = strlen(text) == (size_t)json_object_get_string_len(item);
        if (!whole || ((*list)[i] = item_new(text)) == NULL)
            return error_set(err, "settings.%s[%zu]: must be %s", name, i, rule);
    }
    return true;
}

struct origin_rules *origin_rules_new(struct json_object *json, const char *const *known, struct error *err)
{
    struct origin_rules *rules = mem_alloc(sizeof *rules);
    rules->known = known;
    if (read_list(json, "allow", pattern_new, "a host name, or *. and a host name", &rules->allow, err) &&
        read_list(json, "trusted_origins", trusted_new, "https://host or https://host:port", &rules->trusted,
                  err)) {
        if (rules->trusted == NULL)
            rules->trusted = mem_array(1, sizeof *rules->trusted);
        return rules;
    }
    origin_rules_free(rules);
    return NULL;
}

void origin_rules_free(struct origin_rules *rules)
{
    if (rules == NULL)
        return;
    list_free(rules->allow);
    list_free(rules->trusted);
    mem_free(rules);
}

const char *const *origin_trusted(const struct origin_rules *rules)
{
    return (const char *const *)rules->trusted;
}

/* ---- URLs ---- */

/* Only what RFC 3986 allows in a URL, and no fragment: it is not for the server. */
static bool characters_ok(const char *text)
{
    size_t size = strlen(text);
    return size == 0 || (text_is_visible(text, size) && strcspn(text, "\"#<>\\^`{|}") == size);
}

static bool is_trusted(const struct origin_rules *rules, const struct url *url)
{
    char origin[URL_ORIGIN_MAX + 1];
    write_origin(url, origin);
    for (char **trusted = rules->trusted; *trusted != NULL; trusted++) {
        if (strcmp(*trusted, origin) == 0)
            return true;
    }
    return false;
}

/* patterns may be NULL: nobody is vouched for. */
static enum origin_trust trust_in(const char *const *patterns, const char *host)
{
    size_t size = strlen(host);
    enum origin_trust trust = ORIGIN_STRANGER;
    for (; patterns != NULL && *patterns != NULL; patterns++) {
        const char *pattern = *patterns;
        if (strcmp(pattern, host) == 0)
            return ORIGIN_NAMED;
        size_t end = pattern[0] == '*' ? strlen(pattern + 1) : 0;
        if (end > 0 && size > end && strcmp(host + size - end, pattern + 1) == 0)
            trust = ORIGIN_MATCHED;
    }
    return trust;
}

static bool check(const struct origin_rules *rules, const char *text, struct url *url,
                  enum origin_trust *trust, struct error *err)
{
    static const char scheme[] = "https://";
    if (strlen(text) > ORIGIN_URL_MAX)
        return error_set(err, "must not be longer than %d octets", ORIGIN_URL_MAX);
    if (!characters_ok(text))
        return error_set(err, "must be a URL in ASCII without a fragment");
    if (strncasecmp(text, scheme, sizeof scheme - 1) != 0)
        return error_set(err, "must begin with https://");
    if (!url_parse(url, text, err))
        return false;
    *trust = ORIGIN_NAMED;
    if (is_trusted(rules, url))
        return true;
    if (!is_host(url->host))
        return error_set(err, "must have a full host name, not an address");
    if (url->port[0] != '\0' && strcmp(url->port, "443") != 0)
        return error_set(err, "must not have a port other than 443");
    *trust = trust_in(rules->allow != NULL ? (const char *const *)rules->allow : rules->known, url->host);
    if (rules->allow != NULL && *trust == ORIGIN_STRANGER)
        return error_set(err, "has a host that settings.allow does not name");
    return true;
}

bool origin_read(const struct origin_rules *rules, const char *text, struct arena *arena,
                 struct origin_target *target, struct error *err)
{
    struct url url;
    enum origin_trust trust;
    char origin[URL_ORIGIN_MAX + 1];
    if (!check(rules, text, &url, &trust, err))
        return false;
    write_origin(&url, origin);
    target->origin = arena_strdup(arena, origin);
    target->path = arena_printf(arena, "%s%s", url.rest[0] == '/' ? "" : "/", url.rest);
    return true;
}

enum origin_trust origin_trust(const struct origin_rules *rules, const char *text)
{
    struct url url;
    enum origin_trust trust;
    return check(rules, text, &url, &trust, NULL) ? trust : ORIGIN_STRANGER;
}
