/* When a channel claims and how much, how it sleeps and wakes, and how it stops. */
#include <check.h>

#include "dispatcher/channel.h"
#include "fakes/stage.h"
#include "support/suite.h"

/* A look that found nothing pending up to 150. */
#define NOTHING_PENDING "||||||||||||||||0|||150"

static const struct snapshot no_transactions = {.xmax = 10};

static struct channel *channel;
static struct db *first, *second; /* connections of its two batches */
static struct provider_row apple;

static void setup_polling(int poll_ms)
{
    stage_setup();
    channel = channel_new(&(struct channel_options){.loop = stage.loop,
                                                    .transport = stage.transport,
                                                    .control = stage.control,
                                                    .flights = stage.flights,
                                                    .name = "ios",
                                                    .conninfo = "",
                                                    .application_name = "test",
                                                    .connections = 2,
                                                    .poll_ms = poll_ms});
    first = fake_db(1);
    second = fake_db(2);
    fake_db_up(first);
    fake_db_up(second);
    apple = stage_row("apple", "plain");
    stage.row.low_water[LANE_TRANSACTIONAL] = 100;
    stage.row.low_water[LANE_BULK] = 50;
}

static void setup(void)
{
    setup_polling(1000);
}

static void setup_impatient(void)
{
    setup_polling(30);
}

static void teardown(void)
{
    struct db *all[] = {first, second, stage.db};
    for (int i = 0; i < 3; i++)
        if (db_is_up(all[i]))
            fake_db_lose(all[i]);
    fake_time_pass(0);
    channel_free(channel);
    stage_teardown();
}

/* The configuration is read, as the rows stand now. */
static void read_rows(void)
{
    channel_read(channel, &stage.row);
    channel_read_provider(channel, &apple);
    channel_configured(channel);
}

static void scan_gives(struct db *db, const char *ids)
{
    fake_db_answer(db, &sql_claim, stage_rows(ids));
}

/* It has claimed, beyond these positions, so many rows, of which so many at most may be transactional. */
static void expect_claim(struct db *db, const char *beyond, const char *transactional, const char *limit)
{
    ck_assert_str_eq(fake_db_value(db, &sql_claim, 2), beyond);
    ck_assert_str_eq(fake_db_value(db, &sql_claim, 4), transactional);
    ck_assert_str_eq(fake_db_value(db, &sql_claim, 5), limit);
}

static void expect_look(const char *lane, const char *after, const char *upto)
{
    ck_assert_str_eq(fake_db_value(first, &sql_reclaim, 2), lane);
    ck_assert_str_eq(fake_db_value(first, &sql_reclaim, 3), after);
    ck_assert_str_eq(fake_db_value(first, &sql_reclaim, 4), upto);
}

static void board(struct db *db)
{
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    fake_db_answer(db, &sql_hold, "1");
}

static void land(struct db *db)
{
    fake_db_answer(db, &sql_settle, "1");
    fake_db_answer(db, &sql_commit, NULL);
}

static void answer(const char *path)
{
    fake_endpoint_answer(path, 200, "");
}

/* There is nothing to do, and producers ring. */
static void asleep(void)
{
    read_rows();
    scan_gives(first, NULL);
    fake_db_answer(stage.db, &sql_fall_asleep, "t");
    scan_gives(first, NULL);
    journal_expect("session begin+claim fall_asleep rollback begin+claim rollback");
}

/* ---- Whether to claim ---- */

START_TEST(test_nothing_is_claimed_before_the_configuration_is_read)
{
    fake_time_pass(1000);
    channel_notified(channel);
    journal_expect("");
    ck_assert(!channel_is_ready(channel));
    read_rows();
    journal_expect("session begin+claim");
    ck_assert(channel_is_ready(channel));
    ck_assert_str_eq(fake_db_value(first, &sql_claim, 1), "ios");
    ck_assert_str_eq(fake_db_value(first, &sql_claim, 2), "100");
    ck_assert_str_eq(fake_db_value(first, &sql_claim, 3), "50");
}
END_TEST

START_TEST(test_a_paused_channel)
{
    stage.row.paused = true;
    read_rows();
    channel_notified(channel);
    fake_time_pass(1000);
    journal_expect("");
    stage.row.paused = false;
    read_rows();
    journal_expect("session begin+claim");
}
END_TEST

