/* What SES's answers mean. */
#include <stdio.h>
#include <string.h>

#include "providers/judge.h"
#include "providers/mail/ses.h"

enum { THROTTLE_WAIT_MS = 1000, TYPE_MAX = 64 };

/* The first row that fits decides. text: must occur in the message, unless NULL. */
static const struct row {
    const char *type, *text;
    enum verdict_kind kind;
} rows[] = {
    {"BadRequestException", NULL, VERDICT_REJECTED},
    {"MessageRejected", "address is not verified", VERDICT_STOPPED},
    {"MessageRejected", NULL, VERDICT_REJECTED},
    {"MailFromDomainNotVerifiedException", NULL, VERDICT_STOPPED},
    {"AccountSuspendedException", NULL, VERDICT_STOPPED},
    {"SendingPausedException", NULL, VERDICT_STOPPED},
    {"LimitExceededException", NULL, VERDICT_STOPPED},
    {"NotFoundException", NULL, VERDICT_STOPPED},
    {"ConflictException", NULL, VERDICT_RETRY},
    {"TooManyRequestsException", "quota exceeded", VERDICT_STOPPED},
    {"TooManyRequestsException", NULL, VERDICT_THROTTLED},
    {"Throttling", NULL, VERDICT_THROTTLED},
    {"ThrottlingException", NULL, VERDICT_THROTTLED},
    {"SignatureDoesNotMatch", NULL, VERDICT_STOPPED},
    {"InvalidSignatureException", NULL, VERDICT_STOPPED},
    {"IncompleteSignature", NULL, VERDICT_STOPPED},
    {"MissingAuthenticationToken", NULL, VERDICT_STOPPED},
    {"InvalidClientTokenId", NULL, VERDICT_STOPPED},
    {"UnrecognizedClientException", NULL, VERDICT_STOPPED},
    {"AccessDenied", NULL, VERDICT_STOPPED},
    {"AccessDeniedException", NULL, VERDICT_STOPPED},
    {"OptInRequired", NULL, VERDICT_STOPPED},
    {"ExpiredToken", NULL, VERDICT_REFRESH},
    {"ExpiredTokenException", NULL, VERDICT_REFRESH},
    {"RequestExpired", NULL, VERDICT_REFRESH},
    {"InternalFailure", NULL, VERDICT_IN_DOUBT},
    {"InternalServiceErrorException", NULL, VERDICT_IN_DOUBT},
    {"ConcurrentModificationException", NULL, VERDICT_IN_DOUBT},
    {"ServiceUnavailable", NULL, VERDICT_RETRY},
};

/* The header's value may have ":http://…" behind it, the body's "com.amazonaws…#" before it. */
static void read_type(char type[TYPE_MAX], const struct response *response, struct json_object *body)
{
    const char *text = response_header(response, "x-amzn-errortype");
    if (text == NULL)
        text = json_get_text(body, "__type");
    if (text == NULL)
        text = "";
    const char *sharp = strchr(text, '#');
    if (sharp != NULL)
        text = sharp + 1;
    snprintf(type, TYPE_MAX, "%.*s", (int)strcspn(text, ": "), text);
}

static const struct row *row_find(const char *type, const char *text)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].type, type) == 0 &&
            (rows[i].text == NULL || strcasestr(text, rows[i].text) != NULL))
            return &rows[i];
    }
    return NULL;
}

/* Without a type that is known. */
static enum verdict_kind status_kind(int status, enum verdict_kind fallback)
{
    if (status == 429)
        return VERDICT_THROTTLED;
    if (status == 503)
        return VERDICT_RETRY;
    return status >= 500 ? VERDICT_IN_DOUBT : fallback;
}

static struct verdict judge_error(const struct response *response, struct json_object *body,
                                  const char *recipient, int64_t now_ms)
{
    char type[TYPE_MAX], shown[TYPE_MAX], text[JUDGE_TEXT];
    read_type(type, response, body);
    judge_text(shown, sizeof shown, type, recipient);
    const char *message = json_get_text(body, "message");
    /* Without addresses, so that no recipient can spell out a text that stops a provider. */
    judge_text(text, sizeof text, message != NULL ? message : json_get_text(body, "Message"), recipient);
    const struct row *row = row_find(type, text);
    struct verdict verdict = judge_status(response, text, now_ms);
    verdict =
        verdict_make(row != NULL ? row->kind : status_kind(response->status, verdict.kind), "HTTP %d%s%s%s%s",
                     response->status, shown[0] != '\0' ? " " : "", shown, text[0] != '\0' ? ": " : "", text);
    if (verdict.kind == VERDICT_RETRY || verdict.kind == VERDICT_THROTTLED)
        judge_wait(&verdict, response, now_ms, verdict.kind == VERDICT_THROTTLED ? THROTTLE_WAIT_MS : 0);
    return verdict;
}

static struct verdict judge_ok(struct json_object *body)
{
    const char *id = json_get_text(body, "MessageId");
    if (id == NULL || id[0] == '\0')
        return verdict_make(VERDICT_IN_DOUBT, "HTTP 200 with a body that is not SES's");
    return verdict_sent(id);
}

struct verdict ses_judge(const void *settings, const struct message *message, const struct response *response,
                         int64_t now_ms)
{
    (void)settings;
    struct json_object *body = judge_json(response);
    struct verdict verdict =
        response->status == 200 ? judge_ok(body) : judge_error(response, body, message->recipient, now_ms);
    json_object_put(body);
    return verdict;
}
