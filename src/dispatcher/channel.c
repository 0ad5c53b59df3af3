#include "dispatcher/channel.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/mem.h"
#include "dispatcher/batch.h"
#include "dispatcher/control.h"
#include "dispatcher/inquiry.h"
#include "dispatcher/roster.h"
#include "dispatcher/template_cache.h"

enum {
    POLL_MS = 2,            /* between looks for new rows while there were some lately */
    DROWSY_MS = 200,        /* without rows for this long: go to sleep */
    POLL_BUSY_MAX_MS = 100, /* while producers with open transactions keep us from sleeping */
    LOOKING_MS = 100,       /* how often ranges are checked for being due */
    REST_MS = 1000,         /* after the database refused a claim or a flight */
    TEMPLATES_MAX = 5000    /* no fewer than a claim has rows: what it has just read must still be there */
};

struct channel {
    struct control *control;
    char *name;
    struct channel_row row;
    bool configured;
    struct cursor *cursors[LANES];
    struct roster *roster;
    struct batch **batches;
    int batch_count;
    struct inquiry *inquiry;
    struct template_cache *templates; /* versions that its messages were rendered by lately */
    bool scanning, looking;
    bool due;    /* a fresh scan is wanted */
    bool asleep; /* the sleeper's lock is ours */
    bool dozing; /* the lock has been asked for */
    bool stopping;
    int64_t last_rows;  /* steady clock: when a fresh scan last found some */
    int64_t rest_until; /* steady clock: no claims before */
    int bulk_credit;    /* hundredths of a row that bulk is owed */
    int poll_ms;
    int poll_asleep_ms;
    struct timer *poll;
    struct timer *look;
};

const char *channel_name(const struct channel *channel)
{
    return channel->name;
}

bool channel_low_water(const struct channel *channel, enum lane lane, int64_t *position)
{
    if (!channel->cursors[lane])
        return false;
    *position = cursor_low_water(channel->cursors[lane]);
    return true;
}

/* ---- When to claim ---- */

static struct batch *idle_batch(const struct channel *channel)
{
    for (int i = 0; i < channel->batch_count; i++)
        if (batch_is_idle(channel->batches[i]))
            return channel->batches[i];
    return NULL;
}

/* Budget first, then claim: nothing is taken that could not be sent. */
static int budget(const struct channel *channel)
{
    size_t room = roster_room(channel->roster), promised = 0;
    for (int i = 0; i < channel->batch_count; i++)
        promised += batch_promised(channel->batches[i]);
    room = room > promised ? room - promised : 0;
    return room < (size_t)channel->row.batch_size ? (int)room : channel->row.batch_size;
}

static bool start_look(struct channel *channel, struct batch *batch, int limit)
{
    if (channel->looking)
        return false;
    for (int lane = 0; lane < LANES; lane++) {
        struct range range;
        if (!cursor_next_look(channel->cursors[lane], clock_mono(), &range))
            continue;
        channel->looking = true;
        batch_reclaim(batch, (enum lane)lane, &range, limit);
        return true;
    }
    return false;
}

/* Without room there is no claim; but where rows may be waiting, more room must be asked for. */
static void demand_room(struct channel *channel)
{
    bool wanted = channel->due;
    for (int lane = 0; lane < LANES && !wanted; lane++)
        wanted = channel->cursors[lane] && cursor_look_is_due(channel->cursors[lane], clock_mono());
    if (wanted)
        roster_demand(channel->roster);
}

/* Bulk's guaranteed share of so many rows. What is less than a row adds up: with few slots each claim is
 * small. */
static int bulk_rows(struct channel *channel, int limit)
{
    channel->bulk_credit += limit * channel->row.bulk_share;
    int rows = channel->bulk_credit / 100;
    channel->bulk_credit %= 100;
    int most = limit > 1 ? limit - 1 : 1;
    return rows < most ? rows : most;
}

static bool start_scan(struct channel *channel, struct batch *batch, int limit)
{
    if (channel->scanning || !channel->due)
        return false;
    channel->due = false;
    channel->scanning = true;
    timer_clear(channel->poll);
    int64_t after[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        cursor_scan_started(channel->cursors[lane]);
        after[lane] = cursor_scan_from(channel->cursors[lane]);
    }
    batch_claim(batch, after, limit - bulk_rows(channel, limit), limit);
    return true;
}

