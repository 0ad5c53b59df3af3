/* HTTP/1.1 (RFC 9112) for exchanges: one request at a time, bodies by content-length only. */
#ifndef PGOUTBOX_SANDBOX_WIRE_HTTP1_H
#define PGOUTBOX_SANDBOX_WIRE_HTTP1_H

#include "sandbox/wire/http.h"

/* Becomes the wire's user. */
bool http1_open(struct http_server *server, struct wire *wire);

#endif
