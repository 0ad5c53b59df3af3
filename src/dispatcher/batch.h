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
 * the next connection. When the flight's row is gone by then, somebody has taken it over, or an earlier try
 * did land: the verdicts settle what is still open of its rows, and name what was sent twice.
 */
#ifndef PGOUTBOX_DISPATCHER_BATCH_H
#define PGOUTBOX_DISPATCHER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"
#include "dispatcher/cursor.h"
#include "dispatcher/rows.h"

struct batch;
struct control;
struct flights;
struct roster;
struct template_cache;

/* What a claim beyond the cursors found. */
struct batch_scan {
    bool failed;         /* nothing was claimed, and nothing else is filled */
    int rows[LANES];     /* claimed */
    int64_t last[LANES]; /* highest position claimed, 0 = none */
    bool full[LANES];    /* it stopped at its limit */
};

/* What a look at a range behind a cursor found; see cursor_looked and cursor_look_stopped. */
struct batch_look {
    bool failed; /* nothing was claimed; only lane and range are filled */
    enum lane lane;
    uint64_t range; /* its id */
    int64_t pending, lowest, highest;
    int64_t stopped;
};

struct batch_events {
    void (*up)(void *arg); /* its connection is up, and it is idle */
    void (*scanned)(void *arg, const struct batch_scan *scan);
    void (*looked)(void *arg, const struct batch_look *look);
    void (*unwell)(void *arg); /* the database refused something: better claim nothing for a moment */
    /* Idle again. released: rows that it had locked are still pending. */
    void (*ended)(void *arg, bool released);
    void *arg;
};

/* All of it but conninfo and application_name must outlive the batch. */
struct batch_options {
    struct loop *loop;
    struct control *control;
    struct flights *flights;
    struct roster *roster;
    struct template_cache *templates;
    const char *channel;           /* its name */
    const struct channel_row *row; /* of the channel; may change */
    const char *conninfo;
    const char *application_name;
};

/* Connecting starts at once. */
struct batch *batch_new(const struct batch_options *options, const struct batch_events *events);
void batch_free(struct batch *batch); /* NULL is allowed; the batch is idle or the process is ending */

/* Connected and without work. */
bool batch_is_idle(const struct batch *batch);
/* Without work, connected or not. */
bool batch_is_free(const struct batch *batch);
/* Connected at least once and usable or busy; for the ready line. */
bool batch_is_up(const struct batch *batch);

/* Jobs that it may yet bring: rows asked for, or claimed and not yet routed. */
size_t batch_promised(const struct batch *batch);

/* Takes up to `limit` rows beyond these positions; at most `transactional` of them from that lane. */
void batch_claim(struct batch *batch, const int64_t after[LANES], int transactional, int limit);
/* Looks at a range behind a cursor and takes up to `limit` of its rows. */
void batch_reclaim(struct batch *batch, enum lane lane, const struct range *range, int limit);

/* The process is ending: hands back what is not yet on the wire. */
void batch_withdraw(struct batch *batch);

#endif
