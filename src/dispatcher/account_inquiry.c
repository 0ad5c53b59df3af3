/* Asks a provider whether it took a message. */
#include "core/clock.h"
#include "dispatcher/account_internal.h"
#include "dispatcher/inquiry.h"

bool account_can_be_asked(const struct account *account)
{
    return account->provider->inquiry_build != NULL;
}

static void on_answer(void *arg, const struct response *response)
{
    struct inquiry *inquiry = arg;
    struct account *account = inquiry->account;
    account->in_the_air--;
    if (account->budget)
        budget_ended(account->budget);
    struct verdict verdict =
        account->provider->inquiry_judge(account->settings, inquiry->message, response, &inquiry->sent);
    inquiry->answered(inquiry, &verdict);
    account_pump(account);
    account_maybe_free_retired(account);
}

/* A question counts as a request of the provider's limits. Messages that wait go first; and a provider that
 * is being tried after a fault is tried by messages only. */
static bool has_room(const struct account *account)
{
    return account_takes_jobs(account) && breaker_state(&account->breaker) == BREAKER_CLOSED &&
           !account->first && endpoint_free_slots(account->endpoint) > 0 &&
           (!account->budget || budget_room(account->budget) > 0);
}

bool account_inquire(struct account *account, struct inquiry *inquiry)
{
    if (!account->endpoint || !has_room(account) ||
        !account->provider->inquiry_build(account->settings, inquiry->message, &inquiry->sent, clock_ms(),
                                          inquiry->arena, &inquiry->request))
        return false;
    inquiry->account = account;
    inquiry->request.timeout_ms = account->request_timeout_ms;
    account->in_the_air++;
    if (account->budget)
        budget_started(account->budget);
    endpoint_send(account->endpoint, &inquiry->request, on_answer, inquiry);
    return true;
}
