/* How a doubt is taken up, asked about and ended. */
#include <check.h>

#include "dispatcher/inquiry.h"
#include "fakes/stage.h"
#include "support/suite.h"

static struct inquiry *inquiry;

static void setup(void)
{
    stage_setup();
    stage_make_roster();
    stage.templates = template_cache_new(10);
    inquiry = inquiry_new(&(struct inquiry_options){.loop = stage.loop,
                                                    .control = stage.control,
                                                    .roster = stage.roster,
                                                    .templates = stage.templates,
                                                    .channel = "ios"});
    stage_read((const struct provider_row[]){stage_row("apple", "asked")}, 1);
}

static void teardown(void)
{
    if (db_is_up(stage.db))
        stage_lose_control();
    fake_time_pass(0);
    roster_free(stage.roster);
    stage.roster = NULL;
    inquiry_free(inquiry);
    stage_teardown();
}

static void read_apple_and_pear(void)
{
    stage_read((const struct provider_row[]){stage_row("apple", "asked"), stage_row("pear", "asked")}, 2);
}

/* A message in doubt for a minute, once its turn is: the row of take_doubt.sql. */
static const char *doubt(const struct stage_message *messages, const char *provider)
{
    return arena_printf(stage.arena, "%s|%s|%lld|%lld|60000|4", stage_messages(messages), provider,
                        (long long)FAKE_TIME_MS - 60000, (long long)FAKE_TIME_MS - 60000);
}

static void take_gives(const char *row)
{
    fake_time_pass(2000);
    fake_db_answer(stage.db, &sql_take_doubt, row);
}

/* Message 1, which this provider has; "" = nobody knows. */
static void take(const char *provider)
{
    take_gives(doubt((const struct stage_message[]){{.id = 1}, {0}}, provider));
}

static void answer(const char *body)
{
    fake_endpoint_answer("?1", 200, body);
}

static void expect_settled(const char *word, const char *provider, const char *reason, const char *asked)
{
    const char *const values[] = {word, provider, NULL, reason, asked};
    for (int i = 0; i < 5; i++) {
        const char *value = fake_db_value(stage.db, &sql_settle_doubt, 4 + i);
        if (values[i])
            ck_assert_str_eq(value, values[i]);
        else
            ck_assert_ptr_null(value);
    }
    ck_assert_str_eq(fake_db_value(stage.db, &sql_settle_doubt, 2), "4");
}

static void settled(void)
{
    fake_db_answer(stage.db, &sql_settle_doubt, NULL);
}

START_TEST(test_a_doubt_is_looked_for_every_two_seconds)
{
    fake_time_pass(1999);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("take_doubt");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_take_doubt, 1), "ios");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_take_doubt, 2), "{\"apple\",\"\"}");
    fake_time_pass(9000); /* one question at a time */
    journal_expect("");
    fake_db_answer(stage.db, &sql_take_doubt, NULL);
    fake_time_pass(2000);
    journal_expect("take_doubt");
}
END_TEST

START_TEST(test_where_nobody_can_be_asked_nothing_is_looked_for)
{
    stage_read((const struct provider_row[]){stage_row("apple", "plain")}, 1);
    fake_time_pass(10000);
    journal_expect("");
}
END_TEST

START_TEST(test_who_has_no_time_is_not_named)
{
    struct provider_row rows[] = {stage_row("apple", "asked"), stage_row("pear", "asked")};
    rows[1].stopped_ms = 60000;
    stage_read(rows, 2);
    fake_time_pass(2000);
    ck_assert_str_eq(fake_db_value(stage.db, &sql_take_doubt, 2), "{\"apple\"}"); /* nor "unknown" */
}
END_TEST

START_TEST(test_the_provider_took_it)
{
    take("apple");
    journal_expect("take_doubt apple:?1");
    answer("{\"took\": true}");
    journal_expect("settle_doubt");
    expect_settled("sent", "apple", NULL, "{\"apple\"}");
    settled();
    fake_time_pass(0);
    journal_expect("take_doubt"); /* perhaps there are more */
}
END_TEST

START_TEST(test_the_provider_did_not_take_it)
{
    take("apple");
    answer("{\"took\": false}");
    expect_settled("unsent", NULL, "the provider was asked and does not have it", "{\"apple\"}");
}
END_TEST

START_TEST(test_the_provider_cannot_tell)
{
    take("apple");
    answer("{}");
    expect_settled("in_doubt", NULL, "it cannot tell", "{\"apple\"}");
}
END_TEST

START_TEST(test_all_are_asked_who_may_have_it)
{
    read_apple_and_pear();
    take("");
    journal_expect("take_doubt apple:?1");
    answer("{\"took\": false}");
    journal_expect("pear:?1");
    answer("{\"took\": true}");
    expect_settled("sent", "pear", NULL, "{\"apple\",\"pear\"}");
}
END_TEST