START_TEST(test_nothing_is_claimed_without_the_control_connection)
{
    asleep();
    stage_lose_control();
    channel_control_lost(channel);
    fake_time_pass(500);
    journal_expect("lost");
    stage_regain_control();
    channel_attached(channel);
    journal_read();
    read_rows();
    journal_expect("begin+claim"); /* whatever rang meanwhile */
}
END_TEST

START_TEST(test_the_database_rests_after_a_refused_claim)
{
    read_rows();
    fake_db_fail(first, &sql_claim, "53200");
    fake_time_pass(999);
    journal_expect("session begin+claim rollback");
    fake_time_pass(1);
    journal_expect("begin+claim");
}
END_TEST

START_TEST(test_the_database_rests_after_a_refused_flight)
{
    read_rows();
    scan_gives(first, "1 2 3 4 5 6 7 8 9 10"); /* so more are due */
    fake_db_fail(stage.db, &sql_open_flight, "53100");
    fake_time_pass(999);
    journal_expect("session begin+claim open_flight rollback");
    fake_time_pass(1);
    journal_expect("begin+claim");
}
END_TEST

START_TEST(test_a_lost_claim_is_repeated_soon)
{
    read_rows();
    fake_db_lose(first);
    journal_expect("session begin+claim");
    fake_time_pass(100);
    journal_expect("session begin+claim"); /* by the other connection */
    expect_claim(second, "100", "8", "10");
    fake_db_up(first);
    journal_expect("");
}
END_TEST

START_TEST(test_a_connection_that_comes_up_is_used)
{
    fake_db_lose(first);
    fake_db_lose(second);
    read_rows();
    journal_expect("");
    ck_assert(!channel_is_ready(channel));
    fake_db_up(second);
    journal_expect("session begin+claim");
}
END_TEST

/* ---- How much ---- */

START_TEST(test_no_more_is_claimed_than_there_is_room_for)
{
    apple.max_streams = 3;
    read_rows();
    expect_claim(first, "100", "5", "6"); /* as much again as can be in the air */
}
END_TEST

START_TEST(test_what_another_batch_may_yet_bring_has_its_room)
{
    apple.max_streams = 3;
    stage.row.batch_size = 4;
    read_rows();
    scan_gives(first, "1 2 3 4");
    fake_time_pass(100);
    expect_claim(second, "104", "1", "2");
    scan_gives(second, "5 6");
    journal_read();
    fake_time_pass(1000);
    journal_expect("");
}
END_TEST

START_TEST(test_without_room_nothing_is_claimed)
{
    apple.max_streams = 1;
    read_rows();
    scan_gives(first, "1 2");
    board(first);
    journal_read();
    fake_time_pass(24);
    journal_expect("");
    answer("1");
    journal_expect("apple:2");
    fake_time_pass(76);
    journal_expect("note_verdicts session begin+claim"); /* one more may wait now */
    ck_assert_str_eq(fake_db_value(second, &sql_claim, 5), "1");
}
END_TEST

START_TEST(test_bulk_has_its_share_of_small_claims_too)
{
    static const char *const transactional[] = {"10", "9", "10", "9"};
    stage.row.bulk_share = 5;
    read_rows();
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(fake_db_value(first, &sql_claim, 4), transactional[i]);
        scan_gives(first, NULL);
        channel_notified(channel);
    }
}
END_TEST

START_TEST(test_bulk_has_its_share_of_single_rows)
{
    stage.row.batch_size = 1;
    read_rows();
    for (int i = 1; i <= 10; i++) {
        ck_assert_str_eq(fake_db_value(first, &sql_claim, 4), i % 5 == 0 ? "0" : "1");
        scan_gives(first, NULL);
        channel_notified(channel);
    }
}
END_TEST

START_TEST(test_bulk_does_not_take_all)
{
    stage.row.bulk_share = 100;
    read_rows();
    expect_claim(first, "100", "1", "10");
}
END_TEST

START_TEST(test_room_is_asked_for_where_limits_leave_none)
{
    apple.limited = true;
    read_rows();
    expect_claim(first, "100", "1", "1"); /* one shows whether there are more */
    scan_gives(first, "1");
    board(first);
    fake_time_pass(0);
    fake_db_answer(stage.db, &sql_lease_budget, "1|9|");
    journal_expect("session begin+claim open_flight hold lease_budget apple:1");
    channel_notified(channel);
    fake_time_pass(0);
    fake_db_answer(stage.db, &sql_lease_budget, "5|9|");
    journal_expect("lease_budget session begin+claim");
    ck_assert_str_eq(fake_db_value(second, &sql_claim, 5), "5");
}
END_TEST