static void step(struct channel *channel)
{
    if (channel->stopping || !channel->configured || channel->row.paused ||
        !control_is_ready(channel->control) || clock_mono() < channel->rest_until)
        return;
    bool started = true;
    while (started) {
        struct batch *batch = idle_batch(channel);
        int limit = budget(channel);
        if (!batch)
            return;
        if (limit == 0) {
            demand_room(channel);
            return;
        }
        started = start_scan(channel, batch, limit) || start_look(channel, batch, limit);
    }
}

static void scan_now(struct channel *channel)
{
    channel->due = true;
    step(channel);
}

static void scan_later(struct channel *channel, int delay_ms)
{
    timer_set(channel->poll, delay_ms);
}

static void on_poll(void *arg)
{
    scan_now(arg);
}

static void on_capacity(void *arg)
{
    step(arg);
}

static void on_look_timer(void *arg)
{
    struct channel *channel = arg;
    timer_set(channel->look, LOOKING_MS);
    step(channel);
}

/* ---- Sleeping and waking ---- */

static void on_sleep(void *arg, bool got)
{
    struct channel *channel = arg;
    channel->dozing = false;
    channel->asleep = got;
    if (got) {
        scan_now(channel); /* what was committed before the lock was ours rang nobody */
        return;
    }
    channel->poll_ms = channel->poll_ms * 2 > POLL_BUSY_MAX_MS ? POLL_BUSY_MAX_MS : channel->poll_ms * 2;
    scan_later(channel, channel->poll_ms);
}

static void wake(struct channel *channel)
{
    if (channel->asleep)
        control_awake(channel->control, channel->row.id);
    channel->asleep = false;
    channel->poll_ms = POLL_MS;
    channel->last_rows = clock_mono();
}

static void found_nothing(struct channel *channel)
{
    if (channel->asleep) {
        int spread = channel->poll_asleep_ms / 5; /* not all dispatchers at once */
        scan_later(channel, channel->poll_asleep_ms - (int)(backoff_random() % (uint32_t)spread));
    } else if (clock_mono() - channel->last_rows < DROWSY_MS) {
        scan_later(channel, POLL_MS);
    } else if (!channel->dozing) {
        channel->dozing = true;
        control_sleep(channel->control, channel->row.id, on_sleep, channel);
    }
}

void channel_notified(struct channel *channel)
{
    wake(channel);
    scan_now(channel);
}

void channel_attached(struct channel *channel)
{
    roster_tell_health(channel->roster); /* what it missed */
}

void channel_control_lost(struct channel *channel)
{
    channel->asleep = false;
    channel->dozing = false;
    channel->due = true;
}

/* ---- Events of the batches ---- */

static void on_scanned(void *arg, const struct batch_scan *scan)
{
    struct channel *channel = arg;
    channel->scanning = false;
    if (scan->failed) {
        for (int lane = 0; lane < LANES; lane++)
            cursor_scan_failed(channel->cursors[lane]);
        scan_later(channel, POLL_BUSY_MAX_MS);
        return;
    }
    int rows = 0;
    for (int lane = 0; lane < LANES; lane++) {
        cursor_scanned(channel->cursors[lane], scan->last[lane], scan->rows[lane], scan->full[lane],
                       clock_mono());
        rows += scan->rows[lane];
    }
    if (rows > 0)
        wake(channel);
    bool more = scan->full[LANE_TRANSACTIONAL] || scan->full[LANE_BULK];
    if (rows > 0 && more)
        channel->due = true;
    else if (rows > 0 || more) /* a lane without a row this time is full at once */
        scan_later(channel, POLL_MS);
    else
        found_nothing(channel);
}

static void on_looked(void *arg, const struct batch_look *look)
{
    struct channel *channel = arg;
    struct cursor *cursor = channel->cursors[look->lane];
    channel->looking = false;
    if (look->failed) {
        cursor_look_failed(cursor, look->range, clock_mono());
        return;
    }
    cursor_look_stopped(cursor, look->range, look->stopped, clock_mono());
    cursor_looked(cursor, look->range, look->pending, look->lowest, look->highest, clock_mono());
}

/* The timer of looks goes on when the rest is over. */
static void on_unwell(void *arg)
{
    struct channel *channel = arg;
    channel->rest_until = clock_mono() + REST_MS;
}

static void on_batch_up(void *arg)
{
    step(arg);
}

static void on_batch_ended(void *arg, bool released)
{
    if (released)
        channel_disturb(arg);
    else
        step(arg);
}

/* ---- Events of the control connection ---- */

void channel_tick(struct channel *channel, int64_t position, const struct snapshot *snapshot)
{
    for (int lane = 0; lane < LANES; lane++)
        if (channel->cursors[lane])
            cursor_tick(channel->cursors[lane], position, snapshot, clock_mono());
    step(channel);
}

