/* Subscriptions come from browsers, that is, from anybody: the endpoint is where somebody else wants us to
 * connect to. Addresses are refused by the transport when it connects; here is what the URL itself shows. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "providers/push/webpush.h"
#include "providers/settings.h"

static const char scheme[] = "https";
enum { SCHEME_SIZE = sizeof scheme - 1 + 3, LABEL_MAX = 63 };

/* The hosts of the browsers' makers. */
static const char *const services[] = {"fcm.googleapis.com",   "updates.push.services.mozilla.com",
                                       "web.push.apple.com",   "*.push.apple.com",
                                       "*.notify.windows.com", NULL};

/* Copies the origin at the start of url in lower case, without the port 443. Its length in url, or 0 when
 * there is none. */
static size_t origin_copy(char out[WEBPUSH_ORIGIN_MAX + 1], const char *url)
{
    size_t size = url_origin(url, scheme), end = size;
    const char *host = url + SCHEME_SIZE;
    if (size == 0)
        return 0;
    const char *name_end = host[0] == '[' ? memchr(host, ']', size - SCHEME_SIZE) : host;
    const char *colon = name_end == NULL ? NULL : memchr(name_end, ':', size - (size_t)(name_end - url));
    if (name_end == NULL)
        return 0;
    if (colon != NULL) {
        size_t digits = strspn(colon + 1, "0123456789");
        if (digits == 0 || digits > 5 || colon + 1 + digits != url + size)
            return 0;
        if (digits == 3 && strncmp(colon + 1, "443", 3) == 0)
            end = (size_t)(colon - url);
    }
    if (end > WEBPUSH_ORIGIN_MAX)
        return 0;
    for (size_t i = 0; i < end; i++)
        out[i] = (char)tolower((unsigned char)url[i]);
    out[end] = '\0';
    return size;
}

/* A full domain name in lower case: two labels or more, the last one beginning with a letter. That excludes
 * names which the local resolver would complete, and every way to write an IPv4 address. */
static bool domain_ok(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (strlen(name) > WEBPUSH_HOST_MAX)
        return false;
    for (const char *label = name;; label++) {
        const char *start = label;
        label += strspn(label, allowed);
        if (label == start || label - start > LABEL_MAX || start[0] == '-' || label[-1] == '-')
            return false;
        if (*label != '.')
            return *label == '\0' && start > name && islower((unsigned char)start[0]);
    }
}

/* ---- settings ---- */

typedef bool item_fn(char *item);

static bool pattern_ok(char *pattern)
{
    for (char *c = pattern; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return domain_ok(strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern);
}

static bool origin_ok(char *item)
{
    char origin[WEBPUSH_ORIGIN_MAX + 1];
    size_t size = origin_copy(origin, item);
    if (size == 0 || (item[size] != '\0' && strcmp(item + size, "/") != 0))
        return false;
    snprintf(item, strlen(item) + 1, "%s", origin); /* never longer than what it was made from */
    return true;
}

void webpush_list_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        mem_free(list[i]);
    mem_free(list);
}

/* *list stays NULL when the setting is absent. */
static bool list_read(struct json_object *json, const char *name, item_fn *item_check, const char *rule,
                      char ***list, struct error *err)
{
    struct json_object *array = json_get(json, name);
    if (array == NULL)
        return true;
    if (!json_object_is_type(array, json_type_array) || json_object_array_length(array) == 0)
        return error_set(err, "settings.%s: must be a list of texts with at least one", name);
    size_t count = json_object_array_length(array);
    *list = mem_array(count + 1, sizeof **list);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        (*list)[i] =
            mem_strdup(json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "");
        if (!item_check((*list)[i]))
            return error_set(err, "settings.%s: must be a list of %s", name, rule);
    }
    return true;
}

bool webpush_allow_read(struct json_object *json, char ***list, struct error *err)
{
    return list_read(json, "allow", pattern_ok, "host names; *.example.com means all below it", list, err);
}

bool webpush_trusted_read(struct json_object *json, char ***list, struct error *err)
{
    if (!list_read(json, "trusted_origins", origin_ok, "https://host or https://host:port", list, err))
        return false;
    if (*list == NULL)
        *list = mem_array(1, sizeof **list);
    return true;
}

/* ---- endpoints ---- */

