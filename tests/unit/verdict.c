#include "providers/verdict.h"

#include <stdio.h>
#include <string.h>

#include "providers/http/webhook.h"
#include "providers/mail/smtp.h"
#include "providers/push/apns.h"
#include "providers/push/fcm.h"
#include "support/suite.h"
#include "support/test_adapter.h"

/* The transport's results, the same for every provider. */
START_TEST(test_failures)
{
    static const struct {
        enum send_state state;
        enum send_fault fault;
        const char *verdict;
    } rows[] = {
        {SEND_UNSENT, FAULT_RESOLVE, "unsent"},      {SEND_UNSENT, FAULT_CONNECT, "unsent"},
        {SEND_UNSENT, FAULT_TIMEOUT, "unsent"},      {SEND_UNSENT, FAULT_REFUSED, "unsent"},
        {SEND_UNSENT, FAULT_PROTOCOL, "unsent"},     {SEND_UNSENT, FAULT_TLS, "unsent"},
        {SEND_UNSENT, FAULT_LOGIN, "stopped"},       {SEND_IN_DOUBT, FAULT_TIMEOUT, "in_doubt"},
        {SEND_IN_DOUBT, FAULT_PROTOCOL, "in_doubt"}, {SEND_IN_DOUBT, FAULT_CONNECT, "in_doubt"},
    };
    static const struct adapter *const adapters[] = {&apns_adapter, &fcm_adapter, &smtp_adapter};
    struct message message = test_message("x", "{\"body\":\"x\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = {
            .state = rows[i].state, .fault = rows[i].fault, .body = "", .error = "line one\r\nline two"};
        for (size_t k = 0; k < sizeof adapters / sizeof *adapters; k++) {
            struct verdict verdict = adapter_judge(adapters[k], NULL, &message, &response, TEST_NOW_MS);
            ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%s row %zu: %s",
                          adapters[k]->name, i, verdict_name(verdict.kind));
            ck_assert(strstr(verdict.reason, "line one  line two") != NULL);
        }
    }
}
END_TEST

static enum verdict_kind given;

static struct verdict give(const void *settings, const struct message *message,
                           const struct response *response, int64_t now_ms)
{
    (void)settings;
    (void)message;
    (void)response;
    (void)now_ms;
    return (struct verdict){.kind = given};
}

static const char *const blames[] = {[BLAME_UNSAID] = "unsaid",
                                     [BLAME_NOBODY] = "nobody",
                                     [BLAME_RECIPIENT] = "recipient",
                                     [BLAME_MESSAGE] = "message",
                                     [BLAME_PROVIDER] = "provider"};

/* Whose fault it is where the judge does not say, for every kind. */
START_TEST(test_blame)
{
    static const struct {
        enum send_state state;
        enum send_fault fault;
        int low, high;
        const char *blame; /* NULL: as the kind says */
    } rows[] = {
        {SEND_ANSWERED, FAULT_NONE, 100, 499, NULL},       {SEND_ANSWERED, FAULT_NONE, 500, 599, "provider"},
        {SEND_UNSENT, FAULT_REFUSED, 0, 0, "nobody"},      {SEND_IN_DOUBT, FAULT_REFUSED, 0, 0, "nobody"},
        {SEND_UNSENT, FAULT_NONE, 0, 0, "provider"},       {SEND_UNSENT, FAULT_RESOLVE, 0, 0, "provider"},
        {SEND_UNSENT, FAULT_CONNECT, 0, 0, "provider"},    {SEND_UNSENT, FAULT_TLS, 0, 0, "provider"},
        {SEND_UNSENT, FAULT_TIMEOUT, 0, 0, "provider"},    {SEND_UNSENT, FAULT_PROTOCOL, 0, 0, "provider"},
        {SEND_UNSENT, FAULT_LOGIN, 0, 0, "provider"},      {SEND_IN_DOUBT, FAULT_CONNECT, 0, 0, "provider"},
        {SEND_IN_DOUBT, FAULT_TLS, 0, 0, "provider"},      {SEND_IN_DOUBT, FAULT_TIMEOUT, 0, 0, "provider"},
        {SEND_IN_DOUBT, FAULT_PROTOCOL, 0, 0, "provider"},
    };
    static const char *const of_kind[] = {
        [VERDICT_SENT] = "nobody",      [VERDICT_RETRY] = "nobody",     [VERDICT_UNSENT] = "nobody",
        [VERDICT_THROTTLED] = "nobody", [VERDICT_REJECTED] = "message", [VERDICT_ADDRESS_GONE] = "recipient",
        [VERDICT_REFRESH] = "nobody",   [VERDICT_STOPPED] = "nobody",   [VERDICT_IN_DOUBT] = "nobody",
    };
    static const struct adapter adapter = {.name = "given", .judge = give};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int status = rows[i].low; status <= rows[i].high; status++) {
            for (given = VERDICT_SENT; given <= VERDICT_IN_DOUBT; given++) {
                struct response response = {.state = rows[i].state, .fault = rows[i].fault, .status = status};
                enum blame blame = adapter_judge(&adapter, NULL, NULL, &response, TEST_NOW_MS).blame;
                const char *wanted = rows[i].blame != NULL ? rows[i].blame : of_kind[given];
                ck_assert_msg(strcmp(blames[blame], wanted) == 0, "row %zu, %d, %s: %s", i, status,
                              verdict_name(given), blames[blame]);
            }
        }
    }
}
END_TEST

