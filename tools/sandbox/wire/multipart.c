#include "sandbox/wire/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70, DELIMITER_SIZE = BOUNDARY_MAX + 5, LINE_SIZE = 512 };

/* "\r\n--" and the boundary. */
static bool read_delimiter(const char *content_type, char delimiter[DELIMITER_SIZE])
{
    static const char type[] = "multipart/form-data;", name[] = "boundary=";
    if (!content_type || strncasecmp(content_type, type, sizeof(type) - 1) != 0)
        return false;
    const char *boundary = strcasestr(content_type, name);
    if (!boundary)
        return false;
    boundary += sizeof(name) - 1;
    bool quoted = *boundary == '"';
    boundary += quoted;
    size_t size = strcspn(boundary, quoted ? "\"" : "; ");
    if (size == 0 || size > BOUNDARY_MAX || (quoted && boundary[size] != '"'))
        return false;
    snprintf(delimiter, DELIMITER_SIZE, "\r\n--%.*s", (int)size, boundary);
    return true;
}

/* The quoted parameter of a Content-Disposition; false when it is absent or too long. */
static bool parameter(const char *line, const char *name, char *out, size_t room)
{
    char pattern[32];
    snprintf(pattern, sizeof(pattern), "; %s=\"", name);
    const char *value = strcasestr(line, pattern);
    if (!value)
        return false;
    value += strlen(pattern);
    size_t size = strcspn(value, "\"");
    if (value[size] != '"' || size >= room)
        return false;
    memcpy(out, value, size);
    out[size] = '\0';
    return true;
}

/* Reads the part's fields; *at advances to its content. */
static bool read_fields(struct part *part, const char **at, const char *end)
{
    static const char field[] = "Content-Disposition: form-data";
    bool has_name = false;
    for (;;) {
        const char *crlf = memmem(*at, (size_t)(end - *at), "\r\n", 2);
        if (!crlf || crlf - *at >= LINE_SIZE)
            return false;
        char line[LINE_SIZE], file[LINE_SIZE];
        snprintf(line, sizeof(line), "%.*s", (int)(crlf - *at), *at);
        *at = crlf + 2;
        if (*line == '\0')
            return has_name;
        if (strncasecmp(line, field, sizeof(field) - 1) != 0)
            continue;
        has_name = parameter(line, "name", part->name, sizeof(part->name));
        part->is_file = parameter(line, "filename", file, sizeof(file));
    }
}

bool multipart_read(struct parts *parts, const char *content_type, const char *body, size_t size)
{
    char delimiter[DELIMITER_SIZE];
    parts->count = 0;
    if (!read_delimiter(content_type, delimiter))
        return false;
    size_t length = strlen(delimiter);
    const char *at = body, *end = body + size;
    /* The first delimiter may begin the body. */
    if (size < length - 2 || memcmp(at, delimiter + 2, length - 2) != 0)
        return false;
    at += length - 2;
    while (end - at >= 2 && memcmp(at, "\r\n", 2) == 0) {
        if (parts->count == PARTS_MAX)
            return false;
        struct part *part = &parts->list[parts->count++];
        *part = (struct part){0};
        at += 2;
        if (!read_fields(part, &at, end))
            return false;
        const char *stop = memmem(at, (size_t)(end - at), delimiter, length);
        if (!stop)
            return false;
        part->data = at;
        part->size = (size_t)(stop - at);
        at = stop + length;
    }
    return end - at >= 2 && memcmp(at, "--", 2) == 0;
}

const struct part *multipart_find(const struct parts *parts, const char *name)
{
    const struct part *found = NULL;
    for (size_t i = 0; i < parts->count; i++) {
        if (strcmp(parts->list[i].name, name) != 0)
            continue;
        if (found)
            return NULL;
        found = &parts->list[i];
    }
    return found;
}
