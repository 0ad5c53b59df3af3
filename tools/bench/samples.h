/* Figures that were taken several times. */
#ifndef PGOUTBOX_BENCH_SAMPLES_H
#define PGOUTBOX_BENCH_SAMPLES_H

#include <stddef.h>

enum { SAMPLES_MAX = 64 };

/* One figure per round. */
struct samples {
    double values[SAMPLES_MAX];
    int count;
};

void samples_add(struct samples *samples, double value); /* at most SAMPLES_MAX */
/* Of at least one. */
double samples_median(const struct samples *samples);
double samples_least(const struct samples *samples);
double samples_greatest(const struct samples *samples);

/* Sorts. share: 0.5 = median, 1 = greatest. count > 0. */
double samples_percentile(double *values, size_t count, double share);

#endif
