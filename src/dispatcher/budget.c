#include "dispatcher/budget.h"

#include <stdbool.h>

#include "core/mem.h"

enum { LEASE_MS = 100, IDLE_LEASES = 3, WANTED_MIN = 16, WANTED_MAX = 10000 };

struct budget {
    struct budget_events events;
    struct timer *timer;
    int tokens, slots, in_flight;
    int wanted;
    int started; /* since the last lease */
    bool asking;
    bool leasing;  /* the timer runs, or a question is open */
    bool demanded; /* somebody looked for room since the last lease */
    int idle;      /* leases in a row that nobody looked for */
};

static void ask(struct budget *budget)
{
    int unused = budget->tokens;
    budget->tokens = 0;
    if (unused == 0 && budget->started > 0)
        budget->wanted = budget->wanted * 2 < WANTED_MAX ? budget->wanted * 2 : WANTED_MAX;
    else if (budget->started < unused)
        budget->wanted = budget->wanted / 2 > WANTED_MIN ? budget->wanted / 2 : WANTED_MIN;
    budget->idle = budget->demanded || budget->started > 0 ? 0 : budget->idle + 1;
    bool resting = budget->idle >= IDLE_LEASES && budget->in_flight == 0;
    budget->started = 0;
    budget->demanded = false;
    budget->asking = true;
    budget->leasing = !resting;
    budget->events.lease(budget->events.arg, resting ? 0 : budget->wanted, unused, budget->in_flight);
}

static void on_timer(void *arg)
{
    ask(arg);
}

struct budget *budget_new(struct loop *loop, const struct budget_events *events)
{
    struct budget *budget = mem_alloc(sizeof *budget);
    budget->events = *events;
    budget->wanted = WANTED_MIN;
    budget->timer = timer_new(loop, on_timer, budget);
    return budget;
}

void budget_free(struct budget *budget)
{
    if (!budget)
        return;
    timer_free(budget->timer);
    mem_free(budget);
}

size_t budget_room(struct budget *budget)
{
    budget->demanded = true;
    if (!budget->leasing) {
        /* From the loop: the caller may be in the middle of a decision. */
        budget->leasing = true;
        budget->idle = 0;
        if (!budget->asking)
            timer_set(budget->timer, 0);
    }
    int room = budget->slots - budget->in_flight;
    if (room > budget->tokens)
        room = budget->tokens;
    return room > 0 ? (size_t)room : 0;
}

void budget_started(struct budget *budget)
{
    budget->tokens--;
    budget->started++;
    budget->in_flight++;
}

void budget_ended(struct budget *budget)
{
    budget->in_flight--;
}

void budget_granted(struct budget *budget, int tokens, int slots)
{
    budget->asking = false;
    budget->tokens = tokens;
    budget->slots = slots;
    if (budget->leasing)
        timer_set(budget->timer, LEASE_MS);
    if (tokens > 0)
        budget->events.room(budget->events.arg);
}

void budget_lost(struct budget *budget)
{
    budget->asking = false;
    if (budget->leasing)
        timer_set(budget->timer, LEASE_MS);
}
