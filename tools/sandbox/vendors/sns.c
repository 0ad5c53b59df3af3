/* Amazon SNS: the action Publish to a phone number. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "sandbox/vendors/aws.h"
#include "sandbox/vendors/sms.h"
#include "sandbox/vendors/sms_parts.h"

enum { TEXT_MAX = 1600, ATTRIBUTES_MAX = 10 };

enum fault {
    GOOD,
    NO_FORM,
    BAD_ACTION,
    BAD_NUMBER,
    BAD_TEXT,
    TOO_LONG,
    BAD_ATTRIBUTE,
    UNKNOWN_KEY,
    FORBIDDEN,
    NOT_FOUND,
    OPTED_OUT,
    THROTTLED,
    UNAVAILABLE,
    INTERNAL,
    FAULTS
};

static const struct sms_fault faults[FAULTS] = {
    [NO_FORM] = {0, 400, "MissingAction", "sns: no form", "Action is required"},
    [BAD_ACTION] = {0, 400, "InvalidAction", "sns: bad action", "The action or version is not valid"},
    [BAD_NUMBER] = {400, 400, "InvalidParameter", "sns: bad number",
                    "Invalid parameter: PhoneNumber Reason: not valid to publish to"},
    [BAD_TEXT] = {0, 400, "InvalidParameter", "sns: no message", "Invalid parameter: Empty message"},
    [TOO_LONG] = {413, 400, "InvalidParameter", "sns: message too long",
                  "Invalid parameter: Message too long"},
    [BAD_ATTRIBUTE] = {0, 400, "ParameterValueInvalid", "sns: bad attribute",
                       "Invalid parameter: MessageAttributes"},
    [UNKNOWN_KEY] = {401, 403, "InvalidClientTokenId", "sns: unknown key",
                     "The security token included in the request is invalid."},
    [FORBIDDEN] = {403, 403, "AuthorizationError", "sns: not allowed",
                   "Not authorized to perform SNS:Publish"},
    [NOT_FOUND] = {404, 404, "NotFound", "sns: no such resource", "Topic does not exist"},
    [OPTED_OUT] = {410, 400, "OptedOut", "sns: opted out", "Phone number is opted out"},
    [THROTTLED] = {429, 429, "Throttled", "sns: throttled", "Rate exceeded"},
    [UNAVAILABLE] = {503, 503, "ServiceUnavailable", "sns: unavailable", "Service is unavailable"},
    [INTERNAL] = {500, 500, "InternalError", "sns: internal error", "Internal error"},
};

/* Digits as AWS writes its ids. */
static void write_id(struct vendors *vendors, char out[37])
{
    char id[SMS_ID_SIZE];
    sms_id(vendors, id);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", id, id + 8, id + 12, id + 16, id + 20);
}

static void refuse(struct vendors *vendors, struct exchange *x, const struct sms_fault *row)
{
    char id[37];
    write_id(vendors, id);
    buf_printf(&x->answer,
               "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\n  <Error>\n"
               "    <Type>%s</Type>\n    <Code>%s</Code>\n    <Message>%s</Message>\n  </Error>\n"
               "  <RequestId>%s</RequestId>\n</ErrorResponse>\n",
               row->http < 500 ? "Sender" : "Receiver", row->code, row->text, id);
    sms_refuse(vendors, x, row, "text/xml");
}

static bool is_signed(struct vendors *vendors, struct exchange *x)
{
    const struct aws_fault *fault = aws_signature_fault(x, "sns", vendors->secret, clock_ms());
    if (!fault)
        return true;
    refuse(vendors, x, &(struct sms_fault){0, 403, fault->code, "sns: bad signature", fault->message});
    return false;
}

static bool is_price(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t part = text[whole] == '.' ? 1 + strspn(text + whole + 1, "0123456789") : 0;
    return whole > 0 && part != 1 && text[whole + part] == '\0';
}

