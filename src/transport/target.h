/* Where an endpoint's URL leads. */
#ifndef PGOUTBOX_TRANSPORT_TARGET_H
#define PGOUTBOX_TRANSPORT_TARGET_H

#include <stdbool.h>

#include "core/error.h"

enum scheme { SCHEME_HTTPS, SCHEME_SMTP, SCHEME_SMTPS };

struct target {
    enum scheme scheme;
    char host[256]; /* without the brackets of an IPv6 address */
    char port[6];
    char authority[272]; /* host[:port], the port only when it is not the scheme's own */
};

/* False with err: unknown scheme, no host, bad port, user information, a path or a query. */
bool target_parse(struct target *target, const char *url, struct error *err) MUST_CHECK;

#endif
