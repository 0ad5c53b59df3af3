#include "dispatcher/breaker.h"

enum {
    BAD_IN_A_ROW = 5,
    WINDOW = 20,
    BAD_IN_WINDOW = 10,
    FIRST_WAIT_MS = 1000, /* at least; at most twice as long */
    LONGEST_WAIT_MS = 60000,
    DOUBLINGS = 6, /* after so many the longest wait is reached */
    CALM_MS = 5 * 60 * 1000
};

_Static_assert(FIRST_WAIT_MS << DOUBLINGS >= LONGEST_WAIT_MS, "the longest wait can be reached");

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED, .allowed = SIZE_MAX};
}

enum breaker_state breaker_state(const struct breaker *breaker)
{
    return breaker->state;
}

bool breaker_has_opened(const struct breaker *breaker)
{
    return breaker->openings > 0;
}

static void note(struct breaker *breaker, bool bad)
{
    breaker->recent = (breaker->recent << 1 | bad) & ((UINT32_C(1) << WINDOW) - 1);
}

static bool is_too_much(uint32_t recent)
{
    const uint32_t in_a_row = (UINT32_C(1) << BAD_IN_A_ROW) - 1;
    return (recent & in_a_row) == in_a_row || __builtin_popcount(recent) >= BAD_IN_WINDOW;
}

/* Half of each wait is fixed, so that the next one is never shorter; the other half keeps dispatchers apart.
 */
static int64_t next_wait(int openings, uint64_t random)
{
    int64_t longest = (int64_t)FIRST_WAIT_MS << (openings < DOUBLINGS ? openings : DOUBLINGS);
    if (longest > LONGEST_WAIT_MS)
        longest = LONGEST_WAIT_MS;
    return longest / 2 + (int64_t)(random % (uint64_t)(longest / 2 + 1));
}

bool breaker_good(struct breaker *breaker)
{
    if (breaker->state == BREAKER_OPEN)
        return false;
    note(breaker, false);
    if (breaker->allowed < SIZE_MAX)
        breaker->allowed++;
    if (breaker->state == BREAKER_CLOSED || breaker->allowed <= WINDOW)
        return false;
    /* As many good answers as the window holds: nothing in it is bad any more. */
    breaker->state = BREAKER_CLOSED;
    return true;
}

bool breaker_bad(struct breaker *breaker, int64_t now_ms, uint64_t random)
{
    if (breaker->state == BREAKER_OPEN)
        return false;
    note(breaker, true);
    if (breaker->state == BREAKER_CLOSED) {
        if (!is_too_much(breaker->recent))
            return false;
        if (now_ms - breaker->until_ms >= CALM_MS)
            breaker->openings = 0;
    }
    if (breaker->openings < DOUBLINGS)
        breaker->openings++;
    breaker->state = BREAKER_OPEN;
    breaker->until_ms = now_ms + next_wait(breaker->openings, random);
    return true;
}

int64_t breaker_wait(const struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state != BREAKER_OPEN || now_ms >= breaker->until_ms)
        return 0;
    return breaker->until_ms - now_ms;
}

void breaker_probe(struct breaker *breaker)
{
    if (breaker->state != BREAKER_OPEN)
        return;
    breaker->state = BREAKER_PROBING;
    breaker->allowed = 1;
}

size_t breaker_allows(const struct breaker *breaker, size_t capacity)
{
    if (breaker->state == BREAKER_OPEN)
        return 0;
    return breaker->allowed < capacity ? breaker->allowed : capacity;
}
