#include "providers/adapter.h"

#include "providers/judge.h"

static enum blame blame_of(enum verdict_kind kind, const struct response *response)
{
    if (response->fault == FAULT_REFUSED)
        return BLAME_NOBODY;
    bool out_of_order = response->state != SEND_ANSWERED || response->status >= 500;
    return out_of_order ? BLAME_PROVIDER : verdict_blame(kind);
}

struct verdict adapter_judge(const struct adapter *adapter, const void *settings,
                             const struct message *message, const struct response *response, int64_t now_ms)
{
    struct verdict verdict;
    if (response->state == SEND_ANSWERED)
        verdict = adapter->judge(settings, message, response, now_ms);
    else if (adapter->judge_failure != NULL)
        verdict = adapter->judge_failure(settings, message, response);
    else
        verdict = verdict_of_failure(response);
    if (verdict.blame == BLAME_UNSAID)
        verdict.blame = blame_of(verdict.kind, response);
    verdict_bound(&verdict, now_ms);
    return verdict;
}

struct verdict adapter_judge_inquiry(const struct adapter *adapter, const void *settings,
                                     const struct message *message, const struct response *response,
                                     const struct sent_span *sent)
{
    /* Whatever became of the question says nothing about the message. */
    if (response->state != SEND_ANSWERED)
        return verdict_make(VERDICT_IN_DOUBT, "the vendor could not be asked: %s", response->error);
    struct json_object *body = response->status / 100 == 2 ? judge_json(response) : NULL;
    struct verdict verdict =
        body != NULL
            ? adapter->inquiry_judge(settings, message, body, sent)
            : verdict_make(VERDICT_IN_DOUBT, "the vendor's list cannot be read: HTTP %d", response->status);
    json_object_put(body);
    verdict_bound(&verdict, sent->upto_ms);
    return verdict;
}
