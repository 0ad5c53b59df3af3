#include "dispatcher/account.h"

#include <stdio.h>
#include <string.h>

#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/account_internal.h"
#include "dispatcher/attach.h"
#include "dispatcher/batch.h"

enum {
    SENDS_MAX = 3,          /* of one job within one batch, when it was surely not processed */
    SOON_MS = 1000,         /* a job may wait so long for a provider's limits */
    STOP_MS = 60000,        /* a stopped provider is tried again after this long */
    DRAIN_MS = 100,         /* between looks whether all answers of an open provider have come */
    RENEW_EVERY_MS = 1000,  /* many answers may ask for new connections at once */
    ORIGINS_CAPACITY = 500, /* requests in the air to hosts of recipients */
    GONE_WINDOW = 100,      /* answers that the share of dead addresses is taken from */
    GONE_LEAST = 20         /* fewer are believed whatever their share */
};

const char *account_name(const struct account *account)
{
    return account->name;
}

const struct route_rules *account_rules(const struct account *account)
{
    return &account->rules;
}

static size_t capacity(const struct account *account)
{
    return account->endpoint ? endpoint_capacity(account->endpoint) : ORIGINS_CAPACITY;
}

/* How many jobs may be with it. As much again as can be in the air may wait, so that the connections never
 * idle between batches; but nothing waits for a provider that is being tried, or that has used up what it may
 * be asked. */
static size_t most(const struct account *account)
{
    size_t all = capacity(account);
    bool closed = breaker_state(&account->breaker) == BREAKER_CLOSED;
    if (!closed)
        all = breaker_allows(&account->breaker, all);
    if (!account->budget)
        return closed ? 2 * all : all;
    size_t may_start = account->in_the_air + budget_prospect(account->budget);
    return may_start < all ? may_start : all;
}

bool account_takes_jobs(const struct account *account)
{
    return !account->retired && account->blocked_until == 0;
}

/* So many queued are more than what is left of its limits. */
static bool is_short_for(const struct account *account, size_t queued)
{
    return account->budget && budget_is_short(account->budget) && queued > budget_room(account->budget);
}

static bool is_healthy(const struct account *account)
{
    return account_takes_jobs(account) &&
           (breaker_state(&account->breaker) == BREAKER_CLOSED ||
            account->queued + account->in_the_air < breaker_allows(&account->breaker, capacity(account)));
}

bool account_is_open(const struct account *account)
{
    return is_healthy(account) && !is_short_for(account, account->queued + 1);
}

bool account_opens_soon(const struct account *account)
{
    return is_healthy(account) && account->queued == 0 && account_closed_for(account) <= SOON_MS;
}

int64_t account_closed_for(const struct account *account)
{
    int64_t blocked = account->blocked_until > 0 ? account->blocked_until - clock_mono() : 0;
    int64_t spent = account->budget ? budget_wait(account->budget) : 0;
    return blocked > spent ? blocked : spent;
}

int64_t account_turn(struct account *account, int64_t longest)
{
    int64_t closed = account_closed_for(account);
    int64_t turn =
        account->budget && budget_is_short(account->budget) ? budget_turn(account->budget, longest) : 0;
    return closed > turn ? closed : turn;
}

size_t account_room(const struct account *account)
{
    size_t limit = account_takes_jobs(account) ? most(account) : 0;
    size_t taken = account->queued + account->in_the_air;
    return taken < limit ? limit - taken : 0;
}

static void finish(struct account *account, struct job *job, enum job_state state)
{
    job->state = state;
    job->judged_ms = clock_ms();
    account->events.done(account->events.arg, job);
}

static void push_back(struct account *account, struct job *job)
{
    job->state = JOB_QUEUED;
    job->next = NULL;
    *account->last = job;
    account->last = &job->next;
    account->queued++;
}

static struct job *pop_front(struct account *account)
{
    struct job *job = account->first;
    account->first = job->next;
    if (!account->first)
        account->last = &account->first;
    account->queued--;
    return job;
}

