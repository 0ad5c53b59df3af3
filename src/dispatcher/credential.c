/* Access tokens: fetched when they are needed, again when they have run out. */
#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/provider_internal.h"

enum { CREDENTIAL_TIMEOUT_MS = 20000 };

static const struct backoff credential_backoff = {.base_ms = 1000, .cap_ms = 60000};

bool provider_credential_ready(const struct provider *provider)
{
    return !provider->adapter->credential_build ||
           (provider->credential.value.token && provider->credential.value.expires_ms > clock_ms());
}

/* Closed until the next try: jobs that waited here for a token would keep their batches from landing. */
static void credential_failed(struct provider *provider, const char *reason)
{
    int64_t delay = backoff_delay(&credential_backoff, ++provider->credential.failures, backoff_random());
    log_event(LOG_WARN, "credential_failed", log_text("provider", provider->name), log_text("reason", reason),
              log_int("retry_ms", delay));
    provider_block(provider, delay, reason);
}

static void on_credential(void *arg, const struct response *response)
{
    struct provider *provider = arg;
    struct credential fresh = {0};
    struct verdict verdict =
        provider->adapter->credential_judge(provider->settings, response, clock_ms(), &fresh);
    provider->credential.fetching = false;
    if (provider->retired) {
        mem_free(fresh.token);
        return;
    }
    if (verdict.kind == VERDICT_SENT) {
        mem_free(provider->credential.value.token);
        provider->credential.value = fresh;
        provider->credential.failures = 0;
        provider->credential.generation++;
        provider_pump(provider);
    } else if (verdict.kind == VERDICT_STOPPED) {
        provider_stop(provider, verdict.reason);
    } else {
        credential_failed(provider, verdict.reason);
    }
}

void provider_fetch_credential(struct provider *provider)
{
    if (provider->credential.fetching)
        return;
    struct endpoint_options options = {.connections = 1,
                                       .streams = 1,
                                       .connect_timeout_ms = CREDENTIAL_TIMEOUT_MS,
                                       .timeout_ms = CREDENTIAL_TIMEOUT_MS};
    static const struct request empty;
    struct request request = empty;
    struct error err;
    arena_reset(provider->credential.arena);
    if (!provider->adapter->credential_build(provider->settings, clock_ms(), provider->credential.arena,
                                             &options, &request, &err)) {
        provider_stop(provider, err.text);
        return;
    }
    if (!provider->credential.endpoint)
        provider->credential.endpoint = endpoint_new(provider->transport, &options, &err);
    if (!provider->credential.endpoint) {
        provider_stop(provider, err.text);
        return;
    }
    provider->credential.fetching = true;
    endpoint_send(provider->credential.endpoint, &request, on_credential, provider);
}
