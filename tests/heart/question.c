/* Questions about messages in doubt: when a provider has time for one, and what becomes of the answer. */
#include <check.h>
#include <stdio.h>

#include "core/clock.h"
#include "dispatcher/question.h"
#include "dispatcher/send.h"
#include "fakes/lone.h"
#include "support/suite.h"

static const struct message message = {.id = 7, .recipient = "kim"};
static struct question question;

static void on_answered(void *arg, const struct verdict *verdict)
{
    (void)arg;
    journal_add("?7=%s", verdict_name(verdict->kind));
}

static void setup(void)
{
    lone_setup();
    lone_make("asked");
}

/* Asks about message 7, which was sent so long ago. */
static bool ask_after(int64_t ms)
{
    question = (struct question){.message = &message,
                                 .sent = {.from_ms = clock_ms() - ms, .upto_ms = clock_ms() - ms},
                                 .arena = lone.flight.arena,
                                 .answered = on_answered};
    return question_ask(&question, lone.provider);
}

static bool ask(void)
{
    return ask_after(FAKE_TOO_EARLY_MS);
}

START_TEST(test_an_answer)
{
    static const struct {
        int status;
        const char *body, *words;
    } rows[] = {{200, "{\"took\": true}", "apple:?7 ?7=sent"},
                {200, "{\"took\": false}", "apple:?7 ?7=unsent"},
                {200, "{}", "apple:?7 ?7=in_doubt"},
                {500, "", "apple:?7 ?7=in_doubt"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert(ask());
        ck_assert_int_eq(fake_endpoint_request("?7")->timeout_ms, 10000);
        fake_endpoint_answer("?7", rows[i].status, rows[i].body);
        journal_expect(rows[i].words);
    }
    ck_assert(ask());
    fake_time_pass(10000);
    journal_expect("apple:?7 ?7=in_doubt");
}
END_TEST

START_TEST(test_too_early)
{
    ck_assert(question_is_timely(lone.provider));
    ck_assert(!ask_after(FAKE_TOO_EARLY_MS - 1));
    journal_expect("");
}
END_TEST

START_TEST(test_who_cannot_be_asked)
{
    ck_assert(question_is_possible(lone.provider));
    provider_free(lone.provider);
    lone_make("plain");
    ck_assert(!question_is_possible(lone.provider));
    ck_assert(!ask());
}
END_TEST

START_TEST(test_messages_go_first)
{
    lone_submit(1);
    lone_submit(2);
    ck_assert(!ask()); /* there is no slot */
    fake_endpoint_answer("1", 200, "");
    ck_assert(ask());
    lone_submit(3);
    journal_expect("apple:1 apple:2 1=sent capacity apple:?7");
    fake_endpoint_answer("?7", 200, "{}");
    journal_expect("?7=in_doubt apple:3");
    fake_endpoint_answer("2", 200, "");
    fake_endpoints_take(1);
    lone_submit(4);
    fake_endpoints_take(2); /* there is a slot, but a message will have it */
    ck_assert(!ask());
}
END_TEST

START_TEST(test_a_provider_in_trouble_is_not_asked)
{
    for (int i = 0; i < 5; i++) {
        lone_submit(1);
        fake_endpoint_answer("1", 500, "");
    }
    ck_assert(!ask());
    fake_time_pass(1000); /* it is tried by messages only */
    ck_assert(provider_is_open(lone.provider));
    ck_assert(!ask());
}
END_TEST

START_TEST(test_a_stopped_provider_is_not_asked)
{
    provider_set_stopped(lone.provider, 60000);
    ck_assert(!ask());
}
END_TEST

START_TEST(test_a_question_counts_for_the_limits)
{
    provider_free(lone.provider);
    lone.row.limited = true;
    lone_make("asked");
    ck_assert(!ask()); /* but what it needs is leased */
    fake_time_pass(0);
    journal_expect("lease(1,0,0)");
    send_leased(lone.provider, true, 1, 9, 0);
    ck_assert(ask());
    ck_assert(!question_is_timely(lone.provider));
    fake_time_pass(0);
    journal_expect("capacity apple:?7 lease(2,0,1)");
    fake_endpoint_answer("?7", 200, "{}");
    journal_expect("?7=in_doubt");
}
END_TEST

START_TEST(test_a_retired_provider_stays_for_its_answer)
{
    ck_assert(ask());
    provider_retire(lone.provider);
    lone.provider = NULL;
    fake_time_pass(0);
    ck_assert_uint_eq(fake_endpoints(), 1);
    fake_endpoint_answer("?7", 200, "{\"took\": true}");
    fake_time_pass(0);
    ck_assert_uint_eq(fake_endpoints(), 0);
    journal_expect("apple:?7 ?7=sent");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("question");
    TCase *tcase = tcase_create("question");
    tcase_add_checked_fixture(tcase, setup, lone_teardown);
    tcase_add_test(tcase, test_an_answer);
    tcase_add_test(tcase, test_too_early);
    tcase_add_test(tcase, test_who_cannot_be_asked);
    tcase_add_test(tcase, test_messages_go_first);
    tcase_add_test(tcase, test_a_provider_in_trouble_is_not_asked);
    tcase_add_test(tcase, test_a_stopped_provider_is_not_asked);
    tcase_add_test(tcase, test_a_question_counts_for_the_limits);
    tcase_add_test(tcase, test_a_retired_provider_stays_for_its_answer);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
