/* The lists of what is in the air: opened, noted, dropped, recovered. */
#include <check.h>

#include "dispatcher/job.h"
#include "fakes/stage.h"
#include "support/suite.h"

static void on_opened(void *arg, bool ok, const int64_t *taken, size_t count)
{
    (void)arg;
    journal_add(ok ? "opened" : "refused");
    for (size_t i = 0; i < count; i++)
        journal_add("taken(%d)", (int)taken[i]);
}

static int64_t open_flight(void)
{
    return flights_open(stage.flights, "ios", (const int64_t[]){7, 8, 9}, 3, 30000, on_opened, NULL);
}

static const char *value(const struct db_statement *statement, int number)
{
    return fake_db_value(stage.db, statement, number);
}

START_TEST(test_a_flight_names_its_messages)
{
    ck_assert_int_eq(open_flight(), 1);
    static const char *const values[] = {"5", "1", "ios", "{7,8,9}", "30000", "{}", "{}"};
    for (int i = 0; i < 7; i++)
        ck_assert_str_eq(value(&sql_open_flight, i + 1), values[i]);
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    journal_expect("open_flight opened");
    ck_assert_int_eq(open_flight(), 2); /* in the order of their commits */
    fake_db_answer(stage.db, &sql_open_flight, "7\n9");
    journal_expect("open_flight opened taken(7) taken(9)");
}
END_TEST

/* Recovery leaves these alone. */
static void expect_own(const char *numbers)
{
    flights_recover(stage.flights);
    ck_assert_str_eq(value(&sql_recover_flights, 1), "5");
    ck_assert_str_eq(value(&sql_recover_flights, 2), numbers);
    fake_db_answer(stage.db, &sql_recover_flights, "0|0|0|0");
}

static void expect_dropped(const char *number)
{
    ck_assert_str_eq(value(&sql_drop_flight, 1), "5");
    ck_assert_str_eq(value(&sql_drop_flight, 2), number);
    fake_db_answer(stage.db, &sql_drop_flight, NULL);
}

START_TEST(test_flights_that_were_not_confirmed_are_dropped_after_a_reconnect)
{
    open_flight();
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    open_flight();
    fake_db_fail(stage.db, &sql_open_flight, "53100");
    open_flight();
    flights_recover(stage.flights);
    ck_assert_str_eq(value(&sql_recover_flights, 2), "{1,3}");
    stage_lose_control();
    stage_regain_control();
    journal_expect("open_flight opened open_flight refused open_flight recover_flights refused lost "
                   "listen_wake+listen_config reattach_dispatcher attached-again");
    flights_attached(stage.flights, true);
    expect_dropped("3");
    journal_expect("drop_flight");
    open_flight();
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    flights_ended(stage.flights, 1); /* were its row there again, it would have landed elsewhere */
    expect_own("{4}");
    flights_attached(stage.flights, true);
    journal_expect("open_flight opened recover_flights");
}
END_TEST

START_TEST(test_a_flight_that_is_given_up)
{
    open_flight();
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    flights_drop(stage.flights, 1);
    ck_assert_str_eq(value(&sql_drop_flight, 2), "1");
    journal_expect("open_flight opened drop_flight");
    fake_db_fail(stage.db, &sql_drop_flight, "57014");
    flights_recover(stage.flights);
    ck_assert_str_eq(value(&sql_recover_flights, 2), "{1}");
    journal_expect("drop_flight recover_flights");
    stage_lose_control();
    fake_db_up(stage.db);
    fake_db_answer(stage.db, &sql_reattach_dispatcher, "t");
    flights_attached(stage.flights, true);
    expect_dropped("1");
    expect_own("{}");
    journal_expect(
        "lost listen_wake+listen_config reattach_dispatcher attached-again drop_flight recover_flights");
}
END_TEST

START_TEST(test_a_flight_that_is_given_up_while_nobody_can_be_told)
{
    open_flight();
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    open_flight();
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    stage_lose_control();
    fake_db_up(stage.db);
    flights_drop(stage.flights, 2);
    journal_expect(
        "open_flight opened open_flight opened lost listen_wake+listen_config reattach_dispatcher");
    flights_attached(stage.flights, false); /* under another id, which has no such flight */
    fake_db_answer(stage.db, &sql_reattach_dispatcher, "t");
    expect_own("{1}");
    journal_expect("attached-again recover_flights");
}
END_TEST

