#include "core/backoff.h"

static int64_t backoff_bound(const struct backoff *policy, int attempt)
{
    int64_t bound = policy->base_ms;
    for (int i = 1; i < attempt && bound < policy->cap_ms; i++) {
        if (__builtin_mul_overflow(bound, 2, &bound))
            return policy->cap_ms;
    }
    return bound < policy->cap_ms ? bound : policy->cap_ms;
}

int64_t backoff_delay(const struct backoff *policy, int attempt, uint32_t random)
{
    int64_t bound = backoff_bound(policy, attempt);
    int64_t floor = policy->base_ms / 10;
    if (floor >= bound)
        return bound;
    /* range * random / 2^32 in two halves, so that no product overflows */
    uint64_t range = (uint64_t)(bound - floor) + 1;
    uint64_t share = (range >> 32) * random + ((range & UINT32_MAX) * random >> 32);
    return floor + (int64_t)share;
}
