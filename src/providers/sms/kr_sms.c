#include "providers/sms/kr_sms.h"

#include <string.h>

#include "core/clock.h"
#include "formats/text.h"
#include "providers/settings.h"

enum { INQUIRE_AFTER_S = 60, INQUIRE_AFTER_MAX_S = 3600 };
enum { CLOCKS_APART_MS = 5 * 60 * 1000, SLOWEST_MS = 55 * 60 * 1000 };

static bool read_inquire_after(struct json_object *json, int64_t *value_ms, struct error *err)
{
    struct json_object *found = json_get(json, "inquire_after");
    int64_t seconds = json_get_int(json, "inquire_after", found == NULL ? INQUIRE_AFTER_S : -1);
    if (seconds < 0 || seconds > INQUIRE_AFTER_MAX_S)
        return error_set(err, "settings.inquire_after: must be a whole number of seconds, 0 to %d",
                         INQUIRE_AFTER_MAX_S);
    *value_ms = seconds * 1000;
    return true;
}

static bool read_from(struct json_object *json, char out[16], struct error *err)
{
    char *from = setting_word(json, "from", NULL, err);
    bool ok = from != NULL && (kr_sender_read(from, out) ||
                               error_set(err, "settings.from: must be a Korean number, digits or +82…"));
    mem_free(from);
    return ok;
}

bool kr_sms_read_settings(struct kr_sms *sms, struct json_object *json, const char *url, struct error *err)
{
    return setting_server(json, url, &sms->server, err) && read_from(json, sms->from, err) &&
           setting_flag(json, "replace_unknown", false, &sms->replace_unknown, err) &&
           setting_flag(json, "advertising", false, &sms->advertising, err) &&
           setting_flag(json, "abroad", false, &sms->abroad, err) &&
           read_inquire_after(json, &sms->inquire_after_ms, err) && kr_text_ready(err);
}

void kr_sms_free(struct kr_sms *sms)
{
    server_free(&sms->server);
}

char *kr_sms_secret(const char *name, const char *value, struct error *err)
{
    if (text_is_visible(value, strlen(value)))
        return mem_strdup(value);
    error_set(err, "secret %s: must be visible ASCII characters without spaces", name);
    return NULL;
}

/* A text of the payload in characters that Korean phones can show; *out is NULL when it is absent. */
static bool read_text(const struct kr_sms *sms, struct json_object *payload, const char *name,
                      struct arena *arena, const char **out, size_t *octets, struct verdict *verdict)
{
    *out = NULL;
    struct json_object *value = json_get(payload, name);
    if (value == NULL)
        return true;
    const char *text = json_get_text(payload, name);
    if (text == NULL) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload.%s: must be a string", name);
        return false;
    }
    size_t size = strlen(text);
    struct kr_text measure;
    struct buf fitting;
    buf_init(&fitting, size);
    kr_text_measure(text, size, &fitting, &measure);
    bool ok = measure.unknown == 0 || sms->replace_unknown;
    if (ok)
        *out = arena_strdup(arena, buf_string(&fitting));
    else
        *verdict = verdict_make(VERDICT_REJECTED, "payload.%s: character U+%04X is not in EUC-KR", name,
                                (unsigned)measure.first);
    *octets = measure.octets;
    buf_free(&fitting);
    return ok;
}

static bool reject_length(struct verdict *verdict, const char *name, size_t octets, const char *kind, int max)
{
    *verdict = verdict_make(VERDICT_REJECTED, "payload.%s: has %zu octets in EUC-KR, %s has at most %d", name,
                            octets, kind, max);
    return false;
}