/* ---- When ---- */

START_TEST(test_a_full_claim_is_followed_by_the_next)
{
    read_rows();
    scan_gives(first, "1 2 3 4 5 6 7 8 9 10");
    board(first);
    journal_read();
    for (int id = 1; id <= 10; id++)
        answer(arena_printf(stage.arena, "%d", id));
    journal_expect("session begin+claim settle+commit"); /* when there were slots again */
    scan_gives(second, NULL);
    land(first);
    fake_time_pass(1);
    journal_expect("rollback");
    fake_time_pass(1); /* there were some just now */
    journal_expect("begin+claim");
}
END_TEST

START_TEST(test_it_looks_often_while_there_was_something_lately)
{
    asleep();
    channel_notified(channel);
    journal_expect("stay_awake begin+claim");
    for (int i = 0; i < 100; i++) {
        scan_gives(first, NULL);
        fake_time_pass(2);
        journal_expect("rollback begin+claim");
    }
    scan_gives(first, NULL);
    journal_expect("fall_asleep rollback"); /* for 0.2 s there was nothing */
}
END_TEST

START_TEST(test_it_looks_once_more_when_it_has_fallen_asleep)
{
    read_rows();
    scan_gives(first, NULL);
    fake_time_pass(50);
    journal_expect("session begin+claim fall_asleep rollback");
    fake_db_answer(stage.db, &sql_fall_asleep, "t");
    journal_expect("begin+claim"); /* what was committed before rang nobody */
}
END_TEST

START_TEST(test_asleep_it_looks_once_a_second)
{
    asleep();
    fake_time_pass(999);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("begin+claim");
}
END_TEST

START_TEST(test_asleep_it_looks_as_often_as_it_is_told)
{
    asleep();
    for (int i = 0; i < 5; i++) {
        fake_time_pass(29);
        journal_expect("");
        fake_time_pass(1);
        journal_expect("begin+claim");
        scan_gives(first, NULL);
        journal_expect("rollback");
    }
}
END_TEST

START_TEST(test_a_ring_wakes_it)
{
    asleep();
    channel_notified(channel);
    journal_expect("stay_awake begin+claim");
    channel_notified(channel); /* it is awake, and at it */
    journal_expect("");
    scan_gives(first, NULL);
    journal_expect("rollback begin+claim"); /* the second one may have come after its snapshot */
}
END_TEST

START_TEST(test_rows_wake_it)
{
    asleep();
    fake_time_pass(1000);
    scan_gives(first, "1");
    journal_expect("begin+claim stay_awake open_flight");
    board(first);
    answer("1");
    land(first);
    fake_time_pass(2);
    journal_expect("hold apple:1 settle+commit begin+claim");
}
END_TEST

/* A producer with an open transaction keeps it from sleeping. */
START_TEST(test_it_looks_less_and_less_often_when_it_cannot_sleep)
{
    static const int waits[] = {4, 8, 16, 32, 64, 100, 100};
    read_rows();
    scan_gives(first, NULL);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        fake_db_answer(stage.db, &sql_fall_asleep, "f");
        journal_read();
        fake_time_pass(waits[i] - 1);
        journal_expect("");
        fake_time_pass(1);
        journal_expect("begin+claim");
        scan_gives(first, NULL);
        journal_expect("fall_asleep rollback");
    }
}
END_TEST

START_TEST(test_what_it_held_is_gone_with_the_control_connection)
{
    asleep();
    stage_lose_control();
    channel_control_lost(channel);
    stage_regain_control();
    journal_read();
    channel_notified(channel);
    journal_expect("begin+claim"); /* there is no lock to give back */
}
END_TEST

/* ---- Looks behind the cursor ---- */

/* A tick, and a scan that started after it: up to 150, what is pending lies in ranges. */
static void covered(void)
{
    asleep();
    channel_tick(channel, 150, &no_transactions);
    fake_time_pass(1000);
    journal_expect("begin+claim");
    scan_gives(first, NULL);
    journal_expect("rollback");
}

static void look_gives(const char *rows)
{
    fake_db_answer(first, &sql_reclaim, rows);
}

