#include "dispatcher/provider.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "dispatcher/provider_internal.h"

enum {
    SOON_MS = 1000,                 /* a job may wait so long for a provider's limits */
    STOP_MS = 60000,                /* a stopped provider is tried again after this long */
    DRAIN_MS = 100,                 /* between looks whether all answers of an open provider have come */
    CACHED_ENDPOINTS_CAPACITY = 500 /* requests in the air to hosts of recipients */
};

const char *provider_name(const struct provider *provider)
{
    return provider->name;
}

const struct route_rules *provider_rules(const struct provider *provider)
{
    return &provider->rules;
}

static size_t capacity(const struct provider *provider)
{
    return provider->endpoint ? endpoint_capacity(provider->endpoint) : CACHED_ENDPOINTS_CAPACITY;
}

/* How many jobs may be with it. As much again as can be in the air may wait, so that the connections never
 * idle between batches; but nothing waits for a provider that is being tried, or that has used up what it may
 * be asked. */
static size_t most(const struct provider *provider)
{
    size_t all = capacity(provider);
    bool closed = breaker_state(&provider->health.breaker) == BREAKER_CLOSED;
    if (!closed)
        all = breaker_allows(&provider->health.breaker, all);
    if (!provider->budget)
        return closed ? 2 * all : all;
    size_t may_start = provider->in_the_air + budget_prospect(provider->budget);
    return may_start < all ? may_start : all;
}

bool provider_takes_jobs(const struct provider *provider)
{
    return !provider->retired && provider->blocked_until == 0;
}

/* So many queued are more than what is left of its limits. */
bool provider_is_short_for(const struct provider *provider, size_t queued)
{
    return provider->budget && budget_is_short(provider->budget) && queued > budget_room(provider->budget);
}

static bool is_healthy(const struct provider *provider)
{
    return provider_takes_jobs(provider) &&
           (breaker_state(&provider->health.breaker) == BREAKER_CLOSED ||
            provider->queued + provider->in_the_air <
                breaker_allows(&provider->health.breaker, capacity(provider)));
}

bool provider_is_open(const struct provider *provider)
{
    return is_healthy(provider) && !provider_is_short_for(provider, provider->queued + 1);
}

bool provider_opens_soon(const struct provider *provider)
{
    return is_healthy(provider) && provider->queued == 0 && provider_closed_for(provider) <= SOON_MS;
}

int64_t provider_closed_for(const struct provider *provider)
{
    int64_t blocked = provider->blocked_until > 0 ? provider->blocked_until - clock_mono() : 0;
    int64_t spent = provider->budget ? budget_wait(provider->budget) : 0;
    return blocked > spent ? blocked : spent;
}

int64_t provider_turn(struct provider *provider, int64_t longest)
{
    int64_t closed = provider_closed_for(provider);
    int64_t turn =
        provider->budget && budget_is_short(provider->budget) ? budget_turn(provider->budget, longest) : 0;
    return closed > turn ? closed : turn;
}

size_t provider_room(const struct provider *provider)
{
    size_t limit = provider_takes_jobs(provider) ? most(provider) : 0;
    size_t taken = provider->queued + provider->in_the_air;
    return taken < limit ? limit - taken : 0;
}

void provider_push(struct provider *provider, struct job *job)
{
    job->state = JOB_QUEUED;
    job->next = NULL;
    *provider->last = job;
    provider->last = &job->next;
    provider->queued++;
}

struct job *provider_pop(struct provider *provider)
{
    struct job *job = provider->first;
    provider->first = job->next;
    if (!provider->first)
        provider->last = &provider->first;
    provider->queued--;
    return job;
}

void provider_hold(struct provider *provider, struct job *job)
{
    job->state = JOB_QUEUED;
    job->next = provider->held;
    provider->held = job;
    provider->held_count++;
    provider->queued++;
}

void provider_release(struct provider *provider, struct job *job)
{
    struct job **place = &provider->held;
    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
    provider->held_count--;
    job->next = provider->first;
    provider->first = job;
    if (!job->next)
        provider->last = &job->next;
}

/* Moves those of the flight, or all, to the end of another list; the others are kept as they were. */
static struct job **sort_out(struct provider *provider, struct job *list, const struct flight *flight,
                             void (*keep)(struct provider *provider, struct job *job), struct job **last)
{
    for (struct job *job = list, *next; job; job = next) {
        next = job->next;
        if (flight && job->flight != flight) {
            keep(provider, job);
            continue;
        }
        job->next = NULL;
        *last = job;
        last = &job->next;
    }
    return last;
}

