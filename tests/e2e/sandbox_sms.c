/* The sandbox's SMS vendors against the adapters: what a good request, a wrong secret, a wrong request, each
 * magic number and each question lead to. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "providers/aws.h"
#include "providers/sms/nhn.h"
#include "providers/sms/sens.h"
#include "providers/sms/sns.h"
#include "providers/sms/solapi.h"
#include "providers/sms/twilio.h"
#include "providers/sms/vonage.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vendor_client.h"

#define OTHER_UUID "00000000-0000-4000-8000-000000000000"
#define MOBILE     "+821012345678"
#define OTHER      "+821087654321"
#define TEXT       "{\"text\":\"안녕 A&B=1+1 50% \\\"ok\\\"\\n#끝\"}"
#define PLAIN_TEXT "안녕 A&B=1+1 50% \"ok\"\n#끝"
#define KOREAN     "\"from\":\"0212345678\",\"abroad\":true,\"inquire_after\":0"

/* What a vendor's adapter cannot tell before so much time has passed. */
enum { TWILIO_LIST_MS = 121000 };

static const struct vendor {
    const struct adapter *adapter;
    const char *json;
    const char *key; /* the first secret, when the vendor's secret is the second one */
    bool keeps_uuid;
    const char *cost, *currency;
    int64_t listed_after_ms;
    enum verdict_kind taken; /* what the inquiry says about a message that was taken */
} vendors[] = {
    {&twilio_adapter, "\"account_sid\":\"AC00000000000000000000000000000001\",\"from\":\"+14155550100\"",
     NULL, false, "", "", TWILIO_LIST_MS, VERDICT_SENT},
    {&vonage_adapter, "\"api_key\":\"sandbox\",\"from\":\"ACME\"", NULL, true, "0.03330000", "EUR", 0, 0},
    {&sns_adapter,
     "\"region\":\"eu-central-1\",\"access_key_id\":\"AKIASANDBOX00000000\",\"from\":\"ACME\","
     "\"max_price\":\"0.50\"",
     NULL, false, "", "", 0, 0},
    {&solapi_adapter, KOREAN, "sandbox", true, "", "", 0, VERDICT_SENT},
    {&sens_adapter, "\"service_id\":\"ncp:sms:kr:1:sandbox\",\"access_key\":\"sandbox\"," KOREAN, NULL, false,
     "", "", 0, VERDICT_IN_DOUBT},
    {&nhn_adapter, "\"app_key\":\"sandbox\"," KOREAN, NULL, true, "", "", 0, VERDICT_SENT},
};

enum { VENDORS = sizeof vendors / sizeof vendors[0] };
enum { TWILIO, VONAGE, SNS, SOLAPI, SENS, NHN };

static struct sandbox *sandbox;
static struct vendor_client *client;
static struct arena *arena;
static char *secret;
static void *all_settings[VENDORS];
static int attempts;

static void *settings_of(const struct vendor *vendor, const char *password)
{
    struct error err = {""};
    const char *secrets[ADAPTER_MAX_SECRETS] = {password};
    if (vendor->key != NULL) {
        secrets[0] = vendor->key;
        secrets[1] = password;
    }
    const char *json =
        arena_printf(arena, "{\"url\":\"%s\",%s}", sandbox_url(sandbox, "VENDORS"), vendor->json);
    void *settings = test_settings_new(vendor->adapter, json, secrets, &err);
    ck_assert_msg(settings != NULL, "%s: %s", vendor->adapter->name, err.text);
    return settings;
}

/* As long as the right one. */
static const char *other_secret(void)
{
    char *other = arena_strdup(arena, secret);
    size_t last = strlen(other) - 1;
    other[last] = other[last] == 'A' ? 'B' : 'A';
    return other;
}

static void setup(void)
{
    sandbox = sandbox_start(NULL);
    client = vendor_client_new(sandbox, false);
    arena = arena_new();
    secret = sandbox_file(sandbox, "vendor.secret");
    for (size_t i = 0; i < VENDORS; i++)
        all_settings[i] = settings_of(&vendors[i], secret);
}

static void teardown(void)
{
    for (size_t i = 0; i < VENDORS; i++)
        vendors[i].adapter->settings_free(all_settings[i]);
    mem_free(secret);
    arena_free(arena);
    vendor_client_free(client);
    sandbox_stop(sandbox);
}

