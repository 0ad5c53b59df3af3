/* Chance, which the delays themselves know only as an argument. */
#include <stdlib.h>
#include <unistd.h>

#include "core/backoff.h"

uint32_t backoff_random(void)
{
    uint32_t value = 0;
    /* Fails only on kernels without the call; retries in step are worse than no start at all. */
    if (getentropy(&value, sizeof value) < 0)
        abort();
    return value;
}
