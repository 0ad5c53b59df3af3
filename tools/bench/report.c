#include "bench/report.h"

#include <stdio.h>

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
    char text[160];
    snprintf(text, sizeof text, "%9s %-10s (%s .. %s)", NUMBER(samples_median(samples)), unit,
             NUMBER(samples_least(samples)), NUMBER(samples_greatest(samples)));
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
    snprintf(text, sizeof text, "p50 %s  p99 %s  p99.9 %s  max %s ms",
             NUMBER(samples_percentile(values, count, 0.5)), NUMBER(samples_percentile(values, count, 0.99)),
             NUMBER(samples_percentile(values, count, 0.999)), NUMBER(samples_percentile(values, count, 1)));
    report_text(what, text);
}
