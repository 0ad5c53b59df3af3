#include "providers/origin.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "providers/settings.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

struct origin_rules {
    char **allow, **trusted; /* end with NULL; allow may be NULL */
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
static bool is_host(const char *host, size_t size)
{
    size_t labels = 0, start = 0;
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

static bool pattern_ok(const char *text)
{
    const char *host = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
    return is_host(host, strlen(host));
}

static bool trusted_ok(const char *text)
{
    size_t size = url_origin(text, "https");
    return size > 0 && text[size] == '\0';
}

static void list_free(char **list)
{
    for (char **item = list; item != NULL && *item != NULL; item++)
        mem_free(*item);
    mem_free(list);
}

static bool read_list(struct json_object *json, const char *name, bool (*ok)(const char *text),
                      const char *rule, char ***list, struct error *err)
{
    struct json_object *value = json_get(json, name);
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_array))
        return error_set(err, "settings.%s: must be a list", name);
    size_t count = json_object_array_length(value);
    *list = mem_array(count + 1, sizeof **list);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(value, i);
        const char *text = json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        if (strlen(text) != (size_t)json_object_get_string_len(item) || !ok(text))
            return error_set(err, "settings.%s[%zu]: must be %s", name, i, rule);
        (*list)[i] = mem_strdup(text);
    }
    return true;
}

struct origin_rules *origin_rules_new(struct json_object *json, struct error *err)
{
    struct origin_rules *rules = mem_alloc(sizeof *rules);
    if (read_list(json, "allow", pattern_ok, "a host name, or *. and a host name", &rules->allow, err) &&
        read_list(json, "trusted_origins", trusted_ok, "https://host or https://host:port", &rules->trusted,
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

static bool matches(const char *pattern, const char *host)
{
    if (pattern[0] != '*')
        return strcasecmp(pattern, host) == 0;
    size_t tail = strlen(pattern) - 1, size = strlen(host);
    return size > tail && strcasecmp(host + size - tail, pattern + 1) == 0;
}

static bool host_allowed(const struct origin_rules *rules, const char *host)
{
    if (rules->allow == NULL)
        return true;
    for (char **pattern = rules->allow; *pattern != NULL; pattern++) {
        if (matches(*pattern, host))
            return true;
    }
    return false;
}

/* Only what RFC 3986 allows in a URL, and no fragment: it is not for the server. */
static bool characters_ok(const char *url)
{
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7F || strchr("\"#<>\\^`{|}", *c) != NULL)
            return false;
    }
    return true;
}

static const char *path_of(const char *rest, struct arena *arena)
{
    return rest[0] == '/' ? arena_strdup(arena, rest) : arena_printf(arena, "/%s", rest);
}

static const char *find_trusted(const struct origin_rules *rules, const char *url)
{
    for (char **origin = rules->trusted; *origin != NULL; origin++) {
        size_t size = strlen(*origin);
        if (strncmp(url, *origin, size) == 0 && (url[size] == '\0' || strchr("/?", url[size]) != NULL))
            return *origin;
    }
    return NULL;
}

bool origin_read(const struct origin_rules *rules, const char *url, struct arena *arena,
                 struct origin_target *target, struct error *err)
{
    static const char scheme[] = "https://";
    if (strlen(url) > ORIGIN_URL_MAX)
        return error_set(err, "must not be longer than %d octets", ORIGIN_URL_MAX);
    if (!characters_ok(url))
        return error_set(err, "must be a URL in ASCII without a fragment");
    const char *trusted = find_trusted(rules, url);
    if (trusted != NULL) {
        *target = (struct origin_target){trusted, path_of(url + strlen(trusted), arena)};
        return true;
    }
    if (strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        return error_set(err, "must begin with https://");
    const char *host = url + sizeof scheme - 1;
    size_t authority = strcspn(host, "/?");
    if (memchr(host, '@', authority) != NULL)
        return error_set(err, "must not hold a user name");
    size_t size = strcspn(host, ":/?");
    if (!is_host(host, size))
        return error_set(err, "must have a full host name, not an address");
    if (size < authority && !(authority - size == 4 && strncmp(host + size, ":443", 4) == 0))
        return error_set(err, "must not have a port other than 443");
    char *name = arena_strndup(arena, host, size);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!host_allowed(rules, name))
        return error_set(err, "has a host that settings.allow does not name");
    *target =
        (struct origin_target){arena_printf(arena, "https://%s", name), path_of(host + authority, arena)};
    return true;
}
