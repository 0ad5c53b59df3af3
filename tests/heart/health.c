/* How a provider that fails is left alone and tried again, and when dead addresses are not believed. */
#include <check.h>
#include <stdio.h>

#include "core/clock.h"
#include "fakes/lone.h"
#include "support/suite.h"

static void setup(void)
{
    lone_setup();
    lone_make("plain");
}

/* A message is sent and answered so; each has a flight of its own. */
static void send(int64_t id, int status)
{
    char path[24];
    lone.flight.deadline = clock_mono() + LONE_FLIGHT_MS;
    lone_submit(id);
    snprintf(path, sizeof path, "%d", (int)id);
    fake_endpoint_answer(path, status, "busy");
}

static void send_some(int count, int status)
{
    for (int i = 0; i < count; i++)
        send(1, status);
    journal_read();
}

static void open_breaker(void)
{
    send_some(5, 500);
    ck_assert(!provider_is_open(lone.provider));
}

START_TEST(test_five_faults_in_a_row_close_it)
{
    send_some(4, 500);
    ck_assert(provider_is_open(lone.provider));
    for (int id = 1; id <= 3; id++)
        lone_submit(id);
    journal_read();
    fake_endpoint_answer("1", 500, "busy");
    journal_expect("open(500 busy) 3=back 1=back capacity");
    ck_assert(!provider_is_open(lone.provider));
    ck_assert_int_eq(provider_closed_for(lone.provider), 1000);
}
END_TEST

START_TEST(test_no_answer_is_its_fault)
{
    lone_submit(1);
    for (int i = 0; i < 3; i++)
        fake_endpoint_fail("1", SEND_UNSENT, FAULT_CONNECT);
    lone_submit(2);
    fake_endpoint_fail("2", SEND_IN_DOUBT, FAULT_TIMEOUT);
    lone_submit(3);
    journal_read();
    fake_endpoint_fail("3", SEND_UNSENT, FAULT_TLS);
    journal_expect("open(TLS) 3=back");
}
END_TEST

START_TEST(test_what_is_not_its_fault)
{
    static const int statuses[] = {200, 400, 409, 410};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        send_some(2, 500);
        send_some(3, statuses[i]);
    }
    ck_assert(provider_is_open(lone.provider));
}
END_TEST

START_TEST(test_a_stream_that_was_refused_is_no_news)
{
    send_some(4, 500);
    lone_submit(1);
    journal_read();
    fake_endpoint_fail("1", SEND_UNSENT, FAULT_REFUSED);
    fake_endpoint_fail("1", SEND_UNSENT, FAULT_REFUSED);
    journal_expect("apple:1 apple:1"); /* not a fifth fault, */
    fake_endpoint_answer("1", 500, "busy");
    journal_expect("open(500 busy) 1=back"); /* nor an answer between them */
}
END_TEST

START_TEST(test_faults_of_a_stopped_provider_do_not_count)
{
    send_some(4, 500);
    lone_submit(1);
    provider_set_stopped(lone.provider, 60000);
    journal_read();
    fake_endpoint_answer("1", 500, "busy");
    journal_expect("1=back");
}
END_TEST

START_TEST(test_it_is_tried_with_one_message)
{
    open_breaker();
    fake_time_pass(999);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("probing(500 busy) capacity");
    ck_assert_uint_eq(provider_room(lone.provider), 1);
    lone.flight.deadline = clock_mono() + LONE_FLIGHT_MS;
    lone_submit(1);
    ck_assert(!provider_is_open(lone.provider));
    ck_assert(!provider_opens_soon(lone.provider));
    lone_submit(2);
    journal_expect("apple:1");
    fake_endpoint_answer("1", 200, "");
    journal_expect("1=sent apple:2");
    ck_assert_uint_eq(provider_room(lone.provider), 1);
}
END_TEST

START_TEST(test_twenty_good_answers_open_it)
{
    open_breaker();
    fake_time_pass(1000);
    send_some(19, 200);
    send(1, 200);
    journal_expect("apple:1 closed 1=sent");
}
END_TEST

