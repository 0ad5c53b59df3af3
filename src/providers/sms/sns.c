/* SNS: settings and requests. Answers are judged in sns_judge.c. */
#include "providers/sms/sns.h"

#include <string.h>

#include "formats/form.h"
#include "formats/text.h"
#include "providers/aws.h"
#include "providers/settings.h"
#include "providers/sms/sms.h"

enum { URL_SIZE_MAX = 256 };

struct sns_settings {
    struct sms_settings sms;
    struct aws_login login;
    char *max_price; /* US dollars, or NULL */
};

static void settings_free(void *arg)
{
    struct sns_settings *settings = arg;
    if (settings == NULL)
        return;
    sms_settings_free(&settings->sms);
    aws_login_free(&settings->login);
    mem_free(settings->max_price);
    mem_free(settings);
}

static bool read_sms(struct sns_settings *settings, struct json_object *json, struct error *err)
{
    struct buf url;
    buf_init(&url, URL_SIZE_MAX);
    buf_printf(&url, "https://sns.%s.amazonaws.com", settings->login.region);
    bool ok = sms_settings_read(&settings->sms, json, buf_string(&url), err);
    buf_free(&url);
    return ok;
}

static bool read_max_price(struct sns_settings *settings, struct json_object *json, struct error *err)
{
    if (!setting_line(json, "max_price", &settings->max_price, err))
        return false;
    return settings->max_price == NULL || text_is_decimal(settings->max_price) ||
           error_set(err, "settings.max_price: must be US dollars as a decimal number, such as \"0.50\"");
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct sns_settings *settings = mem_alloc(sizeof *settings);
    if (aws_login_read(&settings->login, json, secrets, err) && read_sms(settings, json, err) &&
        read_max_price(settings, json, err))
        return settings;
    settings_free(settings);
    return NULL;
}

static void write_attribute(struct buf *form, struct arena *arena, int number, const char *name,
                            const char *type, const char *value)
{
    form_field(form, arena_printf(arena, "MessageAttributes.entry.%d.Name", number), name);
    form_field(form, arena_printf(arena, "MessageAttributes.entry.%d.Value.DataType", number), type);
    form_field(form, arena_printf(arena, "MessageAttributes.entry.%d.Value.StringValue", number), value);
}

/* A sender that is a number is an origination number to AWS, a name a sender id. */
static void write_form(struct buf *form, const struct sns_settings *settings, const struct message *message,
                       const struct sms *sms, struct arena *arena)
{
    int count = 0;
    form_field(form, "Action", "Publish");
    form_field(form, "Version", "2010-03-31");
    form_field(form, "PhoneNumber", message->recipient);
    form_field(form, "Message", sms->text);
    write_attribute(form, arena, ++count, "AWS.SNS.SMS.SMSType", "String",
                    message->bulk ? "Promotional" : "Transactional");
    if (sms->from != NULL) {
        bool number = sms->from[strspn(sms->from, "+0123456789")] == '\0';
        write_attribute(form, arena, ++count,
                        number ? "AWS.MM.SMS.OriginationNumber" : "AWS.SNS.SMS.SenderID", "String",
                        sms->from);
    }
    if (settings->max_price != NULL)
        write_attribute(form, arena, ++count, "AWS.SNS.SMS.MaxPrice", "Number", settings->max_price);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct sns_settings *settings = arg;
    struct sms sms;
    if (!sms_read(&settings->sms, message, &sms, verdict))
        return false;
    struct buf form;
    buf_init(&form, SMS_BODY_MAX);
    write_form(&form, settings, message, &sms, arena);
    if (!sms_post_form(request, "/", &form, arena, verdict))
        return false;
    struct sigv4 signer = aws_signer(&settings->login, "sns", settings->sms.server.url);
    if (aws_sign(&signer, now_ms, arena, request))
        return true;
    *verdict = verdict_make(VERDICT_STOPPED, "the request could not be signed");
    return false;
}

const struct adapter sns_adapter = {
    .name = "sns",
    .channel = "sms",
    .repeat = REPEAT_DOUBLES,
    .secrets = {AWS_SECRETS},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint,
    .build = build,
    .judge = sns_judge,
};
