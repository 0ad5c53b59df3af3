#include "providers/sms/sms.h"

#include <stdio.h>
#include <string.h>

#include "formats/phone.h"
#include "formats/text.h"
#include "providers/judge.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { DEFAULT_SEGMENTS = 10, MOST_SEGMENTS = 100 };

#define SENDER_RULE                                                                                          \
    "must be a number as +CODE…, a short code, or a name of up to 11 letters, digits, spaces and &+-_."

static bool read_max_segments(struct sms_settings *settings, struct json_object *json, struct error *err)
{
    int64_t value = json_get_int(json, "max_segments", DEFAULT_SEGMENTS);
    struct json_object *given = json_get(json, "max_segments");
    if ((given != NULL && !json_object_is_type(given, json_type_int)) || value < 1 || value > MOST_SEGMENTS)
        return error_set(err, "settings.max_segments: must be a whole number from 1 to %d", MOST_SEGMENTS);
    settings->max_segments = (int)value;
    return true;
}

bool sms_settings_read(struct sms_settings *settings, struct json_object *json, const char *default_url,
                       struct error *err)
{
    if (!setting_server(json, default_url, &settings->server, err) ||
        !setting_line(json, "from", &settings->from, err) || !read_max_segments(settings, json, err))
        return false;
    if (settings->from != NULL && !phone_sender_ok(settings->from))
        return error_set(err, "settings.from: " SENDER_RULE);
    return true;
}

void sms_settings_free(struct sms_settings *settings)
{
    server_free(&settings->server);
    mem_free(settings->from);
}

bool sms_callback_read(struct json_object *json, const char *name, char **value, struct error *err)
{
    if (!setting_line(json, name, value, err))
        return false;
    if (*value == NULL || setting_url_origin(*value, "https") > 0 || setting_url_origin(*value, "http") > 0)
        return true;
    return error_set(err, "settings.%s: must be an http or https URL", name);
}

bool sms_has_own_sender(const struct message *message)
{
    return json_get(message->payload, "from") != NULL;
}

static bool reject(struct verdict *verdict, const char *reason)
{
    *verdict = verdict_make(VERDICT_REJECTED, "%s", reason);
    return false;
}

bool sms_read(const struct sms_settings *settings, const struct message *message, struct sms *sms,
              struct verdict *verdict)
{
    if (!phone_ok(message->recipient))
        return reject(verdict, "recipient: must be a number in E.164 form, + and 7 to 15 digits");

    struct json_object *text = json_get(message->payload, "text");
    if (!json_object_is_type(text, json_type_string) || json_object_get_string_len(text) == 0)
        return reject(verdict, "payload.text: must be a text that is not empty");
    size_t octets = (size_t)json_object_get_string_len(text);
    sms->text = json_object_get_string(text);
    if (strlen(sms->text) != octets || !sms_size(sms->text, octets, &sms->size))
        return reject(verdict, "payload.text: must be UTF-8 without zero characters");

    sms->from = settings->from;
    if (sms_has_own_sender(message)) {
        sms->from = json_get_text(message->payload, "from");
        if (sms->from == NULL || !phone_sender_ok(sms->from))
            return reject(verdict, "payload.from: " SENDER_RULE);
    }
    if (sms->size.segments > (size_t)settings->max_segments) {
        *verdict = verdict_make(
            VERDICT_REJECTED, "payload.text: takes %zu segments of %s, at most %d are allowed",
            sms->size.segments, sms->size.encoding == SMS_GSM7 ? "GSM-7" : "UCS-2", settings->max_segments);
        return false;
    }
    return true;
}

bool sms_post_form(struct request *request, const char *path, struct buf *form, struct arena *arena,
                   struct verdict *verdict)
{
    bool fits = !form->overflowed;
    if (fits)
        request_post(request, path, "application/x-www-form-urlencoded; charset=utf-8", form, arena);
    else
        reject(verdict, "payload: is too large");
    buf_free(form);
    return fits;
}

void sms_reason(char *out, size_t size, const char *text, const struct message *message)
{
    judge_text(out, size, text, message->recipient);
    phone_mask(out);
}

void sms_cost(struct verdict *verdict, const char *price, const char *currency)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (price == NULL || currency == NULL || strspn(currency, letters) != 3 || strlen(currency) != 3)
        return;
    if (price[0] == '-')
        price++;
    if (!text_is_decimal(price) || strlen(price) >= sizeof verdict->cost)
        return;
    snprintf(verdict->cost, sizeof verdict->cost, "%s", price);
    snprintf(verdict->currency, sizeof verdict->currency, "%s", currency);
}
