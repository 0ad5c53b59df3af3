#include "support/wait.h"

#include <time.h>

#include "core/clock.h"

enum { POLL_MS = 5 };

bool wait_until(wait_fn *condition, void *arg, int64_t deadline_ms)
{
    int64_t end = clock_mono() + deadline_ms;
    while (!condition(arg)) {
        if (clock_mono() >= end)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return true;
}
