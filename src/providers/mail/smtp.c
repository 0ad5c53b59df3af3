/* Mail by SMTP submission: settings, envelopes and mails. Replies are judged in smtp_judge.c. */
#include "providers/mail/smtp.h"

#include <stdio.h>
#include <string.h>

#include "core/secret.h"
#include "formats/address.h"
#include "formats/dkim.h"
#include "formats/text.h"
#include "providers/mail/mail_content.h"
#include "providers/settings.h"

enum { SECRET_PASSWORD, SECRET_DKIM_KEY, SECRET_DKIM_KEY2, DKIM_KEYS = 2, DKIM_ROOM = 16384 };

/* A key and the selector under which its public half stands in the DNS. */
struct dkim_pair {
    char *selector;
    struct dkim_key *key;
};

struct smtp_settings {
    char *url, *ca_file, *helo, *username, *password;
    struct mail_rules rules;
    char *dkim_domain;
    enum dkim_form dkim_form;
    struct dkim_pair dkim[DKIM_KEYS];
    size_t dkim_count;
};

static void settings_free(void *arg)
{
    struct smtp_settings *settings = arg;
    if (settings == NULL)
        return;
    mem_free(settings->url);
    mem_free(settings->ca_file);
    mem_free(settings->helo);
    mem_free(settings->username);
    secret_free(settings->password);
    mem_free(settings->dkim_domain);
    for (size_t i = 0; i < DKIM_KEYS; i++) {
        mem_free(settings->dkim[i].selector);
        dkim_key_free(settings->dkim[i].key);
    }
    mail_rules_free(&settings->rules);
    mem_free(settings);
}

static bool set_helo(struct json_object *json, char **helo, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]";
    if (!setting_line(json, "helo", helo, err))
        return false;
    return *helo == NULL || (*helo)[strspn(*helo, allowed)] == '\0' ||
           error_set(err, "settings.helo: must be a host name or an address literal");
}

static bool check_login(const struct smtp_settings *settings, struct error *err)
{
    if (settings->username != NULL && settings->password == NULL)
        return error_set(err, "settings.username: needs password_file or password_env too");
    if (settings->username == NULL && settings->password != NULL)
        return error_set(err, "settings.username: is required with a password");
    return settings->password == NULL || text_is_one_line(settings->password, strlen(settings->password)) ||
           error_set(err, "secret password: must not contain control characters");
}

static bool set_dkim_pair(struct json_object *json, const char *name, const char *secret_name,
                          const char *secret, struct dkim_pair *pair, struct error *err)
{
    char field[64];
    snprintf(field, sizeof field, "settings.%s", name);
    if (!setting_line(json, name, &pair->selector, err))
        return false;
    if ((pair->selector != NULL) != (secret != NULL))
        return error_set(err, "%s: %s", field, secret != NULL ? "is required with a key" : "needs a key too");
    if (secret == NULL)
        return true;
    /* A selector is made of the same labels as a domain. */
    if (!address_check_domain(pair->selector, field, err))
        return false;
    pair->key = dkim_key_new(secret, err);
    return pair->key != NULL || error_prefix(err, "secret %s", secret_name);
}

static bool set_dkim_form(struct json_object *json, enum dkim_form *form, struct error *err)
{
    char *name = setting_word(json, "dkim_canonicalization", "relaxed", err);
    if (name == NULL)
        return false;
    *form = strcmp(name, "simple") == 0 ? DKIM_SIMPLE : DKIM_RELAXED;
    bool known = *form == DKIM_SIMPLE || strcmp(name, "relaxed") == 0;
    mem_free(name);
    return known || error_set(err, "settings.dkim_canonicalization: must be relaxed or simple");
}

