/*
 * The control connection of a dispatcher, never inside a transaction: its entry in the registry and the lock
 * that says it lives, LISTEN, the configuration, flights and their notes, ticks, sleeping.
 */
#ifndef PGOUTBOX_DISPATCHER_CONTROL_H
#define PGOUTBOX_DISPATCHER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"
#include "db/db.h"
#include "dispatcher/channel.h"

struct control;
struct job;
struct roster;

struct control_options {
    const char *conninfo;
    const char *name; /* shown in outbox.dispatcher and as application_name */
    void (*unusable)(void *arg,
                     const char *reason); /* a setting that will never work, e.g. an unknown channel */
    void *arg;
};

struct control *control_new(struct loop *loop, const struct control_options *options);
/* Channels are served from control_start on; they are not owned. */
void control_start(struct control *control, struct channel *const *channels, size_t count);
void control_free(struct control *control); /* NULL is allowed */

/* Leaves the registry; `left` is called when that is done or the connection is lost. */
void control_leave(struct control *control, void (*left)(void *arg), void *arg);

/* Registered, listening and configured: claims may be made. */
bool control_is_ready(const struct control *control);
int control_dispatcher(const struct control *control); /* id in outbox.dispatcher */

/* Commits a flight for these ids. `opened` is called once: ok tells whether it is committed; taken lists ids
 * that stand in other open flights and must not be sent. Returns the number of the flight. */
typedef void flight_fn(void *arg, bool ok, const int64_t *taken, size_t taken_count);
int64_t control_open_flight(struct control *control, const char *channel, const int64_t *ids, size_t count,
                            int64_t deadline_ms, flight_fn *opened, void *arg);
/* Removes a flight from which nothing was sent. */
void control_drop_flight(struct control *control, int64_t flight);
/* The flight's row is gone (landed). */
void control_flight_ended(struct control *control, int64_t flight);

/* Notes the verdicts of these jobs in the flight. number: 1, 2, … within the flight. */
void control_note(struct control *control, int64_t flight, int number, struct job *const *jobs, size_t count);

/* Tries to take the sleeper's lock of a channel; got: from now on producers ring. */
void control_sleep(struct control *control, int channel_id, void (*result)(void *arg, bool got), void *arg);
void control_awake(struct control *control, int channel_id);

/* Tells how the circuit breaker of a provider stands. reason may be NULL. */
void control_report_provider(struct control *control, const char *name, const char *state,
                             const char *reason);

/* Leases requests of a provider's limits; answered by roster_leased. wanted = 0 only gives back: no answer.
 */
bool control_lease(struct control *control, struct roster *roster, const char *name, int wanted, int unused,
                   int in_flight);

/* For inquiries; the callbacks read the results of take_doubt.sql, read_templates.sql and settle_doubt.sql.
 */
void control_take_doubt(struct control *control, const char *channel, const char *ready, db_result_fn *taken,
                        void *arg);
void control_read_templates(struct control *control, const char *ids, db_result_fn *read, void *arg);
void control_settle_doubt(struct control *control, const struct job *job, const char *turn, const char *asked,
                          db_result_fn *settled, void *arg);

void control_stop_provider(struct control *control, const char *name, const char *reason, int64_t for_ms);

#endif
