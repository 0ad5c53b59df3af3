/*
 * The control connection of a dispatcher, never inside a transaction: its registration, LISTEN, sleeping, and
 * what is told of providers. Flights, ticks, the configuration and doubts have their statements on it, too;
 * it knows none of them.
 */
#ifndef PGOUTBOX_DISPATCHER_CONTROL_H
#define PGOUTBOX_DISPATCHER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"
#include "db/db.h"

struct control;

struct control_options {
    const char *conninfo;
    const char *name;            /* shown in outbox.dispatcher and as application_name */
    const char *const *channels; /* served by this dispatcher */
    size_t channel_count;
};

struct control_events {
    /* Registered: the lock is held. again: under the id that it had before. */
    void (*attached)(void *arg, bool again);
    void (*lost)(void *arg);                          /* the connection, and all locks with it */
    void (*notified)(void *arg, const char *channel); /* a producer rang */
    void (*config_changed)(void *arg);
    void *arg;
};

/* Connecting starts at once. */
struct control *control_new(struct loop *loop, const struct control_options *options,
                            const struct control_events *events);
void control_free(struct control *control); /* open calls get DB_LOST; NULL is allowed */

/* Leaves the registry; `left` is called when that is done or the connection is lost. */
void control_leave(struct control *control, void (*left)(void *arg), void *arg);

/* Registered, configured and not leaving: claims may be made. */
bool control_is_ready(const struct control *control);
/* Registered: its lock is held by the present connection. */
bool control_is_attached(const struct control *control);
/* The configuration has been read. */
void control_configured(struct control *control);
int control_dispatcher(const struct control *control);       /* id in outbox.dispatcher; 0 = none yet */
const char *control_channels(const struct control *control); /* names, text[] */
struct db *control_db(const struct control *control);

/* Logs a statement that the server refused. */
void control_report(const char *event, enum db_status status, const struct db_result *result);
/* Sends a statement of which no more than that is of interest. event lives for ever. */
void control_tell(struct control *control, const char *event, const struct db_statement *statement, int count,
                  const char *const *values);

/* Tries to take the sleeper's lock of a channel; got: from now on producers ring. */
void control_sleep(struct control *control, int channel_id, void (*result)(void *arg, bool got), void *arg);
void control_awake(struct control *control, int channel_id);

/* Every message would fail. */
void control_stop_provider(struct control *control, const char *name, const char *reason, int64_t for_ms);
/* Tells how the circuit breaker of a provider stands. reason may be NULL. */
void control_report_provider(struct control *control, const char *name, const char *state,
                             const char *reason);

/* What a lease gave; ok false: it was refused, or its answer was lost. more_in_ms: see budget_granted. */
typedef void control_leased_fn(void *arg, const char *name, bool ok, int tokens, int slots,
                               int64_t more_in_ms);
/* Leases requests of a provider's limits. wanted = 0 only gives back: no answer unless that failed. False:
 * not now, and no answer either. */
bool control_lease(struct control *control, const char *name, int wanted, int unused, int in_flight,
                   control_leased_fn *leased, void *arg);

#endif
