#include "dispatcher/cursor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum {
    LOOK_FIRST_MS =
        500, /* the rows of a range are mostly in the air when it is made: give them time to land */
    LOOK_LONGEST_MS = 8000,
    OVERLAP_MS = 40,    /* most producers commit this soon after they drew a position */
    OVERLAP_ROWS = 200, /* and more than these are not looked at twice */
    RANGES_MAX = 64     /* beyond this, neighbours are joined */
};

#define NEVER INT64_MAX

struct open_range {
    uint64_t id;
    int64_t after, upto;
    uint64_t *running; /* transactions that may still bring rows into this range; ascending */
    size_t running_count;
    int64_t due; /* time of the next look; NEVER = when a transaction ends */
    int64_t interval;
    bool busy;
    bool stale; /* became due again while it was being looked at */
};

struct tick {
    bool set;
    int64_t position;
    uint64_t *running;
    size_t running_count;
};

struct cursor {
    int64_t position;                /* as far as fresh scans came */
    int64_t recent, newer;           /* where it was one to two OVERLAP_MS ago, and since then */
    int64_t turned;                  /* when `recent` was last moved on */
    int64_t recent_rows, newer_rows; /* claimed from `recent` to `newer`, and since then */
    int64_t covered;                 /* every position at or below it is final or in an open range */
    struct tick tick;                /* newest, waiting for a scan */
    struct tick scan_tick;           /* the one the running scan completes */
    struct open_range *ranges;       /* by `after`, not overlapping */
    size_t count, room;
    uint64_t next_id;
};

/* Reads digits only, moves *text behind them. strtoull alone would also take blanks and signs. */
static bool parse_id(const char **text, uint64_t *id)
{
    if (**text < '0' || **text > '9')
        return false;
    char *end;
    errno = 0;
    *id = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0;
}

bool snapshot_parse(const char *text, uint64_t *running, size_t room, struct snapshot *snapshot)
{
    uint64_t xmin;
    *snapshot = (struct snapshot){.running = running};
    if (!parse_id(&text, &xmin) || *text++ != ':' || !parse_id(&text, &snapshot->xmax) || *text++ != ':')
        return false;
    if (*text == '\0')
        return true;
    do {
        if (snapshot->count == room || !parse_id(&text, &running[snapshot->count]))
            return false;
        snapshot->count++;
    } while (*text++ == ',');
    return text[-1] == '\0';
}

static bool still_running(const struct snapshot *snapshot, uint64_t xid)
{
    if (xid >= snapshot->xmax)
        return true;
    size_t low = 0, high = snapshot->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->running[middle] == xid)
            return true;
        if (snapshot->running[middle] < xid)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static uint64_t *copy_ids(const uint64_t *ids, size_t count)
{
    uint64_t *copy = mem_array(count ? count : 1, sizeof *copy);
    if (count > 0)
        memcpy(copy, ids, count * sizeof *copy);
    return copy;
}

struct cursor *cursor_new(int64_t low_water)
{
    struct cursor *cursor = mem_alloc(sizeof *cursor);
    cursor->position = cursor->covered = cursor->recent = cursor->newer = low_water;
    cursor->next_id = 1;
    return cursor;
}

void cursor_free(struct cursor *cursor)
{
    if (!cursor)
        return;
    for (size_t i = 0; i < cursor->count; i++)
        mem_free(cursor->ranges[i].running);
    mem_free(cursor->ranges);
    mem_free(cursor->tick.running);
    mem_free(cursor->scan_tick.running);
    mem_free(cursor);
}

int64_t cursor_position(const struct cursor *cursor)
{
    return cursor->position;
}

int64_t cursor_scan_from(const struct cursor *cursor)
{
    return cursor->recent;
}

size_t cursor_ranges(const struct cursor *cursor)
{
    return cursor->count;
}

int64_t cursor_low_water(const struct cursor *cursor)
{
    return cursor->count > 0 ? cursor->ranges[0].after : cursor->covered;
}

static void make_due(struct open_range *range, int64_t now)
{
    range->due = now;
    range->interval = LOOK_FIRST_MS;
    range->stale = range->busy;
}

static void remove_range(struct cursor *cursor, size_t index)
{
    mem_free(cursor->ranges[index].running);
    cursor->count--;
    memmove(&cursor->ranges[index], &cursor->ranges[index + 1],
            (cursor->count - index) * sizeof *cursor->ranges);
}

