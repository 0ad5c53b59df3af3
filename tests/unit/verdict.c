#include "providers/verdict.h"

#include <string.h>

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
            struct verdict verdict = adapters[k]->judge(NULL, &message, &response, TEST_NOW_MS);
            ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%s row %zu: %s",
                          adapters[k]->name, i, verdict_name(verdict.kind));
            ck_assert(strstr(verdict.reason, "line one  line two") != NULL);
        }
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

int main(void)
{
    Suite *suite = suite_create("verdict");
    TCase *tests = tcase_create("verdict");
    tcase_add_test(tests, test_failures);
    tcase_add_test(tests, test_reason);
    tcase_add_test(tests, test_registry);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
