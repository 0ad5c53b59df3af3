#include "dispatcher/budget.h"

#include "core/clock.h"
#include "core/mem.h"

enum {
    LEASE_MS = 100,
    LONGEST_WAIT_MS = 60000, /* what others give back, and a limit raised meanwhile, is noticed after this */
    IDLE_LEASES = 3,
    WANTED_MAX = 10000
};

struct budget {
    struct budget_events events;
    char *name;
    int holders; /* providers: one that was replaced may still have requests in the air */
    struct timer *timer;
    int tokens, slots, in_flight;
    int wanted;
    int started;   /* since the last lease */
    int waiting;   /* that found no room since the last lease */
    int idle;      /* leases in a row that nobody needed */
    int unused;    /* to be given back */
    bool leasing;  /* the timer runs, or a question is open; else it rests */
    bool telling;  /* at rest: what it gives back, or what has ended since, is not told yet */
    bool asking;   /* a question is open */
    int questions; /* open ones, also from before a rest; what is lost beyond them gave back */
    bool spent;    /* the last answer had fewer tokens than wanted */
    bool full;     /* or fewer slots */
    int64_t next;  /* steady clock: when the timer ends */
    int64_t pace;  /* ms from token to token, at the last lease; 0 = there were enough */
    int64_t turn;  /* steady clock: of the last one that was turned away */
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

static bool tell(struct budget *budget, int wanted)
{
    bool told =
        budget->events.lease(budget->events.arg, budget->name, wanted, budget->unused, budget->in_flight);
    if (told)
        budget->unused = 0;
    return told;
}

static void tell_at_rest(struct budget *budget)
{
    budget->telling = !tell(budget, 0);
    if (budget->telling)
        timer_set(budget->timer, LEASE_MS);
}

/* What it holds, nobody else may use: so it wants little more than it needs. */
static void on_timer(void *arg)
{
    struct budget *budget = arg;
    if (!budget->leasing) {
        tell_at_rest(budget);
        return;
    }
    bool needed = budget->started > 0 || budget->waiting > 0;
    budget->idle = needed ? 0 : budget->idle + 1;
    if (budget->idle >= IDLE_LEASES) {
        budget_rest(budget);
        return;
    }
    if (budget->tokens == 0 && budget->started > 0 && !budget->spent)
        budget->wanted = at_most(budget->wanted * 2, WANTED_MAX);
    else if (budget->started < budget->tokens)
        budget->wanted = budget->wanted / 2 > 1 ? budget->wanted / 2 : 1;
    if (budget->wanted < budget->waiting)
        budget->wanted = budget->waiting;
    budget->unused += budget->tokens;
    budget->tokens = budget->started = budget->waiting = 0;
    budget->spent = budget->full = false;
    budget->asking = true;
    budget->questions++;
    tell(budget, budget->wanted);
}

struct budget *budget_new(struct loop *loop, const char *name, const struct budget_events *events)
{
    struct budget *budget = mem_alloc(sizeof *budget);
    budget->events = *events;
    budget->name = mem_strdup(name);
    budget->holders = 1;
    budget->wanted = 1;
    budget->timer = timer_new(loop, on_timer, budget);
    return budget;
}

struct budget *budget_share(struct budget *budget)
{
    budget->holders++;
    return budget;
}

void budget_free(struct budget *budget)
{
    if (!budget || --budget->holders > 0)
        return;
    if (budget->telling)
        tell(budget, 0);
    timer_free(budget->timer);
    mem_free(budget->name);
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

int64_t budget_turn(struct budget *budget, int64_t longest)
{
    int64_t now = clock_mono();
    if (budget->turn < now + budget_wait(budget))
        budget->turn = now + budget_wait(budget);
    budget->turn += budget->pace / 4; /* rather too many than a token that nobody takes */
    if (budget->turn > now + longest)
        budget->turn = now + longest;
    return budget->turn - now;
}

void budget_demand(struct budget *budget, size_t waiting)
{
    if (waiting > (size_t)budget->waiting)
        budget->waiting = waiting < WANTED_MAX ? (int)waiting : WANTED_MAX;
    if (budget->asking || budget->spent || budget->tokens > 0)
        return;
    /* From the loop: the caller may be in the middle of a decision. */
    budget->leasing = true;
    budget->telling = false;
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
    if (budget->leasing || budget->telling)
        return;
    budget->telling = true;
    timer_set(budget->timer, LEASE_MS);
}

void budget_granted(struct budget *budget, int tokens, int slots, int64_t more_in_ms)
{
    if (budget->questions > 0)
        budget->questions--;
    if (!budget->leasing) { /* it went to rest meanwhile */
        budget->unused += tokens;
        tell_at_rest(budget);
        return;
    }
    budget->asking = false;
    budget->tokens += tokens;
    budget->slots = slots;
    budget->spent = tokens < budget->wanted;
    budget->full = slots - budget->in_flight < budget->wanted;
    budget->pace = !budget->spent ? 0 : tokens > 0 ? LEASE_MS / tokens : more_in_ms;
    if (more_in_ms < LEASE_MS)
        more_in_ms = LEASE_MS;
    lease_in(budget, more_in_ms < LONGEST_WAIT_MS ? more_in_ms : LONGEST_WAIT_MS);
}

void budget_lost(struct budget *budget)
{
    budget->asking = false;
    if (budget->questions > 0) {
        budget->questions--;
    } else if (!budget->leasing) {
        budget->telling = true; /* else it would keep its slots while it rests */
        timer_set(budget->timer, LEASE_MS);
    }
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
    budget->unused += budget->tokens;
    budget->tokens = budget->started = budget->waiting = budget->idle = 0;
    budget->wanted = 1;
    budget->leasing = budget->asking = budget->spent = budget->full = false;
    timer_clear(budget->timer);
    tell_at_rest(budget);
}