/* Takes range.running over. */
static void insert_range(struct cursor *cursor, size_t index, struct open_range range)
{
    if (cursor->count == cursor->room) {
        cursor->room = cursor->room ? cursor->room * 2 : 16;
        cursor->ranges = mem_grow(cursor->ranges, cursor->room, sizeof *cursor->ranges);
    }
    memmove(&cursor->ranges[index + 1], &cursor->ranges[index],
            (cursor->count - index) * sizeof *cursor->ranges);
    cursor->count++;
    range.id = cursor->next_id++;
    range.interval = LOOK_FIRST_MS;
    cursor->ranges[index] = range;
}

static bool same_transactions(const struct open_range *a, const struct open_range *b)
{
    return a->running_count == b->running_count &&
           memcmp(a->running, b->running, a->running_count * sizeof *a->running) == 0;
}

/* Makes range `index` cover its successor too and wait for the transactions of both. */
static void join_next(struct cursor *cursor, size_t index)
{
    struct open_range *a = &cursor->ranges[index], *b = &cursor->ranges[index + 1];
    uint64_t *both = mem_array(a->running_count + b->running_count + 1, sizeof *both);
    size_t i = 0, j = 0, n = 0;
    while (i < a->running_count || j < b->running_count) {
        uint64_t next;
        if (j == b->running_count || (i < a->running_count && a->running[i] <= b->running[j]))
            next = a->running[i++];
        else
            next = b->running[j++];
        if (n == 0 || both[n - 1] != next)
            both[n++] = next;
    }
    mem_free(a->running);
    a->running = both;
    a->running_count = n;
    a->upto = b->upto;
    if (b->due < a->due)
        a->due = b->due;
    if (b->interval < a->interval)
        a->interval = b->interval;
    remove_range(cursor, index + 1);
}

/* Ranges that only wait for the same transactions are one; and there are never too many. */
static void join_neighbours(struct cursor *cursor)
{
    for (size_t i = 0; i + 1 < cursor->count;) {
        struct open_range *a = &cursor->ranges[i], *b = &cursor->ranges[i + 1];
        bool waiting = a->due == NEVER && b->due == NEVER && same_transactions(a, b);
        if (!a->busy && !b->busy && (waiting || cursor->count > RANGES_MAX))
            join_next(cursor, i);
        else
            i++;
    }
}

void cursor_tick(struct cursor *cursor, int64_t position, const struct snapshot *snapshot, int64_t now)
{
    for (size_t i = 0; i < cursor->count; i++) {
        struct open_range *range = &cursor->ranges[i];
        size_t kept = 0;
        for (size_t j = 0; j < range->running_count; j++)
            if (still_running(snapshot, range->running[j]))
                range->running[kept++] = range->running[j];
        if (kept < range->running_count) {
            range->running_count = kept;
            make_due(range, now);
        }
    }
    join_neighbours(cursor);
    mem_free(cursor->tick.running);
    cursor->tick = (struct tick){.set = true,
                                 .position = position,
                                 .running = copy_ids(snapshot->running, snapshot->count),
                                 .running_count = snapshot->count};
}

void cursor_scan_started(struct cursor *cursor)
{
    assert(!cursor->scan_tick.set);
    cursor->scan_tick = cursor->tick;
    cursor->tick = (struct tick){0};
}

void cursor_scan_failed(struct cursor *cursor)
{
    if (cursor->scan_tick.set && !cursor->tick.set)
        cursor->tick = cursor->scan_tick;
    else
        mem_free(cursor->scan_tick.running);
    cursor->scan_tick = (struct tick){0};
}

/* A fresh scan starts a little behind the position: the rows of a producer that commits just after its
 * neighbours would otherwise wait for a look. Not while there is a backlog: there they are not urgent, and
 * cost most. */
static void move_start(struct cursor *cursor, bool full, int64_t now)
{
    if (full || now - cursor->turned >= OVERLAP_MS) {
        cursor->recent = full ? cursor->position : cursor->newer;
        cursor->recent_rows = full ? 0 : cursor->newer_rows;
        cursor->newer = cursor->position;
        cursor->newer_rows = 0;
        cursor->turned = now;
    }
    /* Positions are shared by all channels: a few rows of this one may be spread over many. */
    if (cursor->recent_rows + cursor->newer_rows > OVERLAP_ROWS &&
        cursor->position - cursor->recent > OVERLAP_ROWS) {
        cursor->recent = cursor->position - OVERLAP_ROWS;
        cursor->recent_rows = 0;
        cursor->newer_rows = OVERLAP_ROWS;
    }
}

