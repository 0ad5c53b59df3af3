#include "dispatcher/account.h"

#include <inttypes.h>
#include <string.h>

#include "core/backoff.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/secret.h"
#include "dispatcher/batch.h"

enum {
    SENDS_MAX = 3,         /* of one job within one batch, when it was surely not processed */
    STOP_MS = 60000,       /* a stopped provider is tried again after this long */
    RENEW_EVERY_MS = 1000, /* many answers may ask for new connections at once */
    CREDENTIAL_TIMEOUT_MS = 20000,
    UNREACHABLE_AFTER = 5 /* connection failures in a row */
};

static const struct backoff unreachable_backoff = {.base_ms = 1000, .cap_ms = 30000};
static const struct backoff credential_backoff = {.base_ms = 1000, .cap_ms = 60000};

struct account {
    struct loop *loop;
    struct transport *transport;
    const struct provider *provider;
    struct account_events events;
    char *name, *app, *environment;
    char *signature; /* of the row it was made from */
    int priority;
    int64_t request_timeout_ms;
    void *settings; /* what the adapter made of its row */
    struct endpoint *endpoint;
    struct job *first, **last; /* the queue */
    size_t queued, in_the_air;
    int failures_in_a_row;
    int64_t blocked_until; /* steady clock; 0 = not blocked */
    bool stopped;          /* its row says so */
    struct timer *unblock;
    int64_t renewed_at;
    struct {
        struct credential value;
        struct endpoint *endpoint;
        struct arena *arena;
        bool fetching;
        int failures;
        int generation; /* counts the tokens fetched */
    } credential;
    bool retired;
    bool pumping;
};

static void pump(struct account *account);
static void maybe_free_retired(struct account *account);

const char *account_name(const struct account *account)
{
    return account->name;
}

const char *account_app(const struct account *account)
{
    return account->app;
}

const char *account_environment(const struct account *account)
{
    return account->environment;
}

int account_priority(const struct account *account)
{
    return account->priority;
}

bool account_is_open(const struct account *account)
{
    return !account->retired && account->blocked_until == 0;
}

int64_t account_closed_for(const struct account *account)
{
    int64_t left = account->blocked_until > 0 ? account->blocked_until - clock_mono() : 0;
    return left > 0 ? left : 0;
}

/* As much again as can be in the air may wait here, so that the connections never idle between batches. */
size_t account_room(const struct account *account)
{
    size_t most = 2 * endpoint_capacity(account->endpoint);
    size_t taken = account->queued + account->in_the_air;
    return account_is_open(account) && taken < most ? most - taken : 0;
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

/* Hands back the queued jobs of one batch, or of all when batch is NULL. */
static void hand_back(struct account *account, const struct batch *batch)
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

/* Takes no jobs for a while, and gives back those it has not begun. */
static void block(struct account *account, int64_t for_ms, const char *why)
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
    hand_back(account, NULL);
}

static void on_unblock(void *arg)
{
    struct account *account = arg;
    if (account->retired) {
        account_free(account);
        return;
    }
    account->blocked_until = 0;
    log_event(LOG_INFO, "provider_unblocked", log_text("provider", account->name));
    account->events.capacity(account->events.arg);
}

void account_set_stopped(struct account *account, int64_t stopped_ms)
{
    if (stopped_ms > 0)
        block(account, stopped_ms, "stopped");
    account->stopped = stopped_ms > 0;
}

static void stop(struct account *account, const char *reason)
{
    /* A retired account's row has been replaced; what its old credential brings does not concern the new one.
     */
    if (account_is_open(account)) {
        account->stopped = true; /* already now: the stop may be lifted before the configuration is read */
        account->events.stopped(account->events.arg, account->name, reason, STOP_MS);
    }
    block(account, STOP_MS, reason);
}

/* ---- Credential ---- */

static bool credential_ready(const struct account *account)
{
    return !account->provider->credential_build ||
           (account->credential.value.token && account->credential.value.expires_ms > clock_ms());
}

/* Closed until the next try: jobs that waited here for a token would keep their batches from landing. */
static void credential_failed(struct account *account, const char *reason)
{
    int64_t delay = backoff_delay(&credential_backoff, ++account->credential.failures, backoff_random());
    log_event(LOG_WARN, "credential_failed", log_text("provider", account->name), log_text("reason", reason),
              log_int("retry_ms", delay));
    block(account, delay, reason);
}

static void on_credential(void *arg, const struct response *response)
{
    struct account *account = arg;
    struct credential fresh = {0};
    struct verdict verdict =
        account->provider->credential_judge(account->settings, response, clock_ms(), &fresh);
    account->credential.fetching = false;
    if (account->retired) {
        mem_free(fresh.token);
        maybe_free_retired(account);
        return;
    }
    if (verdict.kind == VERDICT_SENT) {
        mem_free(account->credential.value.token);
        account->credential.value = fresh;
        account->credential.failures = 0;
        account->credential.generation++;
        pump(account);
    } else if (verdict.kind == VERDICT_STOPPED) {
        stop(account, verdict.reason);
    } else {
        credential_failed(account, verdict.reason);
    }
}

