#include "dispatcher/dispatcher.h"

#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/channel.h"
#include "dispatcher/config.h"
#include "dispatcher/control.h"
#include "dispatcher/flights.h"
#include "dispatcher/tick.h"
#include "statements.h"

enum {
    CHANNELS_MAX = 16,
    READY_CHECK_MS = 20,
    DONE_CHECK_MS = 5,
    HOUSE_EVERY = 4,   /* ticks between low-water marks */
    RECOVER_EVERY = 2, /* ticks between looks for lost flights */
    CONFIG_EVERY = 10  /* ticks between readings of the configuration that nobody rang for */
};

struct dispatcher {
    struct dispatcher_events events;
    struct control *control;
    struct flights *flights;
    struct tick *tick;
    struct config *config;
    struct channel *channels[CHANNELS_MAX];
    size_t channel_count;
    struct timer *check; /* looks whether all is ready; when stopping, whether all has landed */
    bool stopping;
};

/* NULL: not served here. */
static struct channel *find_channel(const struct dispatcher *dispatcher, const char *name)
{
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        if (strcmp(channel_name(dispatcher->channels[i]), name) == 0)
            return dispatcher->channels[i];
    return NULL;
}

/* Publishes how far all rows are final. */
static void raise_low_water(struct dispatcher *dispatcher)
{
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        for (int lane = 0; lane < LANES; lane++) {
            int64_t position;
            if (channel_low_water(dispatcher->channels[i], (enum lane)lane, &position))
                control_tell(dispatcher->control, "low_water_failed", &sql_raise_low_water, 3,
                             (const char *const[]){channel_name(dispatcher->channels[i]),
                                                   lane_name((enum lane)lane), DB_INT_TEXT(position + 1)});
        }
}

/* ---- Events of the control connection ---- */

static void on_attached(void *arg, bool again)
{
    struct dispatcher *dispatcher = arg;
    flights_attached(dispatcher->flights, again);
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        channel_attached(dispatcher->channels[i]);
    config_read(dispatcher->config);
    tick_start(dispatcher->tick);
}

static void on_lost(void *arg)
{
    struct dispatcher *dispatcher = arg;
    tick_stop(dispatcher->tick);
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        channel_control_lost(dispatcher->channels[i]);
}

static void on_notified(void *arg, const char *name)
{
    struct channel *channel = find_channel(arg, name);
    if (channel)
        channel_notified(channel);
}

static void on_config_changed(void *arg)
{
    struct dispatcher *dispatcher = arg;
    config_read(dispatcher->config);
}

/* ---- Ticks ---- */

static void on_tick(void *arg, unsigned number)
{
    struct dispatcher *dispatcher = arg;
    flights_read_marks(dispatcher->flights);
    if (number % RECOVER_EVERY == 0)
        flights_recover(dispatcher->flights);
    if (number % HOUSE_EVERY == 0)
        raise_low_water(dispatcher);
    if (number % CONFIG_EVERY == 0)
        config_read(dispatcher->config);
}

static void on_snapshot(void *arg, int64_t position, const struct snapshot *snapshot)
{
    struct dispatcher *dispatcher = arg;
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        channel_tick(dispatcher->channels[i], position, snapshot);
}

static void on_somebody_left(void *arg)
{
    struct dispatcher *dispatcher = arg;
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        channel_disturb(dispatcher->channels[i]);
}

/* ---- Configuration ---- */

static void on_channel_row(void *arg, const char *name, const struct channel_row *row)
{
    channel_read(find_channel(arg, name), row);
}

static void on_provider_row(void *arg, const char *channel, const struct provider_row *row)
{
    channel_read_provider(find_channel(arg, channel), row);
}

static void on_configured(void *arg)
{
    struct dispatcher *dispatcher = arg;
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        channel_configured(dispatcher->channels[i]);
}

static void on_unusable(void *arg, const char *reason)
{
    struct dispatcher *dispatcher = arg;
    dispatcher->events.unusable(dispatcher->events.arg, reason);
}

/* ---- Ready, and done ---- */

static bool is_ready(const struct dispatcher *dispatcher)
{
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        if (!channel_is_ready(dispatcher->channels[i]))
            return false;
    return control_is_ready(dispatcher->control);
}

static bool is_done(const struct dispatcher *dispatcher)
{
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        if (!channel_is_done(dispatcher->channels[i]))
            return false;
    return true;
}

static void on_left(void *arg)
{
    struct dispatcher *dispatcher = arg;
    dispatcher->events.stopped(dispatcher->events.arg);
}

