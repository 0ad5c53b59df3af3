/* HTTP/2 (RFC 9113) for exchanges, on libnghttp2. */
#ifndef PGOUTBOX_SANDBOX_WIRE_H2_H
#define PGOUTBOX_SANDBOX_WIRE_H2_H

#include "sandbox/wire/http.h"

/* Becomes the wire's user. false: no session could be made. */
bool h2_open(struct http_server *server, struct wire *wire);

#endif
