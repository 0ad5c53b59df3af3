/* What Korean vendors' codes mean: the part that is the same for all of them. */
#include <stdio.h>
#include <string.h>

#include "formats/text.h"
#include "providers/judge.h"
#include "providers/sms/kr_sms.h"

enum { FEW = 3, THROTTLE_MS = 10000, PHONE_DIGITS = 7 };

enum kr_meaning kr_codes_find(const struct kr_codes *rows, size_t count, const char *code)
{
    size_t size = strlen(code);
    for (size_t i = 0; size > 0 && i < count; i++) {
        for (const char *at = rows[i].codes; *at != '\0';) {
            size_t length = strcspn(at, " ");
            if (length == size && memcmp(at, code, size) == 0)
                return rows[i].meaning;
            at += length + (at[length] == ' ' ? 1 : 0);
        }
    }
    return KR_UNKNOWN;
}

void kr_sms_code(struct json_object *object, const char *name, char *out, size_t size)
{
    struct json_object *value = json_get(object, name);
    const char *text = json_object_is_type(value, json_type_int) ? json_object_get_string(value)
                                                                 : json_get_text(object, name);
    bool fits = text != NULL && strlen(text) < size && text_is_visible(text, strlen(text));
    snprintf(out, size, "%s", fits ? text : "");
}

struct verdict kr_sms_taken(struct json_object *object, const char *name)
{
    struct verdict verdict = verdict_sent(NULL);
    kr_sms_code(object, name, verdict.provider_id, sizeof verdict.provider_id);
    return verdict;
}

/* The vendor's words for people. Vendors write numbers in national form, alone or inside words. */
static void copy_text(char *out, size_t size, const char *text, const struct message *message)
{
    judge_text(out, size, text, message->recipient);
    for (char *at = out; *at != '\0';) {
        size_t length = strspn(at, "0123456789-");
        if (length >= PHONE_DIGITS)
            memset(at, '*', length);
        at += length > 0 ? length : 1;
    }
}

static int64_t next_morning(int64_t now_ms)
{
    static const int64_t hour = 3600000, day = 24 * hour;
    int64_t korean = now_ms + 9 * hour;
    int64_t morning = korean - korean % day + 8 * hour;
    return (morning > korean ? morning : morning + day) - 9 * hour;
}

struct verdict kr_sms_verdict(enum kr_meaning meaning, const struct message *message, const char *code,
                              const char *text, int64_t now_ms)
{
    static const enum verdict_kind kinds[] = {
        [KR_UNKNOWN] = VERDICT_IN_DOUBT,  [KR_TAKEN] = VERDICT_SENT,   [KR_REJECT] = VERDICT_REJECTED,
        [KR_GONE] = VERDICT_ADDRESS_GONE, [KR_STOP] = VERDICT_STOPPED, [KR_SENDER] = VERDICT_STOPPED,
        [KR_COUNTRY] = VERDICT_STOPPED,   [KR_RETRY] = VERDICT_RETRY,  [KR_FEW] = VERDICT_RETRY,
        [KR_DAYLIGHT] = VERDICT_RETRY,
    };
    enum verdict_kind kind = kinds[meaning];
    if (kind == VERDICT_SENT)
        return verdict_sent(NULL);
    bool own_sender = json_get(message->payload, "from") != NULL;
    bool abroad = strncmp(message->recipient, "+82", 3) != 0;
    if ((meaning == KR_SENDER && own_sender) || (meaning == KR_COUNTRY && abroad) ||
        (meaning == KR_FEW && message->attempt >= FEW))
        kind = VERDICT_REJECTED;
    char said[JUDGE_TEXT];
    copy_text(said, sizeof said, text, message);
    struct verdict verdict = verdict_make(kind, "%s%s%s", code, said[0] != '\0' ? ": " : "", said);
    if (meaning == KR_DAYLIGHT)
        verdict.not_before_ms = next_morning(now_ms);
    return verdict;
}

struct verdict kr_sms_judge_status(const struct response *response, const struct message *message,
                                   const char *text, int64_t now_ms)
{
    char said[JUDGE_TEXT];
    copy_text(said, sizeof said, text, message);
    struct verdict verdict = judge_status(response, said, now_ms);
    if (response->status == 402 || response->status == 404)
        verdict.kind = VERDICT_STOPPED;
    if (response->status >= 500) {
        verdict.kind = VERDICT_IN_DOUBT;
        verdict.not_before_ms = 0;
    }
    if (response->status == 429) {
        verdict.kind = VERDICT_THROTTLED;
        judge_wait(&verdict, response, now_ms, THROTTLE_MS);
    }
    return verdict;
}
