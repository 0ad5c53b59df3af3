/*
 * A batch: the rows that one claim took, on one database connection, from claim to settle.
 *
 *     IDLE -> CLAIMING -> BOARDING -> FLYING -> LANDING -> IDLE
 *
 * CLAIMING: BEGIN and the claim are with the server. BOARDING: the flight that names the rows is being
 * committed on the control connection; nothing is sent before that, nor before the claim's transaction was
 * seen alive after it. FLYING: requests are out; verdicts are noted as they come. LANDING: one statement
 * settles all rows and removes the flight, then COMMIT. When the claim's connection breaks, the locks are
 * gone but the flight stands, so nobody else touches the rows: nothing more is sent, and the batch lands on
 * the next connection.
 */
#ifndef PGOUTBOX_DISPATCHER_BATCH_H
#define PGOUTBOX_DISPATCHER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dispatcher/channel.h"
#include "dispatcher/cursor.h"
#include "dispatcher/job.h"

struct batch;

struct batch *batch_new(struct channel *channel, const char *conninfo, const char *application_name);
void batch_free(struct batch *batch); /* NULL is allowed; the batch is idle or the process is ending */

/* Connected and without work. */
bool batch_is_idle(const struct batch *batch);
/* Without work, connected or not. */
bool batch_is_free(const struct batch *batch);
/* Connected at least once and usable or busy; for the ready line. */
bool batch_is_up(const struct batch *batch);

/* Jobs that it may yet bring: rows asked for, or claimed and not yet routed. */
size_t batch_promised(const struct batch *batch);

/* Takes up to `limit` rows beyond the channel's cursors; at most `transactional` of them from that lane. */
void batch_claim(struct batch *batch, int transactional, int limit);
/* Looks at a range behind a cursor and takes up to `limit` of its rows. */
void batch_reclaim(struct batch *batch, enum lane lane, const struct range *range, int limit);

/* The process is ending: hands back what is not yet on the wire. */
void batch_withdraw(struct batch *batch);

#endif