/* Adapters for which that would be wrong, and one for which it is right. */
START_TEST(test_blame_of_adapters)
{
    static const struct {
        const struct adapter *adapter;
        enum send_state state;
        enum send_fault fault;
        int status;
        const char *body, *blame;
    } rows[] = {
        {&apns_adapter, SEND_ANSWERED, FAULT_NONE, 200, "", "nobody"},
        {&apns_adapter, SEND_ANSWERED, FAULT_NONE, 400, "{\"reason\":\"BadPriority\"}", "message"},
        {&apns_adapter, SEND_ANSWERED, FAULT_NONE, 403, "{\"reason\":\"Forbidden\"}", "nobody"},
        {&apns_adapter, SEND_ANSWERED, FAULT_NONE, 410, "{\"reason\":\"Unregistered\"}", "recipient"},
        {&apns_adapter, SEND_ANSWERED, FAULT_NONE, 503, "{\"reason\":\"Shutdown\"}", "provider"},
        {&apns_adapter, SEND_UNSENT, FAULT_CONNECT, 0, "", "provider"},
        {&apns_adapter, SEND_UNSENT, FAULT_REFUSED, 0, "", "nobody"},
        {&smtp_adapter, SEND_ANSWERED, FAULT_NONE, 421, "421 4.3.2 busy", "nobody"},
        {&smtp_adapter, SEND_ANSWERED, FAULT_NONE, 535, "535 5.7.8 no", "nobody"},
        {&smtp_adapter, SEND_ANSWERED, FAULT_NONE, 550, "550 5.7.1 no", "message"},
        {&smtp_adapter, SEND_ANSWERED, FAULT_NONE, 550, "550 5.1.1 no", "recipient"},
        {&smtp_adapter, SEND_UNSENT, FAULT_LOGIN, 0, "", "provider"},
        {&smtp_adapter, SEND_IN_DOUBT, FAULT_TIMEOUT, 0, "", "provider"},
        {&webhook_adapter, SEND_ANSWERED, FAULT_NONE, 204, "", "nobody"},
        {&webhook_adapter, SEND_ANSWERED, FAULT_NONE, 400, "", "recipient"},
        {&webhook_adapter, SEND_ANSWERED, FAULT_NONE, 500, "", "recipient"},
        {&webhook_adapter, SEND_UNSENT, FAULT_TLS, 0, "", "recipient"},
        {&webhook_adapter, SEND_UNSENT, FAULT_REFUSED, 0, "", "recipient"},
    };
    struct message message = test_message("kim@example.com", "{\"body\":\"x\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = {.state = rows[i].state,
                                    .fault = rows[i].fault,
                                    .status = rows[i].status,
                                    .phase = SMTP_RCPT,
                                    .body = rows[i].body,
                                    .body_size = strlen(rows[i].body)};
        enum blame blame = adapter_judge(rows[i].adapter, NULL, &message, &response, TEST_NOW_MS).blame;
        ck_assert_msg(strcmp(blames[blame], rows[i].blame) == 0, "row %zu: %s", i, blames[blame]);
    }
}
END_TEST