START_TEST(test_one_who_cannot_tell_leaves_it_in_doubt)
{
    read_apple_and_pear();
    take("");
    answer("{}");
    journal_expect("take_doubt apple:?1 settle_doubt"); /* even if the other one has not got it */
    expect_settled("in_doubt", NULL, "it cannot tell", "{\"apple\"}");
}
END_TEST

START_TEST(test_who_has_no_time_any_more_is_asked_later)
{
    fake_time_pass(2000);
    stage_read((const struct provider_row[]){stage_row("pear", "asked")}, 1);
    fake_db_answer(stage.db, &sql_take_doubt, doubt((const struct stage_message[]){{.id = 1}, {0}}, "apple"));
    journal_expect("take_doubt settle_doubt");
    expect_settled("deferred", NULL, "not asked yet", "{\"apple\"}");
    settled();
    fake_time_pass(1999);
    journal_expect("");
    fake_time_pass(1);
    journal_expect("take_doubt");
}
END_TEST

/* Both clocks must say that it is late enough. */
START_TEST(test_what_was_lost_just_now_is_asked_about_later)
{
    take_gives(arena_printf(stage.arena, "%s|apple|%lld|%lld|999|4", stage_rows("1"),
                            (long long)FAKE_TIME_MS - 60000, (long long)FAKE_TIME_MS - 60000));
    expect_settled("deferred", NULL, "not asked yet", "{\"apple\"}");
}
END_TEST

START_TEST(test_its_text_is_made_again)
{
    take_gives(doubt((const struct stage_message[]){{.id = 1, .template = 6}, {0}}, "apple"));
    journal_expect("take_doubt read_templates");
    fake_db_answer(stage.db, &sql_read_templates, "6|{\"title\": \"Hi\"}|{}|f");
    journal_expect("apple:?1");
}
END_TEST

START_TEST(test_a_text_that_cannot_be_made_again)
{
    take_gives(doubt((const struct stage_message[]){{.id = 1, .template = 6}, {0}}, "apple"));
    fake_db_answer(stage.db, &sql_read_templates, NULL);
    journal_expect("take_doubt read_templates settle_doubt");
    expect_settled("in_doubt", NULL, "its text cannot be made again", "{}");
}
END_TEST

/* The message stays for the next turn. */
START_TEST(test_what_is_refused_or_lost_on_the_way)
{
    const char *row = doubt((const struct stage_message[]){{.id = 1, .template = 6}, {0}}, "apple");
    fake_time_pass(2000);
    fake_db_fail(stage.db, &sql_take_doubt, "57014");
    take_gives(row);
    fake_db_fail(stage.db, &sql_read_templates, "57014");
    take("apple");
    answer("{}");
    fake_db_fail(stage.db, &sql_settle_doubt, "57014");
    take("apple");
    journal_expect(
        "take_doubt take_doubt read_templates take_doubt apple:?1 settle_doubt take_doubt apple:?1");
    stage_lose_control();
    answer("{\"took\": true}");
    fake_time_pass(9000);
    journal_expect("lost");
    stage_regain_control();
    journal_read();
    fake_time_pass(2000);
    journal_expect("take_doubt");
}
END_TEST

START_TEST(test_stopped)
{
    take("apple");
    inquiry_stop(inquiry);
    answer("{\"took\": true}");
    fake_time_pass(9000);
    journal_expect("take_doubt apple:?1");
}
END_TEST

START_TEST(test_freed_with_a_question_in_the_air)
{
    take("apple");
    inquiry_stop(inquiry);
    roster_free(stage.roster); /* ends it */
    stage.roster = NULL;
    journal_expect("take_doubt apple:?1");
    ck_assert_uint_eq(fake_endpoints_requests(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inquiry");
    TCase *tcase = tcase_create("inquiry");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_a_doubt_is_looked_for_every_two_seconds);
    tcase_add_test(tcase, test_where_nobody_can_be_asked_nothing_is_looked_for);
    tcase_add_test(tcase, test_who_has_no_time_is_not_named);
    tcase_add_test(tcase, test_the_provider_took_it);
    tcase_add_test(tcase, test_the_provider_did_not_take_it);
    tcase_add_test(tcase, test_the_provider_cannot_tell);
    tcase_add_test(tcase, test_all_are_asked_who_may_have_it);
    tcase_add_test(tcase, test_one_who_cannot_tell_leaves_it_in_doubt);
    tcase_add_test(tcase, test_who_has_no_time_any_more_is_asked_later);
    tcase_add_test(tcase, test_what_was_lost_just_now_is_asked_about_later);
    tcase_add_test(tcase, test_its_text_is_made_again);
    tcase_add_test(tcase, test_a_text_that_cannot_be_made_again);
    tcase_add_test(tcase, test_what_is_refused_or_lost_on_the_way);
    tcase_add_test(tcase, test_stopped);
    tcase_add_test(tcase, test_freed_with_a_question_in_the_air);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
