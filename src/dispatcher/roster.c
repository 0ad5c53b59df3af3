#include "dispatcher/roster.h"

#include <string.h>

#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/control.h"
#include "dispatcher/route.h"
#include "dispatcher/send.h"
#include "formats/country.h"

enum {
    BAD_ROW_MS = 60000,  /* a provider row that cannot be used is looked at again after this */
    WAIT_MS = 1000,      /* a job waits no longer for providers that open soon */
    UNSERVED_MS = 60000, /* a message of an app without provider is looked at again after this */
    PROVIDERS_MAX = 64
};

struct roster {
    struct roster_options options;
    struct provider *providers[PROVIDERS_MAX];
    int64_t stopped_ms[PROVIDERS_MAX]; /* of their rows, while these are read */
    size_t count;
    struct provider *retiring[PROVIDERS_MAX]; /* of the configuration before, while the new one is read */
    size_t retiring_count;
    bool reading; /* some of the rows */
};

size_t roster_providers(const struct roster *roster, struct provider *const **providers)
{
    *providers = roster->providers;
    return roster->count;
}

struct provider *roster_find(const struct roster *roster, const char *name)
{
    for (size_t i = 0; i < roster->count; i++)
        if (strcmp(provider_name(roster->providers[i]), name) == 0)
            return roster->providers[i];
    return NULL;
}

/* ---- Events of the providers ---- */

static void on_capacity(void *arg)
{
    struct roster *roster = arg;
    roster->options.capacity(roster->options.arg);
}

static void on_stopped(void *arg, const char *name, const char *reason, int64_t for_ms)
{
    struct roster *roster = arg;
    log_event(LOG_ERROR, "provider_stopped", log_text("channel", roster->options.channel),
              log_text("provider", name), log_text("reason", reason));
    control_stop_provider(roster->options.control, name, reason, for_ms);
}

static void on_health(void *arg, const char *name, const char *state, const char *reason)
{
    struct roster *roster = arg;
    log_event(LOG_INFO, "provider_health", log_text("channel", roster->options.channel),
              log_text("provider", name), log_text("state", state), log_text("reason", reason ? reason : ""));
    control_report_provider(roster->options.control, name, state, reason);
}

/* The provider may be gone meanwhile. */
static void on_leased(void *arg, const char *name, bool ok, int tokens, int slots, int64_t more_in_ms)
{
    struct provider *provider = roster_find(arg, name);
    if (provider)
        send_leased(provider, ok, tokens, slots, more_in_ms);
}

static bool on_lease(void *arg, const char *name, int wanted, int unused, int in_flight)
{
    struct roster *roster = arg;
    bool asked = control_lease(roster->options.control, name, wanted, unused, in_flight, on_leased, roster);
    if (!asked && wanted > 0)
        on_leased(roster, name, false, 0, 0, 0);
    return asked;
}

/* ---- Their rows ---- */

static void begin_reading(struct roster *roster)
{
    if (roster->reading)
        return;
    roster->reading = true;
    memcpy(roster->retiring, roster->providers, sizeof roster->retiring);
    roster->retiring_count = roster->count;
    roster->count = 0;
}

static struct provider *keep_provider(struct roster *roster, const struct provider_row *row)
{
    for (size_t i = 0; i < roster->retiring_count; i++) {
        struct provider *provider = roster->retiring[i];
        if (provider && provider_is_same(provider, row)) {
            roster->retiring[i] = NULL;
            return provider;
        }
    }
    return NULL;
}

void roster_read(struct roster *roster, const struct provider_row *row)
{
    begin_reading(roster);
    if (roster->count == PROVIDERS_MAX)
        return;
    struct provider *provider = keep_provider(roster, row);
    if (!provider) {
        struct provider_events events = {.capacity = on_capacity,
                                         .stopped = on_stopped,
                                         .health = on_health,
                                         .lease = on_lease,
                                         .arg = roster};
        struct error err;
        provider = provider_new(roster->options.loop, roster->options.transport, row, &events, &err);
        if (!provider) {
            if (row->stopped_ms == 0)
                on_stopped(roster, row->name, err.text, BAD_ROW_MS);
            return;
        }
        for (size_t i = 0; i < roster->retiring_count; i++)
            if (roster->retiring[i] && strcmp(provider_name(roster->retiring[i]), row->name) == 0)
                provider_inherit(provider, roster->retiring[i]);
        log_event(LOG_INFO, "provider_loaded", log_text("channel", roster->options.channel),
                  log_text("provider", row->name), log_text("adapter", row->adapter));
    }
    roster->stopped_ms[roster->count] = row->stopped_ms;
    roster->providers[roster->count++] = provider;
}

