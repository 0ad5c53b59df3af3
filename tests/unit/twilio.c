#include "providers/sms/twilio.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define ACCOUNT    "AC00000000000000000000000000000001"
#define API_KEY    "SK00000000000000000000000000000002"
#define SERVICE    "MG00000000000000000000000000000003"
#define SID        "SM00000000000000000000000000000004"
#define PHONE      "+15005550001"
#define SECRET     "12345"
#define MESSAGES   "/2010-04-01/Accounts/" ACCOUNT "/Messages.json"
#define WITH(more) "{\"account_sid\":\"" ACCOUNT "\"," more "}"
#define FROM       "\"from\":\"+15005550006\""
#define PLAIN      WITH(FROM)

static struct arena *arena;

static void setup(void)
{
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *secret, *error;
    } rows[] = {
        {"{}", SECRET, "settings.account_sid: is required"},
        {"{\"account_sid\":\"AC1\"," FROM "}", SECRET,
         "settings.account_sid: must be AC and 32 hexadecimal digits"},
        {"{\"account_sid\":\"AC0000000000000000000000000000000/\"," FROM "}", SECRET,
         "settings.account_sid: must be AC"},
        {WITH(FROM ",\"api_key\":\"" ACCOUNT "\""), SECRET, "settings.api_key: must be SK"},
        {WITH("\"messaging_service_sid\":\"SK1\""), SECRET, "settings.messaging_service_sid: must be MG"},
        {WITH("\"max_segments\":3"), SECRET, "settings: must have one of from and messaging_service_sid"},
        {WITH(FROM ",\"messaging_service_sid\":\"" SERVICE "\""), SECRET, "settings: must have one of"},
        {WITH("\"from\":\"\\u0041<\""), SECRET, "settings.from: must be a number"},
        {WITH("\"from\":\"A\\r\\nB\""), SECRET, "settings.from: must not contain control characters"},
        {WITH(FROM ",\"max_segments\":0"), SECRET,
         "settings.max_segments: must be a whole number from 1 to 100"},
        {WITH(FROM ",\"max_segments\":101"), SECRET, "settings.max_segments: must be"},
        {WITH(FROM ",\"max_segments\":\"3\""), SECRET, "settings.max_segments: must be"},
        {WITH(FROM ",\"max_segments\":2.5"), SECRET, "settings.max_segments: must be"},
        {WITH(FROM ",\"status_callback\":\"ftp://x\""), SECRET,
         "settings.status_callback: must be an http or https URL"},
        {WITH(FROM ",\"url\":\"http://x\""), SECRET, "settings.url: must be https://host"},
        {PLAIN, "", "secret secret: must have 1 to 256 characters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *error = test_settings_error(&twilio_adapter, rows[i].json, rows[i].secret);
        ck_assert_msg(strstr(error, rows[i].error) != NULL, "row %zu: %s", i, error);
    }
    void *settings =
        test_settings_of(&twilio_adapter, WITH(FROM ",\"url\":\"https://localhost:1/\""), SECRET);
    struct endpoint_options options = {.http2 = true};
    twilio_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://localhost:1");
    ck_assert(!options.http2);
    twilio_adapter.settings_free(settings);
    twilio_adapter.settings_free(NULL);
}
END_TEST

