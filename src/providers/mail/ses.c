/* Amazon SES: settings and requests. Answers are judged in ses_judge.c. SES signs with DKIM itself and gives
 * each mail a Message-ID and a Date of its own. */
#include "providers/mail/ses.h"

#include <stdio.h>
#include <string.h>

#include "core/secret.h"
#include "crypto/base64.h"
#include "formats/sigv4.h"
#include "providers/mail/mail_content.h"
#include "providers/settings.h"

enum { SECRET_ACCESS_KEY, SECRET_SESSION_TOKEN, BODY_MAX = MAIL_MAX / 3 * 4 + 4096 };

struct ses_settings {
    struct server server;
    char *region, *access_key_id, *secret_access_key, *session_token;
    char *configuration_set; /* or NULL */
    struct mail_rules rules;
};

static void settings_free(void *arg)
{
    struct ses_settings *settings = arg;
    if (settings == NULL)
        return;
    server_free(&settings->server);
    mem_free(settings->region);
    mem_free(settings->access_key_id);
    secret_free(settings->secret_access_key);
    secret_free(settings->session_token);
    mem_free(settings->configuration_set);
    mem_free(settings);
}

static bool set_server(struct ses_settings *settings, struct json_object *json, struct error *err)
{
    char url[96];
    snprintf(url, sizeof url, "https://email.%s.amazonaws.com", settings->region);
    return setting_server(json, url, &settings->server, err);
}

/* Both go into a header. */
static bool check_secrets(const struct ses_settings *settings, struct error *err)
{
    if (settings->session_token != NULL &&
        !text_is_one_line(settings->session_token, strlen(settings->session_token)))
        return error_set(err, "secret session_token: must not contain control characters");
    return strpbrk(settings->access_key_id, "/,=") == NULL ||
           error_set(err, "settings.access_key_id: must be an access key id");
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    /* The region is a part of a host name. */
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    static const char rule[] = "must be a region such as eu-west-1";
    struct ses_settings *settings = mem_alloc(sizeof *settings);
    settings->secret_access_key = mem_strdup(secrets[SECRET_ACCESS_KEY]);
    settings->session_token = mem_strdup(secrets[SECRET_SESSION_TOKEN]);
    if ((settings->region = setting_word_of(json, "region", letters, 32, rule, err)) != NULL &&
        set_server(settings, json, err) &&
        (settings->access_key_id = setting_word(json, "access_key_id", NULL, err)) != NULL &&
        check_secrets(settings, err) &&
        setting_line(json, "configuration_set", &settings->configuration_set, err) &&
        mail_rules_read(json, &settings->rules, err))
        return settings;
    settings_free(settings);
    return NULL;
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct ses_settings *settings = arg;
    server_endpoint(&settings->server, options);
}

static void write_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    json_append_string(out, text, strlen(text));
}

static bool write_body(struct buf *out, const struct ses_settings *settings, const struct mail *envelope,
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
    if (settings->configuration_set != NULL) {
        buf_char(out, ',');
        write_member(out, "ConfigurationSetName", settings->configuration_set);
    }
    return buf_char(out, '}');
}

static bool sign(const struct ses_settings *settings, int64_t now_ms, struct arena *arena,
                 struct request *request)
{
    struct sigv4 sigv4 = {
        .url = settings->server.url,
        .region = settings->region,
        .service = "ses",
        .access_key_id = settings->access_key_id,
        .secret_access_key = settings->secret_access_key,
        .session_token = settings->session_token,
    };
    return sigv4_sign(&sigv4, now_ms, arena, request);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct ses_settings *settings = arg;
    struct mail_content content;
    struct buf mail, body;
    buf_init(&mail, MAIL_MAX);
    buf_init(&body, BODY_MAX);
    bool ok = mail_content_build(&content, &settings->rules, message, now_ms, &mail, verdict);
    if (ok && write_body(&body, settings, &content.mail, &mail)) {
        *request = (struct request){.method = "POST",
                                    .path = "/v2/email/outbound-emails",
                                    .headers = {{"content-type", "application/json"}},
                                    .header_count = 1,
                                    .body = arena_strndup(arena, body.data, body.size),
                                    .body_size = body.size};
        ok = sign(settings, now_ms, arena, request);
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
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = endpoint,
    .build = build,
    .judge = judge,
};