/* Each is an attempt of its own: Solapi takes no signature twice, which the attempt and the moment decide. */
static struct request build(size_t i, void *settings, const struct message *message, int64_t now_ms)
{
    struct request request;
    struct verdict verdict = {.reason = ""};
    struct message attempt = *message;
    attempt.attempt = ++attempts;
    bool ok = vendors[i].adapter->build(settings, &attempt, NULL, now_ms, arena, &request, &verdict);
    ck_assert_msg(ok, "%s: %s", vendors[i].adapter->name, verdict.reason);
    return request;
}

static struct verdict post(size_t i, const struct message *message, const struct request *request)
{
    const struct response *response = vendor_client_send(client, request);
    return adapter_judge(vendors[i].adapter, all_settings[i], message, response, clock_ms());
}

static struct verdict send_message(size_t i, const struct message *message)
{
    struct request request = build(i, all_settings[i], message, clock_ms());
    return post(i, message, &request);
}

static void expect(size_t i, const char *what, const struct verdict *verdict, enum verdict_kind kind)
{
    ck_assert_msg(verdict->kind == kind, "%s, %s: %s instead of %s: %s", vendors[i].adapter->name, what,
                  verdict_name(verdict->kind), verdict_name(kind), verdict->reason);
}

START_TEST(takes_what_the_adapters_make)
{
    for (size_t i = 0; i < VENDORS; i++) {
        struct message message = test_message(MOBILE, TEXT);
        sandbox_reset(sandbox);
        struct verdict verdict = send_message(i, &message);
        expect(i, "good message", &verdict, VERDICT_SENT);
        ck_assert_msg(verdict.provider_id[0] != '\0', "%s: no id", vendors[i].adapter->name);
        ck_assert_str_eq(verdict.cost, vendors[i].cost);
        ck_assert_str_eq(verdict.currency, vendors[i].currency);
        struct json_object *arrival = vendor_arrival(sandbox, "sms");
        ck_assert_str_eq(test_text(arrival, "recipient"), MOBILE);
        ck_assert_int_eq(strcmp(test_text(arrival, "id"), TEST_UUID) == 0, vendors[i].keeps_uuid);
        const char *shown = json_object_to_json_string(arrival);
        ck_assert_msg(strstr(shown, verdict.provider_id) != NULL, "%s", shown);
        ck_assert_msg(strstr(shown, vendors[i].adapter->name) != NULL, "%s", shown);
        json_object_put(arrival);
        verdict = send_message(i, &message);
        expect(i, "the same again", &verdict, VERDICT_SENT);
        ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), 2);
        ck_assert_int_eq(sandbox_count(sandbox, "sms", "repeats"), 1);
    }
}
END_TEST

START_TEST(shows_the_text)
{
    for (size_t i = 0; i < VENDORS; i++) {
        struct message message = test_message(MOBILE, TEXT);
        struct verdict verdict = send_message(i, &message);
        expect(i, "good message", &verdict, VERDICT_SENT);
        struct json_object *arrival = vendor_arrival(sandbox, "sms");
        ck_assert_msg(strcmp(test_text(arrival, "headers/text"), PLAIN_TEXT) == 0, "%s: %s",
                      vendors[i].adapter->name, json_object_to_json_string(arrival));
        json_object_put(arrival);
    }
}
END_TEST

/* Several parts for most, an LMS in Korea. */
START_TEST(takes_long_texts)
{
    struct buf payload;
    buf_init(&payload, 4096);
    buf_text(&payload, "{\"text\":\"");
    for (int i = 0; i < 80; i++)
        buf_text(&payload, "가나다 ");
    buf_text(&payload, "\"}");
    for (size_t i = 0; i < VENDORS; i++) {
        struct message message = test_message(MOBILE, buf_string(&payload));
        struct verdict verdict = send_message(i, &message);
        expect(i, "long text", &verdict, VERDICT_SENT);
        if (i == VONAGE) /* 320 UTF-16 units: five parts of at most 67 */
            ck_assert_str_eq(verdict.cost, "0.16650000");
    }
    buf_free(&payload);
}
END_TEST

