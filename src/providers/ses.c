/* Amazon SES: accounts and requests. Answers are judged in ses_judge.c. SES signs with DKIM itself and gives
 * each mail a Message-ID and a Date of its own. */
#include "providers/ses.h"

#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/secret.h"
#include "providers/mail_content.h"
#include "providers/settings.h"
#include "providers/sigv4.h"

enum { SECRET_ACCESS_KEY, SECRET_SESSION_TOKEN, BODY_MAX = MAIL_MAX / 3 * 4 + 4096 };

struct ses {
    struct server server;
    char *region, *access_key_id, *secret_access_key, *session_token;
    char *configuration_set; /* or NULL */
    struct mail_rules rules;
};

static void account_free(void *arg)
{
    struct ses *account = arg;
    if (account == NULL)
        return;
    server_free(&account->server);
    mem_free(account->region);
    mem_free(account->access_key_id);
    secret_free(account->secret_access_key);
    secret_free(account->session_token);
    mem_free(account->configuration_set);
    mem_free(account);
}

static bool set_server(struct ses *account, struct json_object *settings, struct error *err)
{
    char url[96];
    snprintf(url, sizeof url, "https://email.%s.amazonaws.com", account->region);
    return setting_server(settings, url, &account->server, err);
}

/* Both go into a header. */
static bool check_secrets(const struct ses *account, struct error *err)
{
    if (account->session_token != NULL &&
        !text_is_one_line(account->session_token, strlen(account->session_token)))
        return error_set(err, "secret session_token: must not contain control characters");
    return strpbrk(account->access_key_id, "/,=") == NULL ||
           error_set(err, "settings.access_key_id: must be an access key id");
}

static void *account_new(struct json_object *settings, const char *const *secrets, struct error *err)
{
    /* The region is a part of a host name. */
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    static const char rule[] = "must be a region such as eu-west-1";
    struct ses *account = mem_alloc(sizeof *account);
    account->secret_access_key = mem_strdup(secrets[SECRET_ACCESS_KEY]);
    account->session_token = mem_strdup(secrets[SECRET_SESSION_TOKEN]);
    if ((account->region = setting_word_of(settings, "region", letters, 32, rule, err)) != NULL &&
        set_server(account, settings, err) &&
        (account->access_key_id = setting_word(settings, "access_key_id", NULL, err)) != NULL &&
        check_secrets(account, err) &&
        setting_line(settings, "configuration_set", &account->configuration_set, err) &&
        mail_rules_read(settings, &account->rules, err))
        return account;
    account_free(account);
    return NULL;
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct ses *account = arg;
    server_endpoint(&account->server, options);
}

static void write_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    json_append_string(out, text, strlen(text));
}

static bool write_body(struct buf *out, const struct ses *account, const struct mail *envelope,
                       const struct buf *mail)
{
    buf_char(out, '{');
    write_member(out, "FromEmailAddress", envelope->from->address);
    buf_text(out, ",\"Destination\":{\"ToAddresses\":[");
    json_append_string(out, envelope->to, strlen(envelope->to));
    buf_text(out, "]},\"Content\":{\"Raw\":{\"Data\":\"");
    base64_append(out, mail->data, mail->size);
    buf_text(out, "\"}},\"EmailTags\":[{\"Name\":\"outbox_id\",");
    write_member(out, "Value", envelope->uuid);
    buf_text(out, "}]");
    if (account->configuration_set != NULL) {
        buf_char(out, ',');
        write_member(out, "ConfigurationSetName", account->configuration_set);
    }
    return buf_char(out, '}');
}

static bool sign(const struct ses *account, int64_t now_ms, struct arena *arena, struct request *request)
{
    struct sigv4 sigv4 = {
        .url = account->server.url,
        .region = account->region,
        .service = "ses",
        .access_key_id = account->access_key_id,
        .secret_access_key = account->secret_access_key,
        .session_token = account->session_token,
    };
    return sigv4_sign(&sigv4, now_ms, arena, request);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct ses *account = arg;
    struct mail_content content;
    struct buf mail, body;
    buf_init(&mail, MAIL_MAX);
    buf_init(&body, BODY_MAX);
    bool ok = mail_content_build(&content, &account->rules, message, now_ms, &mail, verdict);
    if (ok && write_body(&body, account, &content.mail, &mail)) {
        *request = (struct request){.method = "POST",
                                    .path = "/v2/email/outbound-emails",
                                    .headers = {{"content-type", "application/json"}},
                                    .header_count = 1,
                                    .body = arena_strndup(arena, body.data, body.size),
                                    .body_size = body.size};
        ok = sign(account, now_ms, arena, request);
        if (!ok)
            *verdict = verdict_make(VERDICT_REJECTED, "the request cannot be signed");
    }
    buf_free(&mail);
    buf_free(&body);
    return ok;
}

static struct verdict judge(const void *arg, const struct message *message, const struct response *response,
                            int64_t now_ms)
{
    (void)arg;
    if (response->state != SEND_ANSWERED)
        return verdict_of_failure(response);
    return ses_judge_answer(response, message->recipient, now_ms);
}

const struct adapter ses_adapter = {
    .name = "ses",
    .channel = "email",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"secret_access_key", "?session_token"},
    .account_new = account_new,
    .account_free = account_free,
    .endpoint = endpoint,
    .build = build,
    .judge = judge,
};
