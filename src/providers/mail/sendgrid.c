/* SendGrid: settings, requests and answers. SendGrid builds and signs the mail itself. */
#include "providers/mail/sendgrid.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/secret.h"
#include "crypto/base64.h"
#include "formats/text.h"
#include "providers/judge.h"
#include "providers/mail/mail_content.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { BODY_MAX = 30 << 20, THROTTLE_WAIT_MS = 60000 };

struct sendgrid_settings {
    struct server server;
    char *authorization; /* "Bearer …" */
    struct mail_rules rules;
};

static void settings_free(void *arg)
{
    struct sendgrid_settings *settings = arg;
    if (settings == NULL)
        return;
    server_free(&settings->server);
    secret_free(settings->authorization);
    mail_rules_free(&settings->rules);
    mem_free(settings);
}

static bool set_authorization(struct sendgrid_settings *settings, const char *key, struct error *err)
{
    if (!text_is_one_line(key, strlen(key)) || strchr(key, ' ') != NULL)
        return error_set(err, "secret api_key: must not contain spaces or control characters");
    size_t size = strlen(key) + sizeof "Bearer ";
    settings->authorization = mem_alloc(size);
    snprintf(settings->authorization, size, "Bearer %s", key);
    return true;
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct sendgrid_settings *settings = mem_alloc(sizeof *settings);
    if (setting_server(json, "https://api.sendgrid.com", &settings->server, err) &&
        set_authorization(settings, secrets[0], err) && mail_rules_read(json, &settings->rules, err))
        return settings;
    settings_free(settings);
    return NULL;
}

static void write_mailbox(struct buf *out, const char *name, const struct mailbox *mailbox)
{
    json_member(out, name);
    buf_char(out, '{');
    json_member_text(out, "email", mailbox->address);
    json_member_text(out, "name", mailbox->name[0] != '\0' ? mailbox->name : NULL);
    buf_char(out, '}');
}

static void write_part(struct buf *out, const char *type, const char *text, size_t size)
{
    if (text == NULL)
        return;
    buf_char(out, '{');
    json_member_text(out, "type", type);
    json_member_octets(out, "value", text, size);
    buf_char(out, '}');
}

static void write_attachments(struct buf *out, const struct mail *mail)
{
    if (mail->attachment_count == 0)
        return;
    buf_text(out, ",\"attachments\":[");
    for (size_t i = 0; i < mail->attachment_count; i++) {
        const struct mail_attachment *attachment = &mail->attachments[i];
        buf_text(out, i == 0 ? "{" : ",{");
        json_member_text(out, "filename", attachment->name);
        json_member_text(out, "type", attachment->type);
        buf_text(out, ",\"disposition\":\"attachment\",\"content\":\"");
        base64_append(out, attachment->data, attachment->size);
        buf_text(out, "\"}");
    }
    buf_char(out, ']');
}

static void write_headers(struct buf *out, const struct mail *mail)
{
    struct buf unsubscribe;
    buf_init(&unsubscribe, 3 * MAIL_UNSUBSCRIBE_MAX);
    buf_text(out, ",\"headers\":{");
    if (mail->automatic)
        json_member_text(out, "Auto-Submitted", "auto-generated");
    if (mail_unsubscribe(&unsubscribe, mail, ", "))
        json_member_octets(out, "List-Unsubscribe", unsubscribe.data, unsubscribe.size);
    if (mail->unsubscribe_url != NULL)
        json_member_text(out, "List-Unsubscribe-Post", mail_one_click);
    if (mail->headers != NULL) {
        struct json_object_iter member;
        json_object_object_foreachC(mail->headers, member)
        {
            json_member_octets(out, member.key, json_object_get_string(member.val),
                               (size_t)json_object_get_string_len(member.val));
        }
    }
    buf_char(out, '}');
    buf_free(&unsubscribe);
}

