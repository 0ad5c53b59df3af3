/* Exponential backoff with full jitter: a pure function of policy, attempt and a random number. */
#ifndef PGOUTBOX_CORE_BACKOFF_H
#define PGOUTBOX_CORE_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t base_ms; /* upper bound of the first delay */
    int64_t cap_ms;  /* no delay is ever longer */
};

/* Delay before the try after `attempt` failed ones (1 = the first has failed), uniform in [floor, min(cap,
 * base * 2^(attempt-1))] where floor is base/10, so that a retry is never immediate. random: any 32 random
 * bits. */
int64_t backoff_delay(const struct backoff *policy, int attempt, uint32_t random);

uint32_t backoff_random(void); /* 32 bits, good enough for jitter; not for secrets */

#endif
