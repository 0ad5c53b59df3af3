#include "dispatcher/credential.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

enum { TIMEOUT_MS = 20000 };

static const struct backoff credential_backoff = {.base_ms = 1000, .cap_ms = 60000};

struct credential_keeper {
    struct transport *transport;
    const struct adapter *adapter;
    const void *settings;
    const char *provider;
    struct credential_events events;
    struct credential value;
    struct endpoint *endpoint;
    struct arena *arena;
    bool fetching;
    bool closed;
    int failures;
    int generation; /* counts the tokens fetched */
};

struct credential_keeper *credential_new(struct transport *transport, const struct adapter *adapter,
                                         const void *settings, const char *provider,
                                         const struct credential_events *events)
{
    struct credential_keeper *keeper = mem_alloc(sizeof *keeper);
    keeper->transport = transport;
    keeper->adapter = adapter;
    keeper->settings = settings;
    keeper->provider = provider;
    keeper->events = *events;
    keeper->arena = arena_new();
    return keeper;
}

void credential_close(struct credential_keeper *keeper)
{
    keeper->closed = true;
    endpoint_free(keeper->endpoint);
    keeper->endpoint = NULL;
}

void credential_free(struct credential_keeper *keeper)
{
    if (!keeper)
        return;
    credential_close(keeper);
    arena_free(keeper->arena);
    mem_free(keeper->value.token);
    mem_free(keeper);
}

bool credential_is_ready(const struct credential_keeper *keeper)
{
    return !keeper->adapter->credential_build ||
           (keeper->value.token && keeper->value.expires_ms > clock_ms());
}

const char *credential_token(const struct credential_keeper *keeper)
{
    return keeper->value.token;
}

int credential_generation(const struct credential_keeper *keeper)
{
    return keeper->generation;
}

void credential_refused(struct credential_keeper *keeper, int generation)
{
    if (generation != keeper->generation)
        return;
    mem_free(keeper->value.token);
    keeper->value.token = NULL;
}

static void failed(struct credential_keeper *keeper, const char *reason)
{
    int64_t delay = backoff_delay(&credential_backoff, ++keeper->failures, backoff_random());
    log_event(LOG_WARN, "credential_failed", log_text("provider", keeper->provider),
              log_text("reason", reason), log_int("retry_ms", delay));
    keeper->events.failed(keeper->events.arg, delay, reason);
}

static void on_response(void *arg, const struct response *response)
{
    struct credential_keeper *keeper = arg;
    struct credential fresh = {0};
    struct verdict verdict =
        keeper->adapter->credential_judge(keeper->settings, response, clock_ms(), &fresh);
    keeper->fetching = false;
    if (keeper->closed) {
        mem_free(fresh.token);
    } else if (verdict.kind == VERDICT_SENT) {
        mem_free(keeper->value.token);
        keeper->value = fresh;
        keeper->failures = 0;
        keeper->generation++;
        keeper->events.fetched(keeper->events.arg);
    } else if (verdict.kind == VERDICT_STOPPED) {
        keeper->events.stopped(keeper->events.arg, verdict.reason);
    } else {
        failed(keeper, verdict.reason);
    }
}

void credential_fetch(struct credential_keeper *keeper)
{
    if (keeper->fetching)
        return;
    struct endpoint_options options = {
        .connections = 1, .streams = 1, .connect_timeout_ms = TIMEOUT_MS, .timeout_ms = TIMEOUT_MS};
    static const struct request empty;
    struct request request = empty;
    struct error err;
    arena_reset(keeper->arena);
    if (!keeper->adapter->credential_build(keeper->settings, clock_ms(), keeper->arena, &options, &request,
                                           &err)) {
        keeper->events.stopped(keeper->events.arg, err.text);
        return;
    }
    if (!keeper->endpoint)
        keeper->endpoint = endpoint_new(keeper->transport, &options, &err);
    if (!keeper->endpoint) {
        keeper->events.stopped(keeper->events.arg, err.text);
        return;
    }
    keeper->fetching = true;
    endpoint_send(keeper->endpoint, &request, on_response, keeper);
}
