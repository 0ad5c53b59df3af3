/* A dispatcher's entry in the registry outbox.dispatcher, and the lock that says it lives. */
#ifndef PGOUTBOX_DISPATCHER_REGISTRATION_H
#define PGOUTBOX_DISPATCHER_REGISTRATION_H

#include <stdbool.h>

#include "core/loop.h"
#include "db/db.h"

struct registration;

struct registration_events {
    /* The lock is held by the present connection. again: under the id that it had before. */
    void (*attached)(void *arg, bool again);
    void *arg;
};

/* name: shown in outbox.dispatcher; channels: names, text[]. Both are copied. */
struct registration *registration_new(struct loop *loop, const char *name, const char *channels,
                                      const struct registration_events *events);
void registration_free(struct registration *registration); /* after its connection; NULL is allowed */

/* The control connection is up: registers, or takes the lock again. What the server refuses is tried again on
 * another connection. */
void registration_start(struct registration *registration, struct db *db);
/* It is lost, and the lock with it. */
void registration_lost(struct registration *registration);
/* Leaves the registry; `left` is called when that is done or the connection is lost. */
void registration_leave(struct registration *registration, struct db *db, void (*left)(void *arg), void *arg);

bool registration_is_attached(const struct registration *registration);
bool registration_is_leaving(const struct registration *registration);
int registration_id(const struct registration *registration); /* in outbox.dispatcher; 0 = none yet */

#endif