/* What the scan's tick and the scan together have passed becomes a range. */
static void cover(struct cursor *cursor, bool full, int64_t now)
{
    struct tick tick = cursor->scan_tick;
    cursor->scan_tick = (struct tick){0};
    if (!tick.set)
        return;
    if (!full && tick.position > cursor->position)
        cursor->position = tick.position;
    int64_t upto = tick.position < cursor->position ? tick.position : cursor->position;
    if (upto > cursor->covered) {
        insert_range(cursor, cursor->count,
                     (struct open_range){.after = cursor->covered,
                                         .upto = upto,
                                         .running = tick.running,
                                         .running_count = tick.running_count,
                                         .due = now + LOOK_FIRST_MS});
        cursor->covered = upto;
    } else {
        mem_free(tick.running);
    }
}

void cursor_scanned(struct cursor *cursor, int64_t last, int rows, bool full, int64_t now)
{
    cursor->newer_rows += rows;
    if (last > cursor->position)
        cursor->position = last;
    cover(cursor, full, now);
    move_start(cursor, full, now);
}

static struct open_range *find_range(struct cursor *cursor, uint64_t id)
{
    for (size_t i = 0; i < cursor->count; i++)
        if (cursor->ranges[i].id == id)
            return &cursor->ranges[i];
    return NULL;
}

static struct open_range *first_due(const struct cursor *cursor, int64_t now)
{
    struct open_range *first = NULL;
    for (size_t i = 0; i < cursor->count; i++) {
        struct open_range *candidate = &cursor->ranges[i];
        if (!candidate->busy && candidate->due <= now && (!first || candidate->due < first->due))
            first = candidate;
    }
    return first;
}

bool cursor_look_is_due(const struct cursor *cursor, int64_t now)
{
    return first_due(cursor, now) != NULL;
}

bool cursor_next_look(struct cursor *cursor, int64_t now, struct range *range)
{
    struct open_range *first = first_due(cursor, now);
    if (!first)
        return false;
    first->busy = true;
    first->stale = false;
    *range = (struct range){.id = first->id, .after = first->after, .upto = first->upto};
    return true;
}

static void look_again(struct open_range *range, int64_t now)
{
    range->due = now + range->interval;
    range->interval = range->interval * 2 > LOOK_LONGEST_MS ? LOOK_LONGEST_MS : range->interval * 2;
}

void cursor_look_stopped(struct cursor *cursor, uint64_t id, int64_t at, int64_t now)
{
    struct open_range *range = find_range(cursor, id);
    assert(range && range->busy);
    if (at >= range->upto)
        return;
    struct open_range rest = {.after = at,
                              .upto = range->upto,
                              .running = copy_ids(range->running, range->running_count),
                              .running_count = range->running_count,
                              .due = now};
    range->upto = at;
    insert_range(cursor, (size_t)(range - cursor->ranges) + 1, rest);
}

void cursor_looked(struct cursor *cursor, uint64_t id, int64_t pending, int64_t lowest, int64_t highest,
                   int64_t now)
{
    struct open_range *range = find_range(cursor, id);
    assert(range && range->busy);
    range->busy = false;
    if (range->stale) {
        range->stale = false;
        range->due = now;
        return;
    }
    if (range->running_count > 0) {
        if (pending > 0)
            look_again(range, now);
        else
            range->due = NEVER;
        return;
    }
    if (pending == 0) {
        remove_range(cursor, (size_t)(range - cursor->ranges));
        return;
    }
    range->after = lowest - 1;
    range->upto = highest;
    look_again(range, now);
}

void cursor_look_failed(struct cursor *cursor, uint64_t id, int64_t now)
{
    struct open_range *range = find_range(cursor, id);
    assert(range && range->busy);
    range->busy = false;
    make_due(range, now + LOOK_FIRST_MS);
}

void cursor_disturb(struct cursor *cursor, int64_t now)
{
    for (size_t i = 0; i < cursor->count; i++)
        make_due(&cursor->ranges[i], now);
}
