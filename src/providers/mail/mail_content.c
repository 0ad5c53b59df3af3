#include "providers/mail/mail_content.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "formats/text.h"
#include "providers/settings.h"

static bool set_mailbox(struct json_object *json, const char *name, struct mailbox *mailbox,
                        struct error *err)
{
    char field[64], *text = NULL;
    snprintf(field, sizeof field, "settings.%s", name);
    bool ok = setting_line(json, name, &text, err) &&
              (text == NULL || mailbox_parse(text, strlen(text), field, mailbox, err));
    mem_free(text);
    return ok;
}

static bool set_attachments(struct json_object *json, struct mail_rules *rules, struct error *err)
{
    if (!setting_line(json, "attachments_dir", &rules->attachments_dir, err))
        return false;
    return rules->attachments_dir == NULL || rules->attachments_dir[0] == '/' ||
           error_set(err, "settings.attachments_dir: must be an absolute path");
}

bool mail_rules_read(struct json_object *json, struct mail_rules *rules, struct error *err)
{
    *rules = (struct mail_rules){0};
    if (!setting_flag(json, "require_unsubscribe", true, &rules->require_unsubscribe, err) ||
        !set_mailbox(json, "from", &rules->from, err) ||
        !set_mailbox(json, "reply_to", &rules->reply_to, err) || !set_attachments(json, rules, err))
        return false;
    return rules->from.address[0] != '\0' || error_set(err, "settings.from: is required");
}

void mail_rules_free(struct mail_rules *rules)
{
    mem_free(rules->attachments_dir);
}

void mail_content_files(const struct mail_rules *rules, const struct message *message, struct file_list *list)
{
    mail_attachments_files(message->payload, rules->attachments_dir, list);
}

/* A text without zero octets, so that its size is its length. */
static bool read_word(struct json_object *payload, const char *name, const char **text, struct error *err)
{
    size_t size = 0;
    return json_read_text(payload, "payload", name, text, &size, err) &&
           (*text == NULL || text_is_one_line(*text, size) ||
            error_set(err, "payload.%s: must not contain control characters", name));
}

/* The payload's mailbox, else the rules'. */
static bool read_mailbox(struct json_object *payload, const char *name, const struct mailbox *fallback,
                         struct mailbox *mailbox, struct error *err)
{
    char field[64];
    const char *text;
    size_t size = 0;
    snprintf(field, sizeof field, "payload.%s", name);
    if (!json_read_text(payload, "payload", name, &text, &size, err))
        return false;
    if (text != NULL)
        return mailbox_parse(text, size, field, mailbox, err);
    *mailbox = *fallback;
    return true;
}

/* Whoever writes the field of RFC 8058 himself has thought of it. */
static bool has_one_click(const struct mail *mail)
{
    if (mail->unsubscribe_url != NULL)
        return true;
    if (!json_object_is_type(mail->headers, json_type_object))
        return false;
    struct json_object_iter member;
    json_object_object_foreachC(mail->headers, member)
    {
        if (strcasecmp(member.key, "List-Unsubscribe-Post") == 0)
            return true;
    }
    return false;
}

bool mail_content_read(struct mail_content *content, const struct mail_rules *rules,
                       const struct message *message, int64_t now_ms, struct error *err)
{
    struct json_object *payload = message->payload;
    struct mail *mail = &content->mail;
    *mail = (struct mail){.from = &content->from,
                          .to = message->recipient,
                          .uuid = message->uuid,
                          .date_ms = now_ms,
                          .automatic = !message->bulk,
                          .headers = json_get(payload, "headers"),
                          .attachments = content->attachments};
    if (!address_check(message->recipient, strlen(message->recipient), "recipient", err) ||
        !read_mailbox(payload, "from", &rules->from, &content->from, err) ||
        !read_mailbox(payload, "reply_to", &rules->reply_to, &content->reply_to, err) ||
        !json_read_text(payload, "payload", "subject", &mail->subject, &mail->subject_size, err) ||
        !json_read_text(payload, "payload", "text", &mail->text, &mail->text_size, err) ||
        !json_read_text(payload, "payload", "html", &mail->html, &mail->html_size, err) ||
        !read_word(payload, "unsubscribe_url", &mail->unsubscribe_url, err) ||
        !read_word(payload, "unsubscribe_mailto", &mail->unsubscribe_mailto, err))
        return false;
    if (mail->subject == NULL || mail->subject_size == 0)
        return error_set(err, "payload.subject: is required");
    if (mail->text == NULL && mail->html == NULL)
        return error_set(err, "payload: needs text or html");
    if (message->bulk && rules->require_unsubscribe && !has_one_click(mail))
        return error_set(err, "payload.unsubscribe_url: is required for the lane bulk");
    if (rules->attachments_dir == NULL && json_get(payload, "attachments") != NULL)
        return error_set(err, "payload.attachments: the provider has no attachments_dir");
    mail->reply_to = content->reply_to.address[0] != '\0' ? &content->reply_to : NULL;
    return mail_attachments_read(payload, message->files, content->attachments, &mail->attachment_count, err);
}

bool mail_content_build(struct mail_content *content, const struct mail_rules *rules,
                        const struct message *message, int64_t now_ms, struct buf *out,
                        struct verdict *verdict)
{
    struct error err;
    if (mail_content_read(content, rules, message, now_ms, &err) && mail_build(out, &content->mail, &err))
        return true;
    *verdict = verdict_make(VERDICT_REJECTED, "%s", err.text);
    return false;
}