static bool write_body(struct buf *out, const struct mail *mail)
{
    buf_text(out, "{\"personalizations\":[{\"to\":[{");
    json_member_text(out, "email", mail->to);
    buf_text(out, "}]}]");
    write_mailbox(out, "from", mail->from);
    if (mail->reply_to != NULL)
        write_mailbox(out, "reply_to", mail->reply_to);
    json_member_octets(out, "subject", mail->subject, mail->subject_size);
    buf_text(out, ",\"content\":[");
    write_part(out, "text/plain", mail->text, mail->text_size);
    if (mail->text != NULL && mail->html != NULL)
        buf_char(out, ',');
    write_part(out, "text/html", mail->html, mail->html_size);
    buf_char(out, ']');
    write_attachments(out, mail);
    write_headers(out, mail);
    buf_text(out, ",\"custom_args\":{");
    json_member_text(out, "outbox_id", mail->uuid);
    return buf_text(out, "}}");
}

static void files(const void *arg, const struct message *message, struct file_list *list)
{
    const struct sendgrid_settings *settings = arg;
    mail_content_files(&settings->rules, message, list);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct sendgrid_settings *settings = arg;
    struct mail_content content;
    struct error err;
    struct buf body;
    buf_init(&body, BODY_MAX);
    bool ok = mail_content_read(&content, &settings->rules, message, now_ms, &err) &&
              mail_check(&content.mail, &err) &&
              (write_body(&body, &content.mail) ||
               error_set(&err, "payload: the mail is larger than %d octets", BODY_MAX));
    if (ok) {
        request_post(request, "/v3/mail/send", "application/json", &body, arena);
        request_add_header(request, "authorization", settings->authorization);
    } else {
        *verdict = verdict_make(VERDICT_REJECTED, "%s", err.text);
    }
    buf_free(&body);
    return ok;
}

/* 404, 405 and 415 say that the URL or the request as such is wrong: so are all others. */
static const struct {
    int low, high;
    enum verdict_kind kind;
} statuses[] = {
    {400, 400, VERDICT_REJECTED}, {401, 401, VERDICT_STOPPED}, {403, 405, VERDICT_STOPPED},
    {413, 413, VERDICT_REJECTED}, {415, 415, VERDICT_STOPPED}, {429, 429, VERDICT_THROTTLED},
    {500, 599, VERDICT_IN_DOUBT},
};

/* The account's window opens again at X-RateLimit-Reset, Unix seconds. */
static void set_wait(struct verdict *verdict, const struct response *response, int64_t now_ms)
{
    const char *reset = response_header(response, "x-ratelimit-reset");
    long long seconds = 0;
    int64_t wait_ms = THROTTLE_WAIT_MS;
    char delta[24];
    if (reset != NULL && sscanf(reset, "%12lld", &seconds) == 1) {
        int64_t left = seconds - now_ms / 1000;
        /* Clamped as any other time a peer names. */
        snprintf(delta, sizeof delta, "%lld", left > 0 ? (long long)left : 0);
        wait_ms = clock_retry_after(delta, now_ms, THROTTLE_WAIT_MS);
        verdict->not_before_ms = now_ms + wait_ms;
        return;
    }
    judge_wait(verdict, response, now_ms, wait_ms);
}

static struct verdict judge_error(const struct response *response, const char *recipient, int64_t now_ms)
{
    struct json_object *body = judge_json(response);
    const char *said = json_get_text(json_list_item(json_get(body, "errors"), 0), "message");
    char text[JUDGE_TEXT];
    judge_text(text, sizeof text, said, recipient);
    json_object_put(body);

    struct verdict verdict = judge_status(response, text, now_ms);
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (response->status >= statuses[i].low && response->status <= statuses[i].high) {
            verdict.kind = statuses[i].kind;
            verdict.not_before_ms = 0;
        }
    }
    if (verdict.kind == VERDICT_THROTTLED)
        set_wait(&verdict, response, now_ms);
    return verdict;
}

static struct verdict judge(const void *arg, const struct message *message, const struct response *response,
                            int64_t now_ms)
{
    (void)arg;
    /* 200 is the answer of the vendor's own sandbox mode. */
    if (response->status != 202 && response->status != 200)
        return judge_error(response, message->recipient, now_ms);
    return verdict_sent(response_header(response, "x-message-id"));
}

const struct adapter sendgrid_adapter = {
    .name = "sendgrid",
    .channel = "email",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"api_key"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = server_endpoint,
    .files = files,
    .build = build,
    .judge = judge,
};
