/* Mailgun: settings, requests and answers. Mailgun signs the mail with DKIM itself. */
#include "providers/mail/mailgun.h"

#include <stdio.h>
#include <string.h>

#include "core/secret.h"
#include "crypto/digest.h"
#include "crypto/hex.h"
#include "formats/basic.h"
#include "formats/text.h"
#include "providers/judge.h"
#include "providers/mail/mail_content.h"
#include "providers/request.h"
#include "providers/settings.h"

enum { FORM_ROOM = 4096, THROTTLE_WAIT_MS = 60000, BOUNDARY_OCTETS = 16 };

struct mailgun_settings {
    struct server server;
    char *path;
    char *authorization; /* "Basic …" */
    struct mail_rules rules;
};

static void settings_free(void *arg)
{
    struct mailgun_settings *settings = arg;
    if (settings == NULL)
        return;
    server_free(&settings->server);
    mem_free(settings->path);
    secret_free(settings->authorization);
    mail_rules_free(&settings->rules);
    mem_free(settings);
}

static bool set_path(struct mailgun_settings *settings, struct json_object *json, struct error *err)
{
    char *domain = setting_word(json, "domain", NULL, err), path[300];
    if (domain == NULL)
        return false;
    bool ok = address_check_domain(domain, "settings.domain", err);
    snprintf(path, sizeof path, "/v3/%s/messages.mime", domain);
    settings->path = mem_strdup(path);
    mem_free(domain);
    return ok;
}

static bool set_authorization(struct mailgun_settings *settings, const char *key, struct error *err)
{
    if (!text_is_one_line(key, strlen(key)))
        return error_set(err, "secret api_key: must not contain control characters");
    settings->authorization = basic_authorization("api", key);
    return true;
}

static void *settings_new(struct json_object *json, const char *const *secrets, struct error *err)
{
    struct mailgun_settings *settings = mem_alloc(sizeof *settings);
    if (setting_server(json, "https://api.mailgun.net", &settings->server, err) &&
        set_path(settings, json, err) && set_authorization(settings, secrets[0], err) &&
        mail_rules_read(json, &settings->rules, err))
        return settings;
    settings_free(settings);
    return NULL;
}

static void write_field(struct buf *out, const char *boundary, const char *name, const char *value)
{
    buf_printf(out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", boundary, name,
               value);
}

/* multipart/form-data (RFC 7578). The boundary is made from the mail's digest, so no mail can hold it. */
static char *write_form(struct buf *out, const struct message *message, const struct buf *mail,
                        struct arena *arena)
{
    unsigned char digest[SHA256_SIZE];
    char hex[2 * BOUNDARY_OCTETS + 1];
    digest_sha256(mail->data, mail->size, digest);
    hex_encode(digest, BOUNDARY_OCTETS, hex);
    char *boundary = arena_printf(arena, "outbox-%s", hex);
    write_field(out, boundary, "to", message->recipient);
    write_field(out, boundary, "v:outbox_id", message->uuid);
    buf_printf(out,
               "--%s\r\nContent-Disposition: form-data; name=\"message\"; filename=\"mail.eml\"\r\n"
               "Content-Type: message/rfc822\r\n\r\n",
               boundary);
    buf_append(out, mail->data, mail->size);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
    return boundary;
}

static void files(const void *arg, const struct message *message, struct file_list *list)
{
    const struct mailgun_settings *settings = arg;
    mail_content_files(&settings->rules, message, list);
}

static bool build(const void *arg, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict)
{
    (void)token;
    const struct mailgun_settings *settings = arg;
    struct mail_content content;
    struct buf mail, form;
    buf_init(&mail, MAIL_MAX);
    buf_init(&form, MAIL_MAX + FORM_ROOM);
    bool ok = mail_content_build(&content, &settings->rules, message, now_ms, &mail, verdict);
    if (ok) {
        const char *boundary = write_form(&form, message, &mail, arena);
        const char *type = arena_printf(arena, "multipart/form-data; boundary=%s", boundary);
        request_post(request, settings->path, type, &form, arena);
        request_add_header(request, "authorization", settings->authorization);
    }
    buf_free(&mail);
    buf_free(&form);
    return ok;
}

/* The first row that fits decides. text: must occur in the answer, unless NULL. */
static const struct {
    int low, high;
    const char *text;
    enum verdict_kind kind;
} rows[] = {
    {400, 400, "sandbox", VERDICT_STOPPED},    {400, 400, "not verified", VERDICT_STOPPED},
    {400, 400, "unverified", VERDICT_STOPPED}, {400, 400, NULL, VERDICT_REJECTED},
    {401, 404, NULL, VERDICT_STOPPED},         {413, 413, NULL, VERDICT_REJECTED},
    {429, 429, NULL, VERDICT_THROTTLED},       {500, 599, NULL, VERDICT_IN_DOUBT},
};

static struct verdict judge_error(const struct response *response, struct json_object *body,
                                  const char *recipient, int64_t now_ms)
{
    char text[JUDGE_TEXT];
    /* Without addresses, so that no recipient can spell out a text that stops a provider. */
    judge_text(text, sizeof text, json_get_text(body, "message"), recipient);
    struct verdict verdict = judge_status(response, text, now_ms);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (response->status >= rows[i].low && response->status <= rows[i].high &&
            (rows[i].text == NULL || strcasestr(text, rows[i].text) != NULL)) {
            verdict.kind = rows[i].kind;
            verdict.not_before_ms = 0;
            break;
        }
    }
    if (verdict.kind == VERDICT_THROTTLED)
        judge_wait(&verdict, response, now_ms, THROTTLE_WAIT_MS);
    return verdict;
}

/* The id is the Message-ID in angle brackets; Mailgun's events name it without. */
static struct verdict judge_ok(struct json_object *body)
{
    const char *id = json_get_text(body, "id");
    if (id == NULL || id[0] == '\0')
        return verdict_make(VERDICT_IN_DOUBT, "HTTP 200 with a body that is not Mailgun's");
    struct verdict verdict = verdict_sent(NULL);
    id += id[0] == '<';
    snprintf(verdict.provider_id, sizeof verdict.provider_id, "%.*s", (int)strcspn(id, ">"), id);
    return verdict;
}

static struct verdict judge(const void *arg, const struct message *message, const struct response *response,
                            int64_t now_ms)
{
    (void)arg;
    struct json_object *body = judge_json(response);
    struct verdict verdict =
        response->status == 200 ? judge_ok(body) : judge_error(response, body, message->recipient, now_ms);
    json_object_put(body);
    return verdict;
}

const struct adapter mailgun_adapter = {
    .name = "mailgun",
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