START_TEST(test_what_a_scan_has_passed_is_looked_at_later)
{
    covered();
    fake_time_pass(499);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("begin+reclaim");
    expect_look("transactional", "100", "150");
    ck_assert_str_eq(fake_db_value(first, &sql_reclaim, 5), "10");
    fake_time_pass(400); /* one at a time */
    journal_expect("");
    look_gives(NOTHING_PENDING);
    journal_expect("rollback begin+reclaim");
    expect_look("bulk", "50", "150");
    look_gives(NOTHING_PENDING);
    fake_time_pass(99);
    journal_expect("rollback");
}
END_TEST

START_TEST(test_low_water_rises_when_nothing_is_pending)
{
    int64_t position;
    ck_assert(!channel_low_water(channel, LANE_BULK, &position));
    covered();
    ck_assert(channel_low_water(channel, LANE_TRANSACTIONAL, &position));
    ck_assert_int_eq(position, 100);
    fake_time_pass(500);
    look_gives(NOTHING_PENDING);
    ck_assert(channel_low_water(channel, LANE_TRANSACTIONAL, &position));
    ck_assert_int_eq(position, 150);
    ck_assert(channel_low_water(channel, LANE_BULK, &position));
    ck_assert_int_eq(position, 50);
}
END_TEST

START_TEST(test_a_look_that_stopped_early_goes_on_at_once)
{
    covered();
    fake_time_pass(500);
    look_gives("||||||||||||||||0|||120");
    journal_expect("begin+reclaim rollback begin+reclaim");
    expect_look("transactional", "120", "150");
}
END_TEST

START_TEST(test_what_a_look_takes_is_sent)
{
    covered();
    fake_time_pass(500);
    look_gives(arena_printf(stage.arena, "%s|2|101|140|150", stage_rows("1")));
    board(first);
    journal_expect("begin+reclaim open_flight hold apple:1");
    answer("1");
    land(first);
    int64_t position;
    channel_low_water(channel, LANE_TRANSACTIONAL, &position);
    ck_assert_int_eq(position, 100); /* until it is seen final */
}
END_TEST

START_TEST(test_a_look_that_failed_comes_again)
{
    covered();
    fake_time_pass(500);
    fake_db_lose(first);
    journal_expect("begin+reclaim session begin+reclaim"); /* the other connection is at the next range */
    ck_assert_str_eq(fake_db_value(second, &sql_reclaim, 2), "bulk");
    fake_db_answer(second, &sql_reclaim, NOTHING_PENDING);
    fake_db_up(first);
    fake_time_pass(499);
    journal_expect("rollback");
    fake_time_pass(101); /* ranges are looked through ten times a second; and asleep, it is time for a scan */
    journal_expect("session begin+claim begin+reclaim");
    ck_assert_str_eq(fake_db_value(second, &sql_reclaim, 2), "transactional");
}
END_TEST

START_TEST(test_rows_that_others_have_left_are_looked_at_now)
{
    covered();
    channel_disturb(channel);
    journal_expect("begin+reclaim");
}
END_TEST

START_TEST(test_rows_that_were_released_are_looked_at_now)
{
    covered();
    channel_notified(channel);
    scan_gives(first, "1");
    journal_read();
    fake_db_lose(first); /* so its flight will be dropped */
    fake_db_answer(stage.db, &sql_open_flight, NULL);
    journal_expect("drop_flight session begin+reclaim");
}
END_TEST

START_TEST(test_what_a_pause_has_passed_is_looked_at_now)
{
    covered();
    stage.row.paused = true;
    read_rows();
    fake_time_pass(400);
    journal_expect("");
    stage.row.paused = false;
    read_rows();
    journal_expect("begin+claim session begin+reclaim"); /* a scan, and a look by the other batch */
}
END_TEST

/* ---- The end ---- */

START_TEST(test_stopped_without_work)
{
    asleep();
    channel_stop(channel);
    ck_assert(channel_is_done(channel));
    channel_notified(channel);
    channel_tick(channel, 150, &no_transactions);
    fake_time_pass(5000);
    journal_expect("stay_awake");
}
END_TEST

