/*
 * The claim cursor of one channel and lane: where to look for rows that are ready, without ever looking at
 * the whole queue and without stranding a row behind.
 *
 * Rows have a position (message.queue_pos) from a sequence. A fresh scan takes pending rows beyond the cursor
 * in order and moves the cursor. It passes two kinds of rows that still need sending: rows whose producer
 * commits later, and rows that somebody else had locked and then gave back or lost. Therefore:
 *
 *   Invariant: every row at or below the cursor that is pending, or will become so when its transaction
 * commits, lies in the uncovered stretch (covered, cursor] or in an open range.
 *
 * A tick turns the uncovered stretch into a range once a fresh scan has run after it. It is made in three
 * steps, in this order: a position P is read; a transaction id is used up (assigned, and its transaction
 * ended); a snapshot S is taken. A row's transaction has its id before it draws the row's position
 * (outbox.next_queue_pos), so the id of a row at or below P is lower than the one used up, which is below
 * S.xmax: that transaction had ended before S was taken, or S lists it as running. Without the id used up it
 * could be neither, because xmax is just above the newest transaction that has ended, not above the newest
 * that has begun.
 *
 * A range is looked at again when one of its transactions has ended, and at growing intervals while it holds
 * pending rows; it closes when it has neither. A position is given anew whenever a row becomes pending again.
 *
 * Pure: no clock, no database. Times are milliseconds of any steady clock.
 */
#ifndef PGOUTBOX_DISPATCHER_CURSOR_H
#define PGOUTBOX_DISPATCHER_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What pg_current_snapshot() says: transactions below xmax have ended, except those listed. Those from xmax
 * on may run and are not listed. */
struct snapshot {
    uint64_t xmax;
    const uint64_t *running; /* ascending */
    size_t count;
};

/* Parses "xmin:xmax:xip,xip,…". The list goes to `running` (room for `room` ids). False on any other text,
 * and when there are more ids than room. */
bool snapshot_parse(const char *text, uint64_t *running, size_t room, struct snapshot *snapshot);

struct cursor;

/* All rows at or below low_water are final. */
struct cursor *cursor_new(int64_t low_water);
void cursor_free(struct cursor *cursor); /* NULL is allowed */

/* As far as fresh scans have come. */
int64_t cursor_position(const struct cursor *cursor);
/* The next fresh scan looks at queue_pos > this: a little behind the position, because producers that work at
 * the same time commit in any order, and a row that comes milliseconds late should not wait for a look. */
int64_t cursor_scan_from(const struct cursor *cursor);

/* A tick arrived, made in the order said above. It takes effect with the next fresh scan that starts after
 * this call. */
void cursor_tick(struct cursor *cursor, int64_t position, const struct snapshot *snapshot, int64_t now);

/* A fresh scan starts; remembers which tick it may complete. One at a time. */
void cursor_scan_started(struct cursor *cursor);
/* It ended: `last` is the highest position it claimed (0 = none), `rows` how many it claimed, `full` tells
 * that it stopped at its limit. */
void cursor_scanned(struct cursor *cursor, int64_t last, int rows, bool full, int64_t now);
/* It failed: nothing was claimed. */
void cursor_scan_failed(struct cursor *cursor);

struct range {
    uint64_t id;
    int64_t after; /* look at queue_pos > after AND queue_pos <= upto */
    int64_t upto;
};

bool cursor_look_is_due(const struct cursor *cursor, int64_t now);
/* The next range to look at; false when none is due. The range is busy until cursor_looked or
 * cursor_look_failed. */
bool cursor_next_look(struct cursor *cursor, int64_t now, struct range *range);
/* The look stopped early, as at its limit of rows: it saw all up to `at` and nothing beyond. Called before
 * cursor_looked, which is then about the part that was seen; the rest is due at once. */
void cursor_look_stopped(struct cursor *cursor, uint64_t id, int64_t at, int64_t now);
/* What the look saw: how many rows in it are pending (locked ones and those just claimed included), the
 * lowest and highest position of them. */
void cursor_looked(struct cursor *cursor, uint64_t id, int64_t pending, int64_t lowest, int64_t highest,
                   int64_t now);
void cursor_look_failed(struct cursor *cursor, uint64_t id, int64_t now);

/* Rows that were locked are free now: somebody died or left, or a claim was given up. Every range is due. */
void cursor_disturb(struct cursor *cursor, int64_t now);

/* All rows at or below this position are final, whoever asks. */
int64_t cursor_low_water(const struct cursor *cursor);

/* Number of open ranges, for logs and tests. */
size_t cursor_ranges(const struct cursor *cursor);

#endif
