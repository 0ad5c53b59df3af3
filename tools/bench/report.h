/* Figures and how they are printed: a part prints its ratios first, then the figures they come from. */
#ifndef PGOUTBOX_BENCH_REPORT_H
#define PGOUTBOX_BENCH_REPORT_H

#include <stddef.h>

#include "bench/samples.h"

void report_title(const char *text);
/* Median of a over median of b. */
void report_ratio(const char *what, const struct samples *a, const struct samples *b);
/* Median, least and greatest. */
void report_samples(const char *what, const struct samples *samples, const char *unit);
void report_number(const char *what, double value, const char *unit);
void report_text(const char *what, const char *text);
/* p50, p99, p99.9 and greatest of values in milliseconds; sorts them. */
void report_spread(const char *what, double *values, size_t count);

#endif
