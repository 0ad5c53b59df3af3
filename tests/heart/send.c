/* How jobs go to their provider, out as requests, and come back judged or handed back. */
#include <check.h>

#include "core/clock.h"
#include "dispatcher/send.h"
#include "fakes/lone.h"
#include "support/suite.h"

static void answer(const char *path, int status)
{
    fake_endpoint_answer(path, status, "");
}

static void is_unsent(const char *path)
{
    fake_endpoint_fail(path, SEND_UNSENT, FAULT_CONNECT);
}

START_TEST(test_a_message_is_sent)
{
    lone_make("plain");
    struct job *job = lone_submit(7);
    journal_expect("apple:7");
    ck_assert_int_eq(job->state, JOB_IN_THE_AIR);
    fake_time_pass(20);
    fake_endpoint_answer("7", 200, "its id");
    journal_expect("7=sent");
    ck_assert_int_eq(job->state, JOB_JUDGED);
    ck_assert_str_eq(job->verdict.provider_id, "its id");
    ck_assert_str_eq(job->provider_name, "apple");
    ck_assert_int_eq(job->sent_ms, FAKE_TIME_MS);
    ck_assert_int_eq(job->judged_ms, FAKE_TIME_MS + 20);
}
END_TEST

START_TEST(test_what_has_no_slot_waits)
{
    lone_make("plain");
    for (int id = 1; id <= 4; id++)
        lone_submit(id);
    journal_expect("apple:1 apple:2");
    answer("2", 200);
    journal_expect("2=sent apple:3");
    answer("1", 200);
    answer("3", 200);
    journal_expect("1=sent apple:4 3=sent capacity");
    answer("4", 200);
    journal_expect("4=sent");
}
END_TEST

START_TEST(test_a_server_may_take_less_at_once)
{
    lone_make("plain");
    fake_endpoints_take(1);
    lone_submit(1);
    lone_submit(2);
    journal_expect("apple:1");
    fake_endpoints_take(2);
    send_on_slots(lone.provider);
    journal_expect("apple:2 capacity");
}
END_TEST

START_TEST(test_a_provider_has_room_for_as_much_again)
{
    struct provider *provider = lone_make("plain");
    ck_assert_uint_eq(provider_room(provider), 4);
    for (int id = 1; id <= 4; id++)
        lone_submit(id);
    ck_assert_uint_eq(provider_room(provider), 0);
    ck_assert(provider_is_open(provider)); /* more may be given to it; it is only no use */
    answer("1", 200);
    ck_assert_uint_eq(provider_room(provider), 1);
}
END_TEST

