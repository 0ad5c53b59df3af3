/* Whether Twilio took a message whose answer was lost. */
#include <string.h>
#include <time.h>

#include "formats/form.h"
#include "formats/phone.h"
#include "providers/sms/twilio.h"

/* Twilio dates a message by its own clock, when it takes it: when it was sent, or later by the time a request
 * may take. Before that time has passed, absence proves nothing. */
enum { CLOCKS_APART_MS = 5 * 60 * 1000, LATER_MS = 120000 };

/* A page of longer texts still fits a response. */
#define PAGE_SIZE "20"

bool twilio_inquiry_build(const void *arg, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request)
{
    const struct twilio_settings *settings = arg;
    if (now_ms < sent->upto_ms + LATER_MS || !phone_ok(message->recipient))
        return false;
    struct buf query;
    buf_init(&query, 256);
    /* No filter by DateSent: a message that still waits at Twilio has none. */
    form_field(&query, "To", message->recipient);
    form_field(&query, "PageSize", PAGE_SIZE);
    *request = (struct request){
        .method = "GET",
        .path = arena_printf(arena, "%s?%s", settings->path, buf_string(&query)),
        .headers = {{"authorization", settings->authorization}},
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

static const struct status {
    const char *name;
    bool taken;
} statuses[] = {
    {"accepted", true}, {"scheduled", true},    {"queued", true},    {"sending", true},
    {"sent", true},     {"delivered", true},    {"read", true},      {"partially_delivered", true},
    {"failed", false},  {"undelivered", false}, {"canceled", false},
};

static const struct status *find_status(struct json_object *entry)
{
    const char *name = json_get_text(entry, "status");
    for (size_t i = 0; name != NULL && i < sizeof statuses / sizeof statuses[0]; i++) {
        if (strcmp(statuses[i].name, name) == 0)
            return &statuses[i];
    }
    return NULL;
}

struct findings {
    struct json_object *taken; /* one with our text */
    const char *failure;       /* the state of one with our text that was not delivered; NULL = none */
    bool others;               /* with another text, without a date or later than that time */
    bool reaches_back;         /* the list goes back before that time */
};

static bool has_text(struct json_object *entry, const char *text)
{
    const char *body = json_get_text(entry, "body"), *sid = json_get_text(entry, "sid");
    return body != NULL && sid != NULL && strcmp(body, text) == 0;
}

static struct findings look_through(struct json_object *messages, const char *text,
                                    const struct sent_span *sent)
{
    struct findings found = {NULL, NULL, false, false};
    size_t count = json_object_array_length(messages);
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(messages, i);
        const struct status *status = find_status(entry);
        int64_t created_ms;
        bool dated = date_read(json_get_text(entry, "date_created"), &created_ms);
        if (dated && created_ms < sent->from_ms - CLOCKS_APART_MS)
            found.reaches_back = true;
        else if (!dated || created_ms > sent->upto_ms + LATER_MS || !has_text(entry, text))
            found.others = true;
        else if (status != NULL && status->taken)
            found.taken = entry;
        else
            found.failure = status != NULL ? status->name : "in no known state";
    }
    return found;
}

struct verdict twilio_inquiry_judge(const void *settings, const struct message *message,
                                    struct json_object *body, const struct sent_span *sent)
{
    (void)settings;
    const char *text = json_get_text(message->payload, "text");
    struct json_object *messages = json_get(body, "messages");
    if (text == NULL || !json_object_is_type(messages, json_type_array))
        return verdict_make(VERDICT_IN_DOUBT, "the list of messages is not Twilio's");
    struct findings found = look_through(messages, text, sent);
    if (found.taken != NULL)
        return twilio_taken(found.taken);
    /* It may be an earlier attempt, so it does not tell what became of the last. */
    if (found.failure != NULL)
        return verdict_make(VERDICT_IN_DOUBT, "in the list of messages as not delivered: %s", found.failure);
    /* Twilio may change characters of a text, and its clock may be ahead of ours by more than a request
     * takes: another text of the same moment may be ours, and so may a later one. */
    if (found.others)
        return verdict_make(VERDICT_IN_DOUBT, "the recipient was sent another text at that time or later");
    if (json_get(body, "next_page_uri") != NULL && !found.reaches_back)
        return verdict_make(VERDICT_IN_DOUBT, "the list of messages does not reach back that far");
    return verdict_make(VERDICT_UNSENT, "not in the list of messages");
}