void account_hand_back(struct account *account, const struct batch *batch)
{
    struct job *job = account->first;
    account->first = NULL;
    account->last = &account->first;
    account->queued = 0;
    struct job *back = NULL, **back_last = &back;
    for (struct job *next; job; job = next) {
        next = job->next;
        if (!batch || job->batch == batch) {
            *back_last = job;
            back_last = &job->next;
            job->next = NULL;
        } else {
            push_back(account, job);
        }
    }
    for (struct job *next; back; back = next) {
        next = back->next;
        finish(account, back, JOB_HANDED_BACK);
    }
}

void account_block(struct account *account, int64_t for_ms, const char *why)
{
    int64_t until = clock_mono() + for_ms;
    if (account->retired || until <= account->blocked_until)
        return;
    bool was_blocked = account->blocked_until > 0;
    account->blocked_until = until;
    timer_set(account->unblock, for_ms);
    if (!was_blocked)
        log_event(LOG_WARN, "provider_blocked", log_text("provider", account->name),
                  log_int("for_ms", for_ms), log_text("reason", why));
    account_hand_back(account, NULL);
}

void account_tell_health(const struct account *account)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_PROBING] = "probing"};
    if (!account->retired && breaker_has_opened(&account->breaker))
        account->events.health(account->events.arg, account->name, names[breaker_state(&account->breaker)],
                               account->fault);
}

void account_on_unblock(void *arg)
{
    struct account *account = arg;
    if (account->retired) {
        account_free(account);
        return;
    }
    /* What is still in the air was sent before it opened: its answers must not decide about the probe. */
    if (breaker_state(&account->breaker) == BREAKER_OPEN && account->in_the_air > 0) {
        timer_set(account->unblock, DRAIN_MS);
        return;
    }
    account->blocked_until = 0;
    if (breaker_state(&account->breaker) == BREAKER_OPEN) {
        breaker_probe(&account->breaker);
        account_tell_health(account);
    }
    log_event(LOG_INFO, "provider_unblocked", log_text("provider", account->name));
    account->events.capacity(account->events.arg);
}

void account_set_stopped(struct account *account, int64_t stopped_ms)
{
    if (stopped_ms > 0)
        account_block(account, stopped_ms, "stopped");
    account->stopped = stopped_ms > 0;
}

void account_stop(struct account *account, const char *reason)
{
    /* A retired account's row has been replaced; what its old credential brings does not concern the new one.
     */
    if (!account->retired && !(account->stopped && account->blocked_until > 0)) {
        account->stopped = true; /* already now: the stop may be lifted before the configuration is read */
        account->events.stopped(account->events.arg, account->name, reason, STOP_MS);
    }
    account_block(account, STOP_MS, reason);
}

/* ---- Sending ---- */

void account_maybe_free_retired(struct account *account)
{
    if (account->retired && account->in_the_air == 0)
        timer_set(account->unblock, 0);
}

/* The batch may give it to another account; if none takes it, this verdict stands. */
static void pass_on(struct account *account, struct job *job)
{
    job->tried[job->tried_count++] = account; /* there is room: no more are given it than are remembered */
    finish(account, job, JOB_HANDED_BACK);
}

/* Surely not processed: try again at once within this batch while that makes sense, first on the same
 * provider. */
static void unsent(struct account *account, struct job *job)
{
    if (job->sends < SENDS_MAX && account_takes_jobs(account) && !batch_is_withdrawn(job->batch))
        push_back(account, job);
    else
        pass_on(account, job);
}

enum blame { BLAME_NOBODY, BLAME_PROVIDER, PRAISE };

/* What an answer says about the provider. Its recipients' faults are none of its own; a stream that was
 * refused is no news; and where recipients bring their own hosts there is no provider to judge. */
static enum blame who_is_to_blame(const struct account *account, const struct request *request,
                                  const struct response *response)
{
    if (account->origins || response->fault == FAULT_REFUSED)
        return BLAME_NOBODY;
    if (response->state != SEND_ANSWERED)
        return BLAME_PROVIDER;
    return !request->mail_from && response->status >= 500 ? BLAME_PROVIDER : PRAISE;
}

