/* Mailgun: a finished mail in a form. */
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "sandbox/vendors/mail.h"
#include "sandbox/vendors/vendor.h"
#include "sandbox/wire/multipart.h"

enum { SIZE_MAX_OCTETS = 25 << 20, ADDRESS_MAX = 320, ID_MAX = 64, DOMAIN_SEGMENT = 1 };

static const char json_content[] = "application/json";

struct refusal {
    int magic; /* the code that asks for it */
    int status;
    const char *message, *retry_after;
};

static const struct refusal refusals[] = {
    {400, 400, "to parameter is not a valid address. please check documentation", NULL},
    {403, 403, "Domain " MAILGUN_DOMAIN " is not allowed to send: disabled", NULL},
    {404, 404, "Domain not found: " MAILGUN_DOMAIN, NULL},
    {410, 400, "recipient is on the suppression list", NULL},
    {413, 413, "Message is too large", NULL},
    {429, 429, "Too many requests, please slow down", "2"},
    {500, 500, "Internal Server Error", NULL},
    {503, 503, "Service Unavailable", "1"},
};

static void refuse(struct vendors *vendors, struct exchange *x, const char *reason, int status,
                   const char *message)
{
    buf_text(&x->answer, "{\"message\":");
    json_append_string(&x->answer, message, strlen(message));
    buf_char(&x->answer, '}');
    vendor_refuse(vendors, x, CHANNEL_MAIL, reason, status, json_content);
}

/* The one answer that is no JSON. */
static void refuse_login(struct vendors *vendors, struct exchange *x)
{
    buf_text(&x->answer, "Forbidden");
    http_set_header(x, "www-authenticate", "Basic realm=\"MG API\"");
    vendor_refuse(vendors, x, CHANNEL_MAIL, "mailgun: bad key", 401, "text/plain");
}

static void refuse_by_magic(struct vendors *vendors, struct exchange *x, int magic)
{
    if (magic == 401) {
        refuse_login(vendors, x);
        return;
    }
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        if (refusal->magic != magic)
            continue;
        if (refusal->retry_after)
            http_set_header(x, "retry-after", refusal->retry_after);
        refuse(vendors, x, "mailgun: magic", refusal->status, refusal->message);
        return;
    }
    refuse(vendors, x, "mailgun: magic", magic, "An error of no known kind");
}

/* A short field of the form as text; false when it is absent, empty or too long. */
static bool field_text(const struct parts *parts, const char *name, char *out, size_t room)
{
    const struct part *part = multipart_find(parts, name);
    if (!part || part->is_file || part->size == 0 || part->size >= room ||
        memchr(part->data, '\0', part->size))
        return false;
    memcpy(out, part->data, part->size);
    out[part->size] = '\0';
    return true;
}

static const char *form_fault(const struct parts *parts, const char *to)
{
    static const char *const prefixes[] = {"v:", "o:", "h:"};
    const struct part *message = multipart_find(parts, "message");
    if (!strchr(to, '@'))
        return "to parameter is not a valid address. please check documentation";
    if (!message || !message->is_file)
        return "message parameter is missing";
    for (size_t i = 0; i < parts->count; i++) {
        const char *name = parts->list[i].name;
        bool known = strcmp(name, "to") == 0 || strcmp(name, "message") == 0;
        for (size_t j = 0; j < sizeof(prefixes) / sizeof(*prefixes); j++)
            known = known || strncmp(name, prefixes[j], 2) == 0;
        if (!known)
            return "the form has a parameter that is not known";
    }
    return NULL;
}

static void take(struct vendors *vendors, struct exchange *x, const struct parts *parts,
                 const struct mail_facts *facts, const char *to)
{
    char id[ID_MAX];
    const struct part *message = multipart_find(parts, "message");
    struct vendor_arrival arrival = {
        .channel = CHANNEL_MAIL,
        .vendor = "mailgun",
        .id = field_text(parts, "v:outbox_id", id, sizeof(id)) ? id : facts->message_id,
        .recipient = to,
        .body = message->data,
        .body_size = message->size,
    };
    mail_note(facts, arrival.notes);
    buf_text(&x->answer, "{\"id\":");
    struct buf message_id;
    buf_init(&message_id, MAIL_FIELD_MAX + sizeof(MAILGUN_DOMAIN) + 4);
    buf_printf(&message_id, "<%s@" MAILGUN_DOMAIN ">", facts->message_id);
    json_append_string(&x->answer, buf_string(&message_id), message_id.size);
    buf_free(&message_id);
    buf_text(&x->answer, ",\"message\":\"Queued. Thank you.\"}");
    int magic = vendor_take(vendors, x, &arrival, 200, json_content);
    if (magic)
        refuse_by_magic(vendors, x, magic);
}

static void send_mime(struct vendors *vendors, struct exchange *x)
{
    char domain[VENDOR_NAME_MAX + 1], to[ADDRESS_MAX + 1] = "";
    struct parts parts;
    struct mail_facts facts;
    if (x->body.overflowed || x->body.size > SIZE_MAX_OCTETS) {
        refuse(vendors, x, "mailgun: too large", 413, "Message is too large");
    } else if (!vendor_has_basic(x, "api", vendors->secret)) {
        refuse_login(vendors, x);
    } else if (!vendor_segment(x, DOMAIN_SEGMENT, domain) || strcmp(domain, MAILGUN_DOMAIN) != 0) {
        refuse(vendors, x, "mailgun: unknown domain", 404, "Domain not found");
    } else if (!multipart_read(&parts, http_header(x, "content-type"), buf_string(&x->body), x->body.size)) {
        refuse(vendors, x, "mailgun: bad form", 400, "the form cannot be read");
    } else if (!field_text(&parts, "to", to, sizeof(to))) {
        refuse(vendors, x, "mailgun: bad form", 400, "to parameter is missing");
    } else {
        const struct part *message = multipart_find(&parts, "message");
        const char *fault = form_fault(&parts, to);
        if (!fault)
            fault = mail_inspect(message->data, message->size, &facts);
        if (fault)
            refuse(vendors, x, "mailgun: bad request", 400, fault);
        else
            take(vendors, x, &parts, &facts, to);
    }
}

const struct vendor_route mailgun_routes[] = {{"POST", "/v3/*/messages.mime", send_mime}, {0}};
