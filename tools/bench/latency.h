/* The open loop of the latency part, beside other work. */
#ifndef PGOUTBOX_BENCH_LATENCY_H
#define PGOUTBOX_BENCH_LATENCY_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/bench.h"
#include "db/db.h"

/* Inserts `count` ios messages (10,000 at most) at the fixed rate, waits until they have arrived, and
 * reports. Nothing else may go to APNs meanwhile, and the sandbox must have been reset. alone: nothing else
 * arrives there either, so the sandbox's own times are used, else those of the answers. */
void latency_measure(const struct bench *bench, struct db_session *session, const char *title, size_t count,
                     bool alone);

#endif