static void watch_health(struct account *account, enum blame blame, const char *reason)
{
    bool changed = false;
    if (blame == PRAISE)
        changed = breaker_good(&account->breaker);
    else if (blame == BLAME_PROVIDER && account_takes_jobs(account))
        changed = breaker_bad(&account->breaker, clock_mono(), backoff_random());
    if (!changed)
        return;
    mem_free(account->fault);
    account->fault = blame == PRAISE ? NULL : mem_strdup(reason);
    account_tell_health(account);
    if (breaker_state(&account->breaker) == BREAKER_OPEN)
        account_block(account, breaker_wait(&account->breaker, clock_mono()), reason);
}

/* A share that slides: what is older counts half. */
static void watch_gone(struct account *account, const struct verdict *verdict)
{
    account->judged++;
    account->gone += verdict->kind == VERDICT_ADDRESS_GONE;
    if (account->judged < GONE_WINDOW)
        return;
    account->judged /= 2;
    account->gone /= 2;
}

void account_inherit(struct account *account, const struct account *former)
{
    if (account->budget && former->budget) {
        budget_free(account->budget);
        account->budget = budget_share(former->budget);
    }
    if (former->blocked_until > 0 || strcmp(former->signature, account->signature) != 0)
        return;
    account->judged = former->judged;
    account->gone = former->gone;
}

bool account_distrusts_gone(struct account *account, char *reason, size_t size)
{
    if (account->gone < GONE_LEAST || account->gone * 100 <= account->judged * account->gone_limit)
        return false;
    snprintf(reason, size, "%d of %d addresses were reported gone: taken for a fault of the configuration",
             account->gone, account->judged);
    account_stop(account, reason);
    return true;
}

static void refresh(struct account *account, struct job *job)
{
    if (job->refreshed)
        account_stop(account, job->verdict.reason);
    /* Nothing pumps the queue of a closed account, and nobody withdraws a batch twice. */
    if (!account_takes_jobs(account) || batch_is_withdrawn(job->batch)) {
        pass_on(account, job);
        return;
    }
    job->refreshed = true;
    /* Late refusals of an old token must not cost the new one. */
    if (job->credential_generation == account->credential.generation) {
        mem_free(account->credential.value.token);
        account->credential.value.token = NULL;
    }
    push_back(account, job);
}

static void on_response(void *arg, const struct response *response)
{
    struct job *job = arg;
    struct account *account = job->account;
    account->in_the_air--;
    if (account->budget)
        budget_ended(account->budget);
    if (job->endpoint)
        origins_give(account->origins, job->endpoint);
    job->verdict = account->adapter->judge(account->settings, &job->message, response, clock_ms());
    const struct verdict *verdict = &job->verdict;
    enum blame blame = who_is_to_blame(account, &job->request, response);
    watch_health(account, blame, verdict->reason);
    if (response->state == SEND_ANSWERED)
        watch_gone(account, verdict);
    if (verdict->renew && account->endpoint && clock_mono() - account->renewed_at > RENEW_EVERY_MS) {
        account->renewed_at = clock_mono();
        endpoint_renew(account->endpoint);
    }
    switch (verdict->kind) {
    case VERDICT_UNSENT:
        unsent(account, job);
        break;
    case VERDICT_THROTTLED: {
        int64_t for_ms = verdict->not_before_ms - clock_ms();
        account_block(account, for_ms > 1000 ? for_ms : 1000, verdict->reason);
        pass_on(account, job);
        break;
    }
    case VERDICT_REFRESH:
        refresh(account, job);
        break;
    case VERDICT_STOPPED:
        account_stop(account, verdict->reason);
        pass_on(account, job);
        break;
    case VERDICT_RETRY: /* not taken; when that is the provider's fault, another one may take it now */
        if (blame == BLAME_PROVIDER)
            pass_on(account, job);
        else
            finish(account, job, JOB_JUDGED);
        break;
    case VERDICT_SENT:
    case VERDICT_REJECTED:
    case VERDICT_ADDRESS_GONE:
    case VERDICT_IN_DOUBT:
        finish(account, job, JOB_JUDGED);
        break;
    }
    account_pump(account);
    account_maybe_free_retired(account);
}

/* A request that is cut short is in doubt and is repeated: one that might not get its whole time is not
 * begun, unless the deadline is so short that half of it must do. */
