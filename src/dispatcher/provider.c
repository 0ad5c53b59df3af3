#include "dispatcher/provider.h"

#include <stdio.h>
#include <string.h>

#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/mail_files.h"
#include "dispatcher/provider_internal.h"

enum {
    SENDS_MAX = 3,                  /* of one job within one batch, when it was surely not processed */
    SOON_MS = 1000,                 /* a job may wait so long for a provider's limits */
    STOP_MS = 60000,                /* a stopped provider is tried again after this long */
    DRAIN_MS = 100,                 /* between looks whether all answers of an open provider have come */
    RENEW_EVERY_MS = 1000,          /* many answers may ask for new connections at once */
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
static bool is_short_for(const struct provider *provider, size_t queued)
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
    return is_healthy(provider) && !is_short_for(provider, provider->queued + 1);
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

static void finish(struct job *job, enum job_state state)
{
    job->state = state;
    job->judged_ms = clock_ms();
    job->flight->done(job->flight->arg, job);
}

static void push_back(struct provider *provider, struct job *job)
{
    job->state = JOB_QUEUED;
    job->next = NULL;
    *provider->last = job;
    provider->last = &job->next;
    provider->queued++;
}

static struct job *pop_front(struct provider *provider)
{
    struct job *job = provider->first;
    provider->first = job->next;
    if (!provider->first)
        provider->last = &provider->first;
    provider->queued--;
    return job;
}

void provider_hand_back(struct provider *provider, const struct flight *flight)
{
    struct job *job = provider->first;
    provider->first = NULL;
    provider->last = &provider->first;
    provider->queued = 0;
    struct job *back = NULL, **back_last = &back;
    for (struct job *next; job; job = next) {
        next = job->next;
        if (!flight || job->flight == flight) {
            *back_last = job;
            back_last = &job->next;
            job->next = NULL;
        } else {
            push_back(provider, job);
        }
    }
    for (struct job *next; back; back = next) {
        next = back->next;
        finish(back, JOB_HANDED_BACK);
    }
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

void provider_on_unblock(void *arg)
{
    struct provider *provider = arg;
    if (provider->retired) {
        provider_free(provider);
        return;
    }
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

/* ---- Sending ---- */

void provider_maybe_free_retired(struct provider *provider)
{
    if (provider->retired && provider->in_the_air == 0)
        timer_set(provider->unblock, 0);
}

/* The batch may give it to another provider; if none takes it, this verdict stands. */
static void pass_on(struct provider *provider, struct job *job)
{
    job->tried[job->tried_count++] = provider; /* there is room: no more are given it than are remembered */
    finish(job, JOB_HANDED_BACK);
}

/* Surely not processed: try again at once within this batch while that makes sense, first on the same
 * provider. */
static void unsent(struct provider *provider, struct job *job)
{
    if (job->sends < SENDS_MAX && provider_takes_jobs(provider) && !job->flight->withdrawn)
        push_back(provider, job);
    else
        pass_on(provider, job);
}

/* Whoever answers and is not to blame works. */
static void watch_health(struct provider *provider, const struct verdict *verdict, bool answered)
{
    bool bad = verdict->blame == BLAME_PROVIDER, changed = false;
    if (bad && provider_takes_jobs(provider))
        changed = health_bad(&provider->health, verdict->reason, clock_mono(), backoff_random());
    else if (!bad && answered)
        changed = health_good(&provider->health);
    if (!changed)
        return;
    provider_tell_health(provider);
    const struct breaker *breaker = &provider->health.breaker;
    if (breaker_state(breaker) == BREAKER_OPEN)
        provider_block(provider, breaker_wait(breaker, clock_mono()), verdict->reason);
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

static void refresh(struct provider *provider, struct job *job)
{
    if (job->refreshed)
        provider_stop(provider, job->verdict.reason);
    /* Nothing pumps the queue of a closed provider, and nobody withdraws a batch twice. */
    if (!provider_takes_jobs(provider) || job->flight->withdrawn) {
        pass_on(provider, job);
        return;
    }
    job->refreshed = true;
    /* Late refusals of an old token must not cost the new one. */
    credential_refused(provider->credential, job->credential_generation);
    push_back(provider, job);
}

static void on_response(void *arg, const struct response *response)
{
    struct job *job = arg;
    struct provider *provider = job->provider;
    provider->in_the_air--;
    if (provider->budget)
        budget_ended(provider->budget);
    if (job->endpoint)
        endpoint_cache_give(provider->endpoint_cache, job->endpoint);
    job->verdict = adapter_judge(provider->adapter, provider->settings, &job->message, response, clock_ms());
    const struct verdict *verdict = &job->verdict;
    bool answered = response->state == SEND_ANSWERED;
    watch_health(provider, verdict, answered);
    if (answered)
        health_count(&provider->health, verdict->kind == VERDICT_ADDRESS_GONE);
    if (verdict->renew && provider->endpoint && clock_mono() - provider->renewed_at > RENEW_EVERY_MS) {
        provider->renewed_at = clock_mono();
        endpoint_renew(provider->endpoint);
    }
    switch (verdict->kind) {
    case VERDICT_UNSENT:
        unsent(provider, job);
        break;
    case VERDICT_THROTTLED: {
        int64_t for_ms = verdict->not_before_ms - clock_ms();
        provider_block(provider, for_ms > 1000 ? for_ms : 1000, verdict->reason);
        pass_on(provider, job);
        break;
    }
    case VERDICT_REFRESH:
        refresh(provider, job);
        break;
    case VERDICT_STOPPED:
        provider_stop(provider, verdict->reason);
        pass_on(provider, job);
        break;
    case VERDICT_RETRY: /* not taken; when that is the provider's fault, another one may take it now */
        if (verdict->blame == BLAME_PROVIDER)
            pass_on(provider, job);
        else
            finish(job, JOB_JUDGED);
        break;
    case VERDICT_SENT:
    case VERDICT_REJECTED:
    case VERDICT_ADDRESS_GONE:
    case VERDICT_IN_DOUBT:
        finish(job, JOB_JUDGED);
        break;
    }
    provider_pump(provider);
    provider_maybe_free_retired(provider);
}

/* A request that is cut short is in doubt and is repeated: one that might not get its whole time is not
 * begun, unless the deadline is so short that half of it must do. */
static int64_t least_time(const struct provider *provider, const struct flight *flight)
{
    int64_t half = flight->time / 2;
    return provider->request_timeout_ms < half ? provider->request_timeout_ms : half;
}

static void launch(struct provider *provider, struct job *job)
{
    int64_t left = job->flight->deadline - clock_mono();
    if (left < least_time(provider, job->flight)) {
        if (job->sends == 0) /* else what was said to it stands */
            job->verdict = verdict_make(VERDICT_UNSENT, "the batch's deadline came first");
        finish(job, JOB_JUDGED);
        return;
    }
    const char *token = credential_token(provider->credential);
    job->provider = provider;
    job->provider_name = arena_strdup(job->flight->arena, provider->name);
    job->endpoint = NULL;
    struct error err;
    if (!mail_files_read(provider->attachments_dir, job->message.payload, &err)) {
        job->verdict = verdict_make(VERDICT_REJECTED, "payload.%s", err.text);
        finish(job, JOB_JUDGED);
        return;
    }
    if (!provider->adapter->build(provider->settings, &job->message, token, clock_ms(), job->flight->arena,
                                  &job->request, &job->verdict)) {
        finish(job, JOB_JUDGED);
        return;
    }
    if (provider->endpoint_cache) {
        job->endpoint = endpoint_cache_take(provider->endpoint_cache, job->request.origin, &err);
        if (!job->endpoint) {
            job->verdict = verdict_make(VERDICT_UNSENT, "%s", err.text);
            finish(job, JOB_JUDGED);
            return;
        }
    }
    job->request.timeout_ms = provider->request_timeout_ms < left ? provider->request_timeout_ms : left;
    job->state = JOB_IN_THE_AIR;
    job->sends++;
    job->sent_ms = clock_ms();
    job->credential_generation = credential_generation(provider->credential);
    provider->in_the_air++;
    if (provider->budget)
        budget_started(provider->budget);
    endpoint_send(job->endpoint ? job->endpoint : provider->endpoint, &job->request, on_response, job);
}

static bool has_slots(const struct provider *provider)
{
    return provider->endpoint ? endpoint_free_slots(provider->endpoint) > 0
                              : provider->in_the_air < CACHED_ENDPOINTS_CAPACITY;
}

static bool may_launch(const struct provider *provider)
{
    if (!provider->first || provider->blocked_until > 0 ||
        provider->in_the_air >= breaker_allows(&provider->health.breaker, capacity(provider)) ||
        !has_slots(provider))
        return false;
    if (!provider->budget || budget_room(provider->budget) > 0)
        return true;
    budget_demand(provider->budget, provider->queued);
    return false;
}

/* `done` may submit again; the flag keeps that from nesting. */
void provider_pump(struct provider *provider)
{
    if (provider->pumping)
        return;
    provider->pumping = true;
    while (may_launch(provider)) {
        if (!credential_is_ready(provider->credential)) {
            credential_fetch(provider->credential);
            break;
        }
        launch(provider, pop_front(provider));
    }
    provider->pumping = false;
}

void provider_submit(struct provider *provider, struct job *job)
{
    job->provider = provider;
    job->refreshed = false; /* that was another provider's credential */
    push_back(provider, job);
    provider_pump(provider);
}

void provider_on_slots(void *arg)
{
    struct provider *provider = arg;
    provider_pump(provider);
    provider->events.capacity(provider->events.arg);
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

void provider_leased(struct provider *provider, bool ok, int tokens, int slots, int64_t more_in_ms)
{
    if (!provider->budget)
        return;
    if (ok)
        budget_granted(provider->budget, tokens, slots, more_in_ms);
    else
        budget_lost(provider->budget);
    provider_pump(provider);
    if (is_short_for(provider, provider->queued))
        provider_hand_back(provider, NULL); /* to the next provider; as many as there is room for come back */
    if (budget_room(provider->budget) > 0)
        provider->events.capacity(provider->events.arg);
}
