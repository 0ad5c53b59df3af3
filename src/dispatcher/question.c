#include "dispatcher/question.h"

#include "core/clock.h"
#include "dispatcher/provider_internal.h"
#include "dispatcher/send.h"

bool question_is_possible(const struct provider *provider)
{
    return provider->adapter->inquiry_build && provider->endpoint;
}

/* Messages that wait go first, and a provider that is being tried after a fault is tried by messages only. A
 * question counts as a request of the provider's limits. */
bool question_is_timely(struct provider *provider)
{
    if (!question_is_possible(provider) || !provider_takes_jobs(provider) || provider->first ||
        breaker_state(&provider->health.breaker) != BREAKER_CLOSED ||
        endpoint_free_slots(provider->endpoint) <= provider->held_count)
        return false;
    if (!provider->budget || budget_room(provider->budget) > provider->held_count)
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
    struct verdict verdict = adapter_judge_inquiry(provider->adapter, provider->settings, question->message,
                                                   response, &question->sent);
    question->answered(question->arg, &verdict);
    send_pump(provider);
    provider_maybe_free_retired(provider);
}

bool question_ask(struct question *question, struct provider *provider)
{
    if (!question_is_timely(provider) ||
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
