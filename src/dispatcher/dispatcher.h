/*
 * A dispatcher: the control connection with its flights, ticks and configuration, and the channels that it
 * serves. What the one reports is handed to the others here.
 */
#ifndef PGOUTBOX_DISPATCHER_DISPATCHER_H
#define PGOUTBOX_DISPATCHER_DISPATCHER_H

#include "core/error.h"
#include "core/loop.h"
#include "transport/transport.h"

struct dispatcher_options {
    const char *channels; /* names, separated by commas */
    const char *conninfo;
    const char *name; /* shown in outbox.dispatcher and pg_stat_activity */
    int connections;  /* batches at once per channel */
    int poll_ms; /* how long a row that rang nobody waits while its channel sleeps, at most; 10 or more */
};

struct dispatcher_events {
    void (*stopped)(void *arg); /* after dispatcher_stop: all has landed, and the registry was left */
    void (*unusable)(void *arg, const char *reason); /* a setting that will never work */
    void *arg;
};

struct dispatcher;

/* Connects and serves from now on. NULL with err: a list of channels that cannot be used. */
struct dispatcher *dispatcher_new(struct loop *loop, struct transport *transport,
                                  const struct dispatcher_options *options,
                                  const struct dispatcher_events *events, struct error *err);
/* Claims no more, settles what is in the air, leaves. */
void dispatcher_stop(struct dispatcher *dispatcher);
/* Once it has stopped, or was unusable; NULL is allowed. */
void dispatcher_free(struct dispatcher *dispatcher);

#endif
