/* Whether Twilio took a message whose answer was lost. */
#include <string.h>
#include <time.h>

#include "providers/form.h"
#include "providers/judge.h"
#include "providers/phone.h"
#include "providers/twilio.h"

/* Twilio dates a message by its own clock, when it takes it: when it was sent, or later by the time a request
 * may take. Before that time has passed, absence proves nothing. */
enum { EARLIER_MS = 10000, LATER_MS = 120000 };

/* A page of longer texts still fits a response. */
#define PAGE_SIZE "20"

bool twilio_inquiry_build(const void *arg, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request)
{
    const struct twilio *account = arg;
    if (now_ms < sent->upto_ms + LATER_MS || !phone_ok(message->recipient))
        return false;
    struct buf query;
    buf_init(&query, 256);
    /* No filter by DateSent: a message that still waits at Twilio has none. */
    form_field(&query, "To", message->recipient);
    form_field(&query, "PageSize", PAGE_SIZE);
    *request = (struct request){
        .method = "GET",
        .path = arena_printf(arena, "%s?%s", account->path, buf_string(&query)),
        .headers = {{"authorization", account->authorization}},
        .header_count = 1,
    };
    buf_free(&query);
    return true;
}

/* "Thu, 24 Aug 2023 05:01:45 +0000" (RFC 5322, 3.3) as Unix ms. */
static bool date_read(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    const char *end = text == NULL ? NULL : strptime(text, "%a, %d %b %Y %H:%M:%S %z", &tm);
    if (end == NULL || *end != '\0')
        return false;
    long offset = tm.tm_gmtoff; /* timegm overwrites it */
    *ms = ((int64_t)timegm(&tm) - offset) * 1000;
    return true;
}

struct findings {
    struct json_object *taken; /* the one with our text */
    bool others;               /* of that time, with other texts or without a date */
    bool reaches_back;         /* the list goes back before that time */
};

static struct findings look_through(struct json_object *messages, const char *text,
                                    const struct sent_span *sent)
{
    struct findings found = {NULL, false, false};
    size_t count = json_object_array_length(messages);
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(messages, i);
        const char *body = json_get_text(entry, "body"), *sid = json_get_text(entry, "sid");
        int64_t created_ms;
        bool dated = date_read(json_get_text(entry, "date_created"), &created_ms);
        if (dated && created_ms < sent->from_ms - EARLIER_MS)
            found.reaches_back = true;
        else if (!dated)
            found.others = true;
        else if (created_ms <= sent->upto_ms + LATER_MS) {
            if (body != NULL && sid != NULL && strcmp(body, text) == 0)
                found.taken = entry;
            else
                found.others = true;
        }
    }
    return found;
}

static struct verdict judge_list(struct json_object *body, const char *text, const struct sent_span *sent)
{
    struct json_object *messages = json_get(body, "messages");
    if (text == NULL || !json_object_is_type(messages, json_type_array))
        return verdict_make(VERDICT_IN_DOUBT, "the list of messages is not Twilio's");
    struct findings found = look_through(messages, text, sent);
    if (found.taken != NULL)
        return twilio_taken(found.taken);
    /* Twilio may change characters of a text, so another text of the same moment may be ours. */
    if (found.others)
        return verdict_make(VERDICT_IN_DOUBT, "the recipient was sent another text at that time");
    if (json_get(body, "next_page_uri") != NULL && !found.reaches_back)
        return verdict_make(VERDICT_IN_DOUBT, "the list of messages does not reach back that far");
    return verdict_make(VERDICT_UNSENT, "not in the list of messages");
}

struct verdict twilio_inquiry_judge(const void *account, const struct message *message,
                                    const struct response *response, const struct sent_span *sent)
{
    (void)account;
    if (response->state != SEND_ANSWERED || response->status != 200)
        return verdict_make(VERDICT_IN_DOUBT, "the list of messages was not answered (HTTP %d)",
                            response->status);
    struct json_object *body = judge_json(response);
    struct verdict verdict = judge_list(body, json_get_text(message->payload, "text"), sent);
    json_object_put(body);
    return verdict;
}