/* What an answer means is the adapter's business; who gets the message next is not. */
START_TEST(test_what_becomes_of_an_answer)
{
    static const struct {
        int status;
        const char *words;
        bool tried; /* so that another provider may take it */
    } rows[] = {
        {200, "7=sent", false},  {400, "7=rejected", false},     {403, "stopped(403 ) 7=back", true},
        {409, "7=retry", false}, {410, "7=address_gone", false}, {429, "7=back", true},
        {500, "7=back", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lone_make("plain");
        struct job *job = lone_submit(7);
        journal_expect("apple:7");
        answer("7", rows[i].status);
        journal_expect(rows[i].words);
        ck_assert_int_eq(job->tried_count, rows[i].tried);
        ck_assert_ptr_eq(job->tried[0], rows[i].tried ? lone.provider : NULL);
        provider_free(lone.provider);
        lone.provider = NULL;
    }
}
END_TEST

START_TEST(test_what_may_have_been_processed_is_not_repeated)
{
    lone_make("plain");
    struct job *job = lone_submit(7);
    fake_endpoint_fail("7", SEND_IN_DOUBT, FAULT_PROTOCOL);
    journal_expect("apple:7 7=in_doubt");
    ck_assert_int_eq(job->sends, 1);
}
END_TEST

START_TEST(test_what_was_not_processed_is_sent_three_times_at_most)
{
    lone_make("plain");
    struct job *job = lone_submit(7);
    is_unsent("7");
    is_unsent("7");
    journal_expect("apple:7 apple:7 apple:7");
    is_unsent("7");
    journal_expect("7=back");
    ck_assert_ptr_eq(job->tried[0], lone.provider);
    ck_assert_int_eq(job->verdict.kind, VERDICT_UNSENT); /* what stands if no other takes it */
}
END_TEST

START_TEST(test_nothing_is_repeated_for_a_withdrawn_flight)
{
    lone_make("plain");
    lone_submit(7);
    lone.flight.withdrawn = true;
    is_unsent("7");
    journal_expect("apple:7 7=back");
}
END_TEST

START_TEST(test_what_is_queued_is_handed_back_and_what_is_in_the_air_is_not)
{
    lone_make("plain");
    struct flight other = lone.flight;
    for (int id = 1; id <= 3; id++)
        lone_submit(id);
    struct job *job = lone_submit(4);
    job->flight = &other;
    journal_expect("apple:1 apple:2");
    provider_hand_back(lone.provider, &lone.flight);
    journal_expect("3=back");
    answer("1", 200);
    journal_expect("1=sent apple:4");
    provider_hand_back(lone.provider, NULL);
    journal_expect("");
    answer("4", 200);
    journal_expect("4=sent capacity");
    answer("2", 200);
    journal_expect("2=sent");
}
END_TEST

START_TEST(test_a_throttled_provider_rests)
{
    struct provider *provider = lone_make("plain");
    for (int id = 1; id <= 3; id++)
        lone_submit(id);
    answer("1", 429);
    journal_expect("apple:1 apple:2 3=back 1=back capacity");
    ck_assert(!provider_is_open(provider));
    ck_assert_uint_eq(provider_room(provider), 0);
    ck_assert_int_eq(provider_closed_for(provider), FAKE_THROTTLED_MS);
    answer("2", 200); /* that one was faster */
    fake_time_pass(FAKE_THROTTLED_MS - 1);
    journal_expect("2=sent");
    fake_time_pass(1);
    journal_expect("capacity");
    ck_assert(provider_is_open(provider));
}
END_TEST

START_TEST(test_a_longer_rest_stands)
{
    lone_make("plain");
    lone_submit(1);
    provider_set_stopped(lone.provider, 60000);
    answer("1", 429);
    ck_assert_int_eq(provider_closed_for(lone.provider), 60000);
}
END_TEST

START_TEST(test_a_stop_is_reported_once_for_all_that_were_in_the_air)
{
    struct provider *provider = lone_make("plain");
    lone_submit(1);
    lone_submit(2);
    lone_submit(3);
    journal_expect("apple:1 apple:2");
    fake_endpoint_answer("1", 403, "key");
    journal_expect("stopped(403 key) 3=back 1=back capacity");
    fake_endpoint_answer("2", 403, "key");
    journal_expect("2=back");
    ck_assert_int_eq(provider_closed_for(provider), 60000);
    /* A minute later it is tried again. Its row still says that it is stopped, but not for how long. */
    fake_time_pass(60000);
    lone.flight.deadline = clock_mono() + LONE_FLIGHT_MS;
    lone_submit(4);
    fake_endpoint_answer("4", 403, "key");
    journal_expect("capacity apple:4 stopped(403 key) 4=back");
}
END_TEST

START_TEST(test_a_request_has_its_own_time_or_what_is_left)
{
    lone_make("plain");
    lone_submit(1);
    ck_assert_int_eq(fake_endpoint_request("1")->timeout_ms, 10000);
    answer("1", 200);
    lone.flight = (struct flight){
        .arena = lone.flight.arena, .time = 8000, .deadline = clock_mono() + 5000, .done = lone.flight.done};
    lone_submit(2);
    ck_assert_int_eq(fake_endpoint_request("2")->timeout_ms, 5000);
    fake_time_pass(5000);
    journal_expect("apple:1 1=sent apple:2 2=in_doubt");
}
END_TEST

START_TEST(test_what_would_not_get_its_time_is_not_begun)
{
    lone_make("plain");
    fake_time_pass(LONE_FLIGHT_MS - 10000 + 1);
    struct job *job = lone_submit(1);
    journal_expect("1=unsent");
    ck_assert_str_eq(job->verdict.reason, "the batch's deadline came first");
    ck_assert_ptr_null(job->provider_name);
    /* Of a deadline that is shorter than two requests, half must do. */
    lone.flight.time = 12000;
    lone.flight.deadline = clock_mono() + 6000;
    lone_submit(2);
    journal_expect("apple:2");
    lone.flight.deadline--;
    lone_submit(3);
    journal_expect("3=unsent");
}
END_TEST

START_TEST(test_what_was_said_before_the_deadline_stands)
{
    lone_make("plain");
    struct job *job = lone_submit(1);
    lone.flight.deadline = clock_mono();
    fake_endpoint_answer("1", 421, "go away");
    journal_expect("apple:1 renew:apple 1=unsent");
    ck_assert_str_eq(job->verdict.reason, "421 go away");
}
END_TEST

START_TEST(test_what_cannot_be_built_is_not_sent)
{
    lone_make("plain");
    struct job *job = lone_submit_to(1, "nowhere");
    journal_expect("1=rejected");
    ck_assert_int_eq(job->sends, 0);
}
END_TEST

START_TEST(test_connections_are_renewed_once_for_many_answers)
{
    lone_make("plain");
    lone_submit(1);
    lone_submit(2);
    journal_read();
    answer("1", 421);
    answer("2", 421);
    journal_expect("renew:apple apple:1 apple:2");
    fake_time_pass(1001);
    answer("1", 421);
    journal_expect("renew:apple apple:1");
}
END_TEST

START_TEST(test_recipients_with_hosts_of_their_own)
{
    struct provider *provider = lone_make("own");
    ck_assert_uint_eq(fake_endpoints(), 0);
    lone_submit_to(1, "kim.example");
    lone_submit_to(2, "lee.example");
    lone_submit_to(3, "kim.example");
    journal_expect("kim.example:1 lee.example:2 kim.example:3");
    ck_assert_uint_eq(fake_endpoints(), 2);
    answer("1", 200);
    answer("2", 421); /* one recipient's server says nothing about the others */
    journal_expect("1=sent capacity lee.example:2");
    ck_assert(provider_is_open(provider));
}
END_TEST

static const char *host(int number)
{
    return arena_printf(lone.flight.arena, "host%d", number);
}

START_TEST(test_hosts_of_recipients_make_way_for_others)
{
    lone_make("own");
    for (int id = 1; id <= 65; id++) {
        lone_submit_to(id, host(id));
        answer(arena_printf(lone.flight.arena, "%d", id), 200);
    }
    fake_time_pass(0);
    ck_assert_uint_eq(fake_endpoints(), 64);
    journal_read();
    for (int id = 101; id <= 164; id++)
        lone_submit_to(id, host(id));
    journal_read();
    struct job *job = lone_submit_to(165, host(165));
    journal_expect("165=unsent");
    ck_assert_str_eq(job->verdict.reason, "too many hosts at once");
}
END_TEST

START_TEST(test_a_slot_that_was_awaited_is_reported)
{
    lone_make("plain");
    lone_submit(1);
    lone_submit(2);
    journal_read();
    send_on_slots(lone.provider);
    journal_expect("capacity");
    lone_submit(3);
    answer("1", 200);
    journal_expect("1=sent apple:3");
    answer("2", 200);
    journal_expect("2=sent capacity");
}
END_TEST

START_TEST(test_a_provider_that_is_freed_ends_what_it_has)
{
    lone_make("plain");
    for (int id = 1; id <= 3; id++)
        lone_submit(id);
    provider_free(lone.provider);
    lone.provider = NULL;
    journal_expect("apple:1 apple:2 1=in_doubt 2=in_doubt 3=back");
    lone_make("plain");
    for (int id = 1; id <= 3; id++)
        lone_submit(id);
    fake_endpoints_end_as(SEND_UNSENT);
    provider_free(lone.provider);
    lone.provider = NULL;
    journal_expect("apple:1 apple:2 1=back 2=back 3=back");
}
END_TEST

START_TEST(test_a_retired_provider_goes_when_its_air_is_empty)
{
    lone_make("plain");
    for (int id = 1; id <= 3; id++)
        lone_submit(id);
    provider_retire(lone.provider);
    journal_expect("apple:1 apple:2 3=back");
    lone.provider = NULL;
    answer("1", 200);
    fake_time_pass(5000);
    ck_assert_uint_eq(fake_endpoints(), 1);
    answer("2", 403); /* its row has been replaced: that one is not stopped for it */
    fake_time_pass(0);
    journal_expect("1=sent capacity 2=back");
    ck_assert_uint_eq(fake_endpoints(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("send");
    TCase *tcase = tcase_create("send");
    tcase_add_checked_fixture(tcase, lone_setup, lone_teardown);
    tcase_add_test(tcase, test_a_message_is_sent);
    tcase_add_test(tcase, test_what_has_no_slot_waits);
    tcase_add_test(tcase, test_a_server_may_take_less_at_once);
    tcase_add_test(tcase, test_a_provider_has_room_for_as_much_again);
    tcase_add_test(tcase, test_what_becomes_of_an_answer);
    tcase_add_test(tcase, test_what_may_have_been_processed_is_not_repeated);
    tcase_add_test(tcase, test_what_was_not_processed_is_sent_three_times_at_most);
    tcase_add_test(tcase, test_nothing_is_repeated_for_a_withdrawn_flight);
    tcase_add_test(tcase, test_what_is_queued_is_handed_back_and_what_is_in_the_air_is_not);
    tcase_add_test(tcase, test_a_throttled_provider_rests);
    tcase_add_test(tcase, test_a_longer_rest_stands);
    tcase_add_test(tcase, test_a_stop_is_reported_once_for_all_that_were_in_the_air);
    tcase_add_test(tcase, test_a_request_has_its_own_time_or_what_is_left);
    tcase_add_test(tcase, test_what_would_not_get_its_time_is_not_begun);
    tcase_add_test(tcase, test_what_was_said_before_the_deadline_stands);
    tcase_add_test(tcase, test_what_cannot_be_built_is_not_sent);
    tcase_add_test(tcase, test_connections_are_renewed_once_for_many_answers);
    tcase_add_test(tcase, test_recipients_with_hosts_of_their_own);
    tcase_add_test(tcase, test_hosts_of_recipients_make_way_for_others);
    tcase_add_test(tcase, test_a_slot_that_was_awaited_is_reported);
    tcase_add_test(tcase, test_a_provider_that_is_freed_ends_what_it_has);
    tcase_add_test(tcase, test_a_retired_provider_goes_when_its_air_is_empty);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
