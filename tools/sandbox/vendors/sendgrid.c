/* SendGrid, API version 3: mail/send. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/json.h"
#include "sandbox/vendors/vendor.h"
#include "sandbox/wire/rfc4648.h"

enum {
    SIZE_MAX_OCTETS = 30 << 20,
    PERSONALIZATIONS_MAX = 1000,
    CATEGORIES_MAX = 10,
    ARGS_MAX = 10000,
    WINDOW_S = 2,
    NOTE_MAX = 1000
};

static const char json_content[] = "application/json";

struct refusal {
    int magic; /* the code that asks for it */
    int status;
    const char *message, *field; /* field: NULL = none */
};

static const struct refusal unauthorized = {
    401, 401, "The provided authorization grant is invalid, expired, or revoked", NULL};
static const struct refusal too_large = {413, 413, "Payload Too Large", NULL};
static const struct refusal wrong_type = {415, 415, "Content-Type should be application/json.", NULL};

static const struct refusal refusals[] = {
    {400, 400, "Does not contain a valid address.", "personalizations.0.to.0.email"},
    {403, 403, "The from address does not match a verified Sender Identity.", "from"},
    {404, 404, "Not Found", NULL},
    {410, 400, "The recipient is suppressed.", "personalizations.0.to.0.email"},
    {429, 429, "too many requests", NULL},
    {500, 500, "Internal Server Error", NULL},
    {503, 503, "Service Unavailable", NULL},
};

/* What is wrong with a request. */
struct fault {
    const char *message; /* NULL = nothing */
    const char *field;
};

static void refuse(struct vendors *vendors, struct exchange *x, const char *reason, int status,
                   const char *message, const char *field)
{
    buf_text(&x->answer, "{\"errors\":[{\"message\":");
    json_append_string(&x->answer, message, strlen(message));
    buf_text(&x->answer, ",\"field\":");
    if (field)
        json_append_string(&x->answer, field, strlen(field));
    else
        buf_text(&x->answer, "null");
    buf_text(&x->answer, ",\"help\":null}]}");
    vendor_refuse(vendors, x, CHANNEL_MAIL, reason, status, json_content);
}

static void set_header(struct exchange *x, const char *name, const char *value)
{
    const char *kept = http_keep(x, value, strlen(value));
    if (kept)
        http_set_header(x, name, kept);
}

static void refuse_with(struct vendors *vendors, struct exchange *x, const char *reason,
                        const struct refusal *refusal)
{
    if (refusal->status == 429) {
        char reset[24];
        snprintf(reset, sizeof(reset), "%lld", (long long)(clock_ms() / 1000 + WINDOW_S));
        http_set_header(x, "x-ratelimit-limit", "500");
        http_set_header(x, "x-ratelimit-remaining", "0");
        set_header(x, "x-ratelimit-reset", reset);
    }
    refuse(vendors, x, reason, refusal->status, refusal->message, refusal->field);
}

static void refuse_by_magic(struct vendors *vendors, struct exchange *x, int magic)
{
    const struct refusal other = {magic, magic, "An error of no known kind.", NULL};
    const struct refusal *chosen = magic == 401 ? &unauthorized : magic == 413 ? &too_large : &other;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
        if (refusals[i].magic == magic)
            chosen = &refusals[i];
    refuse_with(vendors, x, "sendgrid: magic", chosen);
}

static bool is_authorized(const struct vendors *vendors, const struct exchange *x)
{
    static const char scheme[] = "Bearer ";
    const char *given = http_header(x, "authorization");
    return given && strncasecmp(given, scheme, sizeof(scheme) - 1) == 0 &&
           strcmp(given + sizeof(scheme) - 1, vendors->secret) == 0;
}

static const char *filled_text(struct json_object *object, const char *name)
{
    const char *text = json_get_text(object, name);
    return text && *text ? text : NULL;
}

static bool is_mailbox(struct json_object *value)
{
    const char *email = filled_text(value, "email");
    struct json_object *name = json_get(value, "name");
    return email && strchr(email, '@') && (!name || json_object_is_type(name, json_type_string));
}

