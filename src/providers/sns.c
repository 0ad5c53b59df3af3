/* SNS: accounts and requests. Answers are judged in sns_judge.c. */
#include "providers/sns.h"

#include <string.h>

#include "core/secret.h"
#include "providers/form.h"
#include "providers/settings.h"
#include "providers/sigv4.h"
#include "providers/sms.h"

enum { URL_SIZE_MAX = 256 };

struct sns {
    struct sms_account sms;
    char *region, *access_key_id, *secret_access_key, *session_token;
    char *max_price; /* US dollars, or NULL */
};

static void account_free(void *arg)
{
    struct sns *account = arg;
    if (account == NULL)
        return;
    sms_account_free(&account->sms);
    mem_free(account->region);
    mem_free(account->access_key_id);
    secret_free(account->secret_access_key);
    secret_free(account->session_token);
    mem_free(account->max_price);
    mem_free(account);
}

static bool read_sms(struct sns *account, struct json_object *settings, struct error *err)
{
    struct buf url;
    buf_init(&url, URL_SIZE_MAX);
    buf_printf(&url, "https://sns.%s.amazonaws.com", account->region);
    bool ok = sms_account_read(&account->sms, settings, buf_string(&url), err);
    buf_free(&url);
    return ok;
}

static bool read_max_price(struct sns *account, struct json_object *settings, struct error *err)
{
    if (!setting_line(settings, "max_price", &account->max_price, err))
        return false;
    const char *price = account->max_price;
    if (price == NULL)
        return true;
    size_t whole = strspn(price, "0123456789");
    size_t part = price[whole] == '.' ? 1 + strspn(price + whole + 1, "0123456789") : 0;
    if (whole == 0 || part == 1 || price[whole + part] != '\0')
        return error_set(err, "settings.max_price: must be US dollars as a decimal number, such as \"0.50\"");
    return true;
}

static bool read_keys(struct sns *account, struct json_object *settings, const char *const *secrets,
                      struct error *err)
{
    account->access_key_id = setting_word(settings, "access_key_id", NULL, err);
    if (account->access_key_id == NULL)
        return false;
    if (secrets[0][0] == '\0')
        return error_set(err, "secret secret_access_key: must not be empty");
    account->secret_access_key = mem_strdup(secrets[0]);
    account->session_token = mem_strdup(secrets[1]);
    return true;
}

static void *account_new(struct json_object *settings, const char *const *secrets, struct error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    static const char rule[] = "must be a region such as us-east-1";
    struct sns *account = mem_alloc(sizeof *account);
    if ((account->region = setting_word_of(settings, "region", letters, 32, rule, err)) != NULL &&
        read_sms(account, settings, err) && read_max_price(account, settings, err) &&
        read_keys(account, settings, secrets, err))
        return account;
    account_free(account);
    return NULL;
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct sns *account = arg;
    server_endpoint(&account->sms.server, options);
}

static void write_attribute(struct buf *form, struct arena *arena, int number, const char *name,
                            const char *type, const char *value)
{
    form_field(form, arena_printf(arena, "MessageAttributes.entry.%d.Name", number), name);
    form_field(form, arena_printf(arena, "MessageAttributes.entry.%d.Value.DataType", number), type);
    form_field(form, arena_printf(arena, "MessageAttributes.entry.%d.Value.StringValue", number), value);
}

/* A sender that is a number is an origination number to AWS, a name a sender id. */
static void write_form(struct buf *form, const struct sns *account, const struct message *message,
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
    if (account->max_price != NULL)
        write_attribute(form, arena, ++count, "AWS.SNS.SMS.MaxPrice", "Number", account->max_price);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct sns *account = arg;
    struct sms sms;
    if (!sms_read(&account->sms, message, &sms, verdict))
        return false;
    struct buf form;
    buf_init(&form, SMS_BODY_MAX);
    write_form(&form, account, message, &sms, arena);
    if (!sms_post_form(request, "/", &form, arena, verdict))
        return false;
    struct sigv4 sigv4 = {
        .url = account->sms.server.url,
        .region = account->region,
        .service = "sns",
        .access_key_id = account->access_key_id,
        .secret_access_key = account->secret_access_key,
        .session_token = account->session_token,
    };
    if (sigv4_sign(&sigv4, now_ms, arena, request))
        return true;
    *verdict = verdict_make(VERDICT_STOPPED, "the request could not be signed");
    return false;
}

const struct adapter sns_adapter = {
    .name = "sns",
    .channel = "sms",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"secret_access_key", "?session_token"},
    .account_new = account_new,
    .account_free = account_free,
    .endpoint = endpoint,
    .build = build,
    .judge = sns_judge,
};
