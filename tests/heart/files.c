/* Jobs whose files are read before they are sent: they count as queued, and come back like the others. */
#include <check.h>

#include "dispatcher/send.h"
#include "fakes/lone.h"
#include "fakes/worker.h"
#include "support/suite.h"

/* /proc/version is there, and a regular file. */
static struct job *submit(int64_t id)
{
    return lone_submit_to(id, "version");
}

START_TEST(test_a_request_leaves_when_its_files_are_read)
{
    struct provider *provider = lone_make("files");
    struct job *job = submit(7);
    journal_expect("");
    ck_assert_int_eq(job->state, JOB_QUEUED);
    ck_assert_uint_eq(provider_room(provider), 3);
    fake_worker_works();
    journal_expect("apple:7+file");
    ck_assert_int_eq(job->state, JOB_IN_THE_AIR);
    ck_assert_uint_eq(provider_room(provider), 3);
    fake_endpoint_answer("7+file", 200, "id");
    journal_expect("7=sent");
    ck_assert_ptr_null(job->files);
    ck_assert_ptr_null(job->message.files);
}
END_TEST

START_TEST(test_what_could_not_be_read_is_for_the_adapter_to_judge)
{
    lone_make("files");
    lone_submit_to(7, "no such file");
    fake_worker_works();
    journal_expect("apple:7+nothing");
    fake_endpoint_answer("7+nothing", 400, "");
    journal_expect("7=rejected");
}
END_TEST

/* Two requests at once: so many files are read, too, and what needs none goes past. */
START_TEST(test_a_job_whose_files_are_read_has_its_slot)
{
    struct provider *provider = lone_make("files");
    submit(1);
    lone_submit(2);
    submit(3);
    submit(4);
    journal_expect("apple:2");
    ck_assert_uint_eq(fake_workers(), 1);
    ck_assert_uint_eq(provider_room(provider), 0);
    fake_endpoint_answer("2", 200, "");
    ck_assert_uint_eq(fake_workers(), 2);
    fake_worker_works();
    fake_worker_works();
    journal_expect("2=sent apple:1+file apple:3+file");
    fake_endpoint_answer("3+file", 200, "");
    fake_worker_works();
    journal_expect("3=sent capacity apple:4+file");
}
END_TEST

/* Nothing comes after, whether the thread has ended or not. */
START_TEST(test_a_job_is_handed_back_while_its_files_are_read)
{
    struct provider *provider = lone_make("files");
    struct job *job = submit(1);
    submit(2);
    submit(3);
    static struct flight other;
    other = lone.flight;
    job->flight = &other;
    provider_hand_back(provider, &other);
    journal_expect("1=back");
    ck_assert_uint_eq(fake_workers(), 1);
    provider_hand_back(provider, NULL);
    journal_expect("3=back 2=back");
    ck_assert_uint_eq(fake_workers(), 0);
    ck_assert_uint_eq(provider_room(provider), 4);
    /* As if it had never been there. */
    send_submit(provider, job);
    fake_worker_works();
    journal_expect("apple:1+file");
}
END_TEST

START_TEST(test_a_provider_that_closes_keeps_none)
{
    struct provider *provider = lone_make("files");
    lone_submit(1);
    submit(2);
    fake_endpoint_answer("1", 429, "slow down");
    journal_expect("apple:1 2=back 1=back");
    ck_assert_uint_eq(fake_workers(), 0);
    fake_time_pass(FAKE_THROTTLED_MS);
    submit(3);
    provider_retire(provider);
    journal_expect("capacity 3=back");
    ck_assert_uint_eq(fake_workers(), 0);
    fake_time_pass(0);
    lone.provider = NULL;

    lone_make("files");
    submit(4);
    provider_free(lone.provider);
    lone.provider = NULL;
    journal_expect("4=back");
    ck_assert_uint_eq(fake_workers(), 0);
}
END_TEST

START_TEST(test_what_is_sent_again_is_not_read_again)
{
    lone_make("files");
    submit(7);
    fake_worker_works();
    fake_endpoint_answer("7+file", 421, "");
    journal_expect("apple:7+file renew:apple apple:7+file");
    ck_assert_uint_eq(fake_workers(), 0);
}
END_TEST

START_TEST(test_files_that_come_too_late)
{
    lone_make("files");
    submit(7);
    fake_time_pass(LONE_FLIGHT_MS - 1);
    fake_worker_works();
    journal_expect("7=unsent");
}
END_TEST

/* One request of the limits is for the one whose files are read. */
START_TEST(test_a_job_whose_files_are_read_has_its_token)
{
    lone.row.limited = true;
    lone_make("files");
    submit(1);
    lone_submit(2);
    fake_time_pass(0);
    journal_read();
    send_leased(lone.provider, true, 1, 2, 0);
    journal_expect("2=back"); /* to the next provider, as there is no second one */
    ck_assert_uint_eq(fake_workers(), 1);
    fake_worker_works();
    journal_expect("apple:1+file");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, lone_setup, lone_teardown);
    tcase_add_test(tcase, test_a_request_leaves_when_its_files_are_read);
    tcase_add_test(tcase, test_what_could_not_be_read_is_for_the_adapter_to_judge);
    tcase_add_test(tcase, test_a_job_whose_files_are_read_has_its_slot);
    tcase_add_test(tcase, test_a_job_is_handed_back_while_its_files_are_read);
    tcase_add_test(tcase, test_a_provider_that_closes_keeps_none);
    tcase_add_test(tcase, test_what_is_sent_again_is_not_read_again);
    tcase_add_test(tcase, test_files_that_come_too_late);
    tcase_add_test(tcase, test_a_job_whose_files_are_read_has_its_token);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