static struct fault members_fault(struct json_object *request)
{
    static const char *const known[] = {
        "personalizations", "from",        "reply_to", "subject",      "content",
        "attachments",      "template_id", "headers",  "categories",   "custom_args",
        "send_at",          "batch_id",    "asm",      "ip_pool_name", "mail_settings",
        "tracking_settings"};
    struct json_object_iter member;
    json_object_object_foreachC(request, member)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
            found = found || strcmp(known[i], member.key) == 0;
        if (!found)
            return (struct fault){"Additional property is not allowed", "(root)"};
    }
    return (struct fault){0};
}

static struct fault recipients_fault(struct json_object *request)
{
    struct json_object *list = json_get(request, "personalizations");
    if (json_list_size(list) == 0 || json_list_size(list) > PERSONALIZATIONS_MAX)
        return (struct fault){"The personalizations field is required and must have at least one "
                              "personalization.",
                              "personalizations"};
    for (size_t i = 0; i < json_list_size(list); i++) {
        struct json_object *to = json_get(json_object_array_get_idx(list, i), "to");
        if (json_list_size(to) == 0)
            return (struct fault){"The to array is required for all personalization objects, and must have "
                                  "at least one email object with a valid email address.",
                                  "personalizations.to"};
        for (size_t j = 0; j < json_list_size(to); j++)
            if (!is_mailbox(json_object_array_get_idx(to, j)))
                return (struct fault){"Does not contain a valid address.", "personalizations.to.email"};
    }
    return (struct fault){0};
}

/* text/plain stands before text/html. */
static struct fault content_fault(struct json_object *request)
{
    struct json_object *list = json_get(request, "content");
    bool html = false;
    if (json_list_size(list) == 0)
        return (struct fault){"Unless a valid template_id is provided, the content parameter is required. "
                              "There must be at least one defined content block.",
                              "content"};
    for (size_t i = 0; i < json_list_size(list); i++) {
        struct json_object *part = json_object_array_get_idx(list, i);
        const char *type = filled_text(part, "type");
        if (!type || !filled_text(part, "value"))
            return (struct fault){"The content value must be a string at least one character in length.",
                                  "content.value"};
        if (html && strcmp(type, "text/plain") == 0)
            return (struct fault){"If present, text/plain and text/html may only be provided once and in "
                                  "this order.",
                                  "content"};
        html = html || strcmp(type, "text/html") == 0;
    }
    return (struct fault){0};
}

/* *note gets each file's name and size. */
static struct fault attachments_fault(struct json_object *request, struct buf *note)
{
    struct json_object *list = json_get(request, "attachments");
    struct fault fault = {0};
    if (list && json_list_size(list) == 0)
        return (struct fault){"The attachments parameter must be a list.", "attachments"};
    for (size_t i = 0; i < json_list_size(list) && !fault.message; i++) {
        struct json_object *file = json_object_array_get_idx(list, i);
        const char *name = filled_text(file, "filename"), *content = filled_text(file, "content");
        struct buf data;
        buf_init(&data, content ? strlen(content) : 0);
        if (!name || strpbrk(name, "\r\n;"))
            fault = (struct fault){"The attachment filename is required.", "attachments.filename"};
        else if (!content || !rfc4648_base64(&data, content, strlen(content)))
            fault = (struct fault){"The attachment content must be base64 encoded.", "attachments.content"};
        else
            buf_printf(note, "%s%s %zu", i > 0 ? ", " : "", name, data.size);
        buf_free(&data);
    }
    return fault;
}

/* All members must be texts. */
static bool is_text_map(struct json_object *map)
{
    if (!map)
        return true;
    if (!json_object_is_type(map, json_type_object))
        return false;
    struct json_object_iter member;
    json_object_object_foreachC(map, member)
    {
        if (!json_object_is_type(member.val, json_type_string))
            return false;
    }
    return true;
}

static struct fault headers_fault(struct json_object *request)
{
    static const char *const reserved[] = {
        "x-sg-id",  "x-sg-eid", "received",     "dkim-signature",
        "reply-to", "to",       "from",         "subject",
        "cc",       "bcc",      "content-type", "content-transfer-encoding"};
    struct json_object *headers = json_get(request, "headers");
    if (!is_text_map(headers))
        return (struct fault){"The headers must be strings.", "headers"};
    if (!headers)
        return (struct fault){0};
    struct json_object_iter member;
    json_object_object_foreachC(headers, member)
    {
        for (const char *c = member.key; *c; c++)
            if (!isgraph((unsigned char)*c) || *c == ':')
                return (struct fault){"A header's name has characters that are not allowed.", "headers"};
        for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
            if (strcasecmp(reserved[i], member.key) == 0)
                return (struct fault){"A reserved header is not allowed.", "headers"};
        if (strpbrk(json_object_get_string(member.val), "\r\n"))
            return (struct fault){"A header must not have line breaks.", "headers"};
    }
    return (struct fault){0};
}