static void leave(struct dispatcher *dispatcher)
{
    if (control_is_attached(dispatcher->control))
        raise_low_water(dispatcher);
    tick_stop(dispatcher->tick);
    control_leave(dispatcher->control, on_left, dispatcher);
}

static void on_check(void *arg)
{
    struct dispatcher *dispatcher = arg;
    if (dispatcher->stopping && is_done(dispatcher))
        leave(dispatcher);
    else if (!dispatcher->stopping && is_ready(dispatcher))
        log_event(LOG_INFO, "ready", log_int("dispatcher", control_dispatcher(dispatcher->control)),
                  log_int("channels", (int64_t)dispatcher->channel_count));
    else
        timer_set(dispatcher->check, dispatcher->stopping ? DONE_CHECK_MS : READY_CHECK_MS);
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    dispatcher->stopping = true;
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        channel_stop(dispatcher->channels[i]);
    timer_set(dispatcher->check, 0);
}

/* ---- Life ---- */

/* The names in the list, at most CHANNELS_MAX; 0 with err when it cannot be used. */
static size_t read_names(const char *list, struct arena *arena, const char **names, struct error *err)
{
    size_t count = 0, size;
    for (const char *p = list; *p != '\0'; p += size + (p[size] == ',')) {
        size = strcspn(p, ",");
        if (size == 0 || count == CHANNELS_MAX) {
            error_set(err, "--channels: must be 1 to %d names separated by commas", CHANNELS_MAX);
            return 0;
        }
        names[count++] = arena_strndup(arena, p, size);
    }
    if (count == 0)
        error_set(err, "--channels: is required");
    return count;
}

static void make_rooms(struct dispatcher *dispatcher, struct loop *loop,
                       const struct control_options *options)
{
    dispatcher->control = control_new(loop, options,
                                      &(struct control_events){.attached = on_attached,
                                                               .lost = on_lost,
                                                               .notified = on_notified,
                                                               .config_changed = on_config_changed,
                                                               .arg = dispatcher});
    dispatcher->flights = flights_new(dispatcher->control);
    dispatcher->tick = tick_new(
        loop, dispatcher->control,
        &(struct tick_events){
            .begun = on_tick, .snapshot = on_snapshot, .somebody_left = on_somebody_left, .arg = dispatcher});
    dispatcher->config = config_new(dispatcher->control, options->channel_count,
                                    &(struct config_events){.channel_row = on_channel_row,
                                                            .provider_row = on_provider_row,
                                                            .configured = on_configured,
                                                            .unusable = on_unusable,
                                                            .arg = dispatcher});
}

struct dispatcher *dispatcher_new(struct loop *loop, struct transport *transport,
                                  const struct dispatcher_options *options,
                                  const struct dispatcher_events *events, struct error *err)
{
    struct arena *arena = arena_new();
    const char *names[CHANNELS_MAX];
    size_t count = read_names(options->channels, arena, names, err);
    struct dispatcher *dispatcher = NULL;
    if (count > 0) {
        dispatcher = mem_alloc(sizeof *dispatcher);
        dispatcher->events = *events;
        make_rooms(dispatcher, loop,
                   &(struct control_options){.conninfo = options->conninfo,
                                             .name = options->name,
                                             .channels = names,
                                             .channel_count = count});
        for (size_t i = 0; i < count; i++)
            dispatcher->channels[dispatcher->channel_count++] =
                channel_new(&(struct channel_options){.loop = loop,
                                                      .transport = transport,
                                                      .control = dispatcher->control,
                                                      .flights = dispatcher->flights,
                                                      .name = names[i],
                                                      .conninfo = options->conninfo,
                                                      .application_name = options->name,
                                                      .connections = options->connections,
                                                      .poll_ms = options->poll_ms});
        dispatcher->check = timer_new(loop, on_check, dispatcher);
        timer_set(dispatcher->check, READY_CHECK_MS);
    }
    arena_free(arena);
    return dispatcher;
}

void dispatcher_free(struct dispatcher *dispatcher)
{
    if (!dispatcher)
        return;
    for (size_t i = 0; i < dispatcher->channel_count; i++)
        channel_free(dispatcher->channels[i]);
    dispatcher->channel_count = 0;
    control_free(dispatcher->control); /* its last callbacks go to the others */
    config_free(dispatcher->config);
    tick_free(dispatcher->tick);
    flights_free(dispatcher->flights);
    timer_free(dispatcher->check);
    mem_free(dispatcher);
}