START_TEST(test_build)
{
    static const struct {
        const char *json, *payload;
        int64_t expires_ms;
        const char *body;
    } rows[] = {
        {PLAIN, "{\"text\":\"Hello & =1\"}", 0,
         "To=%2B15005550001&From=%2B15005550006&Body=Hello%20%26%20%3D1"},
        {PLAIN, "{\"text\":\"x\",\"from\":\"ACME\"}", 0, "To=%2B15005550001&From=ACME&Body=x"},
        {WITH("\"messaging_service_sid\":\"" SERVICE "\""), "{\"text\":\"x\"}", 0,
         "To=%2B15005550001&MessagingServiceSid=" SERVICE "&Body=x"},
        {WITH("\"messaging_service_sid\":\"" SERVICE "\""), "{\"text\":\"x\",\"from\":\"12345\"}", 0,
         "To=%2B15005550001&From=12345&Body=x"},
        {WITH(FROM ",\"status_callback\":\"https://h.example/r?a=1\""), "{\"text\":\"x\"}", 0,
         "To=%2B15005550001&From=%2B15005550006&Body=x&StatusCallback=https%3A%2F%2Fh.example%2Fr%3Fa%3D1"},
        {PLAIN, "{\"text\":\"x\"}", TEST_NOW_MS + 90999,
         "To=%2B15005550001&From=%2B15005550006&Body=x&ValidityPeriod=90"},
        {PLAIN, "{\"text\":\"x\"}", TEST_NOW_MS + 500,
         "To=%2B15005550001&From=%2B15005550006&Body=x&ValidityPeriod=1"},
        {PLAIN, "{\"text\":\"x\"}", TEST_NOW_MS + 35999000,
         "To=%2B15005550001&From=%2B15005550006&Body=x&ValidityPeriod=35999"},
        {PLAIN, "{\"text\":\"x\"}", TEST_NOW_MS + 36000000, "To=%2B15005550001&From=%2B15005550006&Body=x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *settings = test_settings_of(&twilio_adapter, rows[i].json, SECRET);
        struct message message = test_message(PHONE, rows[i].payload);
        message.expires_ms = rows[i].expires_ms;
        struct request request;
        struct verdict verdict = {.reason = ""};
        ck_assert_msg(twilio_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict),
                      "%s", verdict.reason);
        ck_assert_str_eq(request.method, "POST");
        ck_assert_str_eq(request.path, MESSAGES);
        ck_assert_str_eq(test_header(&request, "content-type"),
                         "application/x-www-form-urlencoded; charset=utf-8");
        ck_assert_str_eq(request.body, rows[i].body);
        ck_assert_uint_eq(request.body_size, strlen(rows[i].body));
        twilio_adapter.settings_free(settings);
    }
}
END_TEST

START_TEST(test_login)
{
    struct json_object *vectors = vectors_load("request_signatures.json");
    struct message message = test_message(PHONE, "{\"text\":\"x\"}");
    struct request request;
    struct verdict verdict;
    ck_assert_str_eq(test_text(vectors, "basic_auth/user"), ACCOUNT);
    void *settings = test_settings_of(&twilio_adapter, PLAIN, test_text(vectors, "basic_auth/password"));
    ck_assert(twilio_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_str_eq(test_header(&request, "authorization"), test_text(vectors, "basic_auth/header"));
    twilio_adapter.settings_free(settings);
    json_object_put(vectors);

    settings = test_settings_of(&twilio_adapter, WITH(FROM ",\"api_key\":\"" API_KEY "\""), "s");
    ck_assert(twilio_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_str_eq(test_header(&request, "authorization"),
                     "Basic U0swMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMjpz");
    twilio_adapter.settings_free(settings);
}
END_TEST

START_TEST(test_build_rejected)
{
    static const struct {
        const char *recipient, *payload, *reason;
    } rows[] = {
        {PHONE, "{}", "payload.text: must be a text that is not empty"},
        {PHONE, "{\"text\":\"\"}", "payload.text: must be a text that is not empty"},
        {PHONE, "{\"text\":5}", "payload.text: must be a text"},
        {PHONE, "{\"text\":\"a\\u0000b\"}", "payload.text: must be UTF-8"},
        {PHONE, "{\"text\":\"x\",\"from\":\"\"}", "payload.from: must be a number"},
        {PHONE, "{\"text\":\"x\",\"from\":7}", "payload.from: must be a number"},
        {PHONE, "{\"text\":\"x\",\"from\":\"a\\r\\nb\"}", "payload.from: must be a number"},
        {"5005550001", "{\"text\":\"x\"}", "recipient: must be a number in E.164 form"},
        {"", "{\"text\":\"x\"}", "recipient: must be"},
        {"+1500555&To=+1", "{\"text\":\"x\"}", "recipient: must be"},
    };
    void *settings = test_settings_of(&twilio_adapter, WITH(FROM ",\"max_segments\":3"), SECRET);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = test_message(rows[i].recipient, rows[i].payload);
        struct request request;
        struct verdict verdict = {.kind = VERDICT_SENT};
        bool built = twilio_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict);
        ck_assert_msg(built == (rows[i].reason == NULL), "row %zu: %s", i, verdict.reason);
        if (built)
            continue;
        ck_assert_int_eq(verdict.kind, VERDICT_REJECTED);
        ck_assert_msg(strstr(verdict.reason, rows[i].reason) != NULL, "row %zu: %s", i, verdict.reason);
    }
    twilio_adapter.settings_free(settings);
}
END_TEST