void roster_read_all(struct roster *roster)
{
    begin_reading(roster); /* there may have been no row */
    /* Now that all providers are known, what a stopped one hands back goes to the next; what a
     * retired one does, to one that is not stopped. */
    for (size_t i = 0; i < roster->count; i++) {
        provider_set_stopped(roster->providers[i], roster->stopped_ms[i]);
        provider_limits_read(roster->providers[i]);
    }
    for (size_t i = 0; i < roster->retiring_count; i++)
        if (roster->retiring[i])
            provider_retire(roster->retiring[i]);
    roster->retiring_count = 0;
    roster->reading = false;
}

/* ---- Which of them ---- */

static struct route_message route_message(const struct job *job)
{
    return (struct route_message){.app = job->app,
                                  .environment = job->environment,
                                  .recipient = job->message.recipient,
                                  .country = country_of_phone(job->message.recipient)};
}

static bool was_tried(const struct job *job, const struct provider *provider)
{
    for (int i = 0; i < job->tried_count; i++)
        if (job->tried[i] == provider)
            return true;
    return false;
}

static struct provider *choose(const struct roster *roster, const struct job *job,
                               bool takes(const struct provider *provider))
{
    struct route_candidate candidates[PROVIDERS_MAX];
    for (size_t i = 0; i < roster->count; i++) {
        const struct provider *provider = roster->providers[i];
        candidates[i] = (struct route_candidate){.rules = provider_rules(provider),
                                                 .open = takes(provider) && !was_tried(job, provider),
                                                 .room = provider_room(provider)};
    }
    struct route_message message = route_message(job);
    int chosen = route_choose(candidates, roster->count, &message, backoff_random());
    return chosen < 0 ? NULL : roster->providers[chosen];
}

struct provider *roster_route(const struct roster *roster, struct job *job)
{
    if (job->tried_count == JOB_TRIED_MAX)
        return NULL; /* a further one could not be remembered, and would be tried for ever */
    struct provider *provider = choose(roster, job, provider_is_open);
    if (provider)
        return provider;
    /* The next lease may give nothing either: it would wait, and its batch with it, from lease to lease. */
    if (job->waits_since == 0)
        job->waits_since = clock_mono();
    return clock_mono() - job->waits_since < WAIT_MS ? choose(roster, job, provider_opens_soon) : NULL;
}

/* Without this, the messages of one app without provider would go round every few seconds for ever. */
int64_t roster_not_before(const struct roster *roster, const struct job *job)
{
    int64_t wait = UNSERVED_MS;
    struct provider *soonest = NULL;
    struct route_message message = route_message(job);
    for (size_t i = 0; i < roster->count; i++) {
        struct provider *provider = roster->providers[i];
        int64_t closed = provider_closed_for(provider);
        if (closed > wait || !route_serves(provider_rules(provider), &message))
            continue;
        wait = closed;
        soonest = provider;
    }
    if (soonest)
        wait = provider_turn(soonest, UNSERVED_MS);
    return clock_ms() + wait + 1000 + backoff_random() % 4000;
}

bool roster_distrusts_gone(struct roster *roster, const struct job *job, char *reason, size_t size)
{
    for (size_t i = 0; i < roster->count; i++)
        if (roster->providers[i] == job->provider)
            return provider_distrusts_gone(roster->providers[i], reason, size);
    return false;
}

/* ---- All of them ---- */

size_t roster_room(const struct roster *roster)
{
    size_t room = 0;
    for (size_t i = 0; i < roster->count; i++)
        room += provider_room(roster->providers[i]);
    return room;
}

void roster_demand(struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++)
        provider_demand(roster->providers[i]);
}

void roster_tell_health(const struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++)
        provider_tell_health(roster->providers[i]);
}

void roster_withdraw(struct roster *roster, const struct flight *flight)
{
    for (size_t i = 0; i < roster->count; i++)
        provider_hand_back(roster->providers[i], flight);
}

void roster_give_back(struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++)
        provider_give_back(roster->providers[i]);
}

/* ---- Life ---- */

struct roster *roster_new(const struct roster_options *options)
{
    struct roster *roster = mem_alloc(sizeof *roster);
    roster->options = *options;
    return roster;
}

void roster_free(struct roster *roster)
{
    if (!roster)
        return;
    for (size_t i = 0; i < roster->count; i++)
        provider_free(roster->providers[i]);
    mem_free(roster);
}
