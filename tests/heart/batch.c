/* A batch from its claim to its settlement: in which order it does what, and what it says at the end. */
#include <check.h>

#include "fakes/stage.h"
#include "support/suite.h"

static void setup(void)
{
    stage_setup();
    stage_make_batch();
}

static void answer(const char *path, int status)
{
    fake_endpoint_answer(path, status, "");
}

static void expect_settled(const char *verdicts)
{
    ck_assert_str_eq(stage_verdicts(stage.claims, &sql_settle), verdicts);
}

START_TEST(test_nothing_is_sent_before_the_flight_is_committed_and_the_claim_was_held)
{
    ck_assert(batch_is_idle(stage.batch));
    stage_claim();
    journal_expect("session begin+claim");
    fake_db_answer(stage.claims, &sql_claim, stage_rows("1 2"));
    journal_expect("scanned(2,0) open_flight");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_open_flight, 4), "{1,2}");
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    journal_expect("hold");
    fake_db_answer(stage.claims, &sql_hold, "1");
    journal_expect("apple:1 apple:2");
    answer("2", 200);
    journal_expect("");
    answer("1", 400);
    journal_expect("settle+commit");
    expect_settled("1=rejected 2=sent");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 14), "{2}"); /* for the ledger */
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 15), "{1}");
    fake_db_answer(stage.claims, &sql_settle, "2");
    journal_expect("");
    fake_db_answer(stage.claims, &sql_commit, NULL);
    journal_expect("ended");
    ck_assert(batch_is_idle(stage.batch));
    flights_recover(stage.flights);
    ck_assert_str_eq(fake_db_value(stage.db, &sql_recover_flights, 2), "{}");
}
END_TEST

START_TEST(test_a_message_is_what_its_row_says)
{
    stage_fly("7|107|t|2|1000|9000|f|||f|an-uuid|shop|production|kim||{\"title\": \"Hi\"}");
    ck_assert_str_eq(fake_endpoint_request("7")->body, "an-uuid kim { \"title\": \"Hi\" } 1000 9000 bulk 3");
}
END_TEST

START_TEST(test_a_claim_says_what_it_found)
{
    stage_claim_gives(
        stage_messages((const struct stage_message[]){{.id = 1}, {.id = 2, .bulk = true}, {0}}));
    journal_expect("session begin+claim scanned(1,1) open_flight");
    ck_assert_uint_eq(batch_promised(stage.batch), 2);
    stage_board(NULL);
    answer("1", 200);
    answer("2", 200);
    stage_land();
    journal_read();
    batch_claim(stage.batch, (const int64_t[]){100, 50}, 2, 3);
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_claim, 2), "100");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_claim, 3), "50");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_claim, 4), "2");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_claim, 5), "3");
    ck_assert_uint_eq(batch_promised(stage.batch), 3);
    fake_db_answer(stage.claims, &sql_claim, stage_rows("3 4 5"));
    journal_expect("begin+claim scanned(3,0 T B) open_flight");
}
END_TEST

START_TEST(test_a_claim_of_nothing_ends_at_once)
{
    stage_claim_gives(NULL);
    journal_expect("session begin+claim scanned(0,0) rollback ended");
    ck_assert_uint_eq(batch_promised(stage.batch), 0);
}
END_TEST

START_TEST(test_a_look_says_what_is_pending_and_sends_what_it_took)
{
    const struct range range = {.id = 9, .after = 100, .upto = 200};
    batch_reclaim(stage.batch, LANE_BULK, &range, 10);
    journal_expect("session begin+reclaim");
    fake_db_answer(stage.claims, &sql_reclaim, "||||||||||||||||4|120|140|200");
    journal_expect("looked(1,9: 4,120,140,200) rollback ended");
    batch_reclaim(stage.batch, LANE_BULK, &range, 10);
    const char *row = arena_printf(stage.arena, "%s|1|101|101|200", stage_rows("1"));
    fake_db_answer(stage.claims, &sql_reclaim, row);
    journal_expect("begin+reclaim looked(1,9: 1,101,101,200) open_flight");
    stage_board(NULL);
    journal_expect("hold apple:1");
}
END_TEST

