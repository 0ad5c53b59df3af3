/* A batch whose connection is lost, or refused something, at each of its steps: what is still sent, and what
 * is settled when. */
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

/* Two messages are in the air, a third one has no slot. */
static void fly_with_one_waiting(void)
{
    struct provider_row row = stage_row("apple", "plain");
    row.max_streams = 2;
    stage_read(&row, 1);
    stage_fly(stage_rows("1 2 3"));
}

static void expect_late(const char *verdicts, const char *uuids)
{
    ck_assert_str_eq(stage_verdicts(stage.claims, &sql_settle_late), verdicts);
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle_late, 3), uuids);
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle_late, 1), "5"); /* whose flight it was */
}

/* ---- Nothing has been sent yet ---- */

START_TEST(test_idle)
{
    fake_db_lose(stage.claims);
    ck_assert(!batch_is_idle(stage.batch));
    ck_assert(batch_is_free(stage.batch));
    fake_db_up(stage.claims);
    journal_expect("up");
}
END_TEST

START_TEST(test_claim_lost)
{
    stage_claim();
    fake_db_lose(stage.claims);
    journal_expect("session begin+claim scan-failed ended"); /* the server is well, as far as we know */
    fake_db_up(stage.claims);
    journal_expect("up");
}
END_TEST

START_TEST(test_claim_refused)
{
    stage_claim();
    fake_db_fail(stage.claims, &sql_claim, "40001");
    journal_expect("session begin+claim scan-failed unwell rollback ended");
    ck_assert(batch_is_idle(stage.batch));
}
END_TEST

START_TEST(test_look_lost_or_refused)
{
    const struct range range = {.id = 9, .after = 100, .upto = 200};
    batch_reclaim(stage.batch, LANE_BULK, &range, 10);
    fake_db_fail(stage.claims, &sql_reclaim, "40001");
    journal_expect("session begin+reclaim look-failed unwell rollback ended");
    batch_reclaim(stage.batch, LANE_BULK, &range, 10);
    fake_db_lose(stage.claims);
    journal_expect("begin+reclaim look-failed ended");
}
END_TEST

START_TEST(test_templates_lost_or_refused)
{
    const char *rows = stage_messages((const struct stage_message[]){{.id = 1, .template = 6}, {0}});
    stage_claim_gives(rows);
    fake_db_fail(stage.claims, &sql_read_templates, "57014");
    journal_expect("session begin+claim scanned(1,0) read_templates unwell rollback released");
    stage_claim_gives(rows);
    fake_db_lose(stage.claims);
    journal_expect("begin+claim scanned(1,0) read_templates released");
}
END_TEST

START_TEST(test_flight_refused)
{
    stage_claim_gives(stage_rows("1"));
    fake_db_fail(stage.db, &sql_open_flight, "53100");
    journal_expect("session begin+claim scanned(1,0) open_flight unwell rollback released");
}
END_TEST

START_TEST(test_flight_lost)
{
    stage_claim_gives(stage_rows("1"));
    stage_lose_control();
    journal_expect("session begin+claim scanned(1,0) open_flight unwell rollback released lost");
    stage_regain_control();
    flights_attached(stage.flights, true); /* whether it was committed nobody knows */
    ck_assert_str_eq(fake_db_value(stage.db, &sql_drop_flight, 2), "1");
}
END_TEST

START_TEST(test_claim_lost_while_the_flight_is_committed)
{
    stage_claim_gives(stage_rows("1"));
    fake_db_lose(stage.claims);
    journal_expect("session begin+claim scanned(1,0) open_flight");
    ck_assert(!batch_is_free(stage.batch)); /* the flight may be there in a moment */
    fake_db_up(stage.claims);
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    journal_expect("up drop_flight released");
}
END_TEST

START_TEST(test_hold_lost)
{
    stage_claim_gives(stage_rows("1"));
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    fake_db_lose(stage.claims);
    journal_expect("session begin+claim scanned(1,0) open_flight hold drop_flight released");
}
END_TEST

START_TEST(test_hold_refused)
{
    stage_claim_gives(stage_rows("1"));
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    fake_db_fail(stage.claims, &sql_hold, "25P02");
    journal_expect("session begin+claim scanned(1,0) open_flight hold drop_flight rollback released");
}
END_TEST

START_TEST(test_control_lost_before_the_flight)
{
    stage_claim();
    stage_lose_control();
    fake_db_answer(stage.claims, &sql_claim, stage_rows("1"));
    journal_expect("session begin+claim lost scanned(1,0) rollback released");
}
END_TEST

