/* What the answers of push services mean. */
#include <stdio.h>
#include <string.h>

#include "providers/judge.h"
#include "providers/push/webpush.h"

enum { THROTTLE_WAIT_MS = 60000 };

/* How services say that a subscription was made with another VAPID key: it can never be used with this one.
 */
static const char *const other_key[] = {
    "do not correspond to the credentials", /* FCM, 403 */
    "does not correspond to the sender",    /* FCM, 403, older */
    "UnauthorizedRegistration",             /* FCM, 400 */
    "VapidPkHashMismatch",                  /* Apple, 400 */
    "VAPID public key mismatch",            /* Mozilla, 401 */
};

/* Mozilla's errno says more than its status; 0 = any. The first row that holds both decides. */
static const struct row {
    int status;
    int code;
    enum verdict_kind kind;
    int64_t wait_ms; /* when the answer names none; 0 = as the channel's backoff says */
} rows[] = {
    {0, 102, VERDICT_ADDRESS_GONE, 0}, /* no such endpoint */
    {0, 103, VERDICT_ADDRESS_GONE, 0}, /* expired */
    {0, 105, VERDICT_ADDRESS_GONE, 0}, /* gone during the request */
    {0, 106, VERDICT_ADDRESS_GONE, 0}, /* invalid subscription */
    {0, 101, VERDICT_REJECTED, 0},     /* crypto headers missing */
    {0, 104, VERDICT_REJECTED, 0},     /* too large */
    {0, 108, VERDICT_REJECTED, 0},     /* router type */
    {0, 110, VERDICT_REJECTED, 0},     /* crypto keys */
    {0, 111, VERDICT_REJECTED, 0},     /* header missing */
    {0, 112, VERDICT_REJECTED, 0},     /* TTL */
    {0, 113, VERDICT_REJECTED, 0},     /* Topic */
    {0, 109, VERDICT_STOPPED, 0},      /* the VAPID token */
    {0, 201, VERDICT_RETRY, THROTTLE_WAIT_MS},
    {400, 0, VERDICT_REJECTED, 0},
    {401, 0, VERDICT_STOPPED, 0},
    {403, 0, VERDICT_STOPPED, 0},
    {404, 0, VERDICT_ADDRESS_GONE, 0},
    {406, 0, VERDICT_RETRY, THROTTLE_WAIT_MS}, /* Windows: this channel, others are served */
    {410, 0, VERDICT_ADDRESS_GONE, 0},
    {413, 0, VERDICT_REJECTED, 0},
    {429, 0, VERDICT_RETRY, THROTTLE_WAIT_MS}, /* of this host; others are served */
};

static const struct row *row_find(int status, int64_t code)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((rows[i].status == 0 || rows[i].status == status) && (rows[i].code == 0 || rows[i].code == code))
            return &rows[i];
    }
    return NULL;
}

static bool says_other_key(const struct response *response)
{
    for (size_t i = 0; i < sizeof other_key / sizeof other_key[0]; i++) {
        if (strcasestr(response->body, other_key[i]) != NULL)
            return true;
    }
    return false;
}

/* The service's id of the push, for its support: a header, or the last part of the message's URL. */
static struct verdict judge_ok(const struct response *response, int64_t now_ms)
{
    const char *windows = response_header(response, "x-wns-status");
    if (windows != NULL && strcasecmp(windows, "dropped") == 0)
        return verdict_make(VERDICT_REJECTED, "HTTP %d, dropped by the push service", response->status);
    if (windows != NULL && strcasecmp(windows, "channelthrottled") == 0) {
        struct verdict verdict = verdict_make(VERDICT_RETRY, "HTTP %d, channel throttled", response->status);
        judge_wait(&verdict, response, now_ms, THROTTLE_WAIT_MS);
        return verdict;
    }
    static const char *const names[] = {"apns-id", "x-wns-msg-id", "location"};
    struct verdict verdict = verdict_sent(NULL);
    const char *id = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && id == NULL; i++)
        id = response_header(response, names[i]);
    const char *last = id != NULL ? strrchr(id, '/') : NULL;
    if (last != NULL)
        id = last + 1;
    if (id != NULL && strlen(id) < sizeof verdict.provider_id)
        snprintf(verdict.provider_id, sizeof verdict.provider_id, "%s", id);
    return verdict;
}

static struct verdict judge_error(const struct message *message, const struct response *response,
                                  bool stranger, int64_t now_ms)
{
    if (response->status >= 400 && response->status < 500 && says_other_key(response))
        return verdict_make(VERDICT_ADDRESS_GONE, "HTTP %d, the subscription was made with another VAPID key",
                            response->status);
    struct json_object *body = judge_json(response);
    int64_t code = json_get_int(body, "errno", 0);
    const char *said = json_get_text(body, "reason"); /* Apple */
    if (said == NULL)
        said = json_get_text(body, "message"); /* Mozilla */
    if (said == NULL)
        said = response_header(response, "x-wns-error-description");
    char text[JUDGE_TEXT];
    /* People should not read what a host that nobody knows wants them to. */
    judge_text(text, sizeof text, stranger ? NULL : said, message->recipient);
    json_object_put(body);

    const struct row *row = row_find(response->status, code);
    if (row == NULL)
        return judge_status(response, text, now_ms);
    char number[32] = "";
    if (code != 0)
        snprintf(number, sizeof number, " errno %lld", (long long)code);
    struct verdict verdict =
        verdict_make(row->kind, "HTTP %d%s%s%s", response->status, number, text[0] != '\0' ? " " : "", text);
    if (row->kind == VERDICT_RETRY)
        judge_wait(&verdict, response, now_ms, row->wait_ms);
    return verdict;
}

/* Push services are many, and each is its subscribers' choice: none speaks for the health of the others. One
 * that is not there concerns its own subscribers only: their messages use up their attempts. */
struct verdict webpush_judge_failure(const void *arg, const struct message *message,
                                     const struct response *response)
{
    const struct webpush_settings *settings = arg;
    struct verdict verdict = verdict_of_failure(response);
    bool elsewhere = response->fault == FAULT_NOT_ALLOWED ||
                     webpush_trust_in(settings, message->recipient) != ORIGIN_NAMED;
    if (verdict.kind != VERDICT_IN_DOUBT && elsewhere)
        verdict.kind = VERDICT_RETRY;
    verdict.blame = BLAME_RECIPIENT;
    return verdict;
}

struct verdict webpush_judge(const void *arg, const struct message *message, const struct response *response,
                             int64_t now_ms)
{
    const struct webpush_settings *settings = arg;
    bool stranger = webpush_trust_in(settings, message->recipient) == ORIGIN_STRANGER;
    int status = response->status;
    struct verdict verdict = status == 200 || status == 201 || status == 202 || status == 204
                                 ? judge_ok(response, now_ms)
                                 : judge_error(message, response, stranger, now_ms);
    /* A redirection is never followed; no service uses one. */
    if (verdict.kind == VERDICT_STOPPED && (stranger || status < 400))
        verdict.kind = VERDICT_REJECTED;
    if (verdict.kind != VERDICT_SENT)
        verdict.blame = BLAME_RECIPIENT;
    return verdict;
}