START_TEST(refuses_a_wrong_secret)
{
    for (size_t i = 0; i < VENDORS; i++) {
        struct message message = test_message(MOBILE, TEXT);
        void *settings = settings_of(&vendors[i], other_secret());
        struct request request = build(i, settings, &message, clock_ms());
        struct verdict verdict = post(i, &message, &request);
        expect(i, "wrong secret", &verdict, VERDICT_STOPPED);
        vendors[i].adapter->settings_free(settings);
    }
    ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), 0);
}
END_TEST

START_TEST(refuses_a_clock_that_is_wrong)
{
    static const size_t signers[] = {SNS, SOLAPI, SENS};
    for (size_t i = 0; i < sizeof signers / sizeof signers[0]; i++) {
        for (int hours = -1; hours <= 1; hours += 2) {
            struct message message = test_message(MOBILE, TEXT);
            struct request request =
                build(signers[i], all_settings[signers[i]], &message, clock_ms() + hours * 3600000);
            struct verdict verdict = post(signers[i], &message, &request);
            expect(signers[i], "wrong clock", &verdict, VERDICT_STOPPED);
        }
    }
    ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), 0);
}
END_TEST

START_TEST(takes_a_signature_of_solapi_once)
{
    struct message message = test_message(MOBILE, TEXT);
    struct request request = build(SOLAPI, all_settings[SOLAPI], &message, clock_ms());
    struct verdict verdict = post(SOLAPI, &message, &request);
    expect(SOLAPI, "first use", &verdict, VERDICT_SENT);
    verdict = post(SOLAPI, &message, &request);
    expect(SOLAPI, "second use", &verdict, VERDICT_RETRY);
    ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), 1);
}
END_TEST

/* ---- requests that are wrong in one place ---- */