static struct verdict judged(const struct response *response, const char *payload)
{
    struct message message = test_message(PHONE, payload);
    return adapter_judge(&twilio_adapter, NULL, &message, response, TEST_NOW_MS);
}

#define TO_NEXT_DAY_MS ((24 * 3600 - (22 * 3600 + 13 * 60 + 20)) * 1000)

START_TEST(test_codes)
{
    static const struct {
        int status, code;
        const char *verdict;
        int64_t wait_ms;
        const char *retry_after;
    } rows[] = {
        {401, 20003, "stopped", 0, NULL},
        {403, 20005, "stopped", 0, NULL},
        {403, 30002, "stopped", 0, NULL},
        {404, 20404, "stopped", 0, NULL},
        {429, 20429, "throttled", 1000, NULL},
        {429, 20429, "throttled", 7000, "7"},
        {429, 21611, "throttled", 60000, NULL},
        {429, 30001, "throttled", 60000, NULL},
        {400, 14107, "throttled", 1000, NULL},
        {400, 30022, "throttled", 1000, NULL},
        {400, 21211, "address_gone", 0, NULL},
        {400, 21217, "address_gone", 0, NULL},
        {400, 21614, "address_gone", 0, NULL},
        {400, 21610, "address_gone", 0, NULL},
        {400, 21612, "rejected", 0, NULL},
        {400, 21408, "rejected", 0, NULL},
        {400, 21212, "stopped", 0, NULL},
        {400, 21603, "stopped", 0, NULL},
        {400, 21606, "stopped", 0, NULL},
        {400, 21607, "stopped", 0, NULL},
        {400, 21659, "stopped", 0, NULL},
        {400, 21660, "stopped", 0, NULL},
        {400, 21701, "stopped", 0, NULL},
        {400, 21703, "stopped", 0, NULL},
        {400, 21608, "stopped", 0, NULL},
        {400, 21602, "rejected", 0, NULL},
        {400, 21617, "rejected", 0, NULL},
        {400, 21619, "rejected", 0, NULL},
        {400, 30003, "rejected", 0, NULL},
        {400, 30004, "rejected", 0, NULL},
        {400, 30005, "address_gone", 0, NULL},
        {400, 30006, "address_gone", 0, NULL},
        {400, 30007, "rejected", 0, NULL},
        {400, 30008, "rejected", 0, NULL},
        {400, 30009, "rejected", 0, NULL},
        {400, 30010, "rejected", 0, NULL},
        {400, 30023, "throttled", TO_NEXT_DAY_MS, NULL},
        {400, 30027, "throttled", TO_NEXT_DAY_MS, NULL},
        {400, 30032, "stopped", 0, NULL},
        {400, 30033, "stopped", 0, NULL},
        {400, 30034, "stopped", 0, NULL},
        {400, 30036, "rejected", 0, NULL},
        {400, 30410, "in_doubt", 0, NULL},
        {400, 30450, "rejected", 0, NULL},
        /* codes that nobody knows */
        {400, 99999, "rejected", 0, NULL},
        {401, 99999, "stopped", 0, NULL},
        {403, 99999, "stopped", 0, NULL},
        {404, 99999, "stopped", 0, NULL},
        {429, 99999, "throttled", 3000, "3"},
        {500, 20500, "in_doubt", 0, NULL},
        {503, 20503, "in_doubt", 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[256], number[16];
        snprintf(body, sizeof body,
                 "{\"code\":%d,\"message\":\"The 'To' number " PHONE " of 15005550006 is odd.\","
                 "\"more_info\":\"https://x\",\"status\":%d}",
                 rows[i].code, rows[i].status);
        snprintf(number, sizeof number, "%d", rows[i].code);
        struct response response = test_answer(rows[i].status, body);
        if (rows[i].retry_after != NULL)
            response.headers[response.header_count++] = (struct header){"retry-after", rows[i].retry_after};
        struct verdict verdict = judged(&response, "{\"text\":\"x\"}");
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
        ck_assert_msg(verdict.not_before_ms == (rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0),
                      "row %zu: %lld", i, (long long)verdict.not_before_ms);
        ck_assert_msg(strstr(verdict.reason, "5005550") == NULL, "row %zu: %s", i, verdict.reason);
        ck_assert_msg(rows[i].code == 99999 || rows[i].status >= 500 ||
                          strstr(verdict.reason, number) != NULL,
                      "row %zu: %s", i, verdict.reason);
        ck_assert_msg(strstr(verdict.reason, "is odd.") != NULL, "row %zu: %s", i, verdict.reason);
    }
}
END_TEST

/* A sender that the message chose itself must not stop the provider. */
START_TEST(test_own_sender)
{
    static const int codes[] = {21212, 21603, 21606, 21607, 21659, 21660};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"code\":%d,\"status\":400}", codes[i]);
        struct response response = test_answer(400, body);
        ck_assert_int_eq(judged(&response, "{\"text\":\"x\",\"from\":\"ACME\"}").kind, VERDICT_REJECTED);
    }
    struct response response = test_answer(400, "{\"code\":21703}");
    ck_assert_int_eq(judged(&response, "{\"text\":\"x\",\"from\":\"ACME\"}").kind, VERDICT_STOPPED);
}
END_TEST

