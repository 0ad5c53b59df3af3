/* The providers of a channel as their rows change, which of them takes a message, and what they tell the
 * database. */
#include <check.h>
#include <stdio.h>

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

static void read_row(struct provider_row row)
{
    stage_read(&row, 1);
}

static void expect_settled(const char *verdicts)
{
    ck_assert_str_eq(stage_verdicts(stage.claims, &sql_settle), verdicts);
}

/* ---- Rows ---- */

START_TEST(test_a_provider_whose_row_is_the_same_stays)
{
    struct provider *apple = roster_find(stage.roster, "apple");
    ck_assert_ptr_nonnull(apple);
    read_row(stage_row("apple", "plain"));
    ck_assert_ptr_eq(roster_find(stage.roster, "apple"), apple);
    fake_time_pass(0);
    ck_assert_uint_eq(fake_endpoints(), 1);
}
END_TEST

/* Twelve messages, ten of them in the air. */
static const char twelve[] = "1 2 3 4 5 6 7 8 9 10 11 12";

START_TEST(test_a_provider_whose_row_was_edited_finishes_what_it_has_in_the_air)
{
    struct provider_row row = stage_row("apple", "plain");
    row.request_timeout_ms = 9000;
    stage_fly(stage_rows(twelve));
    read_row(row);
    journal_expect("apple:11 apple:12"); /* by the new one */
    ck_assert_uint_eq(fake_endpoints(), 2);
    ck_assert_int_eq(fake_endpoint_request("11")->timeout_ms, 9000);
    for (int id = 1; id <= 10; id++)
        answer(arena_printf(stage.arena, "%d", id), 200);
    fake_time_pass(0);
    ck_assert_uint_eq(fake_endpoints(), 1);
    answer("11", 200);
    answer("12", 200);
    journal_expect("capacity settle+commit");
    expect_settled("1=sent 2=sent 3=sent 4=sent 5=sent 6=sent 7=sent 8=sent 9=sent 10=sent 11=sent 12=sent");
}
END_TEST

START_TEST(test_a_provider_without_a_row_is_given_nothing_any_more)
{
    stage_fly(stage_rows(twelve));
    read_row(stage_row("pear", "plain"));
    journal_expect("pear:11 pear:12");
    answer("1", 500);
    journal_expect("pear:1 capacity");
    ck_assert_ptr_null(roster_find(stage.roster, "apple"));
    for (int id = 2; id <= 10; id++)
        answer(arena_printf(stage.arena, "%d", id), 200);
}
END_TEST

START_TEST(test_what_a_stopped_row_has_not_sent_goes_to_the_next)
{
    struct provider_row rows[] = {stage_row("apple", "plain"), stage_row("pear", "plain")};
    rows[0].stopped_ms = 5000;
    stage_fly(stage_rows(twelve));
    stage_read(rows, 2);
    journal_expect("pear:11 pear:12");
    answer("1", 200); /* what it has in the air counts */
    fake_time_pass(5000);
    journal_expect("capacity note_verdicts capacity");
}
END_TEST

START_TEST(test_a_stop_that_was_lifted_makes_a_new_provider)
{
    struct provider_row row = stage_row("apple", "plain");
    stage_fly(stage_rows("1"));
    fake_endpoint_answer("1", 403, "key");
    journal_expect("stop_provider settle+commit");
    struct provider *stopped = roster_find(stage.roster, "apple");
    row.stopped_ms = 60000;
    read_row(row);
    ck_assert_ptr_eq(roster_find(stage.roster, "apple"), stopped);
    row.stopped_ms = 0;
    read_row(row);
    ck_assert(provider_is_open(roster_find(stage.roster, "apple")));
}
END_TEST

START_TEST(test_a_row_that_cannot_be_used_stops_its_provider)
{
    struct provider_row rows[] = {stage_row("apple", "plain"), stage_row("pear", "telegraph"),
                                  stage_row("plum", "plain")};
    rows[2].settings = "{}";
    stage_read(rows, 3);
    journal_expect("stop_provider stop_provider");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_stop_provider, 1), "pear");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_stop_provider, 2),
                     "adapter: no adapter is called \"telegraph\"");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_stop_provider, 3), "60000");
    rows[1].stopped_ms = rows[2].stopped_ms = 60000;
    stage_read(rows, 3);
    journal_expect(""); /* that is known */
    ck_assert_ptr_nonnull(roster_find(stage.roster, "apple"));
    ck_assert_ptr_null(roster_find(stage.roster, "pear"));
}
END_TEST

START_TEST(test_sixty_four_are_enough)
{
    for (int i = 0; i < 65; i++) {
        struct provider_row row = stage_row(arena_printf(stage.arena, "p%d", i), "plain");
        roster_read(stage.roster, &row);
    }
    roster_read_all(stage.roster);
    struct provider *const *providers;
    ck_assert_uint_eq(roster_providers(stage.roster, &providers), 64);
    ck_assert_str_eq(provider_name(providers[63]), "p63");
    ck_assert_uint_eq(roster_room(stage.roster), 64 * 2 * STAGE_STREAMS);
}
END_TEST

