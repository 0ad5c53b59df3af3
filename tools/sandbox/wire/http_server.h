/* Which version of HTTP a new connection speaks: ALPN chooses. */
#ifndef PGOUTBOX_SANDBOX_WIRE_HTTP_SERVER_H
#define PGOUTBOX_SANDBOX_WIRE_HTTP_SERVER_H

#include "sandbox/wire/http.h"

/* The `accepted` of a listener; arg is the struct http_server. */
void http_server_accepted(void *server, struct wire *wire);

#endif