static void on_noted(void *arg, bool ok)
{
    (void)arg;
    journal_add(ok ? "noted" : "not-noted");
}

START_TEST(test_a_note)
{
    struct job job = {.state = JOB_JUDGED,
                      .message = {.id = 7},
                      .provider_name = "apple",
                      .judged_ms = 70,
                      .verdict = {.kind = VERDICT_SENT, .provider_id = "x\xFF", .cost = "0.01"}};
    flights_note(stage.flights, 4, 2, (struct job *const[]){&job}, 1, on_noted, NULL);
    static const char *const values[] = {"5",        "4",      "2",    "{7}",    "{\"sent\"}", "{\"apple\"}",
                                         "{\"x?\"}", "{NULL}", "{70}", "{NULL}", "{NULL}"};
    for (int i = 0; i < 11; i++)
        ck_assert_str_eq(value(&sql_note_verdicts, i + 1), values[i]);
    journal_expect("note_verdicts");
    fake_db_answer(stage.db, &sql_note_verdicts, NULL);
    journal_expect("noted");
    flights_note(stage.flights, 4, 3, (struct job *const[]){&job}, 1, on_noted, NULL);
    fake_db_fail(stage.db, &sql_note_verdicts, "57014");
    flights_note(stage.flights, 4, 4, (struct job *const[]){&job}, 1, on_noted, NULL);
    stage_lose_control();
    journal_expect("note_verdicts not-noted note_verdicts not-noted lost");
}
END_TEST

START_TEST(test_marks_say_where_to_look_for_open_flights)
{
    flights_read_marks(stage.flights);
    ck_assert_str_eq(value(&sql_read_marks, 1), "{}");
    fake_db_answer(stage.db, &sql_read_marks, "5|10\n6|20");
    open_flight();
    ck_assert_str_eq(value(&sql_open_flight, 6), "{5,6}");
    ck_assert_str_eq(value(&sql_open_flight, 7), "{10,20}");
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    flights_read_marks(stage.flights);
    ck_assert_str_eq(value(&sql_read_marks, 2), "{10,20}");
    fake_db_fail(stage.db, &sql_read_marks, "57014"); /* old ones are as good, and only slower */
    flights_read_marks(stage.flights);
    fake_db_answer(stage.db, &sql_read_marks, "6|30");
    open_flight();
    ck_assert_str_eq(value(&sql_open_flight, 6), "{6}");
    ck_assert_str_eq(value(&sql_open_flight, 7), "{30}");
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    flights_recover(stage.flights);
    ck_assert_str_eq(value(&sql_recover_flights, 3), "{6}");
    ck_assert_str_eq(value(&sql_recover_flights, 4), "{30}");
    stage_lose_control();
    stage_regain_control(); /* perhaps with an older database */
    flights_attached(stage.flights, true);
    open_flight();
    ck_assert_str_eq(value(&sql_open_flight, 6), "{}");
    ck_assert_str_eq(value(&sql_open_flight, 7), "{}");
}
END_TEST

START_TEST(test_recovery)
{
    flights_recover(stage.flights);
    ck_assert_str_eq(value(&sql_recover_flights, 1), "5");
    fake_db_answer(stage.db, &sql_recover_flights, "1|2|3|4");
    flights_recover(stage.flights);
    fake_db_fail(stage.db, &sql_recover_flights, "57014");
    journal_expect("recover_flights recover_flights");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flights");
    TCase *tcase = tcase_create("flights");
    tcase_add_checked_fixture(tcase, stage_setup, stage_teardown);
    tcase_add_test(tcase, test_a_flight_names_its_messages);
    tcase_add_test(tcase, test_flights_that_were_not_confirmed_are_dropped_after_a_reconnect);
    tcase_add_test(tcase, test_a_flight_that_is_given_up);
    tcase_add_test(tcase, test_a_flight_that_is_given_up_while_nobody_can_be_told);
    tcase_add_test(tcase, test_a_note);
    tcase_add_test(tcase, test_marks_say_where_to_look_for_open_flights);
    tcase_add_test(tcase, test_recovery);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
