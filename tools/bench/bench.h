/* What the parts of outbox-bench share. */
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

/* Ends the program with EXIT_FAILED. */
_Noreturn void bench_die(const char *format, ...) PRINTF_LIKE(1, 2);

double bench_now_us(void); /* wall clock, microseconds: comparable with the sandbox's */
void bench_pause_ms(int ms);

#endif
