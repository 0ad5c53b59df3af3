/* How a provider is made from its row, and how it ends. */
#include <inttypes.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "core/secret.h"
#include "dispatcher/provider_internal.h"
#include "dispatcher/send.h"

enum { CACHED_ENDPOINTS_MAX = 64 /* hosts at once, for a provider whose recipients bring their own */ };

static bool read_secrets(const struct adapter *adapter, struct json_object *settings, char **secrets,
                         struct error *err)
{
    for (size_t i = 0; i < ADAPTER_MAX_SECRETS && adapter->secrets[i]; i++) {
        const char *name = adapter->secrets[i];
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

static void on_fetched(void *arg)
{
    send_pump(arg);
}

/* Closed until the next try: jobs that waited here for a token would keep their batches from landing. */
static void on_credential_failed(void *arg, int64_t for_ms, const char *reason)
{
    provider_block(arg, for_ms, reason);
}

static void on_credential_stopped(void *arg, const char *reason)
{
    provider_stop(arg, reason);
}

static bool set_up(struct provider *provider, const struct provider_row *row, struct json_object *settings,
                   struct error *err)
{
    char *secrets[ADAPTER_MAX_SECRETS] = {0};
    bool ok = read_secrets(provider->adapter, settings, secrets, err);
    if (ok) {
        provider->settings = provider->adapter->settings_new(settings, (const char *const *)secrets, err);
        ok = provider->settings != NULL;
    }
    for (size_t i = 0; i < ADAPTER_MAX_SECRETS; i++)
        secret_free(secrets[i]);
    if (!ok)
        return false;
    provider->credential =
        credential_new(provider->transport, provider->adapter, provider->settings, provider->name,
                       &(struct credential_events){.fetched = on_fetched,
                                                   .failed = on_credential_failed,
                                                   .stopped = on_credential_stopped,
                                                   .arg = provider});
    struct endpoint_options options = {.connections = row->max_connections,
                                       .streams = row->max_streams,
                                       .connect_timeout_ms = row->connect_timeout_ms,
                                       .timeout_ms = row->request_timeout_ms,
                                       .on_capacity = send_on_slots,
                                       .arg = provider};
    provider->adapter->endpoint(provider->settings, &options);
    if (!options.url) {
        provider->endpoint_cache = endpoint_cache_new(provider->transport, &options, CACHED_ENDPOINTS_MAX);
        return true;
    }
    provider->endpoint = endpoint_new(provider->transport, &options, err);
    return provider->endpoint != NULL;
}

static char *signature(const struct provider_row *row)
{
    struct buf text;
    buf_init(&text, 1024 * 1024);
    const struct route_rules *rules = &row->rules;
    buf_printf(&text, "%s %s %s %s %d %d %d %d %" PRId64 " %" PRId64 " %d %d %s", row->name, row->adapter,
               rules->app ? rules->app : "", rules->environment, rules->priority, rules->weight,
               row->max_connections, row->max_streams, row->connect_timeout_ms, row->request_timeout_ms,
               row->limited, row->gone_limit, row->settings);
    for (size_t i = 0; rules->regions && rules->regions[i]; i++)
        buf_printf(&text, " %s", rules->regions[i]);
    char *copy = mem_strdup(buf_string(&text));
    buf_free(&text);
    return copy;
}

bool provider_is_same(const struct provider *provider, const struct provider_row *row)
{
    if (provider->stopped && row->stopped_ms == 0)
        return false; /* a person has mended something, perhaps the contents of a secret's file */
    char *other = signature(row);
    bool same = strcmp(provider->signature, other) == 0;
    mem_free(other);
    return same;
}

static void copy_rules(struct provider *provider, const struct route_rules *rules)
{
    size_t count = 0;
    while (rules->regions && rules->regions[count])
        count++;
    provider->regions = mem_array(count + 1, sizeof *provider->regions);
    for (size_t i = 0; i < count; i++)
        provider->regions[i] = mem_strdup(rules->regions[i]);
    provider->app = mem_strdup(rules->app);
    provider->environment = mem_strdup(rules->environment);
    provider->rules = (struct route_rules){.app = provider->app,
                                           .environment = provider->environment,
                                           .regions = (const char *const *)provider->regions,
                                           .priority = rules->priority,
                                           .weight = rules->weight};
}

static void on_timer(void *arg)
{
    struct provider *provider = arg;
    if (provider->retired)
        provider_free(provider);
    else
        provider_unblock(provider);
}

struct provider *provider_new(struct loop *loop, struct transport *transport, const struct provider_row *row,
                              const struct provider_events *events, struct error *err)
{
    const struct adapter *adapter = adapter_find(row->adapter);
    if (!adapter) {
        error_set(err, "adapter: no adapter is called \"%s\"", row->adapter);
        return NULL;
    }
    struct json_object *settings = json_parse(row->settings, strlen(row->settings), err);
    if (!settings)
        return NULL;
    struct provider *provider = mem_alloc(sizeof *provider);
    provider->transport = transport;
    provider->adapter = adapter;
    provider->events = *events;
    provider->name = mem_strdup(row->name);
    copy_rules(provider, &row->rules);
    health_init(&provider->health, row->gone_limit);
    if (row->limited)
        provider->budget =
            budget_new(loop, row->name, &(struct budget_events){.lease = events->lease, .arg = events->arg});
    provider->signature = signature(row);
    provider->request_timeout_ms = row->request_timeout_ms;
    provider->last = &provider->first;
    provider->unblock = timer_new(loop, on_timer, provider);
    bool ok = set_up(provider, row, settings, err);
    json_object_put(settings);
    if (!ok) {
        provider_free(provider);
        return NULL;
    }
    return provider;
}

void provider_retire(struct provider *provider)
{
    /* What follows it under its name, if anything does, begins with a closed breaker. */
    if (breaker_state(&provider->health.breaker) != BREAKER_CLOSED)
        provider->events.health(provider->events.arg, provider->name, "closed", NULL);
    provider->retired = true;
    timer_clear(provider->unblock);
    provider_give_back(provider); /* before its successor, with the same budget, asks for what follows */
    provider_hand_back(provider, NULL);
    credential_close(provider->credential); /* a token that is being fetched is of no use */
    provider_maybe_free_retired(provider);
}

void provider_free(struct provider *provider)
{
    if (!provider)
        return;
    provider->retired = true;
    provider->pumping = true;
    if (provider->blocked_until == 0)
        provider->blocked_until = INT64_MAX;
    endpoint_free(provider->endpoint);
    endpoint_cache_free(provider->endpoint_cache);
    if (provider->credential)
        credential_close(provider->credential);
    provider_hand_back(provider, NULL);
    timer_free(provider->unblock);
    credential_free(provider->credential);
    if (provider->settings)
        provider->adapter->settings_free(provider->settings);
    mem_free(provider->name);
    mem_free(provider->app);
    mem_free(provider->environment);
    for (size_t i = 0; provider->regions && provider->regions[i]; i++)
        mem_free(provider->regions[i]);
    mem_free(provider->regions);
    health_free(&provider->health);
    budget_free(provider->budget);
    mem_free(provider->signature);
    mem_free(provider);
}