static void hand_back(struct provider *provider, const struct flight *flight, bool with_held)
{
    struct job *queue = provider->first, *held = with_held ? provider->held : NULL;
    struct job *back = NULL, **last = &back;
    provider->first = NULL;
    provider->last = &provider->first;
    if (with_held) {
        provider->held = NULL;
        provider->held_count = 0;
    }
    provider->queued = provider->held_count;
    last = sort_out(provider, queue, flight, provider_push, last);
    sort_out(provider, held, flight, provider_hold, last);
    for (struct job *next; back; back = next) {
        next = back->next;
        job_end(back, JOB_HANDED_BACK);
    }
}

void provider_hand_back(struct provider *provider, const struct flight *flight)
{
    hand_back(provider, flight, true);
}

void provider_hand_back_waiting(struct provider *provider)
{
    hand_back(provider, NULL, false);
}

void provider_block(struct provider *provider, int64_t for_ms, const char *why)
{
    int64_t until = clock_mono() + for_ms;
    if (provider->retired || until <= provider->blocked_until)
        return;
    bool was_blocked = provider->blocked_until > 0;
    provider->blocked_until = until;
    timer_set(provider->unblock, for_ms);
    if (!was_blocked)
        log_event(LOG_WARN, "provider_blocked", log_text("provider", provider->name),
                  log_int("for_ms", for_ms), log_text("reason", why));
    provider_hand_back(provider, NULL);
}

void provider_tell_health(const struct provider *provider)
{
    if (!provider->retired && breaker_has_opened(&provider->health.breaker))
        provider->events.health(provider->events.arg, provider->name, health_state(&provider->health),
                                provider->health.fault);
}

void provider_unblock(struct provider *provider)
{
    /* What is still in the air was sent before it opened: its answers must not decide about the probe. */
    if (breaker_state(&provider->health.breaker) == BREAKER_OPEN && provider->in_the_air > 0) {
        timer_set(provider->unblock, DRAIN_MS);
        return;
    }
    provider->blocked_until = 0;
    if (breaker_state(&provider->health.breaker) == BREAKER_OPEN) {
        breaker_probe(&provider->health.breaker);
        provider_tell_health(provider);
    }
    log_event(LOG_INFO, "provider_unblocked", log_text("provider", provider->name));
    provider->events.capacity(provider->events.arg);
}

void provider_set_stopped(struct provider *provider, int64_t stopped_ms)
{
    if (stopped_ms > 0)
        provider_block(provider, stopped_ms, "stopped");
    provider->stopped = stopped_ms > 0;
}

void provider_stop(struct provider *provider, const char *reason)
{
    /* A retired provider's row has been replaced; what its old credential brings does not concern the new
     * one.
     */
    if (!provider->retired && !(provider->stopped && provider->blocked_until > 0)) {
        provider->stopped = true; /* already now: the stop may be lifted before the configuration is read */
        provider->events.stopped(provider->events.arg, provider->name, reason, STOP_MS);
    }
    provider_block(provider, STOP_MS, reason);
}

void provider_maybe_free_retired(struct provider *provider)
{
    if (provider->retired && provider->in_the_air == 0)
        timer_set(provider->unblock, 0);
}

void provider_inherit(struct provider *provider, const struct provider *former)
{
    if (provider->budget && former->budget) {
        budget_free(provider->budget);
        provider->budget = budget_share(former->budget);
    }
    if (former->blocked_until > 0 || strcmp(former->signature, provider->signature) != 0)
        return;
    health_inherit(&provider->health, &former->health);
}

bool provider_distrusts_gone(struct provider *provider, char *reason, size_t size)
{
    if (!health_distrusts_gone(&provider->health, reason, size))
        return false;
    provider_stop(provider, reason);
    return true;
}

void provider_demand(struct provider *provider)
{
    if (provider->budget && provider_takes_jobs(provider))
        budget_demand(provider->budget, 1);
}

void provider_give_back(struct provider *provider)
{
    if (provider->budget)
        budget_rest(provider->budget);
}

void provider_limits_read(struct provider *provider)
{
    if (provider->budget)
        budget_limits_read(provider->budget);
}

static bool has_slots(const struct provider *provider)
{
    return provider->endpoint ? endpoint_free_slots(provider->endpoint) > provider->held_count
                              : provider->in_the_air + provider->held_count < CACHED_ENDPOINTS_CAPACITY;
}

bool provider_may_start(const struct provider *provider)
{
    if (!provider->first || provider->blocked_until > 0 ||
        provider->in_the_air + provider->held_count >=
            breaker_allows(&provider->health.breaker, capacity(provider)) ||
        !has_slots(provider))
        return false;
    if (!provider->budget || budget_room(provider->budget) > provider->held_count)
        return true;
    budget_demand(provider->budget, provider->queued);
    return false;
}
