/* How a dispatcher's rooms are joined: what the control connection reports reaches the channels, and how all
 * of it ends. */
#include <check.h>
#include <string.h>

#include "dispatcher/dispatcher.h"
#include "fakes/adapter.h"
#include "fakes/db.h"
#include "fakes/endpoint.h"
#include "fakes/journal.h"
#include "fakes/time.h"
#include "support/suite.h"

#define TWO_CHANNELS "ios|3|f|10|30000|20|0|0\nsms|4|f|10|30000|20|101|0"
#define TWO_PROVIDERS                                                                                        \
    "ios|apple|plain||production|{\"url\": \"https://apple\"}|1|1||f|30|1|10|5000|10000|0\n"                 \
    "sms|telco|plain||production|{\"url\": \"https://telco\"}|1|1||f|30|1|10|5000|10000|0"
#define MESSAGE_7 "7|107|f|0|1||f|||f|uuid|||kim||{}"

static struct loop *loop;
static struct transport *transport;
static struct dispatcher *dispatcher;
static struct db *control, *ios, *sms; /* ios, sms: the first connection of each that claims */

static void on_stopped(void *arg)
{
    (void)arg;
    journal_add("stopped");
}

static void on_unusable(void *arg, const char *reason)
{
    (void)arg;
    journal_add("unusable: %s", reason);
}

static struct dispatcher *make(const char *channels, struct error *err)
{
    return dispatcher_new(
        loop, transport,
        &(struct dispatcher_options){
            .channels = channels, .conninfo = "", .name = "test", .connections = 1, .poll_ms = 1000},
        &(struct dispatcher_events){.stopped = on_stopped, .unusable = on_unusable}, err);
}

static void setup(void)
{
    struct error err;
    loop = loop_new();
    transport = transport_new(loop, &(struct transport_options){0}, &err);
    dispatcher = make("ios,sms", &err);
    control = fake_db(0);
    ios = fake_db(1);
    sms = fake_db(2);
    fake_db_up(ios);
    fake_db_up(sms);
    fake_db_up(control);
    fake_db_answer(control, &sql_register_dispatcher, "5");
    fake_db_quiet(&sql_read_marks);
    fake_db_quiet(&sql_raise_low_water);
}

static void teardown(void)
{
    struct db *all[] = {ios, sms, control};
    for (int i = 0; i < 3; i++)
        if (db_is_up(all[i]))
            fake_db_lose(all[i]);
    fake_time_pass(0);
    dispatcher_free(dispatcher);
    transport_free(transport);
    loop_free(loop);
}

static void configuration_is(const char *channels, const char *providers)
{
    fake_db_answer(control, &sql_read_channels, channels);
    fake_db_answer(control, &sql_read_providers, providers);
}

/* Registered, configured, and nothing is to be sent. The journal begins after it. */
static void serve(void)
{
    configuration_is(TWO_CHANNELS, TWO_PROVIDERS);
    fake_db_answer(ios, &sql_claim, NULL);
    fake_db_answer(sms, &sql_claim, NULL);
    fake_db_answer(control, &sql_fall_asleep, "t");
    fake_db_answer(control, &sql_fall_asleep, "t");
    fake_db_answer(ios, &sql_claim, NULL);
    fake_db_answer(sms, &sql_claim, NULL);
    journal_read();
}

/* The next tick comes; these dispatchers live. */
static void tick(const char *alive)
{
    char snapshot[64] = "1:2:|";
    fake_time_pass(500);
    fake_db_answer(control, &sql_read_position, "150|1");
    fake_db_answer(control, &sql_read_snapshot, strcat(strcat(snapshot, alive), "|2"));
    if (fake_db_open(control, &sql_recover_flights) > 0)
        fake_db_answer(control, &sql_recover_flights, "0|0|0|0");
    for (struct db *db = ios; db; db = db == ios ? sms : NULL)
        if (fake_db_open(db, &sql_claim) > 0)
            fake_db_answer(db, &sql_claim, NULL);
}

START_TEST(test_lists_of_channels)
{
    static const char *const bad[] = {"", ",", "ios,,sms", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {""};
        ck_assert_ptr_null(make(bad[i], &err));
        ck_assert_msg(strncmp(err.text, "--channels: ", 12) == 0, "%s", err.text);
    }
}
END_TEST

