/* Amazon SES, API version 2: SendEmail with a raw mail. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "sandbox/vendors/aws.h"
#include "sandbox/vendors/mail.h"
#include "sandbox/vendors/vendor.h"
#include "sandbox/wire/rfc4648.h"

enum { RECIPIENTS_MAX = 50, TAGS_MAX = 50, TAG_MAX = 256 };

static const char json_content[] = "application/json";
static const char bad_request[] = "BadRequestException";

struct refusal {
    int magic; /* the code that asks for it */
    int status;
    const char *type, *message;
};

static const struct refusal refusals[] = {
    {400, 400, bad_request, "Missing final '@domain'"},
    {401, 403, "UnrecognizedClientException", "The security token included in the request is invalid."},
    {403, 403, "AccessDeniedException", "User is not authorized to perform: ses:SendRawEmail"},
    {404, 404, "NotFoundException", "Configuration set does not exist."},
    {410, 400, "MessageRejected", "Address is on the suppression list."},
    {413, 413, bad_request, "Request body is too long."},
    {429, 429, "TooManyRequestsException", "Maximum sending rate exceeded."},
    {500, 500, "InternalServiceErrorException", "We encountered an internal error. Please try again."},
    {503, 503, "ServiceUnavailable", "Service is temporarily unavailable."},
};

static void refuse(struct vendors *vendors, struct exchange *x, const char *reason, int status,
                   const char *type, const char *message)
{
    buf_text(&x->answer, "{\"message\":");
    json_append_string(&x->answer, message, strlen(message));
    buf_char(&x->answer, '}');
    http_set_header(x, "x-amzn-errortype", type);
    vendor_refuse(vendors, x, CHANNEL_MAIL, reason, status, json_content);
}

static void refuse_by_magic(struct vendors *vendors, struct exchange *x, int magic)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        if (refusal->magic == magic) {
            refuse(vendors, x, "ses: magic", refusal->status, refusal->type, refusal->message);
            return;
        }
    }
    refuse(vendors, x, "ses: magic", magic, "InternalFailure", "An error of no known kind.");
}

static bool signature_is_good(struct vendors *vendors, struct exchange *x)
{
    const struct aws_fault *fault = aws_signature_fault(x, "ses", vendors->secret, clock_ms());
    if (fault)
        refuse(vendors, x, "ses: bad signature", 403, fault->code, fault->message);
    return fault == NULL;
}

/* Counts the recipients; false when one is no text. */
static bool count_recipients(struct json_object *destination, size_t *count)
{
    static const char *const lists[] = {"ToAddresses", "CcAddresses", "BccAddresses"};
    *count = 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct json_object *list = json_get(destination, lists[i]);
        for (size_t j = 0; j < json_list_size(list); j++, ++*count)
            if (!json_object_is_type(json_object_array_get_idx(list, j), json_type_string))
                return false;
        if (list && !json_object_is_type(list, json_type_array))
            return false;
    }
    return true;
}

static bool is_tag_text(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@";
    size_t size = text ? strlen(text) : 0;
    return size > 0 && size <= TAG_MAX && strspn(text, allowed) == size;
}

/* *id: the tag outbox_id. */
static const char *tags_fault(struct json_object *request, const char **id)
{
    struct json_object *tags = json_get(request, "EmailTags");
    if (tags && (!json_object_is_type(tags, json_type_array) || json_list_size(tags) > TAGS_MAX))
        return "EmailTags must be a list of at most 50 tags.";
    for (size_t i = 0; i < json_list_size(tags); i++) {
        struct json_object *tag = json_object_array_get_idx(tags, i);
        const char *name = json_get_text(tag, "Name"), *value = json_get_text(tag, "Value");
        if (!is_tag_text(name) || !is_tag_text(value))
            return "A tag's name or value has characters that are not allowed.";
        if (strcmp(name, "outbox_id") == 0)
            *id = value;
    }
    return NULL;
}

/* What is wrong with the request but its mail; NULL = nothing. *raw: the mail in base64. */
static const char *request_fault(struct json_object *request, const char **raw)
{
    struct json_object *content = json_get(request, "Content");
    struct json_object *set = json_get(request, "ConfigurationSetName");
    const char *from = json_get_text(request, "FromEmailAddress");
    size_t recipients = 0;
    if (!json_object_is_type(request, json_type_object))
        return "The request is not a JSON object.";
    if (!from || !strchr(from, '@'))
        return "FromEmailAddress must be a mail address.";
    if (!count_recipients(json_get(request, "Destination"), &recipients) || recipients == 0 ||
        recipients > RECIPIENTS_MAX ||
        json_list_size(json_get(json_get(request, "Destination"), "ToAddresses")) == 0)
        return "Destination must have 1 to 50 addresses.";
    *raw = json_get_text(json_get(content, "Raw"), "Data");
    if (!*raw || json_object_object_length(content) != 1)
        return "Content must have Raw with Data and nothing else.";
    return set && !json_object_is_type(set, json_type_string) ? "ConfigurationSetName must be a string."
                                                              : NULL;
}

static void take(struct vendors *vendors, struct exchange *x, struct json_object *request,
                 const struct mail_facts *facts, const struct buf *mail, const char *id)
{
    struct json_object *to = json_get(json_get(request, "Destination"), "ToAddresses");
    struct vendor_arrival arrival = {
        .channel = CHANNEL_MAIL,
        .vendor = "ses",
        .id = id ? id : facts->message_id,
        .recipient = json_object_get_string(json_object_array_get_idx(to, 0)),
        .body = mail->data,
        .body_size = mail->size,
    };
    mail_note(facts, arrival.notes);
    buf_printf(&x->answer, "{\"MessageId\":\"%016llx-sandbox\"}", (unsigned long long)++vendors->next_id);
    int magic = vendor_take(vendors, x, &arrival, 200, json_content);
    if (magic)
        refuse_by_magic(vendors, x, magic);
}

static void send_email(struct vendors *vendors, struct exchange *x)
{
    if (x->body.overflowed) {
        refuse(vendors, x, "ses: too large", 413, bad_request, "Request body is too long.");
        return;
    }
    if (!signature_is_good(vendors, x))
        return;
    struct json_object *request = json_parse(buf_string(&x->body), x->body.size, NULL);
    struct mail_facts facts;
    struct buf mail;
    buf_init(&mail, x->body.size);
    const char *id = NULL, *raw = NULL;
    const char *fault =
        vendor_has_type(x, json_content) ? request_fault(request, &raw) : "The content type must be JSON.";
    if (!fault)
        fault = tags_fault(request, &id);
    if (!fault && !rfc4648_base64(&mail, raw, strlen(raw)))
        fault = "Content.Raw.Data is not base64.";
    if (!fault)
        fault = mail_inspect(buf_string(&mail), mail.size, &facts);
    if (fault)
        refuse(vendors, x, "ses: bad request", 400, bad_request, fault);
    else
        take(vendors, x, request, &facts, &mail, id);
    buf_free(&mail);
    json_object_put(request);
}

const struct vendor_route ses_routes[] = {{"POST", "/v2/email/outbound-emails", send_email}, {0}};
