/* Taking URLs apart: a pure function, open to all rooms. */
#ifndef PGOUTBOX_TRANSPORT_URL_H
#define PGOUTBOX_TRANSPORT_URL_H

#include <stdbool.h>

#include "core/error.h"

enum { URL_HOST_MAX = 253, URL_ORIGIN_MAX = 15 + 3 + URL_HOST_MAX + 6 };

struct url {
    char scheme[16];             /* lower case */
    char host[URL_HOST_MAX + 1]; /* lower case; an IPv6 address in its brackets */
    char port[6];                /* "" = none is written */
    const char *rest;            /* behind the port, in the text: path, query and fragment; may be "" */
};

/* Reads a URL of any scheme that has a host. libcurl does it, and what it would have to mend is refused:
 * slashes too few or too many, escapes in the host, short forms of an IPv4 or IPv6 address, a port that is
 * empty or has leading zeros. So is a user name. err says what is wrong, never the URL. */
bool url_parse(struct url *url, const char *text, struct error *err) MUST_CHECK;

#endif
