/* A provider with limits over all dispatchers: what it sends with a lease, and without. */
#include <check.h>

#include "dispatcher/send.h"
#include "fakes/lone.h"
#include "support/suite.h"

static void setup(void)
{
    lone_setup();
    lone.row.limited = true;
    lone.row.max_streams = 10;
    lone_make("plain");
}

static void submit(int first, int last)
{
    for (int id = first; id <= last; id++)
        lone_submit(id);
    fake_time_pass(0);
}

static void granted(int tokens, int slots)
{
    send_leased(lone.provider, true, tokens, slots, 0);
}

START_TEST(test_nothing_is_sent_without_a_lease)
{
    ck_assert_uint_eq(provider_room(lone.provider), 1); /* one shows whether there are more */
    submit(1, 2);
    journal_expect("lease(2,0,0)");
    ck_assert_uint_eq(provider_room(lone.provider), 0);
    granted(2, 10);
    journal_expect("apple:1 apple:2");
}
END_TEST

START_TEST(test_what_the_lease_leaves_out_goes_elsewhere)
{
    submit(1, 3);
    granted(2, 10);
    journal_expect("lease(3,0,0) apple:1 apple:2 3=back");
    ck_assert(!provider_is_open(lone.provider));
    ck_assert_int_eq(provider_closed_for(lone.provider), 100); /* until the next lease */
    ck_assert(provider_opens_soon(lone.provider));
    lone_submit(4);
    ck_assert(!provider_opens_soon(lone.provider)); /* one may wait */
}
END_TEST

START_TEST(test_slots_are_a_limit_too)
{
    submit(1, 3);
    granted(3, 2);
    journal_expect("lease(3,0,0) apple:1 apple:2 3=back");
    fake_endpoint_answer("1", 200, "");
    ck_assert_uint_eq(provider_room(lone.provider), 1);
    lone_submit(4);
    journal_expect("1=sent apple:4");
}
END_TEST

START_TEST(test_a_question_that_is_lost_gives_nothing)
{
    submit(1, 1);
    send_leased(lone.provider, false, 0, 0, 0);
    journal_expect("lease(1,0,0) 1=back");
    lone.away = true; /* nobody can be asked */
    fake_time_pass(100);
    submit(2, 2);
    journal_expect("");
    ck_assert_uint_eq(provider_room(lone.provider), 0);
    lone.away = false;
    fake_time_pass(100);
    journal_expect("lease(1,0,0)");
    granted(2, 10);
    journal_expect("apple:2 capacity");
}
END_TEST

START_TEST(test_room_is_leased_before_there_are_messages)
{
    provider_demand(lone.provider);
    fake_time_pass(0);
    journal_expect("lease(1,0,0)");
    granted(8, 8);
    journal_expect("capacity");
    ck_assert_uint_eq(provider_room(lone.provider), 8);
    lone_submit(1);
    journal_expect("apple:1");
    ck_assert_uint_eq(provider_room(lone.provider), 7);
}
END_TEST

START_TEST(test_what_is_not_used_is_given_back)
{
    submit(1, 1);
    granted(5, 10);
    journal_expect("lease(1,0,0) apple:1 capacity");
    provider_give_back(lone.provider);
    journal_expect("lease(0,4,1)");
    fake_endpoint_answer("1", 200, "");
    fake_time_pass(100);
    journal_expect("1=sent lease(0,0,0)"); /* others may have its slot */
}
END_TEST

START_TEST(test_a_stopped_provider_asks_for_nothing)
{
    provider_set_stopped(lone.provider, 60000);
    provider_demand(lone.provider);
    fake_time_pass(1000);
    journal_expect("");
}
END_TEST

START_TEST(test_what_its_predecessor_has_in_the_air_counts)
{
    struct provider *former = lone.provider;
    submit(1, 1);
    granted(1, 2);
    journal_expect("lease(1,0,0) apple:1");
    lone.row.rules.priority = 7;
    provider_inherit(lone_make("plain"), former);
    provider_retire(former);
    journal_expect("lease(0,0,1)");
    submit(2, 2);
    journal_expect("lease(1,0,1)");
    granted(1, 2);
    journal_expect("apple:2");
    fake_endpoint_answer("1", 200, "");
    fake_time_pass(0); /* the predecessor is freed, its limits are not */
    journal_expect("1=sent");
    fake_time_pass(100);
    journal_expect("lease(2,0,1)");
}
END_TEST

/* They come back one after another, at the pace of the limit, not all with the next lease. */
START_TEST(test_each_that_is_turned_away_has_its_turn)
{
    submit(1, 3);
    granted(1, 10);
    journal_expect("lease(3,0,0) apple:1 2=back 3=back");
    int64_t turn = provider_turn(lone.provider, 60000);
    ck_assert_int_ge(turn, 100);
    ck_assert_int_eq(provider_turn(lone.provider, 60000), turn + 25);
    ck_assert_int_eq(provider_turn(lone.provider, 60000), turn + 50);
    ck_assert_int_eq(provider_turn(lone.provider, turn), turn);
}
END_TEST

START_TEST(test_limits_that_were_raised_are_asked_for_at_once)
{
    submit(1, 1);
    send_leased(lone.provider, true, 0, 10, 50000);
    fake_time_pass(1000);
    journal_expect("lease(1,0,0) 1=back");
    provider_limits_read(lone.provider);
    fake_time_pass(0);
    journal_expect("lease(1,0,0)");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tcase = tcase_create("limits");
    tcase_add_checked_fixture(tcase, setup, lone_teardown);
    tcase_add_test(tcase, test_nothing_is_sent_without_a_lease);
    tcase_add_test(tcase, test_what_the_lease_leaves_out_goes_elsewhere);
    tcase_add_test(tcase, test_slots_are_a_limit_too);
    tcase_add_test(tcase, test_a_question_that_is_lost_gives_nothing);
    tcase_add_test(tcase, test_room_is_leased_before_there_are_messages);
    tcase_add_test(tcase, test_what_is_not_used_is_given_back);
    tcase_add_test(tcase, test_a_stopped_provider_asks_for_nothing);
    tcase_add_test(tcase, test_what_its_predecessor_has_in_the_air_counts);
    tcase_add_test(tcase, test_each_that_is_turned_away_has_its_turn);
    tcase_add_test(tcase, test_limits_that_were_raised_are_asked_for_at_once);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