START_TEST(test_from_registration_to_claims)
{
    journal_expect("listen_wake+listen_config register_dispatcher read_channels+read_providers");
    ck_assert_str_eq(fake_db_value(control, &sql_read_channels, 1), "{\"ios\",\"sms\"}");
    configuration_is(TWO_CHANNELS, TWO_PROVIDERS);
    journal_expect("session begin+claim session begin+claim");
    ck_assert_str_eq(fake_db_value(ios, &sql_claim, 1), "ios");
    ck_assert_str_eq(fake_db_value(sms, &sql_claim, 1), "sms");
    ck_assert_str_eq(fake_db_value(sms, &sql_claim, 2), "100");
    fake_db_answer(sms, &sql_claim, MESSAGE_7);
    fake_db_answer(control, &sql_open_flight, NULL);
    fake_db_answer(sms, &sql_hold, "1");
    journal_expect("open_flight hold telco:7");
}
END_TEST

START_TEST(test_a_channel_that_does_not_exist)
{
    journal_read();
    configuration_is("ios|3|f|10|30000|20|0|0", TWO_PROVIDERS);
    journal_expect("unusable: --channels: not every one of them exists in outbox.channel");
}
END_TEST

START_TEST(test_a_ring_is_for_one_channel)
{
    serve();
    fake_db_notify(control, "outbox_wake", "sms");
    journal_expect("stay_awake begin+claim");
    ck_assert_uint_eq(fake_db_open(sms, &sql_claim), 1);
    fake_db_notify(control, "outbox_wake", "email"); /* served by others */
    journal_expect("");
}
END_TEST

START_TEST(test_a_changed_configuration_is_read)
{
    serve();
    fake_db_notify(control, "outbox_config", "");
    journal_expect("read_channels+read_providers");
    configuration_is("ios|3|t|10|30000|20|0|0\nsms|4|t|10|30000|20|101|0", TWO_PROVIDERS);
    fake_db_notify(control, "outbox_wake", "sms");
    journal_expect("stay_awake"); /* all is paused now */
}
END_TEST

START_TEST(test_what_is_done_with_which_tick)
{
    static const char low_waters[] = "raise_low_water raise_low_water raise_low_water raise_low_water";
    serve();
    for (int number = 1; number <= 120; number++) {
        tick("5");
        const char *words = journal_read();
        ck_assert_ptr_nonnull(strstr(words, "read_position read_snapshot read_marks"));
        ck_assert_msg(!strstr(words, "recover_flights") == (number % 2 != 0), "%d: %s", number, words);
        ck_assert_msg(!strstr(words, low_waters) == (number % 4 != 0), "%d: %s", number, words);
        ck_assert_msg(!strstr(words, "read_channels") == (number % 10 != 0), "%d: %s", number, words);
        if (number % 10 == 0)
            configuration_is(TWO_CHANNELS, TWO_PROVIDERS);
        for (struct db *db = ios; db; db = db == ios ? sms : NULL)
            while (fake_db_open(db, &sql_reclaim) > 0)
                fake_db_answer(db, &sql_reclaim, "||||||||||||||||0|||150");
    }
}
END_TEST

START_TEST(test_low_water_is_published_for_each_channel_and_lane)
{
    serve();
    for (int number = 1; number <= 4; number++)
        tick("5");
    ck_assert_uint_eq(fake_db_open(control, &sql_raise_low_water), 4);
    ck_assert_str_eq(fake_db_value(control, &sql_raise_low_water, 1), "ios");
    ck_assert_str_eq(fake_db_value(control, &sql_raise_low_water, 2), "transactional");
    ck_assert_str_eq(fake_db_value(control, &sql_raise_low_water, 3), "1"); /* the first that may be open */
}
END_TEST

START_TEST(test_a_dispatcher_that_has_gone_left_rows)
{
    serve();
    tick("5,6");
    fake_time_pass(500); /* scans after the tick: what they passed is looked at half a second later */
    fake_db_answer(ios, &sql_claim, NULL);
    fake_db_answer(sms, &sql_claim, NULL);
    fake_db_answer(control, &sql_read_position, "150|1");
    ck_assert_uint_eq(fake_db_open(ios, &sql_reclaim) + fake_db_open(sms, &sql_reclaim), 0);
    fake_db_answer(control, &sql_read_snapshot, "1:2:|5|2");
    ck_assert_uint_eq(fake_db_open(ios, &sql_reclaim), 1); /* or at once, when somebody left */
    ck_assert_uint_eq(fake_db_open(sms, &sql_reclaim), 1);
}
END_TEST

START_TEST(test_a_lost_control_connection)
{
    serve();
    fake_db_lose(control);
    fake_time_pass(500);
    journal_expect("");
    fake_db_up(control);
    fake_db_answer(control, &sql_reattach_dispatcher, "t");
    fake_time_pass(0);
    journal_expect("listen_wake+listen_config reattach_dispatcher "
                   "read_channels+read_providers read_position read_snapshot read_marks");
    configuration_is(TWO_CHANNELS, TWO_PROVIDERS);
    journal_expect("begin+claim begin+claim");
}
END_TEST

