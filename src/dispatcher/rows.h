/* Rows of the configuration, as a dispatcher reads them. */
#ifndef PGOUTBOX_DISPATCHER_ROWS_H
#define PGOUTBOX_DISPATCHER_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatcher/lane.h"
#include "dispatcher/route.h"

/* A row of outbox.channel. */
struct channel_row {
    int id;
    bool paused;
    int batch_size;
    int64_t batch_deadline_ms;
    int bulk_share;           /* percent of a batch guaranteed to the bulk lane */
    int64_t low_water[LANES]; /* all rows at or below it are final */
};

/* A row of outbox.provider. Strings are borrowed for the call that it is handed to. */
struct provider_row {
    const char *name;
    const char *adapter;
    struct route_rules rules; /* which messages it serves */
    const char *settings;     /* JSON text */
    int max_connections;
    int max_streams;
    int64_t connect_timeout_ms;
    int64_t request_timeout_ms;
    int64_t stopped_ms; /* still stopped for this long; 0 = not stopped */
    bool limited;       /* has limits over all dispatchers */
    int gone_limit;     /* percent of addresses reported gone above which it is not believed */
};

#endif