static int64_t least_time(const struct account *account, const struct batch *batch)
{
    int64_t half = batch_time(batch) / 2;
    return account->request_timeout_ms < half ? account->request_timeout_ms : half;
}

static void launch(struct account *account, struct job *job)
{
    int64_t left = batch_time_left(job->batch);
    if (left < least_time(account, job->batch)) {
        if (job->sends == 0) /* else what was said to it stands */
            job->verdict = verdict_make(VERDICT_UNSENT, "the batch's deadline came first");
        finish(account, job, JOB_JUDGED);
        return;
    }
    const char *token = account->credential.value.token;
    job->account = account;
    job->provider = arena_strdup(batch_arena(job->batch), account->name);
    job->endpoint = NULL;
    struct error err;
    if (!attach_files(account->attachments_dir, job->message.payload, &err)) {
        job->verdict = verdict_make(VERDICT_REJECTED, "payload.%s", err.text);
        finish(account, job, JOB_JUDGED);
        return;
    }
    if (!account->adapter->build(account->settings, &job->message, token, clock_ms(), batch_arena(job->batch),
                                 &job->request, &job->verdict)) {
        finish(account, job, JOB_JUDGED);
        return;
    }
    if (account->origins) {
        job->endpoint = origins_take(account->origins, job->request.origin, &err);
        if (!job->endpoint) {
            job->verdict = verdict_make(VERDICT_UNSENT, "%s", err.text);
            finish(account, job, JOB_JUDGED);
            return;
        }
    }
    job->request.timeout_ms = account->request_timeout_ms < left ? account->request_timeout_ms : left;
    job->state = JOB_IN_THE_AIR;
    job->sends++;
    job->sent_ms = clock_ms();
    job->credential_generation = account->credential.generation;
    account->in_the_air++;
    if (account->budget)
        budget_started(account->budget);
    endpoint_send(job->endpoint ? job->endpoint : account->endpoint, &job->request, on_response, job);
}

static bool has_slots(const struct account *account)
{
    return account->endpoint ? endpoint_free_slots(account->endpoint) > 0
                             : account->in_the_air < ORIGINS_CAPACITY;
}

static bool may_launch(const struct account *account)
{
    if (!account->first || account->blocked_until > 0 ||
        account->in_the_air >= breaker_allows(&account->breaker, capacity(account)) || !has_slots(account))
        return false;
    if (!account->budget || budget_room(account->budget) > 0)
        return true;
    budget_demand(account->budget, account->queued);
    return false;
}

/* `done` may submit again; the flag keeps that from nesting. */
void account_pump(struct account *account)
{
    if (account->pumping)
        return;
    account->pumping = true;
    while (may_launch(account)) {
        if (!account_credential_ready(account)) {
            account_fetch_credential(account);
            break;
        }
        launch(account, pop_front(account));
    }
    account->pumping = false;
}

void account_submit(struct account *account, struct job *job)
{
    job->account = account;
    job->refreshed = false; /* that was another account's credential */
    push_back(account, job);
    account_pump(account);
}

void account_withdraw(struct account *account, const struct batch *batch)
{
    account_hand_back(account, batch);
}

void account_on_slots(void *arg)
{
    struct account *account = arg;
    account_pump(account);
    account->events.capacity(account->events.arg);
}

void account_demand(struct account *account)
{
    if (account->budget && account_takes_jobs(account))
        budget_demand(account->budget, 1);
}

void account_give_back(struct account *account)
{
    if (account->budget)
        budget_rest(account->budget);
}

void account_limits_read(struct account *account)
{
    if (account->budget)
        budget_limits_read(account->budget);
}

void account_leased(struct account *account, bool ok, int tokens, int slots, int64_t more_in_ms)
{
    if (!account->budget)
        return;
    if (ok)
        budget_granted(account->budget, tokens, slots, more_in_ms);
    else
        budget_lost(account->budget);
    account_pump(account);
    if (is_short_for(account, account->queued))
        account_hand_back(account, NULL); /* to the next provider; as many as there is room for come back */
    if (budget_room(account->budget) > 0)
        account->events.capacity(account->events.arg);
}