static const struct {
    size_t vendor;
    const char *part, *instead; /* of the body; path when part begins with '/' */
    const char *reason;
    enum verdict_kind kind;
} wrong[] = {
    {TWILIO, "To=", "to=", "twilio: no form with To", VERDICT_REJECTED},
    {TWILIO, "To=%2B8210", "To=8210", "twilio: bad To", VERDICT_ADDRESS_GONE},
    {TWILIO, "From=", "Form=", "twilio: not one sender", VERDICT_STOPPED},
    {TWILIO, "From=%2B1415555", "From=%2B01415555", "twilio: bad From", VERDICT_STOPPED},
    {TWILIO, "Body=", "Text=", "twilio: no Body", VERDICT_REJECTED},
    {TWILIO, "Body=", "ValidityPeriod=0&Body=", "twilio: bad ValidityPeriod", VERDICT_REJECTED},
    {TWILIO, "Body=", "ValidityPeriod=36001&Body=", "twilio: bad ValidityPeriod", VERDICT_REJECTED},
    {TWILIO, "/AC0", "/AC1", "twilio: no such resource", VERDICT_STOPPED},
    {VONAGE, "api_key=sandbox", "api_key=other", "vonage: wrong credentials", VERDICT_STOPPED},
    {VONAGE, "&to=8210", "&to=%2B8210", "vonage: bad parameter", VERDICT_REJECTED},
    {VONAGE, "&type=unicode", "&type=utf8", "vonage: bad parameter", VERDICT_REJECTED},
    {VONAGE, "&type=unicode", "&type=text", "vonage: bad parameter", VERDICT_REJECTED},
    {VONAGE, "&type=", "&ttl=19999&type=", "vonage: bad parameter", VERDICT_REJECTED},
    {VONAGE, "&client-ref=", "&client-ref=%ED%A0%80", "vonage: bad parameter", VERDICT_REJECTED},
    {VONAGE, "&from=ACME", "&from=%2B1415555010", "vonage: bad sender", VERDICT_STOPPED},
    {VONAGE, "&text=", "&body=", "vonage: missing parameter", VERDICT_REJECTED},
    {SNS, "Action=Publish", "Action=Send", "sns: bad action", VERDICT_REJECTED},
    {SNS, "PhoneNumber=%2B82", "PhoneNumber=82", "sns: bad number", VERDICT_ADDRESS_GONE},
    {SNS, "&Message=", "&Text=", "sns: no message", VERDICT_REJECTED},
    {SNS, "=Transactional", "=Urgent", "sns: bad attribute", VERDICT_REJECTED},
    {SNS, "DataType=Number", "DataType=String", "sns: bad attribute", VERDICT_REJECTED},
    {SNS, "SMS.SenderID", "SMS.Sender", "sns: bad attribute", VERDICT_REJECTED},
    {SOLAPI, "\"to\":\"010", "\"to\":\"+8210", "solapi: bad to", VERDICT_REJECTED},
    {SOLAPI, "\"from\":\"02", "\"from\":\"02-", "solapi: bad from", VERDICT_REJECTED},
    {SOLAPI, "\"type\":\"SMS\"", "\"type\":\"sms\"", "solapi: bad type", VERDICT_REJECTED},
    {SOLAPI, "\"text\":", "\"body\":", "solapi: no text", VERDICT_REJECTED},
    {SOLAPI, "50%", "\xE2\x82\xBF", "solapi: bad character", VERDICT_REJECTED},
    {SOLAPI, "\"customFields\":{", "\"customFields\":{\"a\":1,", "solapi: bad customFields",
     VERDICT_REJECTED},
    {SOLAPI, "{\"message\"", "{\"messages\"", "solapi: no JSON message", VERDICT_REJECTED},
    {SENS, "\"to\":\"010", "\"to\":\"+8210", "sens: bad messages", VERDICT_REJECTED},
    {SENS, "\"messages\":[", "\"messages\":[{},", "sens: bad messages", VERDICT_REJECTED},
    {SENS, "\"from\":\"02", "\"from\":\"02-", "sens: bad from", VERDICT_REJECTED},
    {SENS, "\"contentType\":\"COMM\"", "\"contentType\":\"comm\"", "sens: bad type", VERDICT_REJECTED},
    {SENS, "50%", "\xE2\x82\xBF", "sens: bad content", VERDICT_REJECTED},
    {SENS, "{\"type\"", "\"type\"", "sens: no JSON", VERDICT_REJECTED},
    {SENS, ":sandbox", ":other", "sens: wrong signature", VERDICT_STOPPED},
    {NHN, "/sandbox/", "/other/", "nhn: unknown app key", VERDICT_STOPPED},
    {NHN, "/sender/sms", "/sender/mms", "nhn: bad title", VERDICT_REJECTED},
    {NHN, "\"recipientNo\":\"010", "\"recipientNo\":\"10", "nhn: bad recipient", VERDICT_ADDRESS_GONE},
    {NHN, "\"sendNo\":\"02", "\"sendNo\":\"02-", "nhn: bad sendNo", VERDICT_STOPPED},
    {NHN, "\"body\":", "\"text\":", "nhn: no body", VERDICT_REJECTED},
    {NHN, "50%", "\xE2\x82\xBF", "nhn: bad character", VERDICT_REJECTED},
};

/* The text with `instead` for its first `part`; NULL when it has none. */
static const char *altered(const char *text, const char *part, const char *instead)
{
    const char *at = strstr(text, part);
    return at == NULL ? NULL
                      : arena_printf(arena, "%.*s%s%s", (int)(at - text), text, instead, at + strlen(part));
}

static void sign_anew(struct request *request)
{
    const struct sigv4 sigv4 = {.url = sandbox_url(sandbox, "VENDORS"),
                                .region = "eu-central-1",
                                .service = "sns",
                                .access_key_id = "AKIASANDBOX00000000",
                                .secret_access_key = secret};
    request->header_count = 1; /* the content type */
    ck_assert(aws_sign(&sigv4, clock_ms(), arena, request));
}

static void expect_refused(size_t row)
{
    struct message message = test_message(MOBILE, TEXT);
    size_t i = wrong[row].vendor;
    struct request request = build(i, all_settings[i], &message, clock_ms());
    const char *path = altered(request.path, wrong[row].part, wrong[row].instead);
    const char *body = altered(request.body, wrong[row].part, wrong[row].instead);
    ck_assert_msg(path != NULL || body != NULL, "the request has no %s", wrong[row].part);
    if (path != NULL) {
        request.path = path;
    } else {
        request.body = body;
        request.body_size = strlen(body);
    }
    if (i == SNS)
        sign_anew(&request);
    sandbox_reset(sandbox);
    struct verdict verdict = post(i, &message, &request);
    expect(i, wrong[row].reason, &verdict, wrong[row].kind);
    ck_assert_msg(vendor_rejected(sandbox, "sms", wrong[row].reason) == 1, "%s: %s", wrong[row].reason,
                  verdict.reason);
    ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), 0);
}

