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
struct roster;

struct channel_options {
    const char *name;
    const char *conninfo;
    const char *application_name;
    int connections; /* batches at once */
};

struct channel *channel_new(struct loop *loop, struct transport *transport, struct control *control,
                            const struct channel_options *options);
void channel_free(struct channel *channel); /* NULL is allowed */

const char *channel_name(const struct channel *channel);
struct roster *channel_roster(const struct channel *channel);
struct cursor *channel_cursor(const struct channel *channel, enum lane lane);

/* Its row has been read (again). */
void channel_configure(struct channel *channel, const struct channel_row *row);
/* After that, its roster has been read (again) too: there may be claims. */
void channel_configured(struct channel *channel);

/* Events. */
void channel_control_lost(struct channel *channel); /* the control connection is gone, its locks too */
void channel_notified(struct channel *channel);     /* a producer rang */
void channel_tick(struct channel *channel, int64_t position, const struct snapshot *snapshot);
void channel_disturb(struct channel *channel);       /* rows that were locked may be free now */
void channel_stop(struct channel *channel);          /* no new claims; hand back what is not on the wire */
bool channel_is_done(const struct channel *channel); /* after channel_stop: nothing is in the air */
bool channel_is_ready(const struct channel *channel);

#endif