/* The second pair is for a key of the other kind: verifiers that know only RSA skip the other signature. */
static bool set_dkim(struct smtp_settings *settings, struct json_object *json, const char *const *secrets,
                     struct error *err)
{
    struct dkim_pair *first = &settings->dkim[0], *second = &settings->dkim[1];
    settings->dkim_domain =
        setting_word(json, "dkim_domain", address_domain(settings->rules.from.address), err);
    if (settings->dkim_domain == NULL ||
        !address_check_domain(settings->dkim_domain, "settings.dkim_domain", err) ||
        !set_dkim_form(json, &settings->dkim_form, err) ||
        !set_dkim_pair(json, "dkim_selector", "dkim_key", secrets[SECRET_DKIM_KEY], first, err) ||
        !set_dkim_pair(json, "dkim_selector2", "dkim_key2", secrets[SECRET_DKIM_KEY2], second, err))
        return false;
    if (first->key == NULL)
        return second->key == NULL || error_set(err, "settings.dkim_selector2: needs dkim_selector too");
    if (second->key != NULL && strcmp(dkim_key_algorithm(first->key), dkim_key_algorithm(second->key)) == 0)
        return error_set(err, "secret dkim_key2: must be of another kind than dkim_key");
    settings->dkim_count = second->key != NULL ? 2 : 1;
    return true;
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    static const char *const schemes[] = {"smtp", "smtps", NULL};
    struct smtp_settings *settings = mem_alloc(sizeof *settings);
    settings->password = mem_strdup(secrets[SECRET_PASSWORD]);
    if ((settings->url = setting_url(json, NULL, schemes, err)) != NULL &&
        mail_rules_read(json, &settings->rules, err) && set_helo(json, &settings->helo, err) &&
        setting_line(json, "username", &settings->username, err) &&
        setting_line(json, "ca_file", &settings->ca_file, err) && check_login(settings, err) &&
        set_dkim(settings, json, secrets, err))
        return settings;
    settings_free(settings);
    return NULL;
}

static void endpoint(const void *arg, struct endpoint_options *options)
{
    const struct smtp_settings *settings = arg;
    options->url = settings->url;
    options->http2 = false;
    options->ca_file = settings->ca_file;
    options->helo = settings->helo;
    options->username = settings->username;
    options->password = settings->password;
}

static bool sign(const struct smtp_settings *settings, const struct buf *mail, int64_t now_ms,
                 struct buf *out)
{
    struct dkim_signer signers[DKIM_KEYS];
    for (size_t i = 0; i < settings->dkim_count; i++)
        signers[i] = (struct dkim_signer){.domain = settings->dkim_domain,
                                          .selector = settings->dkim[i].selector,
                                          .key = settings->dkim[i].key};
    return dkim_add_signatures(out, mail->data, mail->size, settings->dkim_form, signers,
                               settings->dkim_count, now_ms);
}

static void files(const void *arg, const struct message *message, struct file_list *list)
{
    const struct smtp_settings *settings = arg;
    mail_content_files(&settings->rules, message, list);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct smtp_settings *settings = arg;
    struct mail_content content;
    struct buf mail, out;
    buf_init(&mail, MAIL_MAX);
    buf_init(&out, MAIL_MAX + DKIM_ROOM);
    bool ok = mail_content_build(&content, &settings->rules, message, now_ms, &mail, verdict);
    if (ok && !sign(settings, &mail, now_ms, &out)) {
        *verdict = verdict_make(VERDICT_REJECTED, "the mail cannot be signed with the DKIM key");
        ok = false;
    }
    if (ok) {
        /* The envelope's sender is that of the settings even when the payload has a From of its own: servers
         * check that the login may use it, and bounces go there. */
        *request = (struct request){.mail_from = settings->rules.from.address,
                                    .mail_to = message->recipient,
                                    .body = arena_strndup(arena, out.data, out.size),
                                    .body_size = out.size};
    }
    buf_free(&mail);
    buf_free(&out);
    return ok;
}

/* The Message-ID that build gave the mail, without angle brackets. */
static void message_id(const struct smtp_settings *settings, const struct message *message, char *out,
                       size_t size)
{
    struct mailbox from;
    const char *text = json_get_text(message->payload, "from");
    if (text == NULL || !mailbox_parse(text, strlen(text), "payload.from", &from, NULL))
        from = settings->rules.from;
    snprintf(out, size, "%s@%s", message->uuid, address_domain(from.address));
}

static struct verdict judge(const void *arg, const struct message *message, const struct response *response,
                            int64_t now_ms)
{
    struct verdict verdict = smtp_judge_reply(response, message->recipient, now_ms);
    /* A reply of 500 or more is about this mail as often as not. */
    verdict.blame = verdict_blame(verdict.kind);
    if (verdict.kind == VERDICT_SENT)
        message_id(arg, message, verdict.provider_id, sizeof verdict.provider_id);
    return verdict;
}

const struct adapter smtp_adapter = {
    .name = "smtp",
    .channel = "email",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"?password", "?dkim_key", "?dkim_key2"},
    .settings_new = settings_new,
    .settings_free = settings_free,
    .endpoint = endpoint,
    .files = files,
    .build = build,
    .judge = judge,
};
