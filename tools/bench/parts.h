/* The parts of outbox-bench, each in a file of its name. A failure ends the program. */
#ifndef PGOUTBOX_BENCH_PARTS_H
#define PGOUTBOX_BENCH_PARTS_H

#include "bench/bench.h"

/* Processors, versions and the settings without which the figures mean nothing. */
void machine_run(const struct bench *bench);

/* Claim and settle on the database alone, against the loop that most Postgres queues run. */
void claim_run(const struct bench *bench);
/* From the rows of a backlog to answers over TLS and HTTP/2 to settled rows. */
void push_run(const struct bench *bench);
/* From a producer's commit to the request, at a fixed rate. */
void latency_run(const struct bench *bench);
/* Timed rows and audiences: release, single times, expansion; beside transactional traffic. */
void schedule_run(const struct bench *bench);
/* What the wake-up trigger costs producers. */
void producers_run(const struct bench *bench);

#endif