START_TEST(test_a_session_is_set_up_for_the_deadline)
{
    stage_claim_gives(NULL);
    ck_assert_int_eq(stage.row.batch_deadline_ms, STAGE_DEADLINE_MS);
    stage_claim_gives(NULL);
    journal_read();
    stage.row.batch_deadline_ms = 5000;
    stage_claim();
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_session, 1), "65000");
    fake_db_answer(stage.claims, &sql_claim, NULL);
    stage_claim_gives(NULL);
    fake_db_lose(stage.claims);
    fake_db_up(stage.claims);
    stage_claim();
    journal_expect("session begin+claim scanned(0,0) rollback ended begin+claim scanned(0,0) rollback ended "
                   "up session begin+claim");
}
END_TEST

START_TEST(test_rows_of_another_flight_are_left_alone)
{
    stage_claim_gives(stage_rows("1 2 3"));
    stage_board("2");
    journal_expect("session begin+claim scanned(3,0) open_flight hold apple:1 apple:3");
    answer("1", 200);
    answer("3", 200);
    expect_settled("1=sent 3=sent");
    stage_land();
    journal_read();
    stage_claim_gives(stage_rows("4"));
    stage_board("4");
    journal_expect("begin+claim scanned(1,0) open_flight hold settle+commit");
    expect_settled("");
}
END_TEST

START_TEST(test_what_must_not_be_sent_is_settled_all_the_same)
{
    stage_claim_gives(stage_messages((const struct stage_message[]){{.id = 1, .expired = true},
                                                                    {.id = 2, .refusal = "unsubscribed"},
                                                                    {.id = 3, .wait_ms = FAKE_TIME_MS + 1000},
                                                                    {.id = 4, .moved = true},
                                                                    {.id = 5, .payload = "{"},
                                                                    {0}}));
    stage_board(NULL);
    journal_expect("session begin+claim scanned(5,0) open_flight hold settle+commit");
    expect_settled("1=expired 2=suppressed 3=deferred 4=moved 5=rejected");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 10), "{NULL,NULL,1700000001000,NULL,NULL}");
}
END_TEST

START_TEST(test_verdicts_are_noted_every_25_ms_and_once)
{
    stage_fly(stage_rows("1 2 3"));
    answer("1", 200);
    fake_time_pass(24);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("note_verdicts");
    ck_assert_str_eq(stage_verdicts(stage.db, &sql_note_verdicts), "1=sent");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_note_verdicts, 3), "1");
    fake_time_pass(100);
    journal_expect("");
    fake_db_answer(stage.db, &sql_note_verdicts, NULL);
    answer("3", 400);
    fake_time_pass(25);
    journal_expect("note_verdicts");
    ck_assert_str_eq(stage_verdicts(stage.db, &sql_note_verdicts), "3=rejected");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_note_verdicts, 3), "2");
    answer("2", 200);
    journal_expect("settle+drop_notes+commit"); /* the last one has no time to be noted */
    expect_settled("1=sent 2=sent 3=rejected");
    fake_time_pass(100);
    journal_expect("");
    stage_land();
    stage_fly(stage_rows("4"));
    answer("4", 200);
    journal_expect("settle+commit"); /* this flight has no notes */
}
END_TEST

START_TEST(test_a_dead_address_is_not_noted)
{
    stage_fly(stage_rows("1 2"));
    answer("1", 410);
    fake_time_pass(100);
    answer("2", 200);
    journal_expect("settle+commit");
    expect_settled("1=address_gone 2=sent");
}
END_TEST

START_TEST(test_dead_addresses_that_are_not_believed_wait)
{
    static const char *const paths[] = {"1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",  "10",
                                        "11", "12", "13", "14", "15", "16", "17", "18", "19", "20"};
    stage_fly(stage_rows("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"));
    for (int i = 0; i < 20; i++)
        answer(paths[i], 410);
    ck_assert_str_eq(fake_db_value(stage.db, &sql_stop_provider, 1), "apple");
    ck_assert_uint_eq(fake_db_open(stage.db, &sql_stop_provider), 1);
    expect_settled(
        "1=stopped 2=stopped 3=stopped 4=stopped 5=stopped 6=stopped 7=stopped 8=stopped 9=stopped "
        "10=stopped 11=stopped 12=stopped 13=stopped 14=stopped 15=stopped 16=stopped 17=stopped "
        "18=stopped 19=stopped 20=stopped");
}
END_TEST

/* ---- Templates ---- */

#define WITH_TEMPLATE(n) stage_messages((const struct stage_message[]){{.id = 1, .template = (n)}, {0}})