START_TEST(refuses_wrong_requests)
{
    for (size_t row = 0; row < sizeof wrong / sizeof wrong[0]; row++)
        expect_refused(row);
}
END_TEST

START_TEST(refuses_a_body_that_was_not_signed)
{
    struct message message = test_message(MOBILE, TEXT);
    struct request request = build(SNS, all_settings[SNS], &message, clock_ms());
    request.body = altered(request.body, "PhoneNumber=%2B82", "PhoneNumber=%2B83");
    struct verdict verdict = post(SNS, &message, &request);
    expect(SNS, "altered body", &verdict, VERDICT_STOPPED);
    ck_assert_int_eq(vendor_rejected(sandbox, "sms", "sns: bad signature"), 1);
}
END_TEST

/* What goes into the signature, and the signature: the last octet of each changed. */
START_TEST(refuses_headers_that_were_not_signed)
{
    static const struct {
        size_t vendor;
        const char *header, *behind; /* the octet before this one is changed; NULL: the last one */
        const char *reason;
    } rows[] = {
        {SOLAPI, "authorization", "Z, salt=", "solapi: wrong signature"}, /* a second of the date */
        {SOLAPI, "authorization", ", signature=", "solapi: wrong signature"},
        {SOLAPI, "authorization", NULL, "solapi: wrong signature"},
        {SENS, "x-ncp-apigw-timestamp", NULL, "sens: wrong signature"},
        {SENS, "x-ncp-apigw-signature-v2", "=", "sens: wrong signature"},
    };
    struct message message = test_message(MOBILE, TEXT);
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        size_t i = rows[row].vendor;
        struct request request = build(i, all_settings[i], &message, clock_ms());
        for (size_t h = 0; h < request.header_count; h++) {
            if (strcasecmp(request.headers[h].name, rows[row].header) != 0)
                continue;
            char *value = arena_strdup(arena, request.headers[h].value);
            char *end = rows[row].behind == NULL ? value + strlen(value) : strstr(value, rows[row].behind);
            ck_assert_msg(end != NULL && end > value, "%s", value);
            end[-1] = end[-1] == '0' ? '1' : '0';
            request.headers[h].value = value;
        }
        sandbox_reset(sandbox);
        struct verdict verdict = post(i, &message, &request);
        expect(i, rows[row].header, &verdict, VERDICT_STOPPED);
        ck_assert_msg(vendor_rejected(sandbox, "sms", rows[row].reason) == 1, "%s: %s", rows[row].reason,
                      verdict.reason);
    }
}
END_TEST

START_TEST(refuses_an_unknown_service)
{
    struct message message = test_message(MOBILE, TEXT);
    struct vendor other = vendors[SENS];
    other.json = "\"service_id\":\"ncp:sms:kr:2:other\",\"access_key\":\"sandbox\"," KOREAN;
    void *settings = settings_of(&other, secret);
    struct request request = build(SENS, settings, &message, clock_ms());
    struct verdict verdict = post(SENS, &message, &request);
    expect(SENS, "unknown service", &verdict, VERDICT_STOPPED);
    ck_assert_int_eq(vendor_rejected(sandbox, "sms", "sens: no such service"), 1);
    sens_adapter.settings_free(settings);
}
END_TEST

/* ---- magic ---- */

enum { STATUSES = 9 };

static const int statuses[STATUSES] = {400, 401, 403, 404, 410, 413, 429, 500, 503};

#define GONE      VERDICT_ADDRESS_GONE
#define STOPPED   VERDICT_STOPPED
#define REJECTED  VERDICT_REJECTED
#define RETRY     VERDICT_RETRY
#define THROTTLED VERDICT_THROTTLED
#define IN_DOUBT  VERDICT_IN_DOUBT

/* What the vendor's code means for a bad number, wrong credentials, a blocked account, a missing
 * resource, a blocked number, a text too long, too many requests, a fault of the server, an overload. */