static void fetch_credential(struct account *account)
{
    if (account->credential.fetching)
        return;
    struct endpoint_options options = {.connections = 1,
                                       .streams = 1,
                                       .connect_timeout_ms = CREDENTIAL_TIMEOUT_MS,
                                       .timeout_ms = CREDENTIAL_TIMEOUT_MS};
    static const struct request empty;
    struct request request = empty;
    struct error err;
    arena_reset(account->credential.arena);
    if (!account->provider->credential_build(account->settings, clock_ms(), account->credential.arena,
                                             &options, &request, &err)) {
        stop(account, err.text);
        return;
    }
    if (!account->credential.endpoint)
        account->credential.endpoint = endpoint_new(account->transport, &options, &err);
    if (!account->credential.endpoint) {
        stop(account, err.text);
        return;
    }
    account->credential.fetching = true;
    endpoint_send(account->credential.endpoint, &request, on_credential, account);
}

/* ---- Sending ---- */

/* From the loop: an endpoint is not freed inside its own callback. */
static void maybe_free_retired(struct account *account)
{
    if (account->retired && account->in_the_air == 0 && !account->credential.fetching)
        timer_set(account->unblock, 0);
}

/* Surely not processed: try again at once within this batch while that makes sense, on the same provider. */
static void unsent(struct account *account, struct job *job, const struct response *response)
{
    /* A failed connection fails all that waited for it; the answers behind the one that blocks are no more
     * news. */
    if (account_is_open(account) && (response->fault == FAULT_CONNECT || response->fault == FAULT_RESOLVE)) {
        if (++account->failures_in_a_row >= UNREACHABLE_AFTER)
            block(account,
                  backoff_delay(&unreachable_backoff, account->failures_in_a_row - UNREACHABLE_AFTER + 1,
                                backoff_random()),
                  response->error);
    }
    if (job->sends < SENDS_MAX && account_is_open(account))
        push_back(account, job);
    else
        finish(account, job, JOB_JUDGED);
}

static void on_response(void *arg, const struct response *response)
{
    struct job *job = arg;
    struct account *account = job->account;
    account->in_the_air--;
    job->verdict = account->provider->judge(account->settings, &job->message, response, clock_ms());
    const struct verdict *verdict = &job->verdict;
    if (response->state == SEND_ANSWERED)
        account->failures_in_a_row = 0;
    if (verdict->renew && clock_mono() - account->renewed_at > RENEW_EVERY_MS) {
        account->renewed_at = clock_mono();
        endpoint_renew(account->endpoint);
    }
    switch (verdict->kind) {
    case VERDICT_UNSENT:
        unsent(account, job, response);
        break;
    case VERDICT_THROTTLED: {
        int64_t for_ms = verdict->not_before_ms - clock_ms();
        block(account, for_ms > 1000 ? for_ms : 1000, verdict->reason);
        finish(account, job, JOB_JUDGED);
        break;
    }
    case VERDICT_REFRESH:
        if (job->refreshed)
            stop(account, verdict->reason);
        /* Nothing pumps the queue of a closed account. */
        if (!account_is_open(account)) {
            finish(account, job, JOB_JUDGED);
            break;
        }
        job->refreshed = true;
        /* Late refusals of an old token must not cost the new one. */
        if (job->credential_generation == account->credential.generation) {
            mem_free(account->credential.value.token);
            account->credential.value.token = NULL;
        }
        push_back(account, job);
        break;
    case VERDICT_STOPPED:
        stop(account, verdict->reason);
        finish(account, job, JOB_JUDGED);
        break;
    case VERDICT_SENT:
    case VERDICT_RETRY:
    case VERDICT_REJECTED:
    case VERDICT_ADDRESS_GONE:
    case VERDICT_IN_DOUBT:
        finish(account, job, JOB_JUDGED);
        break;
    }
    pump(account);
    maybe_free_retired(account);
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
        job->verdict = verdict_make(VERDICT_UNSENT, "the batch's deadline came first");
        finish(account, job, JOB_JUDGED);
        return;
    }
    const char *token = account->credential.value.token;
    job->account = account;
    if (!account->provider->build(account->settings, &job->message, token, clock_ms(),
                                  batch_arena(job->batch), &job->request, &job->verdict)) {
        finish(account, job, JOB_JUDGED);
        return;
    }
    job->request.timeout_ms = account->request_timeout_ms < left ? account->request_timeout_ms : left;
    job->state = JOB_IN_THE_AIR;
    job->sends++;
    job->sent_ms = clock_ms();
    job->credential_generation = account->credential.generation;
    account->in_the_air++;
    endpoint_send(account->endpoint, &job->request, on_response, job);
}

/* `done` may submit again; the flag keeps that from nesting. */
static void pump(struct account *account)
{
    if (account->pumping)
        return;
    account->pumping = true;
    while (account->first && account->blocked_until == 0 && endpoint_free_slots(account->endpoint) > 0) {
        if (!credential_ready(account)) {
            fetch_credential(account);
            break;
        }
        launch(account, pop_front(account));
    }
    account->pumping = false;
}