/* The flight stands until the control connection is back: then it is dropped. */
START_TEST(test_control_and_hold_lost)
{
    stage_claim_gives(stage_rows("1"));
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    stage_lose_control();
    fake_db_lose(stage.claims);
    journal_expect("session begin+claim scanned(1,0) open_flight hold lost released");
    stage_regain_control();
    flights_attached(stage.flights, true);
    ck_assert_str_eq(fake_db_value(stage.db, &sql_drop_flight, 2), "1");
}
END_TEST

/* ---- Messages are in the air ---- */

START_TEST(test_claim_lost_in_the_air)
{
    fly_with_one_waiting();
    fake_db_lose(stage.claims);
    answer("1", 200);
    journal_expect("capacity"); /* the third one is not sent: its row is free for others */
    answer("2", 500);           /* nor is another provider tried */
    journal_expect("");
    fake_time_pass(1000);
    fake_db_up(stage.claims);
    journal_expect("session begin+settle+commit");
    expect_settled("1=sent 2=retry");
    stage_land();
    journal_expect("released");
}
END_TEST

START_TEST(test_claim_back_before_the_last_answer)
{
    fly_with_one_waiting();
    fake_db_lose(stage.claims);
    fake_db_up(stage.claims);
    ck_assert(!batch_is_idle(stage.batch));
    answer("1", 200);
    answer("2", 200);
    journal_expect("up capacity session begin+settle+commit");
}
END_TEST

START_TEST(test_control_lost_in_the_air)
{
    stage_fly(stage_rows("1 2 3"));
    answer("1", 200);
    stage_lose_control();
    fake_time_pass(100);
    answer("2", 200);
    fake_time_pass(100);
    journal_expect("lost");
    stage_regain_control();
    fake_time_pass(25);
    journal_expect("listen_wake+listen_config reattach_dispatcher attached-again note_verdicts");
    ck_assert_str_eq(stage_verdicts(stage.db, &sql_note_verdicts), "1=sent 2=sent");
    stage_lose_control();
    answer("3", 200);
    journal_expect("lost settle+drop_notes+commit"); /* the claim's own transaction settles */
}
END_TEST

START_TEST(test_note_refused_or_lost)
{
    stage_fly(stage_rows("1 2"));
    answer("1", 200);
    fake_time_pass(25);
    fake_db_fail(stage.db, &sql_note_verdicts, "57014");
    fake_time_pass(25);
    journal_expect("note_verdicts note_verdicts");
    ck_assert_str_eq(stage_verdicts(stage.db, &sql_note_verdicts), "1=sent");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_note_verdicts, 3), "2");
    stage_lose_control(); /* whether it was committed nobody knows */
    stage_regain_control();
    fake_time_pass(25);
    ck_assert_str_eq(stage_verdicts(stage.db, &sql_note_verdicts), "1=sent");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_note_verdicts, 3), "3");
    fake_db_answer(stage.db, &sql_note_verdicts, NULL);
    fake_time_pass(100);
    journal_expect("lost listen_wake+listen_config reattach_dispatcher attached-again note_verdicts");
    answer("2", 200);
    journal_expect("settle+drop_notes+commit");
    expect_settled("1=sent 2=sent");
}
END_TEST

START_TEST(test_a_note_without_an_answer)
{
    stage_fly(stage_rows("1 2 3"));
    answer("1", 200);
    fake_time_pass(25);
    answer("2", 200);
    fake_time_pass(1000);
    journal_expect("note_verdicts"); /* the next one waits for it */
    fake_db_answer(stage.db, &sql_note_verdicts, NULL);
    fake_time_pass(25);
    ck_assert_str_eq(stage_verdicts(stage.db, &sql_note_verdicts), "2=sent");
    answer("3", 200);
    stage_land();
    journal_expect("note_verdicts settle+drop_notes+commit ended");
    stage_lose_control(); /* it ended long ago: nothing of the next flight is noted again */
    journal_expect("lost");
}
END_TEST

/* ---- Landing ---- */

static void land_one(void)
{
    stage_fly(stage_rows("1"));
    answer("1", 200);
    journal_expect("settle+commit");
}

START_TEST(test_settle_refused)
{
    land_one();
    fake_db_fail(stage.claims, &sql_settle, "40P01");
    journal_expect("rollback");
    ck_assert(!batch_is_free(stage.batch));
    fake_time_pass(999);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("begin+settle+commit");
    expect_settled("1=sent");
    stage_land();
    journal_expect("ended");
}
END_TEST

START_TEST(test_settle_refused_and_the_claim_lost)
{
    land_one();
    fake_db_fail(stage.claims, &sql_settle, "40P01");
    fake_db_lose(stage.claims);
    fake_time_pass(1000);
    journal_expect("rollback");
    fake_db_up(stage.claims);
    journal_expect("session begin+settle+commit");
}
END_TEST