static const enum verdict_kind expected[VENDORS][STATUSES] = {
    [TWILIO] = {GONE, STOPPED, STOPPED, STOPPED, GONE, REJECTED, THROTTLED, IN_DOUBT, IN_DOUBT},
    [VONAGE] = {REJECTED, STOPPED, STOPPED, REJECTED, GONE, REJECTED, THROTTLED, RETRY, IN_DOUBT},
    [SNS] = {GONE, STOPPED, STOPPED, STOPPED, GONE, REJECTED, THROTTLED, IN_DOUBT, RETRY},
    [SOLAPI] = {REJECTED, STOPPED, STOPPED, STOPPED, GONE, REJECTED, THROTTLED, IN_DOUBT, IN_DOUBT},
    [SENS] = {REJECTED, STOPPED, STOPPED, STOPPED, REJECTED, REJECTED, THROTTLED, IN_DOUBT, IN_DOUBT},
    [NHN] = {GONE, STOPPED, STOPPED, STOPPED, GONE, REJECTED, THROTTLED, RETRY, IN_DOUBT},
};

/* Refused once, taken when it comes again. */
START_TEST(answers_magic_statuses)
{
    for (size_t i = 0; i < VENDORS; i++) {
        for (size_t k = 0; k < STATUSES; k++) {
            const char *what = arena_printf(arena, "magic %d", statuses[k]);
            const char *recipient = arena_printf(arena, "+999%04d01%zu23", statuses[k], i);
            struct message message = test_message(recipient, TEXT);
            sandbox_reset(sandbox);
            struct verdict verdict = send_message(i, &message);
            expect(i, what, &verdict, expected[i][k]);
            ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), 0);
            verdict = send_message(i, &message);
            expect(i, "after it", &verdict, VERDICT_SENT);
            ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), 1);
        }
    }
}
END_TEST

/* ---- was it taken? ---- */

static struct verdict ask(size_t i, const struct message *message, int64_t sent_ms)
{
    const struct sent_span sent = {sent_ms, sent_ms};
    const struct adapter *adapter = vendors[i].adapter;
    struct request request;
    int64_t now_ms = clock_ms() + vendors[i].listed_after_ms;
    struct message attempt = *message;
    attempt.attempt = ++attempts;
    ck_assert_msg(adapter->inquiry_build(all_settings[i], &attempt, &sent, now_ms, arena, &request),
                  "%s cannot be asked", adapter->name);
    const struct response *response = vendor_client_send(client, &request);
    return adapter_judge_inquiry(adapter, all_settings[i], message, response, &sent);
}

/* 0005: taken, the answer is lost. 0009: lost before it was read. 0006: taken, the answer means nothing. */
START_TEST(tells_whether_it_took_a_message)
{
    for (size_t i = 0; i < VENDORS; i++) {
        static const struct {
            const char *magic;
            bool taken;
        } faults[] = {{"0005", true}, {"0006", true}, {"0009", false}};
        for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++) {
            const char *recipient = arena_printf(arena, "+999%s00%zu77", faults[k].magic, i);
            struct message message = test_message(recipient, TEXT);
            int64_t sent_ms = clock_ms();
            sandbox_reset(sandbox);
            struct verdict verdict = send_message(i, &message);
            expect(i, faults[k].magic, &verdict, VERDICT_IN_DOUBT);
            ck_assert_int_eq(sandbox_count(sandbox, "sms", "arrived"), faults[k].taken);
            if (vendors[i].adapter->inquiry_build == NULL)
                continue;
            verdict = ask(i, &message, sent_ms);
            expect(i, faults[k].magic, &verdict, faults[k].taken ? vendors[i].taken : VERDICT_UNSENT);
            if (i == TWILIO && faults[k].taken) { /* known only by then */
                ck_assert_str_eq(verdict.cost, "0.0075");
                ck_assert_str_eq(verdict.currency, "USD");
            }
            ck_assert(verdict.kind != VERDICT_SENT || verdict.provider_id[0] != '\0');
        }
    }
}
END_TEST

