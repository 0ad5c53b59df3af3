/* The sandbox as other tests use it: it starts, says where it is, shows counters and keeps its keys. */
#include <check.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "support/sandbox.h"
#include "support/suite.h"

START_TEST(names_its_services)
{
    static const struct {
        const char *name;
        const char *begins;
    } wanted[] = {{"", "http://127.0.0.1:"},       {"APNS", "https://127.0.0.1:"},
                  {"FCM", "https://127.0.0.1:"},   {"SMTP", "smtp://localhost:"},
                  {"SMTPS", "smtps://localhost:"}, {"VENDORS", "https://127.0.0.1:"}};
    struct sandbox *sandbox = sandbox_start(NULL);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        ck_assert_msg(
            strncmp(sandbox_url(sandbox, wanted[i].name), wanted[i].begins, strlen(wanted[i].begins)) == 0,
            "%s is %s", wanted[i].name, sandbox_url(sandbox, wanted[i].name));

    char *text = sandbox_file(sandbox, "service-account.json");
    struct json_object *settings = json_parse(text, strlen(text), NULL);
    const char *token_uri = json_get_text(settings, "token_uri");
    const char *fcm = sandbox_url(sandbox, "FCM");
    ck_assert_ptr_nonnull(token_uri);
    ck_assert(strncmp(token_uri, fcm, strlen(fcm)) == 0);
    ck_assert_str_eq(token_uri + strlen(fcm), "/token");
    json_object_put(settings);
    mem_free(text);
    sandbox_stop(sandbox);
}
END_TEST

START_TEST(shows_that_nothing_arrived)
{
    static const char *const channels[] = {"apns", "fcm", "smtp", "web", "sms", "mail", "webhook"};
    static const char *const counters[] = {"arrived", "distinct", "repeats", "connections_opened"};
    struct sandbox *sandbox = sandbox_start(NULL);
    for (size_t i = 0; i < sizeof(channels) / sizeof(*channels); i++)
        for (size_t j = 0; j < sizeof(counters) / sizeof(*counters); j++)
            ck_assert_int_eq(sandbox_count(sandbox, channels[i], counters[j]), 0);
    struct json_object *arrivals = sandbox_get_json(sandbox, "/arrivals?channel=apns&limit=10");
    ck_assert_uint_eq(json_object_array_length(arrivals), 0);
    json_object_put(arrivals);
    char *ids = sandbox_get(sandbox, "/ids");
    ck_assert_str_eq(ids, "");
    mem_free(ids);
    char *page = sandbox_get(sandbox, "/");
    ck_assert_ptr_nonnull(strstr(page, "</script>"));
    mem_free(page);
    sandbox_reset(sandbox);
    sandbox_stop(sandbox);
}
END_TEST

START_TEST(keeps_keys_and_ports_at_a_restart)
{
    static const char *const files[] = {"ca.pem", "apns.p8", "service-account.json", "smtp.password",
                                        "vendor.secret"};
    enum { FILES = sizeof(files) / sizeof(*files) };
    struct sandbox *sandbox = sandbox_start((const char *const[]){"--apns-topic=com.example.other", NULL});
    char *before[FILES];
    for (size_t i = 0; i < FILES; i++)
        before[i] = sandbox_file(sandbox, files[i]);
    char *url = mem_strdup(sandbox_url(sandbox, "APNS"));

    sandbox_kill(sandbox);
    sandbox_restart(sandbox);
    ck_assert_str_eq(sandbox_url(sandbox, "APNS"), url);
    for (size_t i = 0; i < FILES; i++) {
        char *now = sandbox_file(sandbox, files[i]);
        ck_assert_msg(strcmp(before[i], now) == 0, "%s is another one", files[i]);
        mem_free(now);
        mem_free(before[i]);
    }
    mem_free(url);
    sandbox_stop(sandbox);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox");
    suite_add(suite, names_its_services);
    suite_add(suite, shows_that_nothing_arrived);
    suite_add(suite, keeps_keys_and_ports_at_a_restart);
    return suite_run(suite);
}