START_TEST(test_settle_lost)
{
    land_one();
    fake_db_lose(stage.claims);
    journal_expect("");
    fake_db_up(stage.claims);
    journal_expect("session begin+settle+commit");
    expect_settled("1=sent");
    stage_land();
    journal_expect("ended");
}
END_TEST

/* Whether it was committed is seen from the flight's row. */
START_TEST(test_commit_lost)
{
    land_one();
    fake_db_answer(stage.claims, &sql_settle, "1");
    fake_db_lose(stage.claims);
    fake_db_up(stage.claims);
    journal_expect("session begin+settle+commit");
    fake_db_answer(stage.claims, &sql_settle, NULL); /* the flight is not there: it was, or is another's */
    fake_db_answer(stage.claims, &sql_commit, NULL);
    journal_expect("begin+settle_late+commit");
    expect_late("1=sent", "{\"uuid-1\"}");
    fake_db_answer(stage.claims, &sql_settle_late, "0|0");
    fake_db_answer(stage.claims, &sql_commit, NULL);
    journal_expect("ended");
    ck_assert(batch_is_idle(stage.batch));
}
END_TEST

/* Others may have its rows: only what was sent is told, until that is committed. */
START_TEST(test_flight_taken_over)
{
    fly_with_one_waiting();
    fake_db_lose(stage.claims);
    answer("1", 200);
    answer("2", 500);
    stage_lose_control();
    fake_db_up(stage.db);
    fake_db_answer(stage.db, &sql_reattach_dispatcher, "f");
    fake_db_answer(stage.db, &sql_register_dispatcher, "6");
    fake_db_up(stage.claims);
    fake_db_answer(stage.claims, &sql_settle, NULL);
    fake_db_fail(stage.claims, &sql_commit, "40001"); /* so it may be there after all */
    fake_time_pass(1000);
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 1), "5");
    fake_db_answer(stage.claims, &sql_settle, NULL);
    fake_db_answer(stage.claims, &sql_commit, NULL);
    expect_late("1=sent 2=retry", "{\"uuid-1\",\"uuid-2\"}");
    fake_db_fail(stage.claims, &sql_settle_late, "40P01");
    fake_time_pass(1000);
    fake_db_lose(stage.claims);
    fake_db_up(stage.claims);
    expect_late("1=sent 2=retry", "{\"uuid-1\",\"uuid-2\"}");
    journal_read();
    fake_db_answer(stage.claims, &sql_settle_late, "2|0");
    fake_db_answer(stage.claims, &sql_commit, NULL);
    journal_expect("released");
}
END_TEST

START_TEST(test_commit_refused)
{
    land_one();
    fake_db_answer(stage.claims, &sql_settle, "1");
    fake_db_fail(stage.claims, &sql_commit, "40001");
    fake_time_pass(1000);
    journal_expect("rollback begin+settle+commit");
}
END_TEST

START_TEST(test_a_landing_without_an_answer)
{
    land_one();
    fake_time_pass(44999);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("reconnect");
    fake_db_up(stage.claims);
    journal_expect("session begin+settle+commit");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch_lost");
    TCase *tcase = tcase_create("batch_lost");
    tcase_add_checked_fixture(tcase, setup, stage_teardown);
    tcase_add_test(tcase, test_idle);
    tcase_add_test(tcase, test_claim_lost);
    tcase_add_test(tcase, test_claim_refused);
    tcase_add_test(tcase, test_look_lost_or_refused);
    tcase_add_test(tcase, test_templates_lost_or_refused);
    tcase_add_test(tcase, test_flight_refused);
    tcase_add_test(tcase, test_flight_lost);
    tcase_add_test(tcase, test_claim_lost_while_the_flight_is_committed);
    tcase_add_test(tcase, test_hold_lost);
    tcase_add_test(tcase, test_hold_refused);
    tcase_add_test(tcase, test_control_lost_before_the_flight);
    tcase_add_test(tcase, test_control_and_hold_lost);
    tcase_add_test(tcase, test_claim_lost_in_the_air);
    tcase_add_test(tcase, test_claim_back_before_the_last_answer);
    tcase_add_test(tcase, test_control_lost_in_the_air);
    tcase_add_test(tcase, test_note_refused_or_lost);
    tcase_add_test(tcase, test_a_note_without_an_answer);
    tcase_add_test(tcase, test_settle_refused);
    tcase_add_test(tcase, test_settle_refused_and_the_claim_lost);
    tcase_add_test(tcase, test_settle_lost);
    tcase_add_test(tcase, test_commit_lost);
    tcase_add_test(tcase, test_flight_taken_over);
    tcase_add_test(tcase, test_commit_refused);
    tcase_add_test(tcase, test_a_landing_without_an_answer);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
