/* The parts of outbox-bench and what they share. A failure in here ends the program with EXIT_FAILED. */
#ifndef PGOUTBOX_BENCH_BENCH_H
#define PGOUTBOX_BENCH_BENCH_H

#include <stdint.h>

#include "core/error.h"

struct bench {
    const char *conninfo;    /* a superuser of a private database */
    const char *sandbox_url; /* its HTTP view */
    int64_t sandbox_pid;     /* 0 = unknown: its processor time is not shown */
    int64_t rounds;
    int64_t rows;    /* of a backlog that is sent, or claimed and settled */
    int64_t front;   /* finished rows in front of the queue */
    int64_t seconds; /* of one round that is timed */
    int64_t rate;    /* messages/s of the open loop */
};

_Noreturn void bench_die(const char *format, ...) PRINTF_LIKE(1, 2);

/* Processors, versions and the settings without which the figures mean nothing. */
void bench_machine(const struct bench *bench);

/* Claim and settle on the database alone, against the loop that most Postgres queues run. */
void bench_claim(const struct bench *bench);
/* From the rows of a backlog to answers over TLS and HTTP/2 to settled rows. */
void bench_push(const struct bench *bench);
/* From a producer's commit to the request, at a fixed rate. */
void bench_latency(const struct bench *bench);
/* Timed rows and audiences: release, single times, expansion; beside transactional traffic. */
void bench_schedule(const struct bench *bench);
/* What the wake-up trigger costs producers. */
void bench_producers(const struct bench *bench);

#endif
