/* How an account is made from its row, and how it ends. */
#include <inttypes.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "core/secret.h"
#include "dispatcher/account_internal.h"

enum { ORIGINS_MAX = 64 /* hosts at once, for a provider whose recipients bring their own */ };

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

static bool set_up(struct account *account, const struct account_row *row, struct json_object *settings,
                   struct error *err)
{
    char *secrets[ADAPTER_MAX_SECRETS] = {0};
    bool ok = read_secrets(account->adapter, settings, secrets, err);
    if (ok) {
        account->settings = account->adapter->settings_new(settings, (const char *const *)secrets, err);
        ok = account->settings != NULL;
    }
    for (size_t i = 0; i < ADAPTER_MAX_SECRETS; i++)
        secret_free(secrets[i]);
    if (!ok)
        return false;
    struct endpoint_options options = {.connections = row->max_connections,
                                       .streams = row->max_streams,
                                       .connect_timeout_ms = row->connect_timeout_ms,
                                       .timeout_ms = row->request_timeout_ms,
                                       .on_capacity = account_on_slots,
                                       .arg = account};
    account->adapter->endpoint(account->settings, &options);
    if (!options.url) {
        account->origins = origins_new(account->transport, &options, ORIGINS_MAX);
        return true;
    }
    account->endpoint = endpoint_new(account->transport, &options, err);
    return account->endpoint != NULL;
}

static char *signature(const struct account_row *row)
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

bool account_is_same(const struct account *account, const struct account_row *row)
{
    if (account->stopped && row->stopped_ms == 0)
        return false; /* a person has mended something, perhaps the contents of a secret's file */
    char *other = signature(row);
    bool same = strcmp(account->signature, other) == 0;
    mem_free(other);
    return same;
}

static void copy_rules(struct account *account, const struct route_rules *rules)
{
    size_t count = 0;
    while (rules->regions && rules->regions[count])
        count++;
    account->regions = mem_array(count + 1, sizeof *account->regions);
    for (size_t i = 0; i < count; i++)
        account->regions[i] = mem_strdup(rules->regions[i]);
    account->app = mem_strdup(rules->app);
    account->environment = mem_strdup(rules->environment);
    account->rules = (struct route_rules){.app = account->app,
                                          .environment = account->environment,
                                          .regions = (const char *const *)account->regions,
                                          .priority = rules->priority,
                                          .weight = rules->weight};
}

struct account *account_new(struct loop *loop, struct transport *transport, const struct account_row *row,
                            const struct account_events *events, struct error *err)
{
    const struct adapter *adapter = adapter_find(row->adapter);
    if (!adapter) {
        error_set(err, "adapter: no adapter is called \"%s\"", row->adapter);
        return NULL;
    }
    struct json_object *settings = json_parse(row->settings, strlen(row->settings), err);
    if (!settings)
        return NULL;
    struct account *account = mem_alloc(sizeof *account);
    account->loop = loop;
    account->transport = transport;
    account->adapter = adapter;
    account->events = *events;
    account->name = mem_strdup(row->name);
    copy_rules(account, &row->rules);
    breaker_init(&account->breaker);
    account->gone_limit = row->gone_limit;
    account->attachments_dir = mem_strdup(json_get_text(settings, "attachments_dir"));
    if (row->limited)
        account->budget =
            budget_new(loop, row->name, &(struct budget_events){.lease = events->lease, .arg = events->arg});
    account->signature = signature(row);
    account->request_timeout_ms = row->request_timeout_ms;
    account->last = &account->first;
    account->unblock = timer_new(loop, account_on_unblock, account);
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
    /* What follows it under its name, if anything does, begins with a closed breaker. */
    if (breaker_state(&account->breaker) != BREAKER_CLOSED)
        account->events.health(account->events.arg, account->name, "closed", NULL);
    account->retired = true;
    timer_clear(account->unblock);
    account_hand_back(account, NULL);
    account_give_back(account);
    endpoint_free(account->credential.endpoint); /* a token that is being fetched is of no use */
    account->credential.endpoint = NULL;
    account_maybe_free_retired(account);
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
    origins_free(account->origins);
    endpoint_free(account->credential.endpoint);
    account_hand_back(account, NULL);
    timer_free(account->unblock);
    arena_free(account->credential.arena);
    mem_free(account->credential.value.token);
    if (account->settings)
        account->adapter->settings_free(account->settings);
    mem_free(account->name);
    mem_free(account->app);
    mem_free(account->environment);
    for (size_t i = 0; account->regions && account->regions[i]; i++)
        mem_free(account->regions[i]);
    mem_free(account->regions);
    mem_free(account->attachments_dir);
    mem_free(account->fault);
    budget_free(account->budget);
    mem_free(account->signature);
    mem_free(account);
}
