#include "bench/samples.h"

#include <stdlib.h>

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

double samples_least(const struct samples *samples)
{
    return sorted(samples).values[0];
}

double samples_greatest(const struct samples *samples)
{
    return sorted(samples).values[samples->count - 1];
}

double samples_percentile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, compare);
    size_t rank = (size_t)(share * (double)count);
    return values[rank < count ? rank : count - 1];
}