START_TEST(test_answers)
{
    static const struct {
        int status;
        const char *body, *verdict, *id, *cost, *currency;
    } rows[] = {
        {201,
         "{\"sid\":\"" SID "\",\"status\":\"queued\",\"error_code\":null,\"price\":null,"
         "\"price_unit\":\"USD\"}",
         "sent", SID, "", ""},
        {201, "{\"sid\":\"" SID "\",\"status\":\"accepted\",\"price\":\"-0.00750\",\"price_unit\":\"USD\"}",
         "sent", SID, "0.00750", "USD"},
        {200, "{\"sid\":\"" SID "\",\"status\":\"sent\",\"price\":\"1\",\"price_unit\":\"EUR\"}", "sent", SID,
         "1", "EUR"},
        {201, "{\"sid\":\"" SID "\",\"status\":\"sent\",\"price\":\"1e3\",\"price_unit\":\"USD\"}", "sent",
         SID, "", ""},
        {201, "{\"sid\":\"" SID "\",\"status\":\"sent\",\"price\":\"1.\",\"price_unit\":\"USD\"}", "sent",
         SID, "", ""},
        {201, "{\"sid\":\"" SID "\",\"status\":\"sent\",\"price\":\"1.5\",\"price_unit\":\"dollars\"}",
         "sent", SID, "", ""},
        {201,
         "{\"sid\":\"" SID "\",\"status\":\"sent\",\"price\":\"0.00000000000000000000001\","
         "\"price_unit\":\"USD\"}",
         "sent", SID, "", ""},
        {201, "{\"sid\":\"" SID "\",\"status\":\"failed\",\"error_code\":30006}", "address_gone", "", "", ""},
        {201, "{\"sid\":\"" SID "\",\"status\":\"undelivered\",\"error_code\":30007}", "rejected", "", "",
         ""},
        {201, "{\"sid\":\"" SID "\"}", "in_doubt", "", "", ""},
        {201, "{\"sid\":\"\",\"status\":\"sent\"}", "in_doubt", "", "", ""},
        {201, "{\"sid\":7,\"status\":\"sent\"}", "in_doubt", "", "", ""},
        {201, "{}", "in_doubt", "", "", ""},
        {201, "", "in_doubt", "", "", ""},
        {201, "<html>", "in_doubt", "", "", ""},
        {201, "{\"sid\":\"" SID, "in_doubt", "", "", ""},
        {302, "", "stopped", "", "", ""},
        {400, "", "rejected", "", "", ""},
        {400, "[1]", "rejected", "", "", ""},
        {400, "{\"code\":\"21211\"}", "rejected", "", "", ""},
        {401, "<html>", "stopped", "", "", ""},
        {404, "", "stopped", "", "", ""},
        {429, "", "throttled", "", "", ""},
        {500, "", "in_doubt", "", "", ""},
        {502, "<html>", "in_doubt", "", "", ""},
        {503, "", "in_doubt", "", "", ""},
        {504, "", "in_doubt", "", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict = judged(&response, "{\"text\":\"x\"}");
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
        ck_assert_msg(strcmp(verdict.provider_id, rows[i].id) == 0 &&
                          strcmp(verdict.cost, rows[i].cost) == 0 &&
                          strcmp(verdict.currency, rows[i].currency) == 0,
                      "row %zu: %s %s %s", i, verdict.provider_id, verdict.cost, verdict.currency);
        ck_assert_msg((verdict.reason[0] == '\0') == (verdict.kind == VERDICT_SENT), "row %zu", i);
    }
    struct response response = test_answer(201, "{\"sid\":\"" SID "\",\"status\":\"sent\"}");
    response.body_truncated = true;
    ck_assert_int_eq(judged(&response, "{}").kind, VERDICT_IN_DOUBT);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT};
    ck_assert_int_eq(judged(&response, "{}").kind, VERDICT_UNSENT);
    response = (struct response){.state = SEND_IN_DOUBT, .fault = FAULT_TIMEOUT};
    ck_assert_int_eq(judged(&response, "{}").kind, VERDICT_IN_DOUBT);
}
END_TEST

