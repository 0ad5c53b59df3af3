/* Asks a provider whether it took a message. */
#include "core/clock.h"
#include "dispatcher/account_internal.h"
#include "dispatcher/inquiry.h"

bool account_can_be_asked(const struct account *account)
{
    return account->adapter->inquiry_build && account->endpoint;
}

/* Messages that wait go first, and a provider that is being tried after a fault is tried by messages only. A
 * question counts as a request of the provider's limits. */
bool account_has_time_to_answer(struct account *account)
{
    if (!account_can_be_asked(account) || !account_takes_jobs(account) || account->first ||
        breaker_state(&account->breaker) != BREAKER_CLOSED || endpoint_free_slots(account->endpoint) == 0)
        return false;
    if (!account->budget || budget_room(account->budget) > 0)
        return true;
    account_demand(account);
    return false;
}

static void on_answer(void *arg, const struct response *response)
{
    struct question *question = arg;
    struct account *account = question->account;
    account->in_the_air--;
    if (account->budget)
        budget_ended(account->budget);
    struct verdict verdict =
        account->adapter->inquiry_judge(account->settings, question->message, response, &question->sent);
    question->answered(question->arg, &verdict);
    account_pump(account);
    account_maybe_free_retired(account);
}

bool account_ask(struct account *account, struct question *question)
{
    if (!account_has_time_to_answer(account) ||
        !account->adapter->inquiry_build(account->settings, question->message, &question->sent, clock_ms(),
                                         question->arena, &question->request))
        return false;
    question->account = account;
    question->request.timeout_ms = account->request_timeout_ms;
    account->in_the_air++;
    if (account->budget)
        budget_started(account->budget);
    endpoint_send(account->endpoint, &question->request, on_answer, question);
    return true;
}
