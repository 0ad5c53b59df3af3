/* Twilio: settings and requests. Answers are judged in twilio_judge.c, lost ones looked up in
 * twilio_inquiry.c. */
#include "providers/sms/twilio.h"

#include <string.h>

#include "core/secret.h"
#include "formats/basic.h"
#include "formats/form.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { SID_DIGITS = 32, SECRET_SIZE_MAX = 256, VALIDITY_MAX_S = 36000 };

static void settings_free(void *arg)
{
    struct twilio_settings *settings = arg;
    if (settings == NULL)
        return;
    sms_settings_free(&settings->sms);
    mem_free(settings->path);
    secret_free(settings->authorization);
    mem_free(settings->messaging_service);
    mem_free(settings->status_callback);
    mem_free(settings);
}

/* An optional setting with one of Twilio's ids; *value is NULL when it is absent. */
static bool read_sid(struct json_object *json, const char *name, const char *prefix, char **value,
                     struct error *err)
{
    if (!setting_line(json, name, value, err))
        return false;
    const char *sid = *value;
    if (sid == NULL)
        return true;
    size_t size = strlen(prefix);
    if (strncmp(sid, prefix, size) != 0 || strlen(sid) != size + SID_DIGITS ||
        strspn(sid + size, "0123456789abcdefABCDEF") != SID_DIGITS)
        return error_set(err, "settings.%s: must be %s and 32 hexadecimal digits", name, prefix);
    return true;
}

static bool set_authorization(struct twilio_settings *settings, const char *user, const char *secret,
                              struct error *err)
{
    if (secret[0] == '\0' || strlen(secret) > SECRET_SIZE_MAX)
        return error_set(err, "secret secret: must have 1 to %d characters", SECRET_SIZE_MAX);
    settings->authorization = basic_authorization(user, secret);
    return true;
}

static bool set_login(struct twilio_settings *settings, struct json_object *json, const char *secret,
                      struct error *err)
{
    char *account_sid = NULL, *api_key = NULL;
    bool ok = read_sid(json, "account_sid", "AC", &account_sid, err) &&
              read_sid(json, "api_key", "SK", &api_key, err);
    if (ok && account_sid == NULL)
        ok = error_set(err, "settings.account_sid: is required");
    if (ok) {
        struct buf path;
        buf_init(&path, 128);
        buf_printf(&path, "/2010-04-01/Accounts/%s/Messages.json", account_sid);
        settings->path = mem_strdup(buf_string(&path));
        buf_free(&path);
        ok = set_authorization(settings, api_key != NULL ? api_key : account_sid, secret, err);
    }
    mem_free(account_sid);
    mem_free(api_key);
    return ok;
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct twilio_settings *settings = mem_alloc(sizeof *settings);
    bool ok = sms_settings_read(&settings->sms, json, "https://api.twilio.com", err) &&
              set_login(settings, json, secrets[0], err) &&
              read_sid(json, "messaging_service_sid", "MG", &settings->messaging_service, err) &&
              sms_callback_read(json, "status_callback", &settings->status_callback, err);
    if (ok && (settings->sms.from == NULL) == (settings->messaging_service == NULL))
        ok = error_set(err, "settings: must have one of from and messaging_service_sid");
    if (ok)
        return settings;
    settings_free(settings);
    return NULL;
}

static void write_validity(struct buf *form, const struct message *message, int64_t now_ms,
                           struct arena *arena)
{
    int64_t seconds = (message->expires_ms - now_ms) / 1000;
    if (message->expires_ms == 0 || seconds >= VALIDITY_MAX_S)
        return;
    form_field(form, "ValidityPeriod", arena_printf(arena, "%d", seconds < 1 ? 1 : (int)seconds));
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct twilio_settings *settings = arg;
    struct sms sms;
    if (!sms_read(&settings->sms, message, &sms, verdict))
        return false;
    struct buf form;
    buf_init(&form, SMS_BODY_MAX);
    form_field(&form, "To", message->recipient);
    if (sms.from != NULL)
        form_field(&form, "From", sms.from);
    else
        form_field(&form, "MessagingServiceSid", settings->messaging_service);
    form_field(&form, "Body", sms.text);
    write_validity(&form, message, now_ms, arena);
    if (settings->status_callback != NULL)
        form_field(&form, "StatusCallback", settings->status_callback);
    if (!sms_post_form(request, settings->path, &form, arena, verdict))
        return false;
    request_add_header(request, "authorization", settings->authorization);
    return true;
}

const struct adapter twilio_adapter = {
    .name = "twilio",
    .channel = "sms",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"secret"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint,
    .build = build,
    .judge = twilio_judge,
    .inquiry_build = twilio_inquiry_build,
    .inquiry_judge = twilio_inquiry_judge,
};