START_TEST(test_inquiry_request)
{
    void *settings = test_settings_of(&twilio_adapter, PLAIN, SECRET);
    struct message message = test_message(PHONE, "{\"text\":\"x\"}");
    struct request request;
    ck_assert(
        !twilio_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 119999, arena, &request));
    ck_assert(
        twilio_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 120000, arena, &request));
    ck_assert_str_eq(request.method, "GET");
    ck_assert_str_eq(request.path, MESSAGES "?To=%2B15005550001&PageSize=20");
    ck_assert_str_eq(test_header(&request, "authorization"),
                     "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMToxMjM0NQ==");
    ck_assert_uint_eq(request.body_size, 0);
    ck_assert(!twilio_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 719999, arena,
                                            &request));
    ck_assert(twilio_adapter.inquiry_build(settings, &message, TEST_SENT_10MIN, TEST_NOW_MS + 720000, arena,
                                           &request));
    message.recipient = "1 or 2";
    ck_assert(
        !twilio_adapter.inquiry_build(settings, &message, TEST_SENT, TEST_NOW_MS + 120000, arena, &request));
    twilio_adapter.settings_free(settings);
}
END_TEST

#define ENTRY_WITH(date, body, status)                                                                       \
    "{\"sid\":\"" SID "\",\"body\":\"" body "\",\"date_created\":\"" date "\",\"date_sent\":null," status    \
    "\"price\":\"-0.01\",\"price_unit\":\"USD\"}"
#define ENTRY(date, body)   ENTRY_WITH(date, body, "\"status\":\"queued\",")
#define OURS(status)        ENTRY_WITH(AT("22:13:20"), "Hi", "\"status\":\"" status "\",")
#define LIST(entries, next) "{\"messages\":[" entries "],\"page_size\":20,\"next_page_uri\":" next "}"
#define NEXT                "\"/2010-04-01/Accounts/" ACCOUNT "/Messages.json?Page=1\""
/* TEST_NOW_MS is Tue, 14 Nov 2023 22:13:20 +0000. */
#define AT(time) "Tue, 14 Nov 2023 " time " +0000"