static bool attribute_ok(const char *name, const char *type, const char *value, struct sms_taken *sms)
{
    bool text = strcmp(type, "String") == 0;
    if (strcmp(name, "AWS.SNS.SMS.SMSType") == 0)
        return text && (strcmp(value, "Transactional") == 0 || strcmp(value, "Promotional") == 0);
    if (strcmp(name, "AWS.SNS.SMS.MaxPrice") == 0)
        return strcmp(type, "Number") == 0 && is_price(value);
    if (strcmp(name, "AWS.SNS.SMS.SenderID") != 0 && strcmp(name, "AWS.MM.SMS.OriginationNumber") != 0)
        return false;
    sms->from = value;
    return text && sms_is_sender(value);
}

/* Entries are numbered from 1 without gaps. */
static bool read_attributes(const char *form, struct arena *arena, struct sms_taken *sms)
{
    for (int i = 1; i <= ATTRIBUTES_MAX; i++) {
        const char *entry = arena_printf(arena, "MessageAttributes.entry.%d", i);
        const char *name = sms_form_text(arena, form, arena_printf(arena, "%s.Name", entry));
        const char *type = sms_form_text(arena, form, arena_printf(arena, "%s.Value.DataType", entry));
        const char *value = sms_form_text(arena, form, arena_printf(arena, "%s.Value.StringValue", entry));
        if (!name && !type && !value)
            return true;
        if (!name || !type || !value || !attribute_ok(name, type, value, sms))
            return false;
    }
    return true;
}

static bool is_text(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

static enum fault read_message(const struct exchange *x, struct arena *arena, struct sms_taken *sms)
{
    const char *form = buf_string(&x->body);
    if (x->body.overflowed || !vendor_has_type(x, "application/x-www-form-urlencoded"))
        return NO_FORM;
    if (!is_text(sms_form_text(arena, form, "Action"), "Publish") ||
        !is_text(sms_form_text(arena, form, "Version"), "2010-03-31"))
        return BAD_ACTION;
    sms->to = sms_form_text(arena, form, "PhoneNumber");
    if (!sms->to || !sms_is_number(sms->to))
        return BAD_NUMBER;
    struct sms_parts parts;
    sms->text = sms_form_text(arena, form, "Message");
    if (!sms->text || !*sms->text || !sms_parts_measure(sms->text, &parts))
        return BAD_TEXT;
    if (sms_characters(sms->text) > TEXT_MAX)
        return TOO_LONG;
    return read_attributes(form, arena, sms) ? GOOD : BAD_ATTRIBUTE;
}

static void write_answer(struct vendors *vendors, struct buf *out, const char *id)
{
    char request[37];
    write_id(vendors, request);
    buf_printf(out,
               "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\n  <PublishResult>\n"
               "    <MessageId>%s</MessageId>\n  </PublishResult>\n  <ResponseMetadata>\n"
               "    <RequestId>%s</RequestId>\n  </ResponseMetadata>\n</PublishResponse>\n",
               id, request);
}

static void publish(struct vendors *vendors, struct exchange *x)
{
    if (!is_signed(vendors, x))
        return;
    struct arena *arena = arena_new();
    char id[37];
    struct sms_taken sms = {
        .vendor = "sns", .id = id, .key = "", .from = "", .type = "SMS", .at_ms = clock_ms()};
    enum fault fault = read_message(x, arena, &sms);
    if (fault == GOOD) {
        write_id(vendors, id);
        write_answer(vendors, &x->answer, id);
        int magic = sms_take(vendors, x, &sms, 200, "text/xml");
        fault = magic ? (enum fault)sms_fault_of(faults, FAULTS, magic) : GOOD;
    }
    if (fault != GOOD)
        refuse(vendors, x, &faults[fault]);
    arena_free(arena);
}

const struct vendor_route sns_routes[] = {
    {"POST", "/", publish},
    {0},
};
