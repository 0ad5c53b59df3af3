/*
 * A connection that a server accepted, plain or TLS. Output is batched: what the user appends during a turn
 * leaves in few writes at its end. A wire frees itself, and its user through `gone`, only at the end of a
 * turn.
 */
#ifndef PGOUTBOX_SANDBOX_WIRE_WIRE_H
#define PGOUTBOX_SANDBOX_WIRE_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/loop.h"

struct wire;

enum { WIRE_BATCH = 65536, WIRE_OUTPUT_MAX = 4 * 1024 * 1024 };

/* What speaks over a wire. No function but `gone` may free the user. */
struct wire_user {
    /* The connection stands (for TLS: after the handshake). false: close it now. */
    bool (*ready)(void *user, struct wire *wire);
    /* false: close it now, without sending what waits. */
    bool (*input)(void *user, const char *data, size_t size);
    /* Appends what waits to be sent while out is smaller than WIRE_BATCH; called until it appends nothing. */
    void (*room)(void *user, struct buf *out);
    /* The wire is gone: free the user. */
    void (*gone)(void *user);
};

/* Takes over a connected socket that does not block. ended is called once, as it goes. */
struct wire *wire_new(struct loop *loop, int fd, void (*ended)(void *arg), void *arg);
void wire_free(struct wire *wire); /* at once */
/* The user is set: begins, with a TLS handshake unless tls is NULL. The wire may be gone afterwards. */
void wire_start(struct wire *wire, SSL_CTX *tls);

void wire_use(struct wire *wire, const struct wire_user *calls, void *user);
const char *wire_protocol(const struct wire *wire); /* ALPN's choice; "" without one */
bool wire_is_tls(const struct wire *wire);

/* Once what waits has left: a TLS handshake, then `ready` again. The input before it is the user's to drop.
 */
void wire_start_tls(struct wire *wire, SSL_CTX *tls);

/* Takes no further input and closes once all output has left. */
void wire_close(struct wire *wire);

/* Ends a turn that did not begin with an event of this wire (a timer). The wire may be gone afterwards. */
void wire_turn(struct wire *wire);

#endif
