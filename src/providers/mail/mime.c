#include "providers/mail/mime.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "formats/mime_encode.h"
#include "formats/text.h"

enum { HEADER_NAME_MAX = 76 };

bool mail_date(struct buf *out, int64_t date_ms)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(date_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL)
        return false;
    return buf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[utc.tm_wday], utc.tm_mday,
                      months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

/* A field of free text. */
static void write_text(struct buf *out, const char *name, const char *text, size_t size)
{
    buf_printf(out, "%s: ", name);
    if (mime_is_plain(text, size) && mime_column(out) + size <= MIME_LINE)
        buf_append(out, text, size);
    else
        mime_words(out, text, size);
    buf_text(out, "\r\n");
}

static void write_quoted(struct buf *out, const char *name)
{
    buf_char(out, '"');
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buf_char(out, '\\');
        buf_char(out, *c);
    }
    buf_char(out, '"');
}

static void write_mailbox(struct buf *out, const char *field, const struct mailbox *mailbox)
{
    buf_printf(out, "%s: ", field);
    size_t size = strlen(mailbox->name);
    if (size == 0) {
        buf_printf(out, "%s\r\n", mailbox->address);
        return;
    }
    if (mime_is_plain(mailbox->name, size) && mime_column(out) + 2 * size + 2 <= MIME_LINE)
        write_quoted(out, mailbox->name);
    else
        mime_words(out, mailbox->name, size);
    bool fold = mime_column(out) + strlen(mailbox->address) + 3 > MIME_LINE;
    buf_printf(out, "%s <%s>\r\n", fold ? "\r\n" : "", mailbox->address);
}

/* Fields a sender may add. All others are ours or the mail servers'. */
static bool header_allowed(const char *name)
{
    static const char *const names[] = {"Feedback-ID", "Importance", "In-Reply-To", "Precedence",
                                        "Priority",    "References", NULL};
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return (strncasecmp(name, "X-", 2) == 0 && name[2] != '\0') ||
           (strncasecmp(name, "List-", 5) == 0 && name[5] != '\0');
}

static bool header_name_ok(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
            return false;
    }
    return size > 0 && size <= HEADER_NAME_MAX;
}

static bool is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return false;
    }
    return true;
}

static bool check_header(const char *name, struct json_object *value, struct error *err)
{
    if (!header_name_ok(name))
        return error_set(err, "payload.headers: a name must be 1 to %d letters, digits or hyphens",
                         HEADER_NAME_MAX);
    if (!header_allowed(name))
        return error_set(
            err, "payload.headers.%s: the name is reserved (allowed: X-*, List-* and a few more)", name);
    if (!json_object_is_type(value, json_type_string))
        return error_set(err, "payload.headers.%s: must be a string", name);
    const char *text = json_object_get_string(value);
    size_t size = (size_t)json_object_get_string_len(value);
    if (!text_is_one_line(text, size))
        return error_set(err, "payload.headers.%s: must not contain control characters", name);
    if (strlen(name) + 2 + size > MAIL_LINE_MAX)
        return error_set(err, "payload.headers.%s: is longer than %d octets", name, MAIL_LINE_MAX);
    /* In fields with a syntax of their own an encoded-word would be taken literally. */
    return is_ascii(text, size) || strncasecmp(name, "X-", 2) == 0 ||
           error_set(err, "payload.headers.%s: must be ASCII", name);
}

static bool check_headers(const struct mail *mail, struct error *err)
{
    if (mail->headers == NULL)
        return true;
    if (!json_object_is_type(mail->headers, json_type_object))
        return error_set(err, "payload.headers: must be an object");
    if (json_object_object_length(mail->headers) > MAIL_HEADERS_MAX)
        return error_set(err, "payload.headers: has more than %d fields", MAIL_HEADERS_MAX);
    bool unsubscribes = mail->unsubscribe_url != NULL || mail->unsubscribe_mailto != NULL;
    struct json_object_iter member;
    json_object_object_foreachC(mail->headers, member)
    {
        if (!check_header(member.key, member.val, err))
            return false;
        if (unsubscribes && strncasecmp(member.key, "List-Unsubscribe", 16) == 0)
            return error_set(err, "payload.headers.%s: is made from unsubscribe_url and unsubscribe_mailto",
                             member.key);
    }
    return true;
}

/* What may stand between angle brackets: nothing that ends or begins another URI. */
static bool is_uri_text(const char *text)
{
    size_t size = strlen(text);
    return text_is_visible(text, size) && strcspn(text, "<>\"\\") == size;
}

static bool check_unsubscribe(const struct mail *mail, struct error *err)
{
    static const char scheme[] = "https://", mailto[] = "payload.unsubscribe_mailto";
    const char *url = mail->unsubscribe_url, *address = mail->unsubscribe_mailto;
    if (url != NULL && (strncmp(url, scheme, sizeof scheme - 1) != 0 ||
                        !isalnum((unsigned char)url[sizeof scheme - 1]) || !is_uri_text(url)))
        return error_set(err, "payload.unsubscribe_url: must be an https URL");
    if (url != NULL && strlen(url) > MAIL_UNSUBSCRIBE_MAX)
        return error_set(err, "payload.unsubscribe_url: is longer than %d octets", MAIL_UNSUBSCRIBE_MAX);
    if (address == NULL)
        return true;
    if (!is_uri_text(address) || strlen(address) > MAIL_UNSUBSCRIBE_MAX)
        return error_set(err, "%s: must be an address, perhaps with ?subject=..., of at most %d octets",
                         mailto, MAIL_UNSUBSCRIBE_MAX);
    return address_check(address, strcspn(address, "?"), mailto, err);
}