void channel_disturb(struct channel *channel)
{
    for (int lane = 0; lane < LANES; lane++)
        if (channel->cursors[lane])
            cursor_disturb(channel->cursors[lane], clock_mono());
    step(channel);
}

/* ---- Configuration ---- */

void channel_read(struct channel *channel, const struct channel_row *row)
{
    bool resumed = channel->configured && channel->row.paused && !row->paused;
    bool first = !channel->configured;
    channel->row = *row;
    if (first)
        for (int lane = 0; lane < LANES; lane++)
            channel->cursors[lane] = cursor_new(row->low_water[lane]);
    if (first || resumed)
        channel->due = true;
    if (resumed) /* scans that found nothing because of the pause may have moved the cursors past ready rows
                  */
        for (int lane = 0; lane < LANES; lane++)
            cursor_disturb(channel->cursors[lane], clock_mono());
}

void channel_read_provider(struct channel *channel, const struct provider_row *row)
{
    roster_read(channel->roster, row);
}

void channel_configured(struct channel *channel)
{
    roster_read_all(channel->roster);
    channel->configured = true;
    step(channel);
}

/* ---- Life ---- */

struct channel *channel_new(const struct channel_options *options)
{
    struct channel *channel = mem_alloc(sizeof *channel);
    channel->control = options->control;
    channel->name = mem_strdup(options->name);
    channel->roster = roster_new(&(struct roster_options){.loop = options->loop,
                                                          .transport = options->transport,
                                                          .control = options->control,
                                                          .channel = channel->name,
                                                          .capacity = on_capacity,
                                                          .arg = channel});
    channel->templates = template_cache_new(TEMPLATES_MAX);
    channel->poll_ms = POLL_MS;
    channel->poll_asleep_ms = options->poll_ms;
    channel->poll = timer_new(options->loop, on_poll, channel);
    channel->look = timer_new(options->loop, on_look_timer, channel);
    timer_set(channel->look, LOOKING_MS);
    channel->batch_count = options->connections;
    channel->batches = mem_array((size_t)options->connections, sizeof *channel->batches);
    for (int i = 0; i < channel->batch_count; i++)
        channel->batches[i] =
            batch_new(&(struct batch_options){.loop = options->loop,
                                              .control = options->control,
                                              .flights = options->flights,
                                              .roster = channel->roster,
                                              .templates = channel->templates,
                                              .channel = channel->name,
                                              .row = &channel->row,
                                              .conninfo = options->conninfo,
                                              .application_name = options->application_name},
                      &(struct batch_events){.up = on_batch_up,
                                             .scanned = on_scanned,
                                             .looked = on_looked,
                                             .unwell = on_unwell,
                                             .ended = on_batch_ended,
                                             .arg = channel});
    channel->inquiry = inquiry_new(&(struct inquiry_options){.loop = options->loop,
                                                             .control = options->control,
                                                             .roster = channel->roster,
                                                             .templates = channel->templates,
                                                             .channel = channel->name});
    return channel;
}

bool channel_is_ready(const struct channel *channel)
{
    if (!channel->configured)
        return false;
    for (int i = 0; i < channel->batch_count; i++)
        if (!batch_is_up(channel->batches[i]))
            return false;
    return true;
}

void channel_stop(struct channel *channel)
{
    channel->stopping = true;
    timer_clear(channel->poll);
    timer_clear(channel->look);
    for (int i = 0; i < channel->batch_count; i++)
        batch_withdraw(channel->batches[i]);
    roster_give_back(channel->roster);
    inquiry_stop(channel->inquiry);
}

bool channel_is_done(const struct channel *channel)
{
    for (int i = 0; i < channel->batch_count; i++)
        if (!batch_is_free(channel->batches[i]))
            return false;
    return true;
}

void channel_free(struct channel *channel)
{
    if (!channel)
        return;
    channel->stopping = true;
    inquiry_stop(channel->inquiry);
    roster_free(channel->roster);
    inquiry_free(channel->inquiry);
    for (int i = 0; i < channel->batch_count; i++)
        batch_free(channel->batches[i]);
    mem_free(channel->batches);
    for (int lane = 0; lane < LANES; lane++)
        cursor_free(channel->cursors[lane]);
    timer_free(channel->poll);
    timer_free(channel->look);
    template_cache_free(channel->templates);
    mem_free(channel->name);
    mem_free(channel);
}