static enum webpush_trust trust_in(const char *const *patterns, const char *host)
{
    size_t size = strlen(host);
    enum webpush_trust trust = WEBPUSH_STRANGER;
    for (size_t i = 0; patterns[i] != NULL; i++) {
        const char *pattern = patterns[i];
        if (strcmp(pattern, host) == 0)
            return WEBPUSH_NAMED;
        size_t end = pattern[0] == '*' ? strlen(pattern + 1) : 0;
        if (end > 0 && size > end && strcmp(host + size - end, pattern + 1) == 0)
            trust = WEBPUSH_MATCHED;
    }
    return trust;
}

/* NULL, or the rule that it breaks. */
static const char *endpoint_check(const struct webpush_settings *settings, const char *url,
                                  char origin[WEBPUSH_ORIGIN_MAX + 1], enum webpush_trust *trust)
{
    *trust = WEBPUSH_STRANGER;
    size_t size = origin_copy(origin, url);
    if (size == 0)
        return "must begin with https://host";
    if (strlen(url) > WEBPUSH_ENDPOINT_MAX)
        return "is too long";
    if (url[size] != '/')
        return "must have a path behind the host";
    for (const char *c = url + size; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7F || *c == '#' || *c == '\\' || *c == '"')
            return "has characters that a URL must not have";
    }
    for (size_t i = 0; settings->trusted_origins[i] != NULL; i++) {
        if (strcmp(settings->trusted_origins[i], origin) == 0) {
            *trust = WEBPUSH_NAMED;
            return NULL;
        }
    }
    const char *host = origin + SCHEME_SIZE;
    if (strchr(host, ':') != NULL && host[0] != '[')
        return "must not have a port";
    if (!domain_ok(host))
        return "must have a full domain name as its host";
    const char *const *patterns = settings->allow != NULL ? (const char *const *)settings->allow : services;
    *trust = trust_in(patterns, host);
    if (settings->allow != NULL && *trust == WEBPUSH_STRANGER)
        return "has a host that settings.allow does not name";
    return NULL;
}

static bool key_read(struct json_object *keys, const char *name, unsigned char *out, size_t size)
{
    const char *text = json_get_text(keys, name);
    struct buf octets;
    buf_init(&octets, size);
    bool ok = text != NULL && base64_decode(&octets, text, strlen(text)) && octets.size == size;
    if (ok)
        memcpy(out, octets.data, size);
    buf_free(&octets);
    return ok;
}

static bool refuse(struct verdict *verdict, const char *field, const char *rule)
{
    *verdict = verdict_make(VERDICT_REJECTED, "recipient.%s: %s", field, rule);
    return false;
}

static bool object_read(const struct webpush_settings *settings, struct json_object *object,
                        struct arena *arena, struct webpush_subscription *subscription,
                        struct verdict *verdict)
{
    const char *url = json_get_text(object, "endpoint");
    struct json_object *keys = json_get(object, "keys");
    enum webpush_trust trust;
    const char *wrong =
        url == NULL ? "is missing" : endpoint_check(settings, url, subscription->origin, &trust);
    if (wrong != NULL)
        return refuse(verdict, "endpoint", wrong);
    if (!key_read(keys, "p256dh", subscription->receiver.point, P256_POINT))
        return refuse(verdict, "keys.p256dh", "must be 65 octets in base64url");
    if (!key_read(keys, "auth", subscription->receiver.auth, ECE_AUTH))
        return refuse(verdict, "keys.auth", "must be 16 octets in base64url");
    subscription->path = arena_strdup(arena, url + url_origin(url, scheme));
    return true;
}

bool webpush_subscription_read(const struct webpush_settings *settings, const char *text, struct arena *arena,
                               struct webpush_subscription *subscription, struct verdict *verdict)
{
    struct json_object *object = json_parse(text, strlen(text), NULL);
    bool ok = json_object_is_type(object, json_type_object);
    if (ok)
        ok = object_read(settings, object, arena, subscription, verdict);
    else
        *verdict = verdict_make(VERDICT_REJECTED, "recipient: is not a push subscription in JSON");
    json_object_put(object);
    return ok;
}

enum webpush_trust webpush_trust_in(const struct webpush_settings *settings, const char *text)
{
    enum webpush_trust trust = WEBPUSH_STRANGER;
    char origin[WEBPUSH_ORIGIN_MAX + 1];
    struct json_object *object = json_parse(text, strlen(text), NULL);
    const char *url = json_get_text(object, "endpoint");
    if (url != NULL && endpoint_check(settings, url, origin, &trust) != NULL)
        trust = WEBPUSH_STRANGER;
    json_object_put(object);
    return trust;
}
