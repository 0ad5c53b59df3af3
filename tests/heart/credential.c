/* A provider's access token: when it is fetched, and what a refusal of it costs. */
#include <check.h>

#include "core/clock.h"
#include "fakes/lone.h"
#include "support/suite.h"

static void setup(void)
{
    lone_setup();
    lone_make("token");
}

static void answer(const char *path, int status)
{
    fake_endpoint_answer(path, status, "");
}

static void token_is(const char *token)
{
    fake_endpoint_answer("token", 200, token);
}

/* Message 1 is on its way with the token t1. */
static struct job *sent_with_t1(void)
{
    struct job *job = lone_submit(1);
    token_is("t1");
    journal_expect("login:token apple:1(t1)");
    return job;
}

START_TEST(test_nothing_is_sent_before_there_is_a_token)
{
    lone_submit(1);
    lone_submit(2);
    journal_expect("login:token");
    fake_time_pass(1000);
    journal_expect("");
    token_is("t1");
    journal_expect("apple:1(t1) apple:2(t1)");
    answer("1", 200);
    lone_submit(3);
    journal_expect("1=sent capacity apple:3(t1)");
}
END_TEST

START_TEST(test_a_token_that_has_run_out_is_fetched_again)
{
    sent_with_t1();
    answer("1", 200);
    fake_time_pass(FAKE_TOKEN_MS - 1);
    lone.flight.deadline = clock_mono() + LONE_FLIGHT_MS;
    lone_submit(2);
    journal_expect("1=sent apple:2(t1)");
    fake_time_pass(1);
    lone_submit(3);
    journal_expect("login:token");
    token_is("t2");
    journal_expect("apple:3(t2)");
}
END_TEST

START_TEST(test_a_message_with_a_stale_token_is_sent_again_with_a_new_one)
{
    sent_with_t1();
    answer("1", 401);
    journal_expect("login:token");
    token_is("t2");
    journal_expect("apple:1(t2)");
    answer("1", 200);
    journal_expect("1=sent");
}
END_TEST

START_TEST(test_a_second_refusal_is_no_question_of_time)
{
    struct job *job = sent_with_t1();
    answer("1", 401);
    token_is("t2");
    journal_expect("login:token apple:1(t2)");
    fake_endpoint_answer("1", 401, "stale");
    journal_expect("stopped(401 stale) 1=back");
    ck_assert_ptr_eq(job->tried[0], lone.provider);
}
END_TEST

START_TEST(test_late_refusals_of_an_old_token_do_not_cost_the_new_one)
{
    sent_with_t1();
    lone_submit(2);
    answer("1", 401);
    token_is("t2");
    journal_expect("apple:2(t1) login:token capacity apple:1(t2)");
    answer("2", 401);
    journal_expect("apple:2(t2)");
}
END_TEST

START_TEST(test_refusals_that_come_together_fetch_one_token)
{
    sent_with_t1();
    lone_submit(2);
    answer("1", 401);
    answer("2", 401);
    journal_expect("apple:2(t1) login:token capacity");
    token_is("t2");
    journal_expect("apple:1(t2) apple:2(t2)");
}
END_TEST

START_TEST(test_nobody_waits_for_a_token_that_does_not_come)
{
    lone_submit(1);
    answer("token", 500);
    journal_expect("login:token 1=back");
    ck_assert(!provider_is_open(lone.provider));
    fake_time_pass(provider_closed_for(lone.provider));
    journal_expect("capacity");
    lone_submit(2);
    journal_expect("login:token");
    fake_time_pass(20000); /* its time limit */
    journal_expect("2=back");
}
END_TEST

START_TEST(test_a_refused_login_stops_the_provider)
{
    lone_submit(1);
    answer("token", 403);
    journal_expect("login:token stopped(no token: 403) 1=back");
    ck_assert_int_eq(provider_closed_for(lone.provider), 60000);
}
END_TEST

START_TEST(test_a_withdrawn_flight_waits_for_no_token)
{
    sent_with_t1();
    lone.flight.withdrawn = true;
    answer("1", 401);
    journal_expect("1=back");
}
END_TEST

START_TEST(test_nothing_waits_for_a_token_at_a_closed_provider)
{
    sent_with_t1();
    lone_submit(2);
    answer("1", 429);
    answer("2", 401);
    journal_expect("apple:2(t1) 1=back capacity 2=back");
}
END_TEST

START_TEST(test_a_retired_provider_needs_no_token)
{
    sent_with_t1();
    lone_submit(2);
    answer("2", 401);
    journal_expect("apple:2(t1) login:token capacity");
    provider_retire(lone.provider);
    lone.provider = NULL;
    journal_expect("2=back");
    ck_assert_uint_eq(fake_endpoints_requests(), 1); /* the first message's */
    answer("1", 200);
    fake_time_pass(0);
}
END_TEST

START_TEST(test_a_provider_goes_while_its_token_is_fetched)
{
    lone_submit(1);
    provider_retire(lone.provider);
    lone.provider = NULL;
    fake_time_pass(0);
    journal_expect("login:token 1=back");
    ck_assert_uint_eq(fake_endpoints(), 0);
    lone_make("token");
    lone_submit(2);
    provider_free(lone.provider);
    lone.provider = NULL;
    journal_expect("login:token 2=back");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential");
    TCase *tcase = tcase_create("credential");
    tcase_add_checked_fixture(tcase, setup, lone_teardown);
    tcase_add_test(tcase, test_nothing_is_sent_before_there_is_a_token);
    tcase_add_test(tcase, test_a_token_that_has_run_out_is_fetched_again);
    tcase_add_test(tcase, test_a_message_with_a_stale_token_is_sent_again_with_a_new_one);
    tcase_add_test(tcase, test_a_second_refusal_is_no_question_of_time);
    tcase_add_test(tcase, test_late_refusals_of_an_old_token_do_not_cost_the_new_one);
    tcase_add_test(tcase, test_refusals_that_come_together_fetch_one_token);
    tcase_add_test(tcase, test_nobody_waits_for_a_token_that_does_not_come);
    tcase_add_test(tcase, test_a_refused_login_stops_the_provider);
    tcase_add_test(tcase, test_a_withdrawn_flight_waits_for_no_token);
    tcase_add_test(tcase, test_nothing_waits_for_a_token_at_a_closed_provider);
    tcase_add_test(tcase, test_a_retired_provider_needs_no_token);
    tcase_add_test(tcase, test_a_provider_goes_while_its_token_is_fetched);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
