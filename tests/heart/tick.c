/* The tick: in which order it asks, and what it makes of the answers. */
#include <check.h>
#include <inttypes.h>

#include "dispatcher/tick.h"
#include "fakes/stage.h"
#include "support/suite.h"

static struct tick *tick;

static void on_begun(void *arg, unsigned number)
{
    (void)arg;
    journal_add("begun(%u)", number);
}

static void on_snapshot(void *arg, int64_t position, const struct snapshot *snapshot)
{
    (void)arg;
    journal_add("snapshot(%" PRId64 ",%" PRIu64 ",%zu)", position, snapshot->xmax, snapshot->count);
}

static void on_somebody_left(void *arg)
{
    (void)arg;
    journal_add("somebody-left");
}

static void setup(void)
{
    stage_setup();
    tick = tick_new(
        stage.loop, stage.control,
        &(struct tick_events){.begun = on_begun, .snapshot = on_snapshot, .somebody_left = on_somebody_left});
    tick_start(tick);
    fake_time_pass(0);
    journal_expect("read_position read_snapshot begun(1)"); /* each a transaction of its own */
}

static void teardown(void)
{
    tick_stop(tick);
    if (db_is_up(stage.db))
        stage_lose_control();
    fake_time_pass(0);
    tick_free(tick); /* after its last answers */
    stage_teardown();
}

static void answers(const char *position, const char *snapshot)
{
    fake_db_answer(stage.db, &sql_read_position, position);
    fake_db_answer(stage.db, &sql_read_snapshot, snapshot);
}

static void next(void)
{
    fake_time_pass(500);
    journal_read();
}

START_TEST(test_twice_a_second)
{
    answers("40|1000", "990:1001:990,995|5|2");
    journal_expect("snapshot(40,1001,2)");
    fake_time_pass(499);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("read_position read_snapshot begun(2)");
}
END_TEST

START_TEST(test_one_at_a_time)
{
    fake_time_pass(5000);
    journal_expect("");
    answers("40|1000", "990:1001:990|5|2");
    fake_time_pass(500);
    journal_expect("snapshot(40,1001,1) read_position read_snapshot begun(2)");
}
END_TEST

START_TEST(test_a_dispatcher_that_is_not_there_any_more)
{
    answers("40|1", "1:2:|5,60,7|2");
    next();
    answers("40|1", "1:2:|5,60,7,8|2");
    journal_expect("snapshot(40,2,0)"); /* one more is nobody less */
    next();
    answers("40|1", "1:2:|5,6,7,8|2");
    journal_expect("snapshot(40,2,0) somebody-left");
    next();
    answers("40|1", "1:2:|5,6,7,8|2");
    journal_expect("snapshot(40,2,0)");
    next();
    answers("40|1", "1:2:|5,60,7,8|2"); /* another one has come */
    journal_expect("snapshot(40,2,0) somebody-left");
}
END_TEST

START_TEST(test_half_a_tick_is_none)
{
    fake_db_fail(stage.db, &sql_read_position, "57014");
    fake_db_answer(stage.db, &sql_read_snapshot, "1:2:|5|2");
    journal_expect("");
    next();
    fake_db_answer(stage.db, &sql_read_position, "40|1");
    fake_db_fail(stage.db, &sql_read_snapshot, "57014");
    next();
    answers("40|1", "nonsense|5|2");
    journal_expect("");
    next();
    answers("40|1", "1:2:|5|2");
    journal_expect("snapshot(40,2,0)");
}
END_TEST

START_TEST(test_a_connection_that_does_not_answer_is_left)
{
    fake_time_pass(15000);
    journal_expect("");
    fake_time_pass(500);
    journal_expect("reconnect lost");
}
END_TEST

START_TEST(test_a_session_that_does_not_listen_is_left)
{
    answers("40|1", "1:2:|5|1");
    journal_expect("snapshot(40,2,0) reconnect");
}
END_TEST

START_TEST(test_stopped_and_started)
{
    tick_stop(tick);
    stage_lose_control();
    fake_time_pass(5000);
    journal_expect("lost");
    stage_regain_control();
    tick_start(tick);
    fake_time_pass(0);
    journal_expect("listen_wake+listen_config reattach_dispatcher attached-again read_position read_snapshot "
                   "begun(2)");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tick");
    TCase *tcase = tcase_create("tick");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_twice_a_second);
    tcase_add_test(tcase, test_one_at_a_time);
    tcase_add_test(tcase, test_a_dispatcher_that_is_not_there_any_more);
    tcase_add_test(tcase, test_half_a_tick_is_none);
    tcase_add_test(tcase, test_a_connection_that_does_not_answer_is_left);
    tcase_add_test(tcase, test_a_session_that_does_not_listen_is_left);
    tcase_add_test(tcase, test_stopped_and_started);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
