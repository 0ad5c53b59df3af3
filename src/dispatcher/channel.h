/*
 * One channel of a dispatcher: decides when to claim and how much, keeps the two cursors, wakes and sleeps.
 * Its providers are in its roster.
 */
#ifndef PGOUTBOX_DISPATCHER_CHANNEL_H
#define PGOUTBOX_DISPATCHER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loop.h"
#include "dispatcher/cursor.h"
#include "dispatcher/lane.h"
#include "dispatcher/rows.h"
#include "transport/transport.h"

struct channel;
struct control;
struct flights;

/* What is pointed to must outlive the channel, but for the texts. */
struct channel_options {
    struct loop *loop;
    struct transport *transport;
    struct control *control;
    struct flights *flights;
    const char *name;
    const char *conninfo;
    const char *application_name;
    int connections; /* batches at once */
    int poll_ms;     /* between looks for new rows while asleep, at most; 10 or more */
};

struct channel *channel_new(const struct channel_options *options);
void channel_free(struct channel *channel); /* NULL is allowed */

const char *channel_name(const struct channel *channel);

/* The configuration is read (again): its row, those of its providers one by one, then the end. There may be
 * claims after it. */
void channel_read(struct channel *channel, const struct channel_row *row);
void channel_read_provider(struct channel *channel, const struct provider_row *row);
void channel_configured(struct channel *channel);

/* Events. */
void channel_attached(struct channel *channel);     /* the control connection is there (again) */
void channel_control_lost(struct channel *channel); /* it is gone, its locks too */
void channel_notified(struct channel *channel);     /* a producer rang */
void channel_tick(struct channel *channel, int64_t position, const struct snapshot *snapshot);
void channel_disturb(struct channel *channel);       /* rows that were locked may be free now */
void channel_stop(struct channel *channel);          /* no new claims; hand back what is not on the wire */
bool channel_is_done(const struct channel *channel); /* after channel_stop: nothing is in the air */
bool channel_is_ready(const struct channel *channel);

/* All rows of the lane at or below *position are final. False: not known yet. */
bool channel_low_water(const struct channel *channel, enum lane lane, int64_t *position);

#endif
