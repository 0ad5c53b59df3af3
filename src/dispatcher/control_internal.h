/*
 * Inside the control connection: control.c has the connection, the registry and sleeping; flights.c says what
 * is in the air; tick.c is what happens twice a second; config.c reads the rows of channels and providers.
 */
#ifndef PGOUTBOX_DISPATCHER_CONTROL_INTERNAL_H
#define PGOUTBOX_DISPATCHER_CONTROL_INTERNAL_H

#include <inttypes.h>
#include <stdio.h>

#include "core/log.h"
#include "db/db.h"
#include "dispatcher/control.h"

enum {
    DISPATCHERS_MAX = 256,
    OPEN_MAX = 4096 /* own flights */
};

struct mark {
    int dispatcher;
    int64_t lowest;
};

struct control {
    struct loop *loop;
    struct db *db;
    struct control_options options; /* without its strings */
    char *name;
    struct channel *const *channels;
    size_t channel_count;
    struct buf channel_names; /* text[] */
    int id;                   /* 0 = not registered */
    bool attached;            /* our lock is held by this connection */
    bool configured;
    bool leaving;
    int64_t last_flight;
    int64_t open[OPEN_MAX];
    size_t open_count;
    struct mark marks[DISPATCHERS_MAX];
    size_t mark_count;
    char *alive;      /* dispatchers seen alive at the last tick */
    int64_t position; /* first half of the tick under way */
    unsigned ticks;
    bool ticking;
    int64_t tick_sent; /* steady clock */
    struct timer *tick;
};

/* Logs a statement that the server refused. */
static inline void control_report(const char *event, enum db_status status, const struct db_result *result)
{
    if (status == DB_FAILED)
        log_event(LOG_ERROR, event, log_text("sqlstate", db_sqlstate(result)),
                  log_text("error", db_message(result)));
}

/* A db_result_fn that does no more than that; arg: name of the event, from control_event. */
void control_reported(void *arg, enum db_status status, const struct db_result *result);

static inline void *control_event(const char *name)
{
    return (void *)(uintptr_t)name;
}

static inline const char *control_int_text(char *room, size_t size, int64_t value)
{
    snprintf(room, size, "%" PRId64, value);
    return room;
}

/* A number as a statement's parameter; lives until the end of the block. */
#define INT_TEXT(value) control_int_text((char[24]){0}, 24, (value))

/* The marks as parameters of a statement; the caller frees both. */
void control_marks(const struct control *control, struct buf *dispatchers, struct buf *lowest);

/* After a reconnect: removes flights of ours that were never confirmed. */
void control_drop_other_flights(struct control *control);

/* Does the work of a tick and sets the timer again. */
void control_tick(struct control *control);

/* Publishes how far all rows are final. */
void control_raise_low_water(struct control *control);

/* Reads the rows of channels and providers (again) and hands them to the channels. */
void control_read_config(struct control *control);

/* NULL: not served here. */
struct channel *control_channel(const struct control *control, const char *name);

#endif