START_TEST(test_inquiry)
{
    static const struct {
        int status;
        const char *body, *verdict;
    } rows[] = {
        {200, LIST("", "null"), "unsent"},
        {200, LIST(ENTRY(AT("22:13:20"), "Hi"), "null"), "sent"},
        {200, LIST(ENTRY(AT("22:13:09"), "Hi"), "null"), "sent"}, /* clocks apart */
        {200, LIST(ENTRY(AT("22:08:20"), "Hi"), "null"), "sent"},
        {200, LIST(ENTRY(AT("22:15:20"), "Hi"), "null"), "sent"},
        {200, LIST(ENTRY("Wed, 15 Nov 2023 07:13:20 +0900", "Hi"), "null"), "sent"},
        {200, LIST(ENTRY(AT("22:14:00"), "Other") "," ENTRY(AT("22:13:30"), "Hi"), NEXT), "sent"},
        {200, LIST(ENTRY(AT("22:30:00"), "Hi") "," ENTRY(AT("22:13:20"), "Hi"), "null"), "sent"},
        /* before the time in question */
        {200, LIST(ENTRY(AT("22:08:19"), "Hi"), "null"), "unsent"},
        {200, LIST(ENTRY(AT("22:08:19"), "Other"), "null"), "unsent"},
        /* perhaps ours */
        {200, LIST(ENTRY(AT("22:15:21"), "Hi"), "null"), "in_doubt"},
        {200, LIST(ENTRY(AT("22:30:00"), "Other"), "null"), "in_doubt"},
        {200, LIST(ENTRY(AT("22:08:20"), "Other"), "null"), "in_doubt"},
        {200, LIST(ENTRY(AT("22:13:20"), "Sent from a trial account - Hi"), "null"), "in_doubt"},
        {200, LIST(ENTRY("soon", "Hi"), "null"), "in_doubt"},
        {200, LIST(ENTRY(AT("22:13:20") "x", "Hi"), "null"), "in_doubt"},
        {200, LIST("{\"sid\":\"" SID "\",\"body\":\"Hi\"}", "null"), "in_doubt"},
        {200, LIST("7", "null"), "in_doubt"},
        /* more pages */
        {200, LIST(ENTRY(AT("22:20:00"), "Hi"), NEXT), "in_doubt"},
        {200, LIST("", NEXT), "in_doubt"},
        {200, LIST(ENTRY(AT("22:20:00"), "Hi") "," ENTRY(AT("22:00:00"), "Hi"), NEXT), "in_doubt"},
        {200, LIST(ENTRY(AT("22:00:00"), "Hi"), NEXT), "unsent"},
        /* no list */
        {200, "", "in_doubt"},
        {200, "{\"messages\":{}}", "in_doubt"},
        {200, "{\"messages\":[", "in_doubt"},
        {401, LIST("", "null"), "in_doubt"},
        {429, "", "in_doubt"},
        {503, "", "in_doubt"},
    };
    struct message message = test_message(PHONE, "{\"text\":\"Hi\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct verdict verdict = adapter_judge_inquiry(&twilio_adapter, NULL, &message, &response, TEST_SENT);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
        if (verdict.kind != VERDICT_SENT)
            continue;
        ck_assert_str_eq(verdict.provider_id, SID);
        ck_assert_str_eq(verdict.cost, "0.01");
        ck_assert_str_eq(verdict.currency, "USD");
    }
    struct response response = test_answer(200, LIST("", "null"));
    response.body_truncated = true;
    ck_assert_int_eq(adapter_judge_inquiry(&twilio_adapter, NULL, &message, &response, TEST_SENT).kind,
                     VERDICT_IN_DOUBT);
    response = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT};
    ck_assert_int_eq(adapter_judge_inquiry(&twilio_adapter, NULL, &message, &response, TEST_SENT).kind,
                     VERDICT_IN_DOUBT);
}
END_TEST

