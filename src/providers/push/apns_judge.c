/* What APNs' answers mean. */
#include <string.h>

#include "providers/judge.h"
#include "providers/push/apns.h"

/* APNs takes a new provider token at most once in 20 minutes; half of that has passed on average. */
enum { TOKEN_UPDATE_WAIT_MS = 600000 };

static const struct reason {
    const char *name;
    enum verdict_kind kind;
    bool renew;
    int64_t wait_ms; /* when the answer names none; 0 = as the channel's backoff says */
} reasons[] = {
    {"BadCollapseId", VERDICT_REJECTED, false, 0},
    {"BadExpirationDate", VERDICT_REJECTED, false, 0},
    {"BadMessageId", VERDICT_REJECTED, false, 0},
    {"BadPriority", VERDICT_REJECTED, false, 0},
    {"InvalidPushType", VERDICT_REJECTED, false, 0},
    {"DuplicateHeaders", VERDICT_REJECTED, false, 0},
    {"PayloadEmpty", VERDICT_REJECTED, false, 0},
    {"MissingDeviceToken", VERDICT_REJECTED, false, 0},
    {"BadPath", VERDICT_REJECTED, false, 0},
    {"PayloadTooLarge", VERDICT_REJECTED, false, 0},
    {"BadDeviceToken", VERDICT_ADDRESS_GONE, false, 0},
    {"DeviceTokenNotForTopic", VERDICT_ADDRESS_GONE, false, 0},
    {"Unregistered", VERDICT_ADDRESS_GONE, false, 0},
    {"ExpiredToken", VERDICT_ADDRESS_GONE, false, 0},
    {"BadTopic", VERDICT_STOPPED, false, 0},
    {"MissingTopic", VERDICT_STOPPED, false, 0},
    {"TopicDisallowed", VERDICT_STOPPED, false, 0},
    {"InvalidProviderToken", VERDICT_STOPPED, false, 0},
    {"MissingProviderToken", VERDICT_STOPPED, false, 0},
    {"BadCertificate", VERDICT_STOPPED, false, 0},
    {"BadCertificateEnvironment", VERDICT_STOPPED, false, 0},
    {"BadEnvironmentKeyIdInToken", VERDICT_STOPPED, false, 0},
    {"Forbidden", VERDICT_STOPPED, false, 0},
    {"MethodNotAllowed", VERDICT_STOPPED, false, 0},
    {"ExpiredProviderToken", VERDICT_REFRESH, true, 0},
    {"UnrelatedKeyIdInToken", VERDICT_REFRESH, true, 0},
    {"TooManyProviderTokenUpdates", VERDICT_THROTTLED, false, TOKEN_UPDATE_WAIT_MS},
    {"TooManyRequests", VERDICT_RETRY, false, 0}, /* of this device; others are served */
    {"InternalServerError", VERDICT_RETRY, false, 0},
    {"ServiceUnavailable", VERDICT_RETRY, false, 0},
    {"Shutdown", VERDICT_RETRY, true, 0},
    {"IdleTimeout", VERDICT_RETRY, true, 0},
};

static const struct reason *reason_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reasons[i].name, name) == 0)
            return &reasons[i];
    }
    return NULL;
}

static struct verdict judge_error(struct json_object *body, const struct message *message,
                                  const struct response *response, int64_t now_ms)
{
    const char *name = json_get_text(body, "reason");
    const struct reason *reason = reason_find(name);
    if (reason == NULL) {
        char text[JUDGE_TEXT];
        judge_text(text, sizeof text, name, message->recipient);
        return judge_status(response, text, now_ms);
    }
    struct verdict verdict = verdict_make(reason->kind, "%d %s", response->status, reason->name);
    verdict.renew = reason->renew;
    if (reason->kind == VERDICT_RETRY || reason->kind == VERDICT_THROTTLED)
        judge_wait(&verdict, response, now_ms, reason->wait_ms);
    if (reason->kind == VERDICT_ADDRESS_GONE) {
        int64_t since = json_get_int(body, "timestamp", 0);
        verdict.gone_since_ms = since > 0 ? since : 0;
    }
    return verdict;
}

struct verdict apns_judge(const void *settings, const struct message *message,
                          const struct response *response, int64_t now_ms)
{
    (void)settings;
    if (response->status == 200) {
        const char *id = response_header(response, "apns-id");
        return verdict_sent(id != NULL ? id : message->uuid);
    }
    struct json_object *body = judge_json(response);
    struct verdict verdict;
    /* APNs explains each refusal; a 4xx with some other text was not written by it. */
    if (body == NULL && response->body_size > 0 && response->status >= 400 && response->status < 500)
        verdict = verdict_make(VERDICT_IN_DOUBT, "HTTP %d with a body that is not APNs'", response->status);
    else
        verdict = judge_error(body, message, response, now_ms);
    json_object_put(body);
    return verdict;
}
