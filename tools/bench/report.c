#include "bench/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void samples_add(struct samples *samples, double value)
{
    if (samples->count < SAMPLES_MAX)
        samples->values[samples->count++] = value;
}

static struct samples sorted(const struct samples *samples)
{
    struct samples copy = *samples;
    qsort(copy.values, (size_t)copy.count, sizeof *copy.values, compare);
    return copy;
}

double samples_median(const struct samples *samples)
{
    struct samples copy = sorted(samples);
    int middle = copy.count / 2;
    return copy.count % 2 ? copy.values[middle] : (copy.values[middle - 1] + copy.values[middle]) / 2;
}

double percentile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, compare);
    size_t rank = (size_t)(share * (double)count);
    return values[rank < count ? rank : count - 1];
}

/* Three significant digits or all before the point. */
static const char *number(char *room, size_t size, double value)
{
    double magnitude = value < 0 ? -value : value;
    snprintf(room, size, "%.*f", magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : 2, value);
    return room;
}

#define NUMBER(value) number((char[32]){0}, 32, (value))

void report_title(const char *text)
{
    printf("\n%s\n", text);
}

void report_text(const char *what, const char *text)
{
    printf("  %-58s %s\n", what, text);
    fflush(stdout);
}

void report_ratio(const char *what, const struct samples *a, const struct samples *b)
{
    char text[64];
    snprintf(text, sizeof text, "%9s x", NUMBER(samples_median(a) / samples_median(b)));
    report_text(what, text);
}

void report_samples(const char *what, const struct samples *samples, const char *unit)
{
    struct samples copy = sorted(samples);
    char text[160];
    snprintf(text, sizeof text, "%9s %-10s (%s .. %s)", NUMBER(samples_median(samples)), unit,
             NUMBER(copy.values[0]), NUMBER(copy.values[copy.count - 1]));
    report_text(what, text);
}

void report_number(const char *what, double value, const char *unit)
{
    char text[96];
    snprintf(text, sizeof text, "%9s %s", NUMBER(value), unit);
    report_text(what, text);
}

void report_spread(const char *what, double *values, size_t count)
{
    char text[160];
    snprintf(text, sizeof text, "p50 %s  p99 %s  p99.9 %s  max %s ms", NUMBER(percentile(values, count, 0.5)),
             NUMBER(percentile(values, count, 0.99)), NUMBER(percentile(values, count, 0.999)),
             NUMBER(percentile(values, count, 1)));
    report_text(what, text);
}