START_TEST(test_stopped_with_messages_in_the_air)
{
    apple.max_streams = 2;
    read_rows();
    scan_gives(first, "1 2 3");
    board(first);
    journal_read();
    channel_stop(channel);
    ck_assert(!channel_is_done(channel));
    answer("1");
    journal_expect(""); /* the third one is not sent any more */
    answer("2");
    journal_expect("settle+commit");
    ck_assert_str_eq(stage_verdicts(first, &sql_settle), "1=sent 2=sent");
    ck_assert(!channel_is_done(channel));
    land(first);
    ck_assert(channel_is_done(channel));
    fake_time_pass(5000);
    journal_expect("");
}
END_TEST

START_TEST(test_stopped_with_a_claim_under_way)
{
    read_rows();
    channel_stop(channel);
    ck_assert(!channel_is_done(channel));
    scan_gives(first, "1");
    journal_expect("session begin+claim rollback");
    ck_assert(channel_is_done(channel));
}
END_TEST

START_TEST(test_stopped_it_gives_back_what_it_has_leased)
{
    apple.limited = true;
    read_rows();
    scan_gives(first, "1");
    board(first);
    fake_time_pass(0);
    fake_db_answer(stage.db, &sql_lease_budget, "5|9|");
    journal_read();
    channel_stop(channel);
    journal_expect("lease_budget");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_lease_budget, 3), "0");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_lease_budget, 4), "4");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel");
    TCase *tcase = tcase_create("channel");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_nothing_is_claimed_before_the_configuration_is_read);
    tcase_add_test(tcase, test_a_paused_channel);
    tcase_add_test(tcase, test_nothing_is_claimed_without_the_control_connection);
    tcase_add_test(tcase, test_the_database_rests_after_a_refused_claim);
    tcase_add_test(tcase, test_the_database_rests_after_a_refused_flight);
    tcase_add_test(tcase, test_a_lost_claim_is_repeated_soon);
    tcase_add_test(tcase, test_a_connection_that_comes_up_is_used);
    tcase_add_test(tcase, test_no_more_is_claimed_than_there_is_room_for);
    tcase_add_test(tcase, test_what_another_batch_may_yet_bring_has_its_room);
    tcase_add_test(tcase, test_without_room_nothing_is_claimed);
    tcase_add_test(tcase, test_bulk_has_its_share_of_small_claims_too);
    tcase_add_test(tcase, test_bulk_has_its_share_of_single_rows);
    tcase_add_test(tcase, test_bulk_does_not_take_all);
    tcase_add_test(tcase, test_room_is_asked_for_where_limits_leave_none);
    tcase_add_test(tcase, test_a_full_claim_is_followed_by_the_next);
    tcase_add_test(tcase, test_it_looks_often_while_there_was_something_lately);
    tcase_add_test(tcase, test_it_looks_once_more_when_it_has_fallen_asleep);
    tcase_add_test(tcase, test_asleep_it_looks_once_a_second);
    tcase_add_test(tcase, test_a_ring_wakes_it);
    tcase_add_test(tcase, test_rows_wake_it);
    tcase_add_test(tcase, test_it_looks_less_and_less_often_when_it_cannot_sleep);
    tcase_add_test(tcase, test_what_it_held_is_gone_with_the_control_connection);
    tcase_add_test(tcase, test_what_a_scan_has_passed_is_looked_at_later);
    tcase_add_test(tcase, test_low_water_rises_when_nothing_is_pending);
    tcase_add_test(tcase, test_a_look_that_stopped_early_goes_on_at_once);
    tcase_add_test(tcase, test_what_a_look_takes_is_sent);
    tcase_add_test(tcase, test_a_look_that_failed_comes_again);
    tcase_add_test(tcase, test_rows_that_others_have_left_are_looked_at_now);
    tcase_add_test(tcase, test_rows_that_were_released_are_looked_at_now);
    tcase_add_test(tcase, test_what_a_pause_has_passed_is_looked_at_now);
    tcase_add_test(tcase, test_stopped_without_work);
    tcase_add_test(tcase, test_stopped_with_messages_in_the_air);
    tcase_add_test(tcase, test_stopped_with_a_claim_under_way);
    tcase_add_test(tcase, test_stopped_it_gives_back_what_it_has_leased);
    suite_add_tcase(suite, tcase);
    TCase *impatient = tcase_create("impatient");
    tcase_add_checked_fixture(impatient, setup_impatient, teardown);
    tcase_add_test(impatient, test_asleep_it_looks_as_often_as_it_is_told);
    suite_add_tcase(suite, impatient);
    return suite_run(suite);
}
