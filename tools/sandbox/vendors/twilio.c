/* Twilio: sending, and the list of messages. */
#include <string.h>

#include "core/clock.h"
#include "sandbox/vendors/sms.h"
#include "sandbox/vendors/sms_parts.h"

enum { TEXT_MAX = 1600, VALIDITY_MAX_S = 36000, PAGE_SIZE = 50, PAGE_MAX = 1000 };

enum fault {
    GOOD,
    WRONG_LOGIN,
    INACTIVE,
    NOT_FOUND,
    NO_FORM,
    BAD_TO,
    NO_SENDER,
    BAD_SENDER,
    NO_BODY,
    TOO_LONG,
    BAD_VALIDITY,
    OPTED_OUT,
    TOO_MANY,
    UNAVAILABLE,
    INTERNAL,
    FAULTS
};

static const struct sms_fault faults[FAULTS] = {
    [WRONG_LOGIN] = {401, 401, "20003", "twilio: wrong credentials", "Authenticate"},
    [INACTIVE] = {403, 403, "20005", "twilio: account not active", "Account not active"},
    [NOT_FOUND] = {404, 404, "20404", "twilio: no such resource", "The requested resource was not found"},
    [NO_FORM] = {0, 400, "21604", "twilio: no form with To", "A 'To' phone number is required."},
    [BAD_TO] = {400, 400, "21211", "twilio: bad To", "Invalid 'To' Phone Number"},
    [NO_SENDER] = {0, 400, "21603", "twilio: not one sender",
                   "A 'From' phone number is required to send a message."},
    [BAD_SENDER] = {0, 400, "21212", "twilio: bad From", "Invalid From Number (caller ID)"},
    [NO_BODY] = {0, 400, "21602", "twilio: no Body", "Message body is required."},
    [TOO_LONG] = {413, 400, "21617", "twilio: Body too long",
                  "The concatenated message body exceeds the 1600 character limit."},
    [BAD_VALIDITY] = {0, 400, "20001", "twilio: bad ValidityPeriod", "Invalid ValidityPeriod"},
    [OPTED_OUT] = {410, 400, "21610", "twilio: opted out", "Attempt to send to unsubscribed recipient"},
    [TOO_MANY] = {429, 429, "20429", "twilio: too many requests", "Too Many Requests"},
    [UNAVAILABLE] = {503, 503, "20503", "twilio: unavailable", "Service unavailable"},
    [INTERNAL] = {500, 500, "20500", "twilio: internal error", "An internal server error has occurred"},
};

static void refuse(struct vendors *vendors, struct exchange *x, enum fault fault)
{
    const struct sms_fault *row = &faults[fault];
    buf_printf(&x->answer,
               "{\"code\":%s,\"message\":\"%s\",\"more_info\":\"https://www.twilio.com/docs/errors/%s\","
               "\"status\":%d}",
               row->code, row->text, row->code, row->http);
    sms_refuse(vendors, x, row, "application/json");
}

static enum fault check_account(const struct vendors *vendors, const struct exchange *x)
{
    char account[VENDOR_NAME_MAX + 1];
    if (!vendor_has_basic(x, TWILIO_ACCOUNT, vendors->secret))
        return WRONG_LOGIN;
    return vendor_segment(x, 2, account) && strcmp(account, TWILIO_ACCOUNT) == 0 ? GOOD : NOT_FOUND;
}

static bool validity_ok(const char *text)
{
    int64_t seconds = sms_whole(text, VALIDITY_MAX_S);
    return seconds >= 1 && seconds <= VALIDITY_MAX_S;
}

static bool is_service(const char *text)
{
    return strlen(text) == 34 && strncmp(text, "MG", 2) == 0 &&
           strspn(text + 2, "0123456789abcdefABCDEF") == 32;
}

static enum fault read_sender(struct arena *arena, const char *form, struct sms_taken *sms)
{
    const char *from = sms_form_text(arena, form, "From");
    const char *service = sms_form_text(arena, form, "MessagingServiceSid");
    if (!from == !service)
        return NO_SENDER;
    if (from ? !sms_is_sender(from) : !is_service(service))
        return BAD_SENDER;
    sms->from = from ? from : service;
    return GOOD;
}