START_TEST(test_templates_are_read_before_the_flight_and_once)
{
    stage_claim_gives(WITH_TEMPLATE(6));
    journal_expect("session begin+claim scanned(1,0) read_templates");
    fake_db_answer(stage.claims, &sql_read_templates, "6|{\"title\": \"Hi\"}|{}|f");
    journal_expect("open_flight");
    stage_board(NULL);
    journal_expect("hold apple:1");
    answer("1", 200);
    stage_land();
    stage_claim_gives(WITH_TEMPLATE(6));
    journal_expect("settle+commit ended begin+claim scanned(1,0) open_flight");
}
END_TEST

START_TEST(test_a_template_that_does_not_exist)
{
    stage_claim_gives(WITH_TEMPLATE(6));
    fake_db_answer(stage.claims, &sql_read_templates, NULL);
    stage_board(NULL);
    journal_expect("session begin+claim scanned(1,0) read_templates open_flight hold settle+commit");
    expect_settled("1=rejected");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 8), "{\"template: it does not exist\"}");
}
END_TEST

/* ---- Providers ---- */

static void read_apple_and_pear(void)
{
    struct provider_row rows[] = {stage_row("apple", "plain"), stage_row("pear", "plain")};
    rows[1].rules.priority = 2;
    stage_read(rows, 2);
    journal_read();
}

START_TEST(test_another_provider_takes_what_one_could_not)
{
    read_apple_and_pear();
    stage_fly(stage_rows("1 2"));
    answer("1", 500);
    journal_expect("pear:1");
    answer("2", 200);
    answer("1", 200);
    expect_settled("1=sent 2=sent");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 6), "{\"pear\",\"apple\"}");
}
END_TEST

START_TEST(test_each_provider_is_tried_once_and_the_last_word_stands)
{
    read_apple_and_pear();
    stage_fly(stage_rows("1"));
    fake_endpoint_answer("1", 500, "one");
    fake_endpoint_answer("1", 500, "two");
    journal_expect("pear:1 settle+commit");
    expect_settled("1=retry");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 8), "{\"500 two\"}");
}
END_TEST

START_TEST(test_the_next_provider_gets_what_a_stopped_one_has_not_sent)
{
    read_apple_and_pear();
    stage_fly(stage_rows("1 2 3 4 5 6 7 8 9 10 11 12"));
    fake_endpoint_answer("1", 403, "key");
    journal_expect("stop_provider pear:11 pear:12 pear:1 capacity");
}
END_TEST

START_TEST(test_what_no_provider_takes_comes_again_later)
{
    stage_read(NULL, 0);
    stage_fly(stage_rows("1"));
    expect_settled("1=unsent");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 6), "{NULL}");
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 10), "{1700000061000}");
}
END_TEST

/* ---- Time ---- */

START_TEST(test_at_the_deadline_nothing_waits_any_more)
{
    stage.row.batch_deadline_ms = 25000;
    stage_read((const struct provider_row[]){stage_row("apple", "token")}, 1);
    stage_fly(stage_rows("1 2"));
    fake_endpoint_answer("token", 200, "t1");
    fake_time_pass(9000);
    fake_endpoint_answer("1", 401, ""); /* so it waits for another token, for up to 20 s */
    fake_time_pass(1000);               /* the other one had 10 s */
    journal_expect("apple:1(t1) apple:2(t1) login:token note_verdicts");
    fake_time_pass(14999);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("settle+drop_notes+commit");
    expect_settled("2=in_doubt"); /* the first one stays as it was */
    stage_land();
    journal_expect("released");
}
END_TEST

START_TEST(test_a_server_that_does_not_answer_is_left)
{
    stage_claim();
    fake_time_pass(44999);
    journal_expect("session begin+claim");
    fake_time_pass(1);
    journal_expect("reconnect scan-failed ended");
    fake_db_up(stage.claims);
    stage_claim_gives(stage_rows("1"));
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    journal_read();
    fake_time_pass(30000);
    journal_expect("reconnect drop_flight released");
}
END_TEST

/* ---- The end of the process ---- */

START_TEST(test_withdrawn_without_work)
{
    batch_withdraw(stage.batch);
    ck_assert(batch_is_free(stage.batch));
    stage_claim_gives(stage_rows("1"));
    stage_board(NULL);
    journal_expect("session begin+claim scanned(1,0) open_flight hold apple:1"); /* it was no state */
}
END_TEST

