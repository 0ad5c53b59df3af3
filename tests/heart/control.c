/* The control connection: how it registers, what it does when it is lost, and what goes over it. */
#include <check.h>

#include "fakes/stage.h"
#include "support/suite.h"

/* Just the connection, not registered yet. */
static void setup(void)
{
    stage_setup_unregistered();
}

static void registered(void)
{
    fake_db_answer(stage.db, &sql_register_dispatcher, "5");
    control_configured(stage.control);
    journal_read();
}

static void come_back(void)
{
    fake_time_pass(0);
    fake_db_up(stage.db);
}

/* ---- Registration ---- */

START_TEST(test_it_listens_and_registers)
{
    journal_expect("listen_wake+listen_config register_dispatcher");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_register_dispatcher, 1), "test");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_register_dispatcher, 4), "{\"ios\"}");
    ck_assert(!control_is_attached(stage.control));
    fake_db_answer(stage.db, &sql_register_dispatcher, "5");
    journal_expect("attached");
    ck_assert_int_eq(control_dispatcher(stage.control), 5);
    ck_assert(control_is_attached(stage.control));
    ck_assert(!control_is_ready(stage.control));
    control_configured(stage.control);
    ck_assert(control_is_ready(stage.control));
}
END_TEST

START_TEST(test_a_refused_registration_is_tried_again)
{
    fake_db_fail(stage.db, &sql_register_dispatcher, "42883");
    journal_read();
    fake_time_pass(999);
    journal_expect("");
    fake_time_pass(1); /* perhaps on another server */
    journal_expect("reconnect lost");
    come_back();
    journal_expect("listen_wake+listen_config register_dispatcher");
    registered();
}
END_TEST

START_TEST(test_a_new_connection_is_not_left_for_the_old_ones_refusal)
{
    fake_db_fail(stage.db, &sql_register_dispatcher, "42883");
    fake_time_pass(500);
    fake_db_lose(stage.db);
    come_back();
    registered();
    fake_time_pass(5000);
    journal_expect("");
}
END_TEST

START_TEST(test_a_lost_registration_is_tried_again)
{
    fake_db_lose(stage.db);
    come_back();
    journal_expect("listen_wake+listen_config register_dispatcher lost listen_wake+listen_config "
                   "register_dispatcher");
    fake_time_pass(10000);
    journal_expect(""); /* and no more than that */
}
END_TEST

START_TEST(test_it_comes_back_under_its_id)
{
    registered();
    fake_db_lose(stage.db);
    journal_expect("lost");
    ck_assert(!control_is_ready(stage.control));
    come_back();
    journal_expect("listen_wake+listen_config reattach_dispatcher");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_reattach_dispatcher, 1), "5");
    ck_assert(!control_is_attached(stage.control));
    fake_db_answer(stage.db, &sql_reattach_dispatcher, "t");
    journal_expect("attached-again");
    ck_assert(control_is_ready(stage.control));
}
END_TEST

START_TEST(test_who_was_given_up_registers_anew)
{
    registered();
    fake_db_lose(stage.db);
    come_back();
    fake_db_answer(stage.db, &sql_reattach_dispatcher, "f");
    journal_expect("lost listen_wake+listen_config reattach_dispatcher register_dispatcher");
    fake_db_answer(stage.db, &sql_register_dispatcher, "6");
    journal_expect("attached");
    ck_assert_int_eq(control_dispatcher(stage.control), 6);
}
END_TEST

START_TEST(test_a_refused_return_is_tried_again)
{
    registered();
    fake_db_lose(stage.db);
    come_back();
    fake_db_fail(stage.db, &sql_reattach_dispatcher, "57014");
    journal_read();
    fake_time_pass(1000);
    journal_expect("reconnect lost");
    come_back();
    journal_expect("listen_wake+listen_config reattach_dispatcher");
}
END_TEST

/* ---- Notifications ---- */

START_TEST(test_producers_ring_once_it_is_registered)
{
    fake_db_notify(stage.db, "outbox_wake", "ios");
    fake_db_notify(stage.db, "outbox_config", "");
    journal_expect("listen_wake+listen_config register_dispatcher"); /* it will look around then anyway */
    registered();
    fake_db_notify(stage.db, "outbox_wake", "ios");
    fake_db_notify(stage.db, "outbox_config", "");
    journal_expect("rang(ios) config");
}
END_TEST

/* ---- Leaving ---- */

static void on_left(void *arg)
{
    (void)arg;
    journal_add("left");
}

START_TEST(test_it_leaves)
{
    registered();
    control_leave(stage.control, on_left, NULL);
    ck_assert(!control_is_ready(stage.control));
    ck_assert(control_is_attached(stage.control));
    journal_expect("unregister_dispatcher");
    fake_db_answer(stage.db, &sql_unregister_dispatcher, NULL);
    journal_expect("left");
}
END_TEST

START_TEST(test_a_refused_or_lost_farewell_is_one_too)
{
    registered();
    control_leave(stage.control, on_left, NULL);
    fake_db_fail(stage.db, &sql_unregister_dispatcher, "57014");
    journal_expect("unregister_dispatcher left");
    control_leave(stage.control, on_left, NULL);
    fake_db_lose(stage.db);
    journal_expect("unregister_dispatcher left lost");
    control_leave(stage.control, on_left, NULL); /* nobody is there to be told */
    fake_time_pass(0);
    journal_expect("left");
}
END_TEST

