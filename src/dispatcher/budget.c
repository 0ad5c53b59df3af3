#include "dispatcher/budget.h"

#include "core/clock.h"
#include "core/mem.h"

enum {
    LEASE_MS = 100,
    LONGEST_WAIT_MS = 60000, /* what others give back, and a limit raised meanwhile, is noticed after this */
    IDLE_LEASES = 3,
    WANTED_MIN = 16,
    WANTED_MAX = 10000
};

struct budget {
    struct budget_events events;
    struct timer *timer;
    int tokens, slots, in_flight;
    int wanted;
    int started;  /* since the last lease */
    int waiting;  /* that found no room since the last lease */
    int idle;     /* leases in a row that nobody needed */
    bool leasing; /* the timer runs, or a question is open; else it rests */
    bool asking;  /* a question is open */
    bool spent;   /* the last answer had fewer tokens than wanted */
    bool full;    /* or fewer slots */
    int64_t next; /* steady clock: when the timer ends */
};

static int at_most(int value, int most)
{
    return value < most ? value : most;
}

static void lease_in(struct budget *budget, int64_t delay_ms)
{
    budget->next = clock_mono() + delay_ms;
    timer_set(budget->timer, delay_ms);
}

static void on_timer(void *arg)
{
    struct budget *budget = arg;
    bool needed = budget->started > 0 || budget->waiting > 0;
    budget->idle = needed ? 0 : budget->idle + 1;
    if (budget->idle >= IDLE_LEASES && budget->in_flight == 0) {
        budget_rest(budget);
        return;
    }
    int unused = budget->tokens;
    if (unused == 0 && budget->started > 0)
        budget->wanted = at_most(budget->wanted * 2, WANTED_MAX);
    else if (budget->started < unused)
        budget->wanted = budget->wanted / 2 > WANTED_MIN ? budget->wanted / 2 : WANTED_MIN;
    if (budget->wanted < budget->waiting)
        budget->wanted = budget->waiting;
    budget->tokens = budget->started = budget->waiting = 0;
    budget->spent = budget->full = false;
    budget->asking = true;
    budget->events.lease(budget->events.arg, budget->wanted, unused, budget->in_flight);
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

size_t budget_room(const struct budget *budget)
{
    int room = at_most(budget->tokens, budget->slots - budget->in_flight);
    return room > 0 ? (size_t)room : 0;
}

size_t budget_prospect(const struct budget *budget)
{
    return budget->leasing ? budget_room(budget) : 1;
}

bool budget_is_short(const struct budget *budget)
{
    return budget->spent || budget->full;
}

int64_t budget_wait(const struct budget *budget)
{
    int64_t left = budget_is_short(budget) && budget_room(budget) == 0 ? budget->next - clock_mono() : 0;
    return left > 0 ? left : 0;
}

void budget_demand(struct budget *budget, size_t waiting)
{
    if (waiting > (size_t)budget->waiting)
        budget->waiting = waiting < WANTED_MAX ? (int)waiting : WANTED_MAX;
    if (budget->asking || budget->spent || budget->tokens > 0)
        return;
    /* From the loop: the caller may be in the middle of a decision. */
    budget->leasing = true;
    lease_in(budget, 0);
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

void budget_granted(struct budget *budget, int tokens, int slots, int64_t more_in_ms)
{
    if (!budget->leasing) { /* it went to rest meanwhile */
        budget->events.lease(budget->events.arg, 0, tokens, budget->in_flight);
        return;
    }
    budget->asking = false;
    budget->tokens += tokens;
    budget->slots = slots;
    budget->spent = tokens < budget->wanted;
    budget->full = slots - budget->in_flight < budget->wanted;
    if (more_in_ms < LEASE_MS)
        more_in_ms = LEASE_MS;
    lease_in(budget, more_in_ms < LONGEST_WAIT_MS ? more_in_ms : LONGEST_WAIT_MS);
}

void budget_lost(struct budget *budget)
{
    budget->asking = false;
    if (!budget->leasing)
        return;
    budget->spent = true;
    lease_in(budget, LEASE_MS);
}

void budget_limits_read(struct budget *budget)
{
    if (budget->leasing && budget->spent)
        lease_in(budget, 0);
}

void budget_rest(struct budget *budget)
{
    if (!budget->leasing)
        return;
    int unused = budget->tokens;
    budget->tokens = budget->started = budget->waiting = budget->idle = 0;
    budget->leasing = budget->asking = budget->spent = budget->full = false;
    timer_clear(budget->timer);
    budget->events.lease(budget->events.arg, 0, unused, budget->in_flight);
}