START_TEST(test_what_was_missed_of_a_providers_health_is_told)
{
    serve();
    fake_db_notify(control, "outbox_wake", "ios");
    fake_db_answer(ios, &sql_claim,
                   "1|101|f|0|1||f|||f|uuid|||kim||{}\n2|102|f|0|1||f|||f|uuid|||kim||{}\n"
                   "3|103|f|0|1||f|||f|uuid|||kim||{}\n4|104|f|0|1||f|||f|uuid|||kim||{}\n"
                   "5|105|f|0|1||f|||f|uuid|||kim||{}");
    fake_db_answer(control, &sql_open_flight, NULL);
    fake_db_answer(ios, &sql_hold, "1");
    fake_db_lose(control);
    static const char *const paths[] = {"1", "2", "3", "4", "5"};
    for (int i = 0; i < 5; i++)
        fake_endpoint_answer(paths[i], 500, "busy");
    fake_time_pass(0);
    fake_db_up(control);
    journal_read();
    fake_db_answer(control, &sql_reattach_dispatcher, "t");
    journal_expect("report_provider read_channels+read_providers");
}
END_TEST

START_TEST(test_who_was_given_up_has_no_flights)
{
    serve();
    fake_db_lose(control);
    fake_time_pass(0);
    fake_db_up(control);
    fake_db_answer(control, &sql_reattach_dispatcher, "f");
    fake_db_answer(control, &sql_register_dispatcher, "6");
    journal_expect("listen_wake+listen_config reattach_dispatcher register_dispatcher "
                   "read_channels+read_providers");
}
END_TEST

START_TEST(test_stopped_without_work)
{
    serve();
    dispatcher_stop(dispatcher);
    fake_time_pass(0);
    journal_expect("read_position read_snapshot read_marks raise_low_water raise_low_water raise_low_water "
                   "raise_low_water unregister_dispatcher");
    fake_db_answer(control, &sql_read_position, "150|1");
    fake_db_answer(control, &sql_read_snapshot, "1:2:|5|2");
    fake_db_answer(control, &sql_unregister_dispatcher, NULL);
    journal_expect("stopped");
    fake_time_pass(5000);
    journal_expect("");
}
END_TEST

START_TEST(test_stopped_with_messages_in_the_air)
{
    serve();
    fake_db_notify(control, "outbox_wake", "ios");
    fake_db_answer(ios, &sql_claim, MESSAGE_7);
    fake_db_answer(control, &sql_open_flight, NULL);
    fake_db_answer(ios, &sql_hold, "1");
    dispatcher_stop(dispatcher);
    fake_time_pass(400);
    fake_endpoint_answer("7", 200, "");
    journal_expect("stay_awake begin+claim open_flight hold apple:7 read_position read_snapshot read_marks "
                   "settle+commit");
    fake_time_pass(5);
    journal_expect(""); /* not before it has landed */
    fake_db_answer(ios, &sql_settle, "1");
    fake_db_answer(ios, &sql_commit, NULL);
    fake_time_pass(5);
    journal_expect("raise_low_water raise_low_water raise_low_water raise_low_water unregister_dispatcher");
}
END_TEST

START_TEST(test_stopped_without_the_control_connection)
{
    serve();
    fake_db_lose(control);
    dispatcher_stop(dispatcher);
    fake_time_pass(0);
    journal_expect("stopped"); /* its lock is gone: others know */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatcher");
    TCase *tcase = tcase_create("dispatcher");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_lists_of_channels);
    tcase_add_test(tcase, test_from_registration_to_claims);
    tcase_add_test(tcase, test_a_channel_that_does_not_exist);
    tcase_add_test(tcase, test_a_ring_is_for_one_channel);
    tcase_add_test(tcase, test_a_changed_configuration_is_read);
    tcase_add_test(tcase, test_what_is_done_with_which_tick);
    tcase_add_test(tcase, test_low_water_is_published_for_each_channel_and_lane);
    tcase_add_test(tcase, test_a_dispatcher_that_has_gone_left_rows);
    tcase_add_test(tcase, test_a_lost_control_connection);
    tcase_add_test(tcase, test_what_was_missed_of_a_providers_health_is_told);
    tcase_add_test(tcase, test_who_was_given_up_has_no_flights);
    tcase_add_test(tcase, test_stopped_without_work);
    tcase_add_test(tcase, test_stopped_with_messages_in_the_air);
    tcase_add_test(tcase, test_stopped_without_the_control_connection);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
