#include "dispatcher/send.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "dispatcher/mail_files.h"
#include "dispatcher/provider_internal.h"

enum {
    SENDS_MAX = 3,        /* of one job within one batch, when it was surely not processed */
    RENEW_EVERY_MS = 1000 /* many answers may ask for new connections at once */
};

/* The batch may give it to another provider; if none takes it, this verdict stands. */
static void pass_on(struct provider *provider, struct job *job)
{
    job->tried[job->tried_count++] = provider; /* there is room: no more are given it than are remembered */
    job_end(job, JOB_HANDED_BACK);
}

/* Surely not processed: try again at once within this batch while that makes sense, first on the same
 * provider. */
static void unsent(struct provider *provider, struct job *job)
{
    if (job->sends < SENDS_MAX && provider_takes_jobs(provider) && !job->flight->withdrawn)
        provider_push(provider, job);
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
    provider_push(provider, job);
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
            job_end(job, JOB_JUDGED);
        break;
    case VERDICT_SENT:
    case VERDICT_REJECTED:
    case VERDICT_ADDRESS_GONE:
    case VERDICT_IN_DOUBT:
        job_end(job, JOB_JUDGED);
        break;
    }
    send_pump(provider);
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
        job_end(job, JOB_JUDGED);
        return;
    }
    const char *token = credential_token(provider->credential);
    job->provider = provider;
    job->provider_name = arena_strdup(job->flight->arena, provider->name);
    job->endpoint = NULL;
    if (!provider->adapter->build(provider->settings, &job->message, token, clock_ms(), job->flight->arena,
                                  &job->request, &job->verdict)) {
        job_end(job, JOB_JUDGED);
        return;
    }
    if (provider->endpoint_cache) {
        struct error err;
        job->endpoint = endpoint_cache_take(provider->endpoint_cache, job->request.origin, &err);
        if (!job->endpoint) {
            job->verdict = verdict_make(VERDICT_UNSENT, "%s", err.text);
            job_end(job, JOB_JUDGED);
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

static void on_files(void *arg)
{
    struct job *job = arg;
    job->message.files = mail_files_result(job->files);
    provider_release(job->provider, job);
    send_pump(job->provider);
}

/* Once: a job that is sent again by the same provider has them. */
static bool lacks_files(const struct provider *provider, struct job *job)
{
    struct file_list list = {0};
    if (!provider->adapter->files || job->files)
        return false;
    provider->adapter->files(provider->settings, &job->message, &list);
    if (list.count > 0)
        job->files = mail_files_read(transport_loop(provider->transport), &list, on_files, job);
    return list.count > 0;
}

/* `done` may submit again; the flag keeps that from nesting. */
void send_pump(struct provider *provider)
{
    if (provider->pumping)
        return;
    provider->pumping = true;
    while (provider_may_start(provider)) {
        if (!credential_is_ready(provider->credential)) {
            credential_fetch(provider->credential);
            break;
        }
        struct job *job = provider_pop(provider);
        if (lacks_files(provider, job))
            provider_hold(provider, job);
        else
            launch(provider, job);
    }
    provider->pumping = false;
}

void send_submit(struct provider *provider, struct job *job)
{
    job->provider = provider;
    job->refreshed = false; /* that was another provider's credential */
    provider_push(provider, job);
    send_pump(provider);
}

void send_on_slots(void *arg)
{
    struct provider *provider = arg;
    send_pump(provider);
    provider->events.capacity(provider->events.arg);
}

void send_leased(struct provider *provider, bool ok, int tokens, int slots, int64_t more_in_ms)
{
    if (!provider->budget)
        return;
    if (ok)
        budget_granted(provider->budget, tokens, slots, more_in_ms);
    else
        budget_lost(provider->budget);
    send_pump(provider);
    if (provider_is_short_for(provider, provider->queued))
        provider_hand_back_waiting(
            provider); /* to the next provider; as many as there is room for come back */
    if (budget_room(provider->budget) > provider->held_count)
        provider->events.capacity(provider->events.arg);
}