START_TEST(does_not_find_other_messages)
{
    for (size_t i = 0; i < VENDORS; i++) {
        if (vendors[i].adapter->inquiry_build == NULL)
            continue;
        struct message message = test_message(MOBILE, TEXT);
        int64_t sent_ms = clock_ms();
        struct verdict verdict = send_message(i, &message);
        expect(i, "good message", &verdict, VERDICT_SENT);
        char id[sizeof verdict.provider_id];
        snprintf(id, sizeof id, "%s", verdict.provider_id);
        verdict = ask(i, &message, sent_ms);
        expect(i, "the message", &verdict, vendors[i].taken);
        if (verdict.kind == VERDICT_SENT)
            ck_assert_str_eq(verdict.provider_id, id);
        message.recipient = OTHER;
        message.uuid = OTHER_UUID;
        verdict = ask(i, &message, sent_ms);
        expect(i, "another message", &verdict, VERDICT_UNSENT);
        if (i != SOLAPI && i != SENS && i != NHN)
            continue;
        message.recipient = MOBILE;
        message.uuid = TEST_UUID;
        verdict = ask(i, &message, sent_ms - 7200000);
        expect(i, "at another time", &verdict, VERDICT_UNSENT);
    }
}
END_TEST

/* Solapi's adapter asks for 20 entries, Twilio's too; NHN's asks for one key. */
START_TEST(lists_a_page_at_a_time)
{
    static const struct {
        size_t vendor;
        enum verdict_kind before, after;
    } cases[] = {{TWILIO, VERDICT_SENT, VERDICT_IN_DOUBT},
                 {SOLAPI, VERDICT_SENT, VERDICT_IN_DOUBT},
                 {NHN, VERDICT_SENT, VERDICT_SENT}};
    enum { PAGE = 20 };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        size_t i = cases[k].vendor;
        struct message message = test_message(MOBILE, TEXT);
        int64_t sent_ms = clock_ms();
        sandbox_reset(sandbox);
        send_message(i, &message);
        message = test_message(MOBILE, "{\"text\":\"other\"}");
        for (int other = 1; other <= PAGE; other++) {
            message.uuid = arena_printf(arena, "00000000-0000-4000-8000-%012d", other);
            struct verdict verdict = send_message(i, &message);
            expect(i, "other message", &verdict, VERDICT_SENT);
            if (other < PAGE - 1)
                continue;
            struct message first = test_message(MOBILE, TEXT);
            verdict = ask(i, &first, sent_ms);
            expect(i, "the oldest", &verdict, other < PAGE ? cases[k].before : cases[k].after);
            message = test_message(MOBILE, "{\"text\":\"other\"}");
        }
    }
}
END_TEST

START_TEST(refuses_questions_with_a_wrong_secret)
{
    for (size_t i = 0; i < VENDORS; i++) {
        const struct adapter *adapter = vendors[i].adapter;
        if (adapter->inquiry_build == NULL)
            continue;
        struct message message = test_message(MOBILE, TEXT);
        struct request request;
        int64_t now_ms = clock_ms(), sent_ms = now_ms - vendors[i].listed_after_ms;
        const struct sent_span sent = {sent_ms, sent_ms};
        void *settings = settings_of(&vendors[i], other_secret());
        ck_assert(adapter->inquiry_build(settings, &message, &sent, now_ms, arena, &request));
        const struct response *response = vendor_client_send(client, &request);
        struct verdict verdict = adapter_judge_inquiry(adapter, settings, &message, response, &sent);
        expect(i, "question with a wrong secret", &verdict, VERDICT_IN_DOUBT);
        adapter->settings_free(settings);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox_sms");
    TCase *tests = tcase_create("sandbox_sms");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, takes_what_the_adapters_make);
    tcase_add_test(tests, shows_the_text);
    tcase_add_test(tests, takes_long_texts);
    tcase_add_test(tests, refuses_a_wrong_secret);
    tcase_add_test(tests, refuses_a_clock_that_is_wrong);
    tcase_add_test(tests, takes_a_signature_of_solapi_once);
    tcase_add_test(tests, refuses_wrong_requests);
    tcase_add_test(tests, refuses_a_body_that_was_not_signed);
    tcase_add_test(tests, refuses_headers_that_were_not_signed);
    tcase_add_test(tests, refuses_an_unknown_service);
    tcase_add_test(tests, answers_magic_statuses);
    tcase_add_test(tests, tells_whether_it_took_a_message);
    tcase_add_test(tests, does_not_find_other_messages);
    tcase_add_test(tests, lists_a_page_at_a_time);
    tcase_add_test(tests, refuses_questions_with_a_wrong_secret);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
