#include "providers/settings.h"

#include <ctype.h>
#include <string.h>

#include "core/mem.h"
#include "transport/transport.h"

/* *text is NULL when the setting is absent; an absent setting is never an error here. */
static bool setting_read(struct json_object *json, const char *name, int least, const char **text,
                         struct error *err)
{
    size_t size;
    if (!json_read_text(json, "settings", name, text, &size, err))
        return false;
    if (*text == NULL)
        return true;
    if (size == 0)
        return error_set(err, "settings.%s: must not be empty", name);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)(*text)[i];
        if (c < least || c == 0x7F)
            return error_set(err, "settings.%s: must not contain %s", name,
                             least > ' ' ? "spaces or control characters" : "control characters");
    }
    return true;
}

char *setting_word(struct json_object *json, const char *name, const char *fallback, struct error *err)
{
    const char *text;
    if (!setting_read(json, name, '!', &text, err))
        return NULL;
    if (text == NULL)
        text = fallback;
    if (text == NULL) {
        error_set(err, "settings.%s: is required", name);
        return NULL;
    }
    return mem_strdup(text);
}

char *setting_word_of(struct json_object *json, const char *name, const char *allowed, size_t most,
                      const char *rule, struct error *err)
{
    char *word = setting_word(json, name, NULL, err);
    if (word == NULL || (word[strspn(word, allowed)] == '\0' && strlen(word) <= most))
        return word;
    error_set(err, "settings.%s: %s", name, rule);
    mem_free(word);
    return NULL;
}

bool setting_line(struct json_object *json, const char *name, char **value, struct error *err)
{
    const char *text;
    if (!setting_read(json, name, ' ', &text, err))
        return false;
    *value = mem_strdup(text);
    return true;
}

bool setting_flag(struct json_object *json, const char *name, bool fallback, bool *value, struct error *err)
{
    struct json_object *found = json_get(json, name);
    if (found != NULL && !json_object_is_type(found, json_type_boolean))
        return error_set(err, "settings.%s: must be true or false", name);
    *value = json_get_bool(json, name, fallback);
    return true;
}

size_t setting_url_origin(const char *url, const char *scheme)
{
    size_t start = strlen(scheme);
    if (strncmp(url, scheme, start) != 0 || strncmp(url + start, "://", 3) != 0)
        return 0;
    start += 3;
    size_t end = start;
    while (isalnum((unsigned char)url[end]) || (url[end] != '\0' && strchr(".-:[]", url[end]) != NULL))
        end++;
    return end > start ? end : 0;
}

char *setting_url(struct json_object *json, const char *fallback, const char *const *schemes,
                  struct error *err)
{
    char *url = setting_word(json, "url", fallback, err);
    if (url == NULL)
        return NULL;
    for (size_t i = 0; schemes[i] != NULL; i++) {
        size_t origin = setting_url_origin(url, schemes[i]);
        if (origin > 0 && (url[origin] == '\0' || strcmp(url + origin, "/") == 0)) {
            url[origin] = '\0';
            return url;
        }
    }
    mem_free(url);
    error_set(err, "settings.url: must be %s://host or %s://host:port%s%s", schemes[0], schemes[0],
              schemes[1] != NULL ? ", or the same with " : "", schemes[1] != NULL ? schemes[1] : "");
    return NULL;
}

bool setting_server(struct json_object *json, const char *fallback, struct server *server, struct error *err)
{
    static const char *const schemes[] = {"https", NULL};
    server->url = setting_url(json, fallback, schemes, err);
    return server->url != NULL && setting_line(json, "ca_file", &server->ca_file, err);
}

void server_free(struct server *server)
{
    mem_free(server->url);
    mem_free(server->ca_file);
}

void server_endpoint(const void *settings, struct endpoint_options *options)
{
    const struct server *server = settings;
    options->url = server->url;
    options->http2 = false;
    options->ca_file = server->ca_file;
}

void server_endpoint_http2(const void *settings, struct endpoint_options *options)
{
    server_endpoint(settings, options);
    options->http2 = true;
}