void account_submit(struct account *account, struct job *job)
{
    job->account = account;
    push_back(account, job);
    pump(account);
}

void account_withdraw(struct account *account, const struct batch *batch)
{
    hand_back(account, batch);
}

static void on_slots(void *arg)
{
    struct account *account = arg;
    pump(account);
    account->events.capacity(account->events.arg);
}

/* ---- Life ---- */

static bool read_secrets(const struct provider *provider, struct json_object *settings, char **secrets,
                         struct error *err)
{
    for (size_t i = 0; i < PROVIDER_MAX_SECRETS && provider->secrets[i]; i++) {
        const char *name = provider->secrets[i];
        bool optional = name[0] == '?';
        name += optional;
        char setting[64];
        struct buf key;
        buf_init(&key, sizeof setting);
        bool named = false;
        static const char *const suffixes[] = {"_file", "_env"};
        for (size_t s = 0; s < 2; s++) {
            buf_reset(&key);
            buf_printf(&key, "%s%s", name, suffixes[s]);
            named = named || json_get(settings, buf_string(&key)) != NULL;
        }
        buf_free(&key);
        if (optional && !named)
            continue;
        secrets[i] = secret_read(settings, name, err);
        if (!secrets[i])
            return false;
    }
    return true;
}

static bool set_up(struct account *account, const struct account_row *row, struct json_object *settings,
                   struct error *err)
{
    char *secrets[PROVIDER_MAX_SECRETS] = {0};
    bool ok = read_secrets(account->provider, settings, secrets, err);
    if (ok) {
        account->settings = account->provider->account_new(settings, (const char *const *)secrets, err);
        ok = account->settings != NULL;
    }
    for (size_t i = 0; i < PROVIDER_MAX_SECRETS; i++)
        secret_free(secrets[i]);
    if (!ok)
        return false;
    struct endpoint_options options = {.connections = row->max_connections,
                                       .streams = row->max_streams,
                                       .connect_timeout_ms = row->connect_timeout_ms,
                                       .timeout_ms = row->request_timeout_ms,
                                       .on_capacity = on_slots,
                                       .arg = account};
    account->provider->endpoint(account->settings, &options);
    account->endpoint = endpoint_new(account->transport, &options, err);
    return account->endpoint != NULL;
}

static char *signature(const struct account_row *row)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    buf_printf(&text, "%s %s %s %s %d %d %d %" PRId64 " %" PRId64 " %s", row->name, row->adapter,
               row->app ? row->app : "", row->environment, row->priority, row->max_connections,
               row->max_streams, row->connect_timeout_ms, row->request_timeout_ms, row->settings);
    char *copy = mem_strdup(buf_string(&text));
    buf_free(&text);
    return copy;
}

bool account_is_same(const struct account *account, const struct account_row *row)
{
    if (account->stopped && row->stopped_ms == 0)
        return false; /* a person has mended something, perhaps the contents of a secret's file */
    char *other = signature(row);
    bool same = strcmp(account->signature, other) == 0;
    mem_free(other);
    return same;
}

struct account *account_new(struct loop *loop, struct transport *transport, const struct account_row *row,
                            const struct account_events *events, struct error *err)
{
    const struct provider *provider = provider_find(row->adapter);
    if (!provider) {
        error_set(err, "adapter: no adapter is called \"%s\"", row->adapter);
        return NULL;
    }
    struct json_object *settings = json_parse(row->settings, strlen(row->settings), err);
    if (!settings)
        return NULL;
    struct account *account = mem_alloc(sizeof *account);
    account->loop = loop;
    account->transport = transport;
    account->provider = provider;
    account->events = *events;
    account->name = mem_strdup(row->name);
    account->app = mem_strdup(row->app);
    account->environment = mem_strdup(row->environment);
    account->signature = signature(row);
    account->priority = row->priority;
    account->request_timeout_ms = row->request_timeout_ms;
    account->last = &account->first;
    account->unblock = timer_new(loop, on_unblock, account);
    account->credential.arena = arena_new();
    bool ok = set_up(account, row, settings, err);
    json_object_put(settings);
    if (!ok) {
        account_free(account);
        return NULL;
    }
    return account;
}

void account_retire(struct account *account)
{
    account->retired = true;
    timer_clear(account->unblock);
    hand_back(account, NULL);
    maybe_free_retired(account);
}

void account_free(struct account *account)
{
    if (!account)
        return;
    account->retired = true;
    account->pumping = true;
    if (account->blocked_until == 0)
        account->blocked_until = INT64_MAX;
    endpoint_free(account->endpoint);
    endpoint_free(account->credential.endpoint);
    hand_back(account, NULL);
    timer_free(account->unblock);
    arena_free(account->credential.arena);
    mem_free(account->credential.value.token);
    if (account->settings)
        account->provider->account_free(account->settings);
    mem_free(account->name);
    mem_free(account->app);
    mem_free(account->environment);
    mem_free(account->signature);
    mem_free(account);
}
