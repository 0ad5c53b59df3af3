#include "transport/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scheme_row {
    const char *prefix;
    enum scheme scheme;
    const char *port;
} scheme_rows[] = {
    {"https://", SCHEME_HTTPS, "443"},
    {"smtp://", SCHEME_SMTP, "587"},
    {"smtps://", SCHEME_SMTPS, "465"},
};

static const struct scheme_row *scheme_find(const char *url)
{
    for (size_t i = 0; i < sizeof scheme_rows / sizeof scheme_rows[0]; i++)
        if (strncmp(url, scheme_rows[i].prefix, strlen(scheme_rows[i].prefix)) == 0)
            return &scheme_rows[i];
    return NULL;
}

static bool port_copy(char *port, size_t size, const char *text, size_t length)
{
    if (length == 0 || length >= size || strspn(text, "0123456789") < length)
        return false;
    memcpy(port, text, length);
    port[length] = '\0';
    long number = strtol(port, NULL, 10);
    return number >= 1 && number <= 65535;
}

bool target_parse(struct target *target, const char *url, struct error *err)
{
    static const char host_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    static const char address_characters[] = "0123456789abcdefABCDEF:.";
    const struct scheme_row *row = url != NULL ? scheme_find(url) : NULL;
    if (row == NULL)
        return error_set(err, "url: must start with https://, smtp:// or smtps://");

    const char *at = url + strlen(row->prefix);
    bool bracketed = *at == '[';
    at += bracketed;
    size_t length = strspn(at, bracketed ? address_characters : host_characters);
    if (length == 0 || length >= sizeof target->host || (bracketed && at[length] != ']'))
        return error_set(err, "url: bad host name");
    *target = (struct target){.scheme = row->scheme};
    memcpy(target->host, at, length);
    at += length + bracketed;

    const char *port = row->port;
    size_t port_length = strlen(port);
    if (*at == ':') {
        port = at + 1;
        port_length = strcspn(port, "/");
        at = port + port_length;
    }
    if (!port_copy(target->port, sizeof target->port, port, port_length))
        return error_set(err, "url: bad port");
    if (*at != '\0' && strcmp(at, "/") != 0)
        return error_set(err, "url: only scheme, host and port are allowed");

    bool own_port = strcmp(target->port, row->port) == 0;
    snprintf(target->authority, sizeof target->authority, "%s%s%s%s%s", bracketed ? "[" : "", target->host,
             bracketed ? "]" : "", own_port ? "" : ":", own_port ? "" : target->port);
    return true;
}
