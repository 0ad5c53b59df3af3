/* Amazon SES: settings and requests. Answers are judged in ses_judge.c. SES signs with DKIM itself and gives
 * each mail a Message-ID and a Date of its own. */
#include "providers/mail/ses.h"

#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "providers/aws.h"
#include "providers/mail/mail_content.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { BODY_MAX = MAIL_MAX / 3 * 4 + 4096 };

struct ses_settings {
    struct server server;
    struct aws_login login;
    char *configuration_set; /* or NULL */
    struct mail_rules rules;
};

static void settings_free(void *arg)
{
    struct ses_settings *settings = arg;
    if (settings == NULL)
        return;
    server_free(&settings->server);
    aws_login_free(&settings->login);
    mem_free(settings->configuration_set);
    mail_rules_free(&settings->rules);
    mem_free(settings);
}

static bool set_server(struct ses_settings *settings, struct json_object *json, struct error *err)
{
    char url[96];
    snprintf(url, sizeof url, "https://email.%s.amazonaws.com", settings->login.region);
    return setting_server(json, url, &settings->server, err);
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct ses_settings *settings = mem_alloc(sizeof *settings);
    if (aws_login_read(&settings->login, json, secrets, err) && set_server(settings, json, err) &&
        setting_line(json, "configuration_set", &settings->configuration_set, err) &&
        mail_rules_read(json, &settings->rules, err))
        return settings;
    settings_free(settings);
    return NULL;
}

static bool write_body(struct buf *out, const struct ses_settings *settings, const struct mail *envelope,
                       const struct buf *mail)
{
    buf_char(out, '{');
    json_member_text(out, "FromEmailAddress", envelope->from->address);
    buf_text(out, ",\"Destination\":{\"ToAddresses\":[");
    json_append_string(out, envelope->to, strlen(envelope->to));
    buf_text(out, "]},\"Content\":{\"Raw\":{\"Data\":\"");
    base64_append(out, mail->data, mail->size);
    buf_text(out, "\"}},\"EmailTags\":[{\"Name\":\"outbox_id\"");
    json_member_text(out, "Value", envelope->uuid);
    buf_text(out, "}]");
    json_member_text(out, "ConfigurationSetName", settings->configuration_set);
    return buf_char(out, '}');
}

static void files(const void *arg, const struct message *message, struct file_list *list)
{
    const struct ses_settings *settings = arg;
    mail_content_files(&settings->rules, message, list);
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
    if (ok) {
        struct sigv4 signer = aws_signer(&settings->login, "ses", settings->server.url);
        ok = write_body(&body, settings, &content.mail, &mail);
        request_post(request, "/v2/email/outbound-emails", "application/json", &body, arena);
        ok = ok && aws_sign(&signer, now_ms, arena, request);
        if (!ok)
            *verdict = verdict_make(VERDICT_REJECTED, "the request cannot be signed");
    }
    buf_free(&mail);
    buf_free(&body);
    return ok;
}

const struct adapter ses_adapter = {
    .name = "ses",
    .channel = "email",
    .repeat = REPEAT_DOUBLES,
    .secrets = {AWS_SECRETS},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint,
    .files = files,
    .build = build,
    .judge = ses_judge,
};
