/* Vonage: settings and requests. Answers are judged in vonage_judge.c. */
#include "providers/sms/vonage.h"

#include "core/secret.h"
#include "formats/form.h"
#include "providers/settings.h"
#include "providers/sms/sms.h"

enum { TTL_MIN_MS = 20000, TTL_MAX_MS = 604800000 };

struct vonage_settings {
    struct sms_settings sms;
    char *api_key, *api_secret;
    char *callback; /* URL for receipts, or NULL */
};

static void settings_free(void *arg)
{
    struct vonage_settings *settings = arg;
    if (settings == NULL)
        return;
    sms_settings_free(&settings->sms);
    mem_free(settings->api_key);
    secret_free(settings->api_secret);
    mem_free(settings->callback);
    mem_free(settings);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct vonage_settings *settings = mem_alloc(sizeof *settings);
    bool ok = sms_settings_read(&settings->sms, json, "https://rest.nexmo.com", err) &&
              (settings->api_key = setting_word(json, "api_key", NULL, err)) != NULL &&
              sms_callback_read(json, "callback", &settings->callback, err);
    if (ok && settings->sms.from == NULL)
        ok = error_set(err, "settings.from: is required");
    if (ok && secrets[0][0] == '\0')
        ok = error_set(err, "secret api_secret: must not be empty");
    if (ok) {
        settings->api_secret = mem_strdup(secrets[0]);
        return settings;
    }
    settings_free(settings);
    return NULL;
}

/* Vonage writes E.164 without the plus. */
static const char *without_plus(const char *number)
{
    return number[0] == '+' ? number + 1 : number;
}

static void write_ttl(struct buf *form, const struct message *message, int64_t now_ms, struct arena *arena)
{
    int64_t ttl_ms = message->expires_ms - now_ms;
    if (message->expires_ms == 0 || ttl_ms >= TTL_MAX_MS)
        return;
    form_field(form, "ttl", arena_printf(arena, "%d", ttl_ms < TTL_MIN_MS ? TTL_MIN_MS : (int)ttl_ms));
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct vonage_settings *settings = arg;
    struct sms sms;
    if (!sms_read(&settings->sms, message, &sms, verdict))
        return false;
    struct buf form;
    buf_init(&form, SMS_BODY_MAX);
    form_field(&form, "api_key", settings->api_key);
    form_field(&form, "api_secret", settings->api_secret);
    form_field(&form, "from", without_plus(sms.from));
    form_field(&form, "to", without_plus(message->recipient));
    form_field(&form, "text", sms.text);
    form_field(&form, "type", sms.size.encoding == SMS_UCS2 ? "unicode" : "text");
    write_ttl(&form, message, now_ms, arena);
    form_field(&form, "client-ref", message->uuid);
    if (settings->callback != NULL)
        form_field(&form, "callback", settings->callback);
    return sms_post_form(request, "/sms/json", &form, arena, verdict);
}

const struct adapter vonage_adapter = {
    .name = "vonage",
    .channel = "sms",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"api_secret"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint,
    .build = build,
    .judge = vonage_judge,
};
