/* A port of 127.0.0.1 and the connections that were accepted there. */
#ifndef PGOUTBOX_SANDBOX_WIRE_LISTENER_H
#define PGOUTBOX_SANDBOX_WIRE_LISTENER_H

#include <stdint.h>

#include "core/error.h"
#include "sandbox/wire/wire.h"

struct connection_count {
    int64_t opened;
    int64_t now;
};

struct listener;

struct listener_options {
    struct loop *loop;
    int port;               /* 0 = any free one */
    SSL_CTX *tls;           /* of connections that begin with TLS, or NULL; not owned */
    size_t max_connections; /* further ones are closed at once */
    struct connection_count *count;
    /* Makes the user of a new connection: sets it with wire_use. */
    void (*accepted)(void *arg, struct wire *wire);
    void *arg;
};

/* Listens on 127.0.0.1. NULL with err when the port cannot be had. */
struct listener *listener_new(const struct listener_options *options, struct error *err);
int listener_port(const struct listener *listener);
void listener_free(struct listener *listener); /* ends its connections; NULL is allowed */

#endif