START_TEST(test_a_bad_probe_closes_it_for_longer)
{
    open_breaker();
    for (int64_t wait = 1000; wait <= 16000; wait *= 2) {
        ck_assert_int_eq(provider_closed_for(lone.provider), wait);
        fake_time_pass(wait);
        journal_expect("probing(500 busy) capacity");
        send(1, 500);
        journal_expect("apple:1 open(500 busy) 1=back");
    }
}
END_TEST

START_TEST(test_answers_from_before_do_not_decide_about_the_probe)
{
    lone_submit(9);
    open_breaker();
    fake_time_pass(2000); /* longer than it was to be closed */
    journal_expect("");
    fake_endpoint_answer("9", 500, "late");
    fake_time_pass(100);
    journal_expect("9=back probing(500 busy) capacity");
}
END_TEST

START_TEST(test_its_state_can_be_told_again)
{
    provider_tell_health(lone.provider);
    journal_expect(""); /* there is nothing to tell yet */
    open_breaker();
    provider_tell_health(lone.provider);
    journal_expect("open(500 busy)");
    provider_retire(lone.provider); /* who follows begins anew */
    lone.provider = NULL;
    journal_expect("closed");
    fake_time_pass(0);
}
END_TEST

static bool distrusts(void)
{
    char reason[200];
    return provider_distrusts_gone(lone.provider, reason, sizeof reason);
}

START_TEST(test_a_few_dead_addresses_are_believed)
{
    send_some(19, 410);
    ck_assert(!distrusts()); /* whatever their share */
    send_some(47, 200);
    send_some(1, 410);
    ck_assert(!distrusts()); /* 20 of 67: 30 percent are allowed */
    send_some(1, 410);
    ck_assert(distrusts());
}
END_TEST

START_TEST(test_too_many_dead_addresses_stop_it)
{
    send_some(20, 410);
    ck_assert(distrusts());
    journal_expect("stopped(20 of 20 addresses were reported gone: taken for a fault of the configuration)");
    ck_assert(distrusts());
    journal_expect(""); /* said once */
    ck_assert_int_eq(provider_closed_for(lone.provider), 60000);
}
END_TEST

/* Frees the provider and makes the one that follows it of the same row; tells what that one thinks. */
static bool successor_distrusts(void)
{
    struct provider *former = lone.provider;
    provider_inherit(lone_make("plain"), former);
    provider_free(former);
    return distrusts();
}

START_TEST(test_dead_addresses_are_remembered_unless_something_was_mended)
{
    send_some(20, 410);
    ck_assert(successor_distrusts()); /* and stops */
    ck_assert(!successor_distrusts());
    send_some(20, 410);
    lone.row.settings = "{\"url\": \"https://pear\"}";
    ck_assert(!successor_distrusts());
    send_some(20, 410);
    ck_assert(distrusts());
    fake_time_pass(60000); /* the stop ran out by itself */
    ck_assert(successor_distrusts());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("health");
    TCase *tcase = tcase_create("health");
    tcase_add_checked_fixture(tcase, setup, lone_teardown);
    tcase_add_test(tcase, test_five_faults_in_a_row_close_it);
    tcase_add_test(tcase, test_no_answer_is_its_fault);
    tcase_add_test(tcase, test_what_is_not_its_fault);
    tcase_add_test(tcase, test_a_stream_that_was_refused_is_no_news);
    tcase_add_test(tcase, test_faults_of_a_stopped_provider_do_not_count);
    tcase_add_test(tcase, test_it_is_tried_with_one_message);
    tcase_add_test(tcase, test_twenty_good_answers_open_it);
    tcase_add_test(tcase, test_a_bad_probe_closes_it_for_longer);
    tcase_add_test(tcase, test_answers_from_before_do_not_decide_about_the_probe);
    tcase_add_test(tcase, test_its_state_can_be_told_again);
    tcase_add_test(tcase, test_a_few_dead_addresses_are_believed);
    tcase_add_test(tcase, test_too_many_dead_addresses_stop_it);
    tcase_add_test(tcase, test_dead_addresses_are_remembered_unless_something_was_mended);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