/* Each attempt has an entry of its own, in any order. */
START_TEST(test_inquiry_statuses)
{
    static const struct {
        const char *body, *verdict, *reason;
    } rows[] = {
        {LIST(OURS("accepted"), "null"), "sent", ""},
        {LIST(OURS("scheduled"), "null"), "sent", ""},
        {LIST(OURS("queued"), "null"), "sent", ""},
        {LIST(OURS("sending"), "null"), "sent", ""},
        {LIST(OURS("sent"), "null"), "sent", ""},
        {LIST(OURS("delivered"), "null"), "sent", ""},
        {LIST(OURS("read"), "null"), "sent", ""},
        {LIST(OURS("partially_delivered"), "null"), "sent", ""},
        {LIST(OURS("failed"), "null"), "in_doubt", "failed"},
        {LIST(OURS("undelivered"), "null"), "in_doubt", "undelivered"},
        {LIST(OURS("canceled"), "null"), "in_doubt", "canceled"},
        {LIST(OURS("received"), "null"), "in_doubt", "in no known state"},
        {LIST(ENTRY_WITH(AT("22:13:20"), "Hi", ""), "null"), "in_doubt", "in no known state"},
        {LIST(OURS("failed") "," OURS("queued"), "null"), "sent", ""},
        {LIST(OURS("sent") "," OURS("failed"), "null"), "sent", ""},
        {LIST(OURS("failed") "," ENTRY(AT("22:13:20"), "Other"), NEXT), "in_doubt", "failed"},
        /* of another time, whatever its status */
        {LIST(ENTRY_WITH(AT("22:00:00"), "Hi", "\"status\":\"failed\","), "null"), "unsent", ""},
    };
    struct message message = test_message(PHONE, "{\"text\":\"Hi\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(200, rows[i].body);
        struct verdict verdict = adapter_judge_inquiry(&twilio_adapter, NULL, &message, &response, TEST_SENT);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
        const char *state = strstr(verdict.reason, ": ");
        ck_assert_str_eq(state != NULL ? state + 2 : "", rows[i].reason);
    }
}
END_TEST

START_TEST(test_inquiry_span)
{
    static const struct {
        const char *body, *verdict;
    } rows[] = {
        {LIST(ENTRY(AT("22:08:20"), "Hi"), "null"), "sent"},
        {LIST(ENTRY(AT("22:18:00"), "Hi"), "null"), "sent"},
        {LIST(ENTRY(AT("22:25:20"), "Hi"), "null"), "sent"},
        {LIST(ENTRY(AT("22:08:19"), "Hi"), "null"), "unsent"},
        {LIST(ENTRY(AT("22:25:21"), "Hi"), "null"), "in_doubt"},
        {LIST(ENTRY(AT("22:18:00"), "Other"), "null"), "in_doubt"},
        /* more pages: the list must go back to where the span starts */
        {LIST(ENTRY(AT("22:30:00"), "Hi"), NEXT), "in_doubt"},
        {LIST(ENTRY(AT("22:08:20"), "Other"), NEXT), "in_doubt"},
        {LIST(ENTRY(AT("22:08:19"), "Hi"), NEXT), "unsent"},
    };
    struct message message = test_message(PHONE, "{\"text\":\"Hi\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(200, rows[i].body);
        struct verdict verdict =
            adapter_judge_inquiry(&twilio_adapter, NULL, &message, &response, TEST_SENT_10MIN);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "row %zu: %s", i,
                      verdict_name(verdict.kind));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("twilio");
    TCase *cases = tcase_create("twilio");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_settings);
    tcase_add_test(cases, test_build);
    tcase_add_test(cases, test_login);
    tcase_add_test(cases, test_build_rejected);
    tcase_add_test(cases, test_codes);
    tcase_add_test(cases, test_own_sender);
    tcase_add_test(cases, test_answers);
    tcase_add_test(cases, test_inquiry_request);
    tcase_add_test(cases, test_inquiry);
    tcase_add_test(cases, test_inquiry_statuses);
    tcase_add_test(cases, test_inquiry_span);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
