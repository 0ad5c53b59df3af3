/* Access tokens: fetched when they are needed, again when they have run out. */
#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "dispatcher/account_internal.h"

enum { CREDENTIAL_TIMEOUT_MS = 20000 };

static const struct backoff credential_backoff = {.base_ms = 1000, .cap_ms = 60000};

bool account_credential_ready(const struct account *account)
{
    return !account->adapter->credential_build ||
           (account->credential.value.token && account->credential.value.expires_ms > clock_ms());
}

/* Closed until the next try: jobs that waited here for a token would keep their batches from landing. */
static void credential_failed(struct account *account, const char *reason)
{
    int64_t delay = backoff_delay(&credential_backoff, ++account->credential.failures, backoff_random());
    log_event(LOG_WARN, "credential_failed", log_text("provider", account->name), log_text("reason", reason),
              log_int("retry_ms", delay));
    account_block(account, delay, reason);
}

static void on_credential(void *arg, const struct response *response)
{
    struct account *account = arg;
    struct credential fresh = {0};
    struct verdict verdict =
        account->adapter->credential_judge(account->settings, response, clock_ms(), &fresh);
    account->credential.fetching = false;
    if (account->retired) {
        mem_free(fresh.token);
        return;
    }
    if (verdict.kind == VERDICT_SENT) {
        mem_free(account->credential.value.token);
        account->credential.value = fresh;
        account->credential.failures = 0;
        account->credential.generation++;
        account_pump(account);
    } else if (verdict.kind == VERDICT_STOPPED) {
        account_stop(account, verdict.reason);
    } else {
        credential_failed(account, verdict.reason);
    }
}

void account_fetch_credential(struct account *account)
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
    if (!account->adapter->credential_build(account->settings, clock_ms(), account->credential.arena,
                                            &options, &request, &err)) {
        account_stop(account, err.text);
        return;
    }
    if (!account->credential.endpoint)
        account->credential.endpoint = endpoint_new(account->transport, &options, &err);
    if (!account->credential.endpoint) {
        account_stop(account, err.text);
        return;
    }
    account->credential.fetching = true;
    endpoint_send(account->credential.endpoint, &request, on_credential, account);
}
