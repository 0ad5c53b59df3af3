/* Vonage: accounts and requests. Answers are judged in vonage_judge.c. */
#include "providers/vonage.h"

#include "core/secret.h"
#include "providers/form.h"
#include "providers/settings.h"
#include "providers/sms.h"

enum { TTL_MIN_MS = 20000, TTL_MAX_MS = 604800000 };

struct vonage {
    struct sms_account sms;
    char *api_key, *api_secret;
    char *callback; /* URL for receipts, or NULL */
};

static void account_free(void *arg)
{
    struct vonage *account = arg;
    if (account == NULL)
        return;
    sms_account_free(&account->sms);
    mem_free(account->api_key);
    secret_free(account->api_secret);
    mem_free(account->callback);
    mem_free(account);
}

static void *account_new(struct json_object *settings, const char *const *secrets, struct error *err)
{
    struct vonage *account = mem_alloc(sizeof *account);
    bool ok = sms_account_read(&account->sms, settings, "https://rest.nexmo.com", err) &&
              (account->api_key = setting_word(settings, "api_key", NULL, err)) != NULL &&
              sms_callback_read(settings, "callback", &account->callback, err);
    if (ok && account->sms.from == NULL)
        ok = error_set(err, "settings.from: is required");
    if (ok && secrets[0][0] == '\0')
        ok = error_set(err, "secret api_secret: must not be empty");
    if (ok) {
        account->api_secret = mem_strdup(secrets[0]);
        return account;
    }
    account_free(account);
    return NULL;
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct vonage *account = arg;
    server_endpoint(&account->sms.server, options);
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
    const struct vonage *account = arg;
    struct sms sms;
    if (!sms_read(&account->sms, message, &sms, verdict))
        return false;
    struct buf form;
    buf_init(&form, SMS_BODY_MAX);
    form_field(&form, "api_key", account->api_key);
    form_field(&form, "api_secret", account->api_secret);
    form_field(&form, "from", without_plus(sms.from));
    form_field(&form, "to", without_plus(message->recipient));
    form_field(&form, "text", sms.text);
    form_field(&form, "type", sms.size.encoding == SMS_UCS2 ? "unicode" : "text");
    write_ttl(&form, message, now_ms, arena);
    form_field(&form, "client-ref", message->uuid);
    if (account->callback != NULL)
        form_field(&form, "callback", account->callback);
    return sms_post_form(request, "/sms/json", &form, arena, verdict);
}

const struct adapter vonage_adapter = {
    .name = "vonage",
    .channel = "sms",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"api_secret"},
    .account_new = account_new,
    .account_free = account_free,
    .endpoint = endpoint,
    .build = build,
    .judge = vonage_judge,
};