static struct fault request_fault(struct json_object *request, struct buf *files)
{
    if (!json_object_is_type(request, json_type_object))
        return (struct fault){"Bad Request", NULL};
    struct fault fault = members_fault(request);
    if (!fault.message)
        fault = recipients_fault(request);
    if (!fault.message && !is_mailbox(json_get(request, "from")))
        fault = (struct fault){"The from object must be provided for every email send.", "from.email"};
    if (!fault.message && json_get(request, "reply_to") && !is_mailbox(json_get(request, "reply_to")))
        fault = (struct fault){"The reply_to email does not contain a valid address.", "reply_to.email"};
    if (!fault.message && !filled_text(request, "subject"))
        fault = (struct fault){"The subject is required.", "subject"};
    if (!fault.message)
        fault = content_fault(request);
    if (!fault.message)
        fault = attachments_fault(request, files);
    if (!fault.message)
        fault = headers_fault(request);
    struct json_object *args = json_get(request, "custom_args");
    if (!fault.message &&
        (!is_text_map(args) || (args && strlen(json_object_to_json_string(args)) > ARGS_MAX)))
        fault =
            (struct fault){"The custom_args must be strings of together at most 10000 bytes.", "custom_args"};
    if (!fault.message && json_list_size(json_get(request, "categories")) > CATEGORIES_MAX)
        fault = (struct fault){"There are too many categories.", "categories"};
    return fault;
}

static void take(struct vendors *vendors, struct exchange *x, struct json_object *request,
                 const struct buf *files)
{
    struct json_object *to =
        json_get(json_object_array_get_idx(json_get(request, "personalizations"), 0), "to");
    struct json_object *headers = json_get(request, "headers");
    char id[32];
    snprintf(id, sizeof(id), "sandbox.%llu", (unsigned long long)++vendors->next_id);
    const struct vendor_arrival arrival = {
        .channel = CHANNEL_MAIL,
        .vendor = "sendgrid",
        .id = json_get_text(json_get(request, "custom_args"), "outbox_id"),
        .recipient = json_get_text(json_object_array_get_idx(to, 0), "email"),
        .notes = {{"from", json_get_text(json_get(request, "from"), "email")},
                  {"subject", json_get_text(request, "subject")},
                  {"reply-to", json_get_text(json_get(request, "reply_to"), "email")},
                  {"attachments", files->size > 0 ? files->data : NULL},
                  {"list-unsubscribe", json_get_text(headers, "List-Unsubscribe")},
                  {"list-unsubscribe-post", json_get_text(headers, "List-Unsubscribe-Post")}},
        .body = x->body.data,
        .body_size = x->body.size,
    };
    set_header(x, "x-message-id", id);
    int magic = vendor_take(vendors, x, &arrival, 202, NULL);
    if (magic)
        refuse_by_magic(vendors, x, magic);
}

static void send_mail(struct vendors *vendors, struct exchange *x)
{
    if (x->body.overflowed || x->body.size > SIZE_MAX_OCTETS) {
        refuse_with(vendors, x, "sendgrid: too large", &too_large);
        return;
    }
    if (!is_authorized(vendors, x)) {
        refuse_with(vendors, x, "sendgrid: bad key", &unauthorized);
        return;
    }
    if (!vendor_has_type(x, json_content)) {
        refuse_with(vendors, x, "sendgrid: bad content type", &wrong_type);
        return;
    }
    struct json_object *request = json_parse(buf_string(&x->body), x->body.size, NULL);
    struct buf files;
    buf_init(&files, NOTE_MAX);
    struct fault fault = request_fault(request, &files);
    if (fault.message)
        refuse(vendors, x, "sendgrid: bad request", 400, fault.message, fault.field);
    else
        take(vendors, x, request, &files);
    buf_free(&files);
    json_object_put(request);
}

const struct vendor_route sendgrid_routes[] = {{"POST", "/v3/mail/send", send_mail}, {0}};
