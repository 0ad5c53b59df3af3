/*
 * The access token of a provider whose adapter needs one: fetched when it is needed, again when it has run
 * out. For adapters that need none it is always ready.
 */
#ifndef PGOUTBOX_DISPATCHER_CREDENTIAL_H
#define PGOUTBOX_DISPATCHER_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "providers/adapter.h"
#include "transport/transport.h"

struct credential_events {
    void (*fetched)(void *arg);
    void (*failed)(void *arg, int64_t for_ms, const char *reason); /* better not tried again before */
    void (*stopped)(void *arg, const char *reason);                /* every message would fail */
    void *arg;
};

struct credential_keeper;

/* All pointers must outlive it. provider: its name, for the log. */
struct credential_keeper *credential_new(struct transport *transport, const struct adapter *adapter,
                                         const void *settings, const char *provider,
                                         const struct credential_events *events);
void credential_free(struct credential_keeper *keeper); /* NULL is allowed */
/* Fetches nothing any more, and reports nothing. */
void credential_close(struct credential_keeper *keeper);

bool credential_is_ready(const struct credential_keeper *keeper);
const char *credential_token(const struct credential_keeper *keeper); /* NULL: none */
int credential_generation(const struct credential_keeper *keeper);    /* which token it is */

void credential_fetch(struct credential_keeper *keeper);
/* A provider took the token of this generation for stale; a newer one is kept. */
void credential_refused(struct credential_keeper *keeper, int generation);

#endif