static enum fault read_message(const struct exchange *x, struct arena *arena, struct sms_taken *sms,
                               struct sms_parts *parts)
{
    const char *form = buf_string(&x->body);
    if (x->body.overflowed || !vendor_has_type(x, "application/x-www-form-urlencoded"))
        return NO_FORM;
    sms->to = sms_form_text(arena, form, "To");
    if (!sms->to || !sms_is_number(sms->to))
        return sms->to ? BAD_TO : NO_FORM;
    enum fault fault = read_sender(arena, form, sms);
    if (fault != GOOD)
        return fault;
    sms->text = sms_form_text(arena, form, "Body");
    if (!sms->text || !*sms->text || !sms_parts_measure(sms->text, parts))
        return NO_BODY;
    if (sms_characters(sms->text) > TEXT_MAX)
        return TOO_LONG;
    return validity_ok(sms_form_text(arena, form, "ValidityPeriod")) ? GOOD : BAD_VALIDITY;
}

/* The price is known only after the message was handed over, so its first answer has none. */
static void write_message(struct buf *out, const struct sms_taken *sms, size_t segments, bool later)
{
    char date[40];
    clock_utc(sms->at_ms, "%a, %d %b %Y %H:%M:%S +0000", date, sizeof(date));
    buf_char(out, '{');
    sms_member(out, "account_sid", TWILIO_ACCOUNT);
    sms_member(out, "sid", sms->id);
    sms_member(out, "to", sms->to);
    sms_member(out, is_service(sms->from) ? "messaging_service_sid" : "from", sms->from);
    sms_member(out, "body", sms->text);
    sms_member(out, "status", later ? "sent" : "queued");
    buf_printf(out, ",\"num_segments\":\"%zu\"", segments);
    sms_member(out, "date_created", date);
    sms_member(out, "direction", "outbound-api");
    if (later)
        buf_printf(out, ",\"price\":\"-%zu.%04zu\"", 75 * segments / 10000, 75 * segments % 10000);
    else
        sms_member(out, "price", NULL);
    sms_member(out, "price_unit", "USD");
    buf_text(out, ",\"error_code\":null,\"error_message\":null}");
}

static void send_message(struct vendors *vendors, struct exchange *x)
{
    struct arena *arena = arena_new();
    struct sms_taken sms = {.vendor = "twilio", .key = "", .type = "SMS", .at_ms = clock_ms()};
    struct sms_parts parts;
    char id[SMS_ID_SIZE];
    enum fault fault = check_account(vendors, x);
    if (fault == GOOD)
        fault = read_message(x, arena, &sms, &parts);
    if (fault == GOOD) {
        sms_id(vendors, id);
        sms.id = arena_printf(arena, "SM%s", id);
        write_message(&x->answer, &sms, parts.count, false);
        int magic = sms_take(vendors, x, &sms, 201, "application/json");
        fault = magic ? (enum fault)sms_fault_of(faults, FAULTS, magic) : GOOD;
    }
    if (fault != GOOD)
        refuse(vendors, x, fault);
    arena_free(arena);
}

static int64_t page_size(const char *text)
{
    int64_t size = sms_whole(text, PAGE_SIZE);
    return size >= 1 && size <= PAGE_MAX ? size : PAGE_SIZE;
}

static void write_page(struct buf *out, const struct vendors *vendors, const char *to, int64_t most)
{
    const struct sms_query query = {.vendor = "twilio", .to = to, .end_ms = INT64_MAX};
    struct sms_taken sms;
    struct sms_parts parts;
    uint64_t back = 0;
    int64_t count = 0;
    bool more;
    buf_text(out, "{\"messages\":[");
    while ((more = sms_find(vendors, &query, &back, &sms)) && count < most && out->size < SMS_LIST_FULL) {
        if (count++ > 0)
            buf_char(out, ',');
        (void)sms_parts_measure(sms.text, &parts);
        write_message(out, &sms, parts.count, true);
    }
    buf_printf(out, "],\"page\":0,\"page_size\":%lld", (long long)most);
    sms_member(out, "next_page_uri",
               more ? "/2010-04-01/Accounts/" TWILIO_ACCOUNT "/Messages.json?Page=1" : NULL);
    buf_char(out, '}');
}

static void list_messages(struct vendors *vendors, struct exchange *x)
{
    enum fault fault = check_account(vendors, x);
    if (fault != GOOD) {
        refuse(vendors, x, fault);
        return;
    }
    struct arena *arena = arena_new();
    const char *query = sms_query_of(x);
    write_page(&x->answer, vendors, sms_form_text(arena, query, "To"),
               page_size(sms_form_text(arena, query, "PageSize")));
    arena_free(arena);
    http_answer(x, 200, "application/json", 0);
}

const struct vendor_route twilio_routes[] = {
    {"POST", "/2010-04-01/Accounts/*/Messages.json", send_message},
    {"GET", "/2010-04-01/Accounts/*/Messages.json", list_messages},
    {0},
};
