/* Mail by SMTP submission: accounts, envelopes and mails. Replies are judged in smtp_judge.c. */
#include "providers/smtp.h"

#include <stdio.h>
#include <string.h>

#include "core/secret.h"
#include "providers/address.h"
#include "providers/dkim.h"
#include "providers/mail_content.h"
#include "providers/settings.h"

enum { SECRET_PASSWORD, SECRET_DKIM_KEY, SECRET_DKIM_KEY2, DKIM_KEYS = 2, DKIM_ROOM = 16384 };

/* A key and the selector under which its public half stands in the DNS. */
struct dkim_pair {
    char *selector;
    struct dkim_key *key;
};

struct smtp {
    char *url, *ca_file, *helo, *username, *password;
    struct mail_rules rules;
    char *dkim_domain;
    enum dkim_form dkim_form;
    struct dkim_pair dkim[DKIM_KEYS];
    size_t dkim_count;
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
    mem_free(account->dkim_domain);
    for (size_t i = 0; i < DKIM_KEYS; i++) {
        mem_free(account->dkim[i].selector);
        dkim_key_free(account->dkim[i].key);
    }
    mem_free(account);
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

/* Domains and selectors are made of the same labels; the check wants an address. */
static bool check_labels(const char *labels, const char *field, struct error *err)
{
    char address[300];
    snprintf(address, sizeof address, "x@%s", labels);
    return address_check(address, strlen(address), field, err);
}

static bool set_dkim_pair(struct json_object *settings, const char *name, const char *secret_name,
                          const char *secret, struct dkim_pair *pair, struct error *err)
{
    char field[64];
    snprintf(field, sizeof field, "settings.%s", name);
    if (!setting_line(settings, name, &pair->selector, err))
        return false;
    if ((pair->selector != NULL) != (secret != NULL))
        return error_set(err, "%s: %s", field, secret != NULL ? "is required with a key" : "needs a key too");
    if (secret == NULL)
        return true;
    if (!check_labels(pair->selector, field, err))
        return false;
    pair->key = dkim_key_new(secret, err);
    return pair->key != NULL || error_prefix(err, "secret %s", secret_name);
}

static bool set_dkim_form(struct json_object *settings, enum dkim_form *form, struct error *err)
{
    char *name = setting_word(settings, "dkim_canonicalization", "relaxed", err);
    if (name == NULL)
        return false;
    *form = strcmp(name, "simple") == 0 ? DKIM_SIMPLE : DKIM_RELAXED;
    bool known = *form == DKIM_SIMPLE || strcmp(name, "relaxed") == 0;
    mem_free(name);
    return known || error_set(err, "settings.dkim_canonicalization: must be relaxed or simple");
}

/* The second pair is for a key of the other kind: verifiers that know only RSA skip the other signature. */
static bool set_dkim(struct smtp *account, struct json_object *settings, const char *const *secrets,
                     struct error *err)
{
    struct dkim_pair *first = &account->dkim[0], *second = &account->dkim[1];
    account->dkim_domain =
        setting_word(settings, "dkim_domain", address_domain(account->rules.from.address), err);
    if (account->dkim_domain == NULL || !check_labels(account->dkim_domain, "settings.dkim_domain", err) ||
        !set_dkim_form(settings, &account->dkim_form, err) ||
        !set_dkim_pair(settings, "dkim_selector", "dkim_key", secrets[SECRET_DKIM_KEY], first, err) ||
        !set_dkim_pair(settings, "dkim_selector2", "dkim_key2", secrets[SECRET_DKIM_KEY2], second, err))
        return false;
    if (first->key == NULL)
        return second->key == NULL || error_set(err, "settings.dkim_selector2: needs dkim_selector too");
    if (second->key != NULL && strcmp(dkim_key_algorithm(first->key), dkim_key_algorithm(second->key)) == 0)
        return error_set(err, "secret dkim_key2: must be of another kind than dkim_key");
    account->dkim_count = second->key != NULL ? 2 : 1;
    return true;
}

static void *account_new(struct json_object *settings, const char *const *secrets, struct error *err)
{
    static const char *const schemes[] = {"smtp", "smtps", NULL};
    struct smtp *account = mem_alloc(sizeof *account);
    account->password = mem_strdup(secrets[SECRET_PASSWORD]);
    if ((account->url = setting_url(settings, NULL, schemes, err)) != NULL &&
        mail_rules_read(settings, &account->rules, err) && set_helo(settings, &account->helo, err) &&
        setting_line(settings, "username", &account->username, err) &&
        setting_line(settings, "ca_file", &account->ca_file, err) && check_login(account, err) &&
        set_dkim(account, settings, secrets, err))
        return account;
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

static bool sign(const struct smtp *account, const struct buf *mail, int64_t now_ms, struct buf *out)
{
    struct dkim_signer signers[DKIM_KEYS];
    for (size_t i = 0; i < account->dkim_count; i++)
        signers[i] = (struct dkim_signer){.domain = account->dkim_domain,
                                          .selector = account->dkim[i].selector,
                                          .key = account->dkim[i].key};
    return dkim_sign(out, mail->data, mail->size, account->dkim_form, signers, account->dkim_count, now_ms);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct smtp *account = arg;
    struct mail_content content;
    struct buf mail, out;
    buf_init(&mail, MAIL_MAX);
    buf_init(&out, MAIL_MAX + DKIM_ROOM);
    bool ok = mail_content_build(&content, &account->rules, message, now_ms, &mail, verdict);
    if (ok && !sign(account, &mail, now_ms, &out)) {
        *verdict = verdict_make(VERDICT_REJECTED, "the mail cannot be signed with the DKIM key");
        ok = false;
    }
    if (ok) {
        /* The envelope's sender is the account's even when the payload has a From of its own: servers check
         * that the login may use it, and bounces go there. */
        *request = (struct request){.mail_from = account->rules.from.address,
                                    .mail_to = message->recipient,
                                    .body = arena_strndup(arena, out.data, out.size),
                                    .body_size = out.size};
    }
    buf_free(&mail);
    buf_free(&out);
    return ok;
}

/* The Message-ID that build gave the mail, without angle brackets. */
static void message_id(const struct smtp *account, const struct message *message, char *out, size_t size)
{
    struct mailbox from;
    const char *text = json_get_text(message->payload, "from");
    if (text == NULL || !mailbox_parse(text, strlen(text), "payload.from", &from, NULL))
        from = account->rules.from;
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

const struct adapter smtp_adapter = {
    .name = "smtp",
    .channel = "email",
    .repeat = REPEAT_DOUBLES,
    .secrets = {"?password", "?dkim_key", "?dkim_key2"},
    .account_new = account_new,
    .account_free = account_free,
    .endpoint = endpoint,
    .build = build,
    .judge = judge,
};