START_TEST(test_who_leaves_does_not_register_again)
{
    fake_db_fail(stage.db, &sql_register_dispatcher, "42883");
    control_leave(stage.control, on_left, NULL);
    journal_read();
    fake_time_pass(10000);
    journal_expect("");
}
END_TEST

/* ---- Sleeping ---- */

static void on_sleep(void *arg, bool got)
{
    (void)arg;
    journal_add(got ? "asleep" : "awake");
}

START_TEST(test_sleeping)
{
    registered();
    control_sleep(stage.control, 3, on_sleep, NULL);
    ck_assert_str_eq(fake_db_value(stage.db, &sql_fall_asleep, 1), "3");
    fake_db_answer(stage.db, &sql_fall_asleep, "t");
    control_awake(stage.control, 3);
    journal_expect("fall_asleep asleep stay_awake");
    control_sleep(stage.control, 3, on_sleep, NULL);
    fake_db_answer(stage.db, &sql_fall_asleep, "f"); /* a producer is at work */
    journal_expect("fall_asleep awake");
    control_sleep(stage.control, 3, on_sleep, NULL);
    fake_db_fail(stage.db, &sql_fall_asleep, "57014");
    journal_expect("fall_asleep awake");
    control_sleep(stage.control, 3, on_sleep, NULL);
    fake_db_lose(stage.db);
    journal_expect("fall_asleep awake lost");
}
END_TEST

/* ---- Leases ---- */

static void on_leased(void *arg, const char *name, bool ok, int tokens, int slots, int64_t more_in_ms)
{
    (void)arg;
    journal_add("%s(%d,%d,%d,%d)", name, ok, tokens, slots, (int)more_in_ms);
}

static bool lease(int wanted)
{
    return control_lease(stage.control, "apple", wanted, 2, 7, on_leased, NULL);
}

START_TEST(test_a_lease)
{
    registered();
    ck_assert(lease(4));
    static const char *const values[] = {"apple", "5", "4", "2", "7"};
    for (int i = 0; i < 5; i++)
        ck_assert_str_eq(fake_db_value(stage.db, &sql_lease_budget, i + 1), values[i]);
    fake_db_answer(stage.db, &sql_lease_budget, "3|6|250");
    journal_expect("lease_budget apple(1,3,6,250)");
    ck_assert(lease(0)); /* which only gives back */
    fake_db_answer(stage.db, &sql_lease_budget, "0|0|");
    journal_expect("lease_budget");
    ck_assert(lease(0));
    fake_db_fail(stage.db, &sql_lease_budget, "40P01");
    journal_expect("lease_budget apple(0,0,0,0)");
}
END_TEST

START_TEST(test_a_lease_that_is_refused_or_lost)
{
    registered();
    ck_assert(lease(4));
    fake_db_fail(stage.db, &sql_lease_budget, "40P01");
    journal_expect("lease_budget apple(0,0,0,0)");
    ck_assert(lease(4));
    fake_db_lose(stage.db);
    journal_expect("lease_budget apple(0,0,0,0) lost");
}
END_TEST

START_TEST(test_no_lease_without_a_registration)
{
    journal_read();
    ck_assert(!lease(4));
    registered();
    control_leave(stage.control, on_left, NULL);
    ck_assert(!lease(4)); /* the answer would find nobody */
    journal_expect("unregister_dispatcher");
}
END_TEST

/* ---- Providers ---- */

START_TEST(test_what_is_told_of_providers)
{
    journal_read();
    control_report_provider(stage.control, "apple", "open", NULL);
    journal_expect(""); /* whose report? */
    registered();
    control_report_provider(stage.control, "apple", "closed", NULL);
    ck_assert_str_eq(fake_db_value(stage.db, &sql_report_provider, 2), "5");
    ck_assert_ptr_null(fake_db_value(stage.db, &sql_report_provider, 4));
    fake_db_fail(stage.db, &sql_report_provider, "57014"); /* that is only logged */
    control_stop_provider(stage.control, "apple", "403 key", 60000);
    ck_assert_str_eq(fake_db_value(stage.db, &sql_stop_provider, 2), "403 key");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_stop_provider, 3), "60000");
    journal_expect("report_provider stop_provider");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tcase = tcase_create("control");
    tcase_add_checked_fixture(tcase, setup, stage_teardown);
    tcase_add_test(tcase, test_it_listens_and_registers);
    tcase_add_test(tcase, test_a_refused_registration_is_tried_again);
    tcase_add_test(tcase, test_a_new_connection_is_not_left_for_the_old_ones_refusal);
    tcase_add_test(tcase, test_a_lost_registration_is_tried_again);
    tcase_add_test(tcase, test_it_comes_back_under_its_id);
    tcase_add_test(tcase, test_who_was_given_up_registers_anew);
    tcase_add_test(tcase, test_a_refused_return_is_tried_again);
    tcase_add_test(tcase, test_producers_ring_once_it_is_registered);
    tcase_add_test(tcase, test_it_leaves);
    tcase_add_test(tcase, test_a_refused_or_lost_farewell_is_one_too);
    tcase_add_test(tcase, test_who_leaves_does_not_register_again);
    tcase_add_test(tcase, test_sleeping);
    tcase_add_test(tcase, test_a_lease);
    tcase_add_test(tcase, test_a_lease_that_is_refused_or_lost);
    tcase_add_test(tcase, test_no_lease_without_a_registration);
    tcase_add_test(tcase, test_what_is_told_of_providers);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