/* ---- Which of them ---- */

START_TEST(test_rules_decide)
{
    struct provider_row rows[] = {stage_row("apple", "plain"), stage_row("korea", "plain"),
                                  stage_row("shop", "plain")};
    rows[0].rules.priority = 9;
    rows[1].rules.regions = (const char *const[]){"KR", NULL};
    rows[2].rules.app = "shop";
    stage_read(rows, 3);
    stage_fly(stage_messages((const struct stage_message[]){{.id = 1, .recipient = "+15550100"},
                                                            {.id = 2, .recipient = "+821012345678"},
                                                            {.id = 3, .app = "shop"},
                                                            {0}}));
    answer("1", 200);
    answer("2", 200);
    answer("3", 200);
    ck_assert_str_eq(fake_db_value(stage.claims, &sql_settle, 6), "{\"apple\",\"korea\",\"shop\"}");
}
END_TEST

START_TEST(test_four_are_tried_at_most)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct provider_row rows[5];
    for (int i = 0; i < 5; i++) {
        rows[i] = stage_row(names[i], "plain");
        rows[i].rules.priority = i;
    }
    stage_read(rows, 5);
    stage_fly(stage_rows("1"));
    for (int i = 0; i < 4; i++)
        answer("1", 500);
    journal_expect("b:1 c:1 d:1 settle+commit");
}
END_TEST

static int64_t not_before(void)
{
    struct job job = {.environment = "production", .message = {.recipient = "kim"}};
    return roster_not_before(stage.roster, &job) - FAKE_TIME_MS;
}

START_TEST(test_the_next_provider_has_a_token_of_its_own)
{
    struct provider_row rows[] = {stage_row("apple", "token"), stage_row("pear", "token")};
    rows[1].rules.priority = 2;
    stage_read(rows, 2);
    stage_fly(stage_rows("1"));
    fake_endpoint_answer("token", 200, "t1");
    answer("1", 401);
    fake_endpoint_answer("token", 200, "t2");
    answer("1", 500);
    fake_endpoint_answer("token", 200, "p1");
    journal_expect("apple:1(t1) login:token apple:1(t2) login:token pear:1(p1)");
    answer("1", 401); /* the first refusal there: it is not stopped for it */
    fake_endpoint_answer("token", 200, "p2");
    journal_expect("login:token pear:1(p2)");
}
END_TEST

START_TEST(test_when_a_message_comes_again)
{
    struct provider_row row = stage_row("apple", "plain");
    row.stopped_ms = 7000;
    read_row(row);
    ck_assert_int_eq(not_before(), 7000 + 1000); /* when its provider opens */
    row.stopped_ms = 600000;
    read_row(row);
    ck_assert_int_eq(not_before(), 60000 + 1000); /* or when somebody may have mended that */
    row.rules.environment = "sandbox";
    row.stopped_ms = 0;
    read_row(row);
    ck_assert_int_eq(not_before(), 60000 + 1000);
}
END_TEST

START_TEST(test_dead_addresses_of_a_provider_that_is_gone_are_believed)
{
    char reason[200];
    for (int i = 1; i <= 20; i++) {
        stage_fly(stage_rows(arena_printf(stage.arena, "%d", i)));
        answer(arena_printf(stage.arena, "%d", i), 410);
        if (i < 20)
            stage_land();
    }
    struct provider *apple = roster_find(stage.roster, "apple");
    struct job job = {.provider = apple}, another_providers = {.provider = NULL};
    ck_assert(roster_distrusts_gone(stage.roster, &job, reason, sizeof reason));
    ck_assert(!roster_distrusts_gone(stage.roster, &another_providers, reason, sizeof reason));
    read_row(stage_row("pear", "plain"));
    ck_assert(!roster_distrusts_gone(stage.roster, &job, reason, sizeof reason));
}
END_TEST

/* ---- Limits ---- */

static struct provider_row limited(void)
{
    struct provider_row row = stage_row("apple", "plain");
    row.limited = true;
    return row;
}

static void lease_gives(const char *row)
{
    fake_db_answer(stage.db, &sql_lease_budget, row);
}

START_TEST(test_a_lease_is_asked_of_the_database)
{
    read_row(limited());
    stage_fly(stage_rows("1 2"));
    fake_time_pass(0);
    journal_expect("lease_budget");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_lease_budget, 1), "apple");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_lease_budget, 3), "2");
    lease_gives("5|5|");
    journal_expect("apple:1 apple:2 capacity");
}
END_TEST

START_TEST(test_a_message_waits_a_second_for_a_lease)
{
    read_row(limited());
    stage_fly(stage_rows("1"));
    fake_time_pass(0);
    for (int64_t waited = 0; waited < 1000; waited += 100) {
        lease_gives("0|9|");
        journal_expect("lease_budget");
        fake_time_pass(100);
    }
    lease_gives("0|9|");
    journal_expect("lease_budget settle+commit");
    expect_settled("1=unsent");
}
END_TEST

