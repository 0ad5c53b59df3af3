/* The two lanes of a channel. */
#ifndef PGOUTBOX_DISPATCHER_LANE_H
#define PGOUTBOX_DISPATCHER_LANE_H

enum lane { LANE_TRANSACTIONAL, LANE_BULK, LANES };

const char *lane_name(enum lane lane); /* as in SQL */

#endif