START_TEST(test_reason)
{
    char longest[600];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest + 198, "한", 3); /* the cut falls into it */
    struct verdict verdict = verdict_make(VERDICT_RETRY, "%s", longest);
    ck_assert_uint_eq(strlen(verdict.reason), 198);
}
END_TEST

START_TEST(test_registry)
{
    ck_assert_ptr_eq(adapter_find("apns"), &apns_adapter);
    ck_assert_ptr_eq(adapter_find("fcm"), &fcm_adapter);
    ck_assert_ptr_eq(adapter_find("smtp"), &smtp_adapter);
    ck_assert_ptr_null(adapter_find("pager"));
    for (size_t i = 0; adapter_list[i] != NULL; i++) {
        const struct adapter *one = adapter_list[i];
        ck_assert(one->name != NULL && adapter_find(one->name) == one);
        ck_assert(one->settings_new != NULL && one->settings_free != NULL && one->endpoint != NULL);
        ck_assert(one->build != NULL && one->judge != NULL);
        ck_assert((one->credential_build == NULL) == (one->credential_judge == NULL));
        one->settings_free(NULL);
    }
}
END_TEST

/* An adapter that believes every word of its vendor. */
static struct verdict told;

static struct verdict tell(const void *settings, const struct message *message,
                           const struct response *response, int64_t now_ms)
{
    (void)settings;
    (void)message;
    (void)response;
    (void)now_ms;
    return told;
}

START_TEST(test_what_a_vendor_says_is_bounded)
{
    static const int64_t month = INT64_C(31) * 24 * 3600 * 1000;
    static const struct {
        int64_t said, gone_since, not_before;
    } times[] = {
        {0, 0, 0},
        {1, 1, 1},
        {-1, 0, 0},
        {INT64_MIN, 0, 0},
        {TEST_NOW_MS, TEST_NOW_MS, TEST_NOW_MS},
        {TEST_NOW_MS + 1, TEST_NOW_MS, TEST_NOW_MS + 1},
        {TEST_NOW_MS + month, TEST_NOW_MS, TEST_NOW_MS + month},
        {TEST_NOW_MS * 1000, TEST_NOW_MS, TEST_NOW_MS + month},
        {INT64_MAX, TEST_NOW_MS, TEST_NOW_MS + month},
    };
    static const struct {
        const char *cost, *currency, *kept;
    } costs[] = {
        {"0.05", "USD", "0.05 USD"}, {"12", "krw", "12 "}, {"12", "", "12 "},    {"", "USD", " "},
        {"NaN", "USD", " "},         {"-1", "USD", " "},   {"1e9", "USD", " "},  {"Infinity", "USD", " "},
        {"1.", "USD", " "},          {"0x1", "USD", " "},  {"1", "U\xff", "1 "}, {"1", "\xf0\x9f\x92", "1 "},
    };
    static const struct adapter adapter = {.name = "telling", .judge = tell};
    const struct response response = {.state = SEND_ANSWERED, .status = 200, .body = "", .error = ""};
    struct message message = test_message("x", "{}");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        told = (struct verdict){.gone_since_ms = times[i].said, .not_before_ms = times[i].said};
        struct verdict verdict = adapter_judge(&adapter, NULL, &message, &response, TEST_NOW_MS);
        ck_assert_int_eq(verdict.gone_since_ms, times[i].gone_since);
        ck_assert_int_eq(verdict.not_before_ms, times[i].not_before);
    }
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        told = (struct verdict){.kind = VERDICT_SENT};
        strcpy(told.cost, costs[i].cost);
        strcpy(told.currency, costs[i].currency);
        struct verdict verdict = adapter_judge(&adapter, NULL, &message, &response, TEST_NOW_MS);
        char kept[40];
        snprintf(kept, sizeof kept, "%s %s", verdict.cost, verdict.currency);
        ck_assert_str_eq(kept, costs[i].kept);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verdict");
    TCase *tests = tcase_create("verdict");
    tcase_add_test(tests, test_failures);
    tcase_add_test(tests, test_blame);
    tcase_add_test(tests, test_what_a_vendor_says_is_bounded);
    tcase_add_test(tests, test_blame_of_adapters);
    tcase_add_test(tests, test_reason);
    tcase_add_test(tests, test_registry);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