bool mail_check(const struct mail *mail, struct error *err)
{
    if (mail->subject_size > MAIL_SUBJECT_MAX)
        return error_set(err, "payload.subject: is longer than %d octets", MAIL_SUBJECT_MAX);
    if (!text_is_one_line(mail->subject, mail->subject_size))
        return error_set(err, "payload.subject: must not contain control characters");
    return check_headers(mail, err) && check_unsubscribe(mail, err);
}

static void write_headers(struct buf *out, struct json_object *headers)
{
    if (headers == NULL)
        return;
    struct json_object_iter member;
    json_object_object_foreachC(headers, member)
    {
        const char *text = json_object_get_string(member.val);
        size_t size = (size_t)json_object_get_string_len(member.val);
        if (is_ascii(text, size))
            buf_printf(out, "%s: %s\r\n", member.key, text);
        else
            write_text(out, member.key, text, size);
    }
}

const char mail_one_click[] = "List-Unsubscribe=One-Click";

bool mail_unsubscribe(struct buf *out, const struct mail *mail, const char *separator)
{
    const char *url = mail->unsubscribe_url, *address = mail->unsubscribe_mailto;
    if (url != NULL)
        buf_printf(out, "<%s>%s", url, address != NULL ? separator : "");
    if (address != NULL)
        buf_printf(out, "<mailto:%s>", address);
    return url != NULL || address != NULL;
}

static void write_unsubscribe(struct buf *out, const struct mail *mail)
{
    if (mail->unsubscribe_url == NULL && mail->unsubscribe_mailto == NULL)
        return;
    buf_text(out, "List-Unsubscribe: ");
    mail_unsubscribe(out, mail, ",\r\n ");
    buf_text(out, "\r\n");
    if (mail->unsubscribe_url != NULL)
        buf_printf(out, "List-Unsubscribe-Post: %s\r\n", mail_one_click);
}

/* The fields and the body of one part, or of a mail that has only one. */
static void write_part(struct buf *out, const char *type, const char *text, size_t size)
{
    bool base64 = mime_prefers_base64(text, size);
    buf_printf(out, "Content-Type: %s; charset=UTF-8\r\nContent-Transfer-Encoding: %s\r\n\r\n", type,
               base64 ? "base64" : "quoted-printable");
    if (base64)
        mime_base64(out, text, size);
    else
        mime_quoted_printable(out, text, size);
    if (mime_column(out) > 0)
        buf_text(out, "\r\n");
}

/* "=_" cannot occur in a quoted-printable body and '_' not in a base64 one, so no body holds the boundary. */
static void write_alternative(struct buf *out, const struct mail *mail)
{
    buf_printf(out, "Content-Type: multipart/alternative; boundary=\"=_%s\"\r\n\r\n--=_%s\r\n", mail->uuid,
               mail->uuid);
    write_part(out, "text/plain", mail->text, mail->text_size);
    buf_printf(out, "\r\n--=_%s\r\n", mail->uuid);
    write_part(out, "text/html", mail->html, mail->html_size);
    buf_printf(out, "\r\n--=_%s--\r\n", mail->uuid);
}

static void write_content(struct buf *out, const struct mail *mail)
{
    if (mail->text != NULL && mail->html != NULL)
        write_alternative(out, mail);
    else if (mail->text != NULL)
        write_part(out, "text/plain", mail->text, mail->text_size);
    else
        write_part(out, "text/html", mail->html, mail->html_size);
}

/* The boundary differs from the inner one in its third character, so that neither begins with the other. */
static void write_mixed(struct buf *out, const struct mail *mail)
{
    buf_printf(out, "Content-Type: multipart/mixed; boundary=\"=_m_%s\"\r\n\r\n--=_m_%s\r\n", mail->uuid,
               mail->uuid);
    write_content(out, mail);
    for (size_t i = 0; i < mail->attachment_count; i++) {
        buf_printf(out, "\r\n--=_m_%s\r\n", mail->uuid);
        mail_attachment_write(out, &mail->attachments[i]);
    }
    buf_printf(out, "\r\n--=_m_%s--\r\n", mail->uuid);
}

bool mail_build(struct buf *out, const struct mail *mail, struct error *err)
{
    if (!mail_check(mail, err))
        return false;
    buf_text(out, "Date: ");
    if (!mail_date(out, mail->date_ms))
        return error_set(err, "the time is out of range");
    buf_text(out, "\r\n");
    write_mailbox(out, "From", mail->from);
    if (mail->reply_to != NULL)
        write_mailbox(out, "Reply-To", mail->reply_to);
    buf_printf(out, "To: %s\r\n", mail->to);
    write_text(out, "Subject", mail->subject, mail->subject_size);
    buf_printf(out, "Message-ID: <%s@%s>\r\nMIME-Version: 1.0\r\n", mail->uuid,
               address_domain(mail->from->address));
    if (mail->automatic)
        buf_text(out, "Auto-Submitted: auto-generated\r\n");
    write_unsubscribe(out, mail);
    write_headers(out, mail->headers);
    if (mail->attachment_count > 0)
        write_mixed(out, mail);
    else
        write_content(out, mail);
    return !out->overflowed || error_set(err, "payload: the mail is larger than %zu octets", out->max);
}