/* SMS or LMS: as the payload says, else by length. */
static bool choose_type(struct json_object *payload, size_t octets, bool *lms, struct verdict *verdict)
{
    struct json_object *type = json_get(payload, "type");
    const char *name = json_get_text(payload, "type");
    bool sms = name != NULL && strcmp(name, "sms") == 0;
    *lms = name != NULL && strcmp(name, "lms") == 0;
    if (type != NULL && !sms && !*lms) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload.type: must be sms or lms");
        return false;
    }
    if (sms && octets > KR_SMS_MAX)
        return reject_length(verdict, "text", octets, "an SMS", KR_SMS_MAX);
    *lms = *lms || octets > KR_SMS_MAX;
    return octets <= KR_LMS_MAX || reject_length(verdict, "text", octets, "an LMS", KR_LMS_MAX);
}

static bool read_subject(const struct kr_sms *sms, struct json_object *payload, struct arena *arena,
                         const char **subject, struct verdict *verdict)
{
    size_t octets = 0;
    if (!read_text(sms, payload, "subject", arena, subject, &octets, verdict))
        return false;
    if (octets > KR_SUBJECT_MAX)
        return reject_length(verdict, "subject", octets, "an LMS", KR_SUBJECT_MAX);
    if (*subject != NULL && strpbrk(*subject, "\r\n\t") != NULL) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload.subject: must be one line");
        return false;
    }
    if (octets == 0)
        *subject = NULL;
    return true;
}

static bool read_numbers(const struct kr_sms *sms, const struct message *message, struct kr_sms_message *out,
                         struct verdict *verdict)
{
    if (!kr_number_read(message->recipient, &out->to)) {
        *verdict = verdict_make(VERDICT_REJECTED, "recipient: is not an E.164 number");
        return false;
    }
    if (!sms->abroad && strcmp(out->to.country, "82") != 0) {
        *verdict =
            verdict_make(VERDICT_REJECTED, "recipient: is outside Korea, which settings.abroad forbids");
        return false;
    }
    memcpy(out->from, sms->from, sizeof out->from);
    if (json_get(message->payload, "from") == NULL)
        return true;
    const char *from = json_get_text(message->payload, "from");
    if (from == NULL || !kr_sender_read(from, out->from)) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload.from: must be a Korean number");
        return false;
    }
    return true;
}

static bool check_advertising(const char *text, struct verdict *verdict)
{
    const char *fault = NULL;
    if (!kr_text_is_marked_ad(text))
        fault = "advertising must start with (광고)";
    else if (!kr_text_has_opt_out(text))
        fault = "advertising must end with a free opt-out (무료수신거부 080…)";
    if (fault != NULL)
        *verdict = verdict_make(VERDICT_REJECTED, "payload.text: %s", fault);
    return fault == NULL;
}

bool kr_sms_read(const struct kr_sms *sms, const struct message *message, struct arena *arena,
                 struct kr_sms_message *out, struct verdict *verdict)
{
    struct json_object *payload = message->payload;
    size_t octets = 0;
    *out = (struct kr_sms_message){.advertising = sms->advertising && message->bulk};
    if (!read_numbers(sms, message, out, verdict) ||
        !read_text(sms, payload, "text", arena, &out->text, &octets, verdict))
        return false;
    if (octets == 0) {
        *verdict = verdict_make(VERDICT_REJECTED, "payload.text: is required");
        return false;
    }
    return choose_type(payload, octets, &out->lms, verdict) &&
           (!out->lms || read_subject(sms, payload, arena, &out->subject, verdict)) &&
           (!out->advertising || check_advertising(out->text, verdict));
}

bool kr_sms_search_span(const struct kr_sms *sms, const struct sent_span *sent, int64_t now_ms,
                        struct sent_span *search)
{
    search->from_ms = sent->from_ms - CLOCKS_APART_MS;
    search->upto_ms = sent->upto_ms + CLOCKS_APART_MS + SLOWEST_MS;
    return now_ms - sent->upto_ms >= sms->inquire_after_ms;
}

void kr_sms_query_time(int64_t ms, char out[32])
{
    enum { KOREA_MS = 9 * 3600 * 1000 }; /* no summer time since 1988 */
    clock_utc(ms + KOREA_MS, "%Y-%m-%d%%20%H%%3A%M%%3A%S", out, 32);
}
