/* The adapters that a row of outbox.provider can name. */
#ifndef PGOUTBOX_OUTBOXCTL_ADAPTERS_H
#define PGOUTBOX_OUTBOXCTL_ADAPTERS_H

/* Prints a line for each: name, channel, and what sending the same message twice does. */
void adapters_print(void);

#endif