START_TEST(test_a_lease_finds_who_has_the_name_now)
{
    struct provider_row row = limited();
    read_row(row);
    stage_fly(stage_rows("1"));
    fake_time_pass(0);
    row.rules.priority = 7;
    read_row(row);
    fake_time_pass(0);
    journal_expect("lease_budget lease_budget lease_budget"); /* the second one gives back */
    lease_gives("1|9|");
    journal_expect("apple:1");
}
END_TEST

/* What it hands to its successor is asked for, though it gives back itself what it had. */
START_TEST(test_a_message_that_waits_for_a_lease_is_not_forgotten_by_an_edit)
{
    struct provider_row row = limited();
    read_row(row);
    stage_fly(stage_rows("1 2"));
    fake_time_pass(0);
    lease_gives("1|9|");
    journal_expect("lease_budget apple:1");
    row.rules.priority = 7;
    read_row(row);
    fake_time_pass(0);
    journal_expect("lease_budget lease_budget");
    lease_gives("0|9|");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_lease_budget, 5), "1"); /* what is in the air counts */
    lease_gives("1|9|");
    journal_expect("apple:2");
    answer("1", 200);
}
END_TEST

START_TEST(test_a_lease_that_finds_nobody)
{
    read_row(limited());
    roster_demand(stage.roster);
    fake_time_pass(0);
    read_row(stage_row("pear", "plain"));
    fake_time_pass(0);
    lease_gives("1|9|");
    journal_expect("lease_budget lease_budget");
}
END_TEST

START_TEST(test_limits_may_be_others_when_the_rows_are_read)
{
    read_row(limited());
    roster_demand(stage.roster);
    fake_time_pass(0);
    lease_gives("0|9|50000");
    fake_time_pass(10000);
    journal_expect("lease_budget");
    read_row(limited());
    fake_time_pass(0);
    journal_expect("lease_budget");
}
END_TEST

START_TEST(test_without_a_control_connection_nothing_is_leased)
{
    read_row(limited());
    stage_fly(stage_rows("1"));
    stage_lose_control();
    fake_time_pass(0);
    journal_expect("lost"); /* the message waits for the next lease */
    fake_time_pass(1000);
    journal_expect("settle+commit");
    expect_settled("1=unsent");
}
END_TEST

/* ---- Health ---- */

START_TEST(test_health_is_told_to_the_database)
{
    for (int i = 1; i <= 5; i++) {
        stage_fly(stage_rows("1"));
        fake_endpoint_answer("1", 500, "busy");
        if (i < 5)
            stage_land();
    }
    journal_expect("report_provider settle+commit");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_report_provider, 1), "apple");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_report_provider, 2), "5");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_report_provider, 3), "open");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_report_provider, 4), "500 busy");
    stage_lose_control();
    fake_time_pass(1000);
    journal_expect("lost capacity"); /* that it is tried again cannot be told now */
    stage_regain_control();
    journal_read();
    roster_tell_health(stage.roster);
    journal_expect("report_provider");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_report_provider, 3), "probing");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("roster");
    TCase *tcase = tcase_create("roster");
    tcase_add_checked_fixture(tcase, setup, stage_teardown);
    tcase_add_test(tcase, test_a_provider_whose_row_is_the_same_stays);
    tcase_add_test(tcase, test_a_provider_whose_row_was_edited_finishes_what_it_has_in_the_air);
    tcase_add_test(tcase, test_a_provider_without_a_row_is_given_nothing_any_more);
    tcase_add_test(tcase, test_what_a_stopped_row_has_not_sent_goes_to_the_next);
    tcase_add_test(tcase, test_a_stop_that_was_lifted_makes_a_new_provider);
    tcase_add_test(tcase, test_a_row_that_cannot_be_used_stops_its_provider);
    tcase_add_test(tcase, test_sixty_four_are_enough);
    tcase_add_test(tcase, test_rules_decide);
    tcase_add_test(tcase, test_four_are_tried_at_most);
    tcase_add_test(tcase, test_the_next_provider_has_a_token_of_its_own);
    tcase_add_test(tcase, test_when_a_message_comes_again);
    tcase_add_test(tcase, test_dead_addresses_of_a_provider_that_is_gone_are_believed);
    tcase_add_test(tcase, test_a_lease_is_asked_of_the_database);
    tcase_add_test(tcase, test_a_message_waits_a_second_for_a_lease);
    tcase_add_test(tcase, test_a_lease_finds_who_has_the_name_now);
    tcase_add_test(tcase, test_a_message_that_waits_for_a_lease_is_not_forgotten_by_an_edit);
    tcase_add_test(tcase, test_a_lease_that_finds_nobody);
    tcase_add_test(tcase, test_limits_may_be_others_when_the_rows_are_read);
    tcase_add_test(tcase, test_without_a_control_connection_nothing_is_leased);
    tcase_add_test(tcase, test_health_is_told_to_the_database);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
