/* Asks a provider whether it took a message. */
#include "core/clock.h"
#include "dispatcher/inquiry.h"
#include "dispatcher/provider_internal.h"

bool provider_can_be_asked(const struct provider *provider)
{
    return provider->adapter->inquiry_build && provider->endpoint;
}

/* Messages that wait go first, and a provider that is being tried after a fault is tried by messages only. A
 * question counts as a request of the provider's limits. */
bool provider_has_time_to_answer(struct provider *provider)
{
    if (!provider_can_be_asked(provider) || !provider_takes_jobs(provider) || provider->first ||
        breaker_state(&provider->breaker) != BREAKER_CLOSED || endpoint_free_slots(provider->endpoint) == 0)
        return false;
    if (!provider->budget || budget_room(provider->budget) > 0)
        return true;
    provider_demand(provider);
    return false;
}

static void on_answer(void *arg, const struct response *response)
{
    struct question *question = arg;
    struct provider *provider = question->provider;
    provider->in_the_air--;
    if (provider->budget)
        budget_ended(provider->budget);
    struct verdict verdict =
        provider->adapter->inquiry_judge(provider->settings, question->message, response, &question->sent);
    question->answered(question->arg, &verdict);
    provider_pump(provider);
    provider_maybe_free_retired(provider);
}

bool provider_ask(struct provider *provider, struct question *question)
{
    if (!provider_has_time_to_answer(provider) ||
        !provider->adapter->inquiry_build(provider->settings, question->message, &question->sent, clock_ms(),
                                          question->arena, &question->request))
        return false;
    question->provider = provider;
    question->request.timeout_ms = provider->request_timeout_ms;
    provider->in_the_air++;
    if (provider->budget)
        budget_started(provider->budget);
    endpoint_send(provider->endpoint, &question->request, on_answer, question);
    return true;
}
