/* The configuration as it is read, first and again. */
#include <check.h>
#include <inttypes.h>

#include "dispatcher/config.h"
#include "fakes/stage.h"
#include "support/suite.h"

static struct config *config;

static void on_channel_row(void *arg, const char *channel, const struct channel_row *row)
{
    (void)arg;
    journal_add("%s(%d,%d,%d,%" PRId64 ",%d,%" PRId64 ",%" PRId64 ")", channel, row->id, row->paused,
                row->batch_size, row->batch_deadline_ms, row->bulk_share, row->low_water[0],
                row->low_water[1]);
}

static const char *text_or_none(const char *text)
{
    return text ? text : "-";
}

static void on_provider_row(void *arg, const char *channel, const struct provider_row *row)
{
    (void)arg;
    journal_add("%s.%s(%s,%s,%s,%s,%d,%d", channel, row->name, row->adapter, text_or_none(row->rules.app),
                row->rules.environment, row->settings, row->rules.priority, row->rules.weight);
    for (size_t i = 0; row->rules.regions[i]; i++)
        journal_add("%s", row->rules.regions[i]);
    journal_add("%d,%d,%d,%d,%d,%d,%d)", row->limited, row->gone_limit, row->max_connections,
                row->max_streams, (int)row->connect_timeout_ms, (int)row->request_timeout_ms,
                (int)row->stopped_ms);
}

static void on_configured(void *arg)
{
    (void)arg;
    journal_add("configured");
}

static void on_unusable(void *arg, const char *reason)
{
    (void)arg;
    journal_add("unusable: %s", reason);
}

static void setup(void)
{
    stage_setup_unregistered();
    fake_db_answer(stage.db, &sql_register_dispatcher, "5");
    config = config_new(stage.control, 1,
                        &(struct config_events){.channel_row = on_channel_row,
                                                .provider_row = on_provider_row,
                                                .configured = on_configured,
                                                .unusable = on_unusable});
    journal_read();
    config_read(config);
    journal_expect("read_channels+read_providers");
    ck_assert_str_eq(fake_db_value(stage.db, &sql_read_channels, 1), "{\"ios\"}");
}

static void teardown(void)
{
    stage_teardown();
    config_free(config);
}

static void channels(const char *rows)
{
    fake_db_answer(stage.db, &sql_read_channels, rows);
}

static void providers(const char *rows)
{
    fake_db_answer(stage.db, &sql_read_providers, rows);
}

static const char channel[] = "ios|3|f|500|30000|20|101|0";

START_TEST(test_rows)
{
    channels(channel);
    /* SQL counts the first position that may be open. */
    journal_expect("ios(3,0,500,30000,20,100,0)");
    providers("ios|apple|apns|shop|sandbox|{}|7|2|KR|t|30|4|100|5000|10000|0\n"
              "ios|pear|apns||production|{}|8|1||f|30|4|100|5000|10000|60000");
    journal_expect("ios.apple(apns,shop,sandbox,{},7,2 KR 1,30,4,100,5000,10000,0) "
                   "ios.pear(apns,-,production,{},8,1 0,30,4,100,5000,10000,60000) configured");
    ck_assert(control_is_ready(stage.control));
}
END_TEST

START_TEST(test_a_channel_without_providers)
{
    channels(channel);
    providers(NULL);
    journal_expect("ios(3,0,500,30000,20,100,0) configured");
}
END_TEST

START_TEST(test_an_unknown_channel_will_never_work)
{
    channels(NULL);
    journal_expect("unusable: --channels: not every one of them exists in outbox.channel");
    ck_assert(!control_is_ready(stage.control));
}
END_TEST

START_TEST(test_a_channel_that_is_removed_later_is_a_mistake_of_somebody)
{
    channels(channel);
    providers(NULL);
    journal_read();
    config_read(config);
    channels(NULL);
    providers(NULL);
    journal_expect("read_channels+read_providers configured");
}
END_TEST

START_TEST(test_refused_or_lost)
{
    fake_db_fail(stage.db, &sql_read_channels, "42501"); /* the providers are skipped then */
    config_read(config);
    channels(channel);
    journal_read();
    fake_db_fail(stage.db, &sql_read_providers, "42501");
    config_read(config);
    fake_db_lose(stage.db);
    journal_expect("read_channels+read_providers lost");
    ck_assert(!control_is_ready(stage.control));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_rows);
    tcase_add_test(tcase, test_a_channel_without_providers);
    tcase_add_test(tcase, test_an_unknown_channel_will_never_work);
    tcase_add_test(tcase, test_a_channel_that_is_removed_later_is_a_mistake_of_somebody);
    tcase_add_test(tcase, test_refused_or_lost);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