START_TEST(test_withdrawn_before_anything_was_sent)
{
    stage_claim();
    batch_withdraw(stage.batch);
    fake_db_answer(stage.claims, &sql_claim, stage_rows("1"));
    journal_expect("session begin+claim scanned(1,0) rollback released");
    stage_claim_gives(WITH_TEMPLATE(6));
    batch_withdraw(stage.batch);
    fake_db_answer(stage.claims, &sql_read_templates, NULL);
    journal_expect("begin+claim scanned(1,0) read_templates rollback released");
    stage_claim_gives(stage_rows("1"));
    batch_withdraw(stage.batch);
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    journal_expect("begin+claim scanned(1,0) open_flight drop_flight rollback released");
    stage_claim_gives(stage_rows("1"));
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    batch_withdraw(stage.batch);
    fake_db_answer(stage.claims, &sql_hold, "1");
    journal_expect("begin+claim scanned(1,0) open_flight hold drop_flight rollback released");
}
END_TEST

START_TEST(test_withdrawn_with_messages_in_the_air)
{
    struct provider_row row = stage_row("apple", "plain");
    row.max_streams = 2;
    stage_read(&row, 1);
    stage_fly(stage_rows("1 2 3"));
    batch_withdraw(stage.batch);
    journal_expect("");
    answer("1", 500); /* no other one is tried, and nothing is sent again */
    fake_endpoint_fail("2", SEND_UNSENT, FAULT_CONNECT);
    journal_expect("capacity settle+commit");
    expect_settled("1=retry 2=unsent"); /* the third one stays as it was */
    stage_land();
    journal_expect("released");
}
END_TEST

START_TEST(test_withdrawn_while_it_lands)
{
    stage_fly(stage_rows("1"));
    answer("1", 200);
    batch_withdraw(stage.batch);
    journal_expect("settle+commit");
    stage_land();
    ck_assert(batch_is_free(stage.batch));
}
END_TEST

/* As channel_free does it: the providers first. */
START_TEST(test_a_process_that_ends_with_messages_in_the_air)
{
    stage_fly(stage_rows("1 2"));
    answer("1", 200);
    roster_free(stage.roster);
    stage.roster = NULL;
    journal_expect("settle+commit");
    expect_settled("1=sent 2=in_doubt");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tcase = tcase_create("batch");
    tcase_add_checked_fixture(tcase, setup, stage_teardown);
    tcase_add_test(tcase, test_nothing_is_sent_before_the_flight_is_committed_and_the_claim_was_held);
    tcase_add_test(tcase, test_a_message_is_what_its_row_says);
    tcase_add_test(tcase, test_a_claim_says_what_it_found);
    tcase_add_test(tcase, test_a_claim_of_nothing_ends_at_once);
    tcase_add_test(tcase, test_a_look_says_what_is_pending_and_sends_what_it_took);
    tcase_add_test(tcase, test_a_session_is_set_up_for_the_deadline);
    tcase_add_test(tcase, test_rows_of_another_flight_are_left_alone);
    tcase_add_test(tcase, test_what_must_not_be_sent_is_settled_all_the_same);
    tcase_add_test(tcase, test_verdicts_are_noted_every_25_ms_and_once);
    tcase_add_test(tcase, test_a_dead_address_is_not_noted);
    tcase_add_test(tcase, test_dead_addresses_that_are_not_believed_wait);
    tcase_add_test(tcase, test_templates_are_read_before_the_flight_and_once);
    tcase_add_test(tcase, test_a_template_that_does_not_exist);
    tcase_add_test(tcase, test_another_provider_takes_what_one_could_not);
    tcase_add_test(tcase, test_each_provider_is_tried_once_and_the_last_word_stands);
    tcase_add_test(tcase, test_the_next_provider_gets_what_a_stopped_one_has_not_sent);
    tcase_add_test(tcase, test_what_no_provider_takes_comes_again_later);
    tcase_add_test(tcase, test_at_the_deadline_nothing_waits_any_more);
    tcase_add_test(tcase, test_a_server_that_does_not_answer_is_left);
    tcase_add_test(tcase, test_withdrawn_without_work);
    tcase_add_test(tcase, test_withdrawn_before_anything_was_sent);
    tcase_add_test(tcase, test_withdrawn_with_messages_in_the_air);
    tcase_add_test(tcase, test_withdrawn_while_it_lands);
    tcase_add_test(tcase, test_a_process_that_ends_with_messages_in_the_air);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
