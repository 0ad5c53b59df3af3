/* Mail by SMTP submission: accounts, envelopes and mails. Replies are judged in smtp_judge.c. */
#include "providers/smtp.h"

#include <stdio.h>
#include <string.h>

#include "core/secret.h"
#include "providers/address.h"
#include "providers/mime.h"
#include "providers/settings.h"

struct smtp {
    char *url, *ca_file, *helo, *username, *password;
    struct mailbox from, reply_to; /* reply_to.address is "" when there is none */
};

static void account_free(void *arg)
{
    struct smtp *account = arg;
    if (account == NULL)
        return;
    mem_free(account->url);
    mem_free(account->ca_file);
    mem_free(account->helo);
    mem_free(account->username);
    secret_free(account->password);
    mem_free(account);
}

static bool set_mailbox(struct json_object *settings, const char *name, struct mailbox *mailbox,
                        struct error *err)
{
    char field[64], *text = NULL;
    snprintf(field, sizeof field, "settings.%s", name);
    bool ok = setting_line(settings, name, &text, err) &&
              (text == NULL || mailbox_parse(text, strlen(text), field, mailbox, err));
    mem_free(text);
    return ok;
}

static bool set_helo(struct json_object *settings, char **helo, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]";
    if (!setting_line(settings, "helo", helo, err))
        return false;
    return *helo == NULL || (*helo)[strspn(*helo, allowed)] == '\0' ||
           error_set(err, "settings.helo: must be a host name or an address literal");
}

static bool check_login(const struct smtp *account, struct error *err)
{
    if (account->username != NULL && account->password == NULL)
        return error_set(err, "settings.username: needs password_file or password_env too");
    if (account->username == NULL && account->password != NULL)
        return error_set(err, "settings.username: is required with a password");
    return account->password == NULL || text_is_one_line(account->password, strlen(account->password)) ||
           error_set(err, "secret password: must not contain control characters");
}

static void *account_new(struct json_object *settings, const char *const *secrets, struct error *err)
{
    static const char *const schemes[] = {"smtp", "smtps", NULL};
    struct smtp *account = mem_alloc(sizeof *account);
    account->password = mem_strdup(secrets[0]);
    if ((account->url = setting_url(settings, NULL, schemes, err)) != NULL &&
        set_mailbox(settings, "from", &account->from, err) &&
        set_mailbox(settings, "reply_to", &account->reply_to, err) &&
        set_helo(settings, &account->helo, err) &&
        setting_line(settings, "username", &account->username, err) &&
        setting_line(settings, "ca_file", &account->ca_file, err) && check_login(account, err)) {
        if (account->from.address[0] != '\0')
            return account;
        error_set(err, "settings.from: is required");
    }
    account_free(account);
    return NULL;
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct smtp *account = arg;
    options->url = account->url;
    options->http2 = false;
    options->ca_file = account->ca_file;
    options->helo = account->helo;
    options->username = account->username;
    options->password = account->password;
}

/* A text of the payload; *text is NULL when it is absent. */
static bool read_text(struct json_object *payload, const char *name, const char **text, size_t *size,
                      struct error *err)
{
    struct json_object *value = json_get(payload, name);
    *text = NULL;
    if (value == NULL)
        return true;
    if (!json_object_is_type(value, json_type_string))
        return error_set(err, "payload.%s: must be a string", name);
    *text = json_object_get_string(value);
    *size = (size_t)json_object_get_string_len(value);
    return true;
}

/* The payload's mailbox, else the account's. */
static bool read_mailbox(struct json_object *payload, const char *name, const struct mailbox *fallback,
                         struct mailbox *mailbox, struct error *err)
{
    char field[64];
    const char *text;
    size_t size = 0;
    snprintf(field, sizeof field, "payload.%s", name);
    if (!read_text(payload, name, &text, &size, err))
        return false;
    if (text != NULL)
        return mailbox_parse(text, size, field, mailbox, err);
    *mailbox = *fallback;
    return true;
}

static bool write_mail(const struct smtp *account, const struct message *message, int64_t now_ms,
                       struct buf *out, struct error *err)
{
    struct json_object *payload = message->payload;
    struct mailbox from, reply_to;
    struct mail mail = {.from = &from,
                        .to = message->recipient,
                        .uuid = message->uuid,
                        .date_ms = now_ms,
                        .automatic = !message->bulk,
                        .headers = json_get(payload, "headers")};
    if (!address_check(message->recipient, strlen(message->recipient), "recipient", err) ||
        !read_mailbox(payload, "from", &account->from, &from, err) ||
        !read_mailbox(payload, "reply_to", &account->reply_to, &reply_to, err) ||
        !read_text(payload, "subject", &mail.subject, &mail.subject_size, err) ||
        !read_text(payload, "text", &mail.text, &mail.text_size, err) ||
        !read_text(payload, "html", &mail.html, &mail.html_size, err))
        return false;
    if (mail.subject == NULL || mail.subject_size == 0)
        return error_set(err, "payload.subject: is required");
    if (mail.text == NULL && mail.html == NULL)
        return error_set(err, "payload: needs text or html");
    mail.reply_to = reply_to.address[0] != '\0' ? &reply_to : NULL;
    return mail_build(out, &mail, err);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct smtp *account = arg;
    struct error err;
    struct buf out;
    buf_init(&out, MAIL_MAX);
    bool ok = write_mail(account, message, now_ms, &out, &err);
    if (ok) {
        /* The envelope's sender is the account's even when the payload has a From of its own: servers check
         * that the login may use it, and bounces go there. */
        *request = (struct request){.mail_from = account->from.address,
                                    .mail_to = message->recipient,
                                    .body = arena_strndup(arena, out.data, out.size),
                                    .body_size = out.size};
    } else {
        *verdict = verdict_make(VERDICT_REJECTED, "%s", err.text);
    }
    buf_free(&out);
    return ok;
}

/* The Message-ID that build gave the mail, without angle brackets. */
static void message_id(const struct smtp *account, const struct message *message, char *out, size_t size)
{
    struct mailbox from;
    if (!read_mailbox(message->payload, "from", &account->from, &from, NULL))
        from = account->from;
    snprintf(out, size, "%s@%s", message->uuid, address_domain(from.address));
}

static struct verdict judge(const void *arg, const struct message *message, const struct response *response,
                            int64_t now_ms)
{
    if (response->state != SEND_ANSWERED)
        return verdict_of_failure(response);
    struct verdict verdict = smtp_judge_reply(response, message->recipient, now_ms);
    if (verdict.kind == VERDICT_SENT)
        message_id(arg, message, verdict.provider_id, sizeof verdict.provider_id);
    return verdict;
}

const struct provider provider_smtp = {
    .name = "smtp",
    .channel = "email",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"?password"},
    .account_new = account_new,
    .account_free = account_free,
    .endpoint = endpoint,
    .build = build,
    .judge = judge,
};
