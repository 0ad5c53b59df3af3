/* The rows of channels and providers: read when the control connection is attached, when a producer of rows
 * rings, and from time to time. */
#ifndef PGOUTBOX_DISPATCHER_CONFIG_H
#define PGOUTBOX_DISPATCHER_CONFIG_H

#include <stddef.h>

#include "dispatcher/control.h"
#include "dispatcher/rows.h"

/* All rows of channels, then all of providers, then `configured`, without a turn of the loop in between. */
struct config_events {
    void (*channel_row)(void *arg, const char *channel, const struct channel_row *row);
    void (*provider_row)(void *arg, const char *channel, const struct provider_row *row);
    void (*configured)(void *arg);
    void (*unusable)(void *arg, const char *reason); /* what will never work, e.g. an unknown channel */
    void *arg;
};

struct config;

/* channel_count: how many rows of channels there must be. */
struct config *config_new(struct control *control, size_t channel_count, const struct config_events *events);
void config_free(struct config *config); /* after the control connection; NULL is allowed */

void config_read(struct config *config);

#endif
