/* What the answers of SNS mean. */
#include <stdio.h>
#include <string.h>

#include "providers/judge.h"
#include "providers/sms/sms.h"
#include "providers/sms/sns.h"

enum { THROTTLED_WAIT_MS = 1000, CODE_MAX = 64 };

/* PARAMETER: the recipient is at fault when the text names PhoneNumber. */
enum meaning { PLAIN, PARAMETER };

static const struct row {
    const char *code;
    enum verdict_kind kind;
    enum meaning meaning;
} rows[] = {
    {"InvalidParameter", VERDICT_REJECTED, PARAMETER},
    {"ParameterValueInvalid", VERDICT_REJECTED, PARAMETER},
    {"ValidationException", VERDICT_REJECTED, PARAMETER},
    {"ValidationError", VERDICT_REJECTED, PARAMETER},
    {"OptedOut", VERDICT_ADDRESS_GONE, PLAIN},
    {"EndpointDisabled", VERDICT_REJECTED, PLAIN},
    {"PlatformApplicationDisabled", VERDICT_REJECTED, PLAIN},
    {"KMSThrottling", VERDICT_RETRY, PLAIN},
    {"KMSThrottlingException", VERDICT_RETRY, PLAIN},
    {"AuthorizationError", VERDICT_STOPPED, PLAIN},
    {"InvalidSecurity", VERDICT_STOPPED, PLAIN},
    {"AccessDenied", VERDICT_STOPPED, PLAIN},
    {"AccessDeniedException", VERDICT_STOPPED, PLAIN},
    {"SignatureDoesNotMatch", VERDICT_STOPPED, PLAIN},
    {"IncompleteSignature", VERDICT_STOPPED, PLAIN},
    {"InvalidClientTokenId", VERDICT_STOPPED, PLAIN},
    {"UnrecognizedClientException", VERDICT_STOPPED, PLAIN},
    {"MissingAuthenticationToken", VERDICT_STOPPED, PLAIN},
    {"OptInRequired", VERDICT_STOPPED, PLAIN},
    {"ExpiredToken", VERDICT_REFRESH, PLAIN},
    {"ExpiredTokenException", VERDICT_REFRESH, PLAIN},
    {"RequestExpired", VERDICT_REFRESH, PLAIN},
    {"NotFound", VERDICT_STOPPED, PLAIN},
    {"Throttled", VERDICT_THROTTLED, PLAIN},
    {"Throttling", VERDICT_THROTTLED, PLAIN},
    {"ThrottlingException", VERDICT_THROTTLED, PLAIN},
    {"TooManyRequestsException", VERDICT_THROTTLED, PLAIN},
    {"InternalError", VERDICT_IN_DOUBT, PLAIN}, /* perhaps in the middle of it */
    {"InternalFailure", VERDICT_IN_DOUBT, PLAIN},
    {"ServiceUnavailable", VERDICT_RETRY, PLAIN}, /* refused before anything was done */
};

/* For answers without a code in the table. */
static const struct {
    int low, high;
    enum verdict_kind kind;
} statuses[] = {
    {404, 404, VERDICT_STOPPED},
    {429, 429, VERDICT_THROTTLED},
    {500, 599, VERDICT_IN_DOUBT},
};

/* The text of the first element of that name. The few answers of SNS need no more of XML. False: there is
 * none, or it is longer than out. */
static bool element_text(const char *xml, const char *name, char *out, size_t size)
{
    char tag[32];
    snprintf(tag, sizeof tag, "<%s>", name);
    const char *start = strstr(xml, tag);
    if (start == NULL)
        return false;
    start += strlen(tag);
    size_t length = strcspn(start, "<");
    if (length == 0 || length >= size || start[length] == '\0')
        return false;
    memcpy(out, start, length);
    out[length] = '\0';
    return true;
}

static bool row_find(const char *code, int status, struct row *row)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].code, code) == 0) {
            *row = rows[i];
            return true;
        }
    }
    if (strncmp(code, "KMS", 3) == 0) {
        *row = (struct row){code, VERDICT_STOPPED, PLAIN};
        return true;
    }
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (status >= statuses[i].low && status <= statuses[i].high) {
            *row = (struct row){code, statuses[i].kind, PLAIN};
            return true;
        }
    }
    return false;
}

static struct verdict judge_error(const char *xml, const struct message *message,
                                  const struct response *response, int64_t now_ms)
{
    char code[CODE_MAX] = "", said[1024] = "", text[JUDGE_TEXT], reason[CODE_MAX + JUDGE_TEXT + 8];
    struct row row;
    element_text(xml, "Code", code, sizeof code);
    element_text(xml, "Message", said, sizeof said);
    sms_reason(text, sizeof text, said, message);
    snprintf(reason, sizeof reason, "%s%s%s", code, code[0] != '\0' && text[0] != '\0' ? ": " : "", text);
    if (!row_find(code, response->status, &row))
        return judge_status(response, reason, now_ms);
    if (row.meaning == PARAMETER && strstr(said, "PhoneNumber") != NULL)
        row.kind = VERDICT_ADDRESS_GONE;
    struct verdict verdict =
        verdict_make(row.kind, "HTTP %d%s%s", response->status, reason[0] != '\0' ? " " : "", reason);
    if (row.kind == VERDICT_THROTTLED)
        judge_wait(&verdict, response, now_ms, THROTTLED_WAIT_MS);
    if (row.kind == VERDICT_RETRY)
        judge_wait(&verdict, response, now_ms, 0);
    return verdict;
}

static struct verdict judge_ok(const char *xml, const struct response *response)
{
    struct verdict verdict = {.kind = VERDICT_SENT};
    if (strstr(xml, "<PublishResponse") == NULL ||
        !element_text(xml, "MessageId", verdict.provider_id, sizeof verdict.provider_id))
        return verdict_make(VERDICT_IN_DOUBT, "HTTP %d with a body that is not SNS'", response->status);
    return verdict;
}

struct verdict sns_judge(const void *settings, const struct message *message, const struct response *response,
                         int64_t now_ms)
{
    (void)settings;
    const char *xml = response->body_truncated || response->body == NULL ? "" : response->body;
    if (response->status >= 200 && response->status < 300)
        return judge_ok(xml, response);
    return judge_error(xml, message, response, now_ms);
}
