/* URLs that strangers bring: one table for web push and webhooks. */
#include "providers/origin.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"
#include "support/test_adapter.h"

static struct arena *arena;

static void setup(void)
{
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
}

static struct origin_rules *rules_of(const char *text, const char *const *known)
{
    struct error err = {""};
    struct json_object *json = test_json(text);
    struct origin_rules *rules = origin_rules_new(json, known, &err);
    json_object_put(json);
    ck_assert_msg(rules != NULL, "%s: %s", text, err.text);
    return rules;
}

START_TEST(test_settings)
{
    static const struct {
        const char *json, *error;
    } bad[] = {
        {"{\"allow\":\"a.example\"}", "settings.allow: must be a list with at least one text"},
        {"{\"allow\":{}}", "settings.allow: must be a list with at least one text"},
        {"{\"allow\":[]}", "settings.allow: must be a list with at least one text"},
        {"{\"allow\":[5]}", "settings.allow[0]: must be a host name, or *. and a host name"},
        {"{\"allow\":[\"a.example\",5]}", "settings.allow[1]: must be a host name, or *. and a host name"},
        {"{\"allow\":[\"\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"a.example\\u0000\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"*\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"*.com\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"*.com.\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"*x.example.com\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"10.0.0.1\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"[::1]\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"a.example:443\"]}", "settings.allow[0]: must be a host name"},
        {"{\"allow\":[\"https://a.example\"]}", "settings.allow[0]: must be a host name"},
        {"{\"trusted_origins\":\"https://a.example\"}", "settings.trusted_origins: must be a list with at"},
        {"{\"trusted_origins\":[]}", "settings.trusted_origins: must be a list with at least one text"},
        {"{\"trusted_origins\":[5]}",
         "settings.trusted_origins[0]: must be https://host or https://host:port"},
        {"{\"trusted_origins\":[\"127.0.0.1\"]}", "settings.trusted_origins[0]: must be https://host or"},
        {"{\"trusted_origins\":[\"http://a.example\"]}", "settings.trusted_origins[0]: must be https://host"},
        {"{\"trusted_origins\":[\"https://a.example/x\"]}", "settings.trusted_origins[0]: must be https://"},
        {"{\"trusted_origins\":[\"https://a.example?x\"]}", "settings.trusted_origins[0]: must be https://"},
        {"{\"trusted_origins\":[\"https://a.example#x\"]}", "settings.trusted_origins[0]: must be https://"},
        {"{\"trusted_origins\":[\"https://u@a.example\"]}", "settings.trusted_origins[0]: must be https://"},
        {"{\"trusted_origins\":[\"https://h:port\"]}", "settings.trusted_origins[0]: must be https://host"},
        {"{\"trusted_origins\":[\"https://h:65536\"]}", "settings.trusted_origins[0]: must be https://host"},
        {"{\"trusted_origins\":[\"https://h:\"]}", "settings.trusted_origins[0]: must be https://host"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {""};
        struct json_object *json = test_json(bad[i].json);
        ck_assert_msg(origin_rules_new(json, NULL, &err) == NULL, "%s", bad[i].json);
        json_object_put(json);
        ck_assert_msg(strncmp(err.text, bad[i].error, strlen(bad[i].error)) == 0, "%s: %s", bad[i].json,
                      err.text);
    }
    /* As they are written in the settings, and as the transport gets them. */
    struct origin_rules *rules = rules_of(
        "{\"allow\":[\"FCM.googleapis.com\",\"*.push.apple.com\"],\"trusted_origins\":[\"https://a.example\","
        "\"https://LOCALHOST:443/\",\"HTTPS://127.0.0.1:8443\",\"https://[::1]:8443\",\"https://h_1:80/\"]}",
        NULL);
    static const char *const trusted[] = {"https://a.example", "https://localhost", "https://127.0.0.1:8443",
                                          "https://[::1]:8443", "https://h_1:80"};
    for (size_t i = 0; i < sizeof trusted / sizeof *trusted; i++)
        ck_assert_str_eq(origin_trusted(rules)[i], trusted[i]);
    ck_assert_ptr_null(origin_trusted(rules)[sizeof trusted / sizeof *trusted]);
    origin_rules_free(rules);
    rules = rules_of("{}", NULL);
    ck_assert_ptr_null(origin_trusted(rules)[0]);
    origin_rules_free(rules);
    origin_rules_free(NULL);
}
END_TEST

#define ASCII   "must be a URL in ASCII without a fragment"
#define SCHEME  "must begin with https://"
#define USER    "must not hold a user name"
#define NO_HOST "must have a host name that can be read"
#define PLAIN   "must have its host and port in their plain form"
#define ADDRESS "must have a full host name, not an address"
#define NO_PORT "must not have a port above 65535, or one that is no number"
#define PORT    "must not have a port other than 443"
#define ALLOW   "has a host that settings.allow does not name"

START_TEST(test_urls)
{
    static const struct {
        const char *url, *origin, *path, *error;
    } rows[] = {
        {"https://a.example.com", "https://a.example.com", "/", NULL},
        {"https://a.example.com/", "https://a.example.com", "/", NULL},
        {"https://a.example.com/p/1", "https://a.example.com", "/p/1", NULL},
        {"https://a.example.com?x=/y", "https://a.example.com", "/?x=/y", NULL},
        {"https://a.example.com/x?", "https://a.example.com", "/x?", NULL},
        {"https://a.example.com//x/../y", "https://a.example.com", "//x/../y", NULL},
        {"https://a.example.com/@x:1/https://b", "https://a.example.com", "/@x:1/https://b", NULL},
        {"https://a.example.com/%20%zz", "https://a.example.com", "/%20%zz", NULL},
        /* letter case, and the scheme's own port */
        {"HTTPS://A.Example.COM:443/X", "https://a.example.com", "/X", NULL},
        {"https://A.Example.COM:443", "https://a.example.com", "/", NULL},
        {"https://a.example.com:443?X", "https://a.example.com", "/?X", NULL},
        /* names in other scripts come as punycode */
        {"https://xn--bcher-kva.example.com/", "https://xn--bcher-kva.example.com", "/", NULL},
        {"https://xn--9t4b11yi5a.xn--3e0b707e/", NULL, NULL, ALLOW},
        {"https://b\xc3\xbc"
         "cher.example.com/",
         NULL, NULL, ASCII},
        /* trusted, whatever they are */
        {"https://127.0.0.1:8443/x", "https://127.0.0.1:8443", "/x", NULL},
        {"HTTPS://127.0.0.1:8443/X", "https://127.0.0.1:8443", "/X", NULL},
        {"https://localhost:9000?x", "https://localhost:9000", "/?x", NULL},
        {"https://LocalHost:9000/x", "https://localhost:9000", "/x", NULL},
        {"https://inside/x", "https://inside", "/x", NULL},
        {"https://inside:443/x", "https://inside", "/x", NULL},
        {"https://[::1]:8443/x", "https://[::1]:8443", "/x", NULL},
        {"https://other.example.org/", "https://other.example.org", "/", NULL},
        /* and what only looks like them */
        {"https://127.0.0.1:8444/x", NULL, NULL, ADDRESS},
        {"https://127.0.0.1:84430/", NULL, NULL, NO_PORT},
        {"https://127.0.0.1:08443/", NULL, NULL, PLAIN},
        {"https://127.0.0.1/", NULL, NULL, ADDRESS},
        {"https://127.1:8443/x", NULL, NULL, PLAIN},
        {"https://localhost:9000@a.example.com/", NULL, NULL, USER},
        {"https://localhost:90000/", NULL, NULL, NO_PORT},
        {"https://[::1]/x", NULL, NULL, ADDRESS},
        {"https://[0:0::1]:8443/x", NULL, NULL, PLAIN},
        {"https://inside:80/", NULL, NULL, ADDRESS},
        /* scheme and form */
        {"", NULL, NULL, SCHEME},
        {"a.example.com", NULL, NULL, SCHEME},
        {"http://a.example.com/", NULL, NULL, SCHEME},
        {"ftp://a.example.com/", NULL, NULL, SCHEME},
        {"//a.example.com/", NULL, NULL, SCHEME},
        {"https:/a.example.com/", NULL, NULL, SCHEME},
        {"https:a.example.com/", NULL, NULL, SCHEME},
        {"javascript:https://a.example.com/", NULL, NULL, SCHEME},
        {" https://a.example.com/", NULL, NULL, ASCII},
        {"https://a.example.com/ x", NULL, NULL, ASCII},
        {"https://a.example.com/\r\nx: y", NULL, NULL, ASCII},
        {"https://a.example.com/\tx", NULL, NULL, ASCII},
        {"https://a.example.com/\x7f", NULL, NULL, ASCII},
        {"https://a.example.com\r\n/", NULL, NULL, ASCII},
        {"https://a.example.com/한", NULL, NULL, ASCII},
        {"https://a.example.com/#x", NULL, NULL, ASCII},
        {"https://a.example.com#x/", NULL, NULL, ASCII},
        {"https://a.example.com/<x>", NULL, NULL, ASCII},
        {"https://a.example.com/{x}|^`\"", NULL, NULL, ASCII},
        {"https://a.example.com\\@127.0.0.1/", NULL, NULL, ASCII},
        /* who is asked */
        {"https://u:p@a.example.com/", NULL, NULL, USER},
        {"https://u@a.example.com/", NULL, NULL, USER},
        {"https://@a.example.com/", NULL, NULL, USER},
        {"https://a.example.com@10.0.0.1/", NULL, NULL, USER},
        {"https://a.example.com:443@evil.example/1", NULL, NULL, USER},
        {"https://a.example.com:8443/", NULL, NULL, PORT},
        {"https://a.example.com:80/1", NULL, NULL, PORT},
        {"https://a.example.com:0/", NULL, NULL, PORT},
        {"https://a.example.com:0443/", NULL, NULL, PLAIN},
        {"https://a.example.com:/", NULL, NULL, PLAIN},
        {"https://a.example.com:x/", NULL, NULL, NO_PORT},
        {"https://a.example.com:+443/", NULL, NULL, NO_PORT},
        {"https://a.example.com:443:1/", NULL, NULL, NO_PORT},
        {"https://127.0.0.2/", NULL, NULL, ADDRESS},
        {"https://127.1/", NULL, NULL, PLAIN},
        {"https://2130706433/", NULL, NULL, PLAIN},
        {"https://0x7f.1/", NULL, NULL, PLAIN},
        {"https://0x7f.0x1/1", NULL, NULL, PLAIN},
        {"https://0177.0.0.1/", NULL, NULL, PLAIN},
        {"https://a.0x7f000001/", NULL, NULL, ADDRESS},
        {"https://a.example.1/", NULL, NULL, ADDRESS},
        {"https://[::2]/1", NULL, NULL, ADDRESS},
        {"https://[::ffff:127.0.0.1]/1", NULL, NULL, ADDRESS},
        {"https://[fe80::1%25eth0]/1", NULL, NULL, PLAIN},
        {"https://[::1/1", NULL, NULL, NO_HOST},
        {"https://localhost/", NULL, NULL, ADDRESS},
        {"https://a.example.com./", NULL, NULL, ADDRESS},
        {"https://a..com/", NULL, NULL, ADDRESS},
        {"https://.example.com/", NULL, NULL, ADDRESS},
        {"https://-a.example.com/", NULL, NULL, ADDRESS},
        {"https://a-.example.com/", NULL, NULL, ADDRESS},
        {"https://a_b.example.com/", NULL, NULL, ADDRESS},
        {"https://%61.example.com/", NULL, NULL, PLAIN},
        {"https://", NULL, NULL, NO_HOST},
        {"https:///x", NULL, NULL, PLAIN},
        {"https:///a.example.com/", NULL, NULL, PLAIN},
        {"https://?x", NULL, NULL, NO_HOST},
        {"https://:443/", NULL, NULL, NO_HOST},
        /* the list */
        {"https://example.com/", NULL, NULL, ALLOW},
        {"https://badexample.com/", NULL, NULL, ALLOW},
        {"https://a.io/", NULL, NULL, ALLOW},
        {"https://example.com.evil.net/", NULL, NULL, ALLOW},
        {"https://localhost.example.org/", NULL, NULL, ALLOW},
        {"https://x.other.example.org/", NULL, NULL, ALLOW},
    };
    struct error err;
    struct origin_rules *rules =
        rules_of("{\"allow\":[\"*.Example.com\",\"other.example.org\"],"
                 "\"trusted_origins\":[\"https://127.0.0.1:8443\",\"https://localhost:9000/\","
                 "\"https://INSIDE:443\",\"https://[::1]:8443\"]}",
                 NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct origin_target target = {0};
        bool ok = origin_read(rules, rows[i].url, arena, &target, &err);
        ck_assert_msg(ok == (rows[i].error == NULL), "%s: %s", rows[i].url, ok ? target.origin : err.text);
        ck_assert_msg(strcmp(ok ? target.origin : err.text, ok ? rows[i].origin : rows[i].error) == 0,
                      "%s: %s", rows[i].url, ok ? target.origin : err.text);
        ck_assert_msg(!ok || strcmp(target.path, rows[i].path) == 0, "%s: %s", rows[i].url, target.path);
    }
    origin_rules_free(rules);
}
END_TEST

START_TEST(test_lengths)
{
    struct error err;
    struct origin_target target;
    struct origin_rules *rules = rules_of("{}", NULL);
    const struct {
        const char *url, *error;
    } rows[] = {
        {arena_printf(arena, "https://a.example.com/%0*d", ORIGIN_URL_MAX - 22, 0), NULL},
        {arena_printf(arena, "https://a.example.com/%0*d", ORIGIN_URL_MAX - 21, 0),
         "must not be longer than 2048 octets"},
        {arena_printf(arena, "https://%063d.example.com/", 0), NULL},
        {arena_printf(arena, "https://%064d.example.com/", 0), ADDRESS},
        {arena_printf(arena, "https://%063d.%063d.%063d.%057d.com/", 0, 0, 0, 0), NULL}, /* 253 */
        {arena_printf(arena, "https://%063d.%063d.%063d.%058d.com/", 0, 0, 0, 0), NO_HOST},
        {arena_printf(arena, "https://a%01500d/", 0), NO_HOST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool ok = origin_read(rules, rows[i].url, arena, &target, &err);
        ck_assert_msg(ok == (rows[i].error == NULL), "row %zu: %s", i, ok ? "" : err.text);
        if (!ok)
            ck_assert_str_eq(err.text, rows[i].error);
    }
    origin_rules_free(rules);
}
END_TEST

static const char *trust_name(enum origin_trust trust)
{
    static const char *const names[] = {
        [ORIGIN_STRANGER] = "stranger", [ORIGIN_MATCHED] = "matched", [ORIGIN_NAMED] = "named"};
    return names[trust];
}

START_TEST(test_trust)
{
    static const char *const known[] = {"web.push.apple.com", "*.push.apple.com", NULL};
    struct origin_rules *open = rules_of("{\"trusted_origins\":[\"https://127.0.0.1:8443\"]}", known);
    struct origin_rules *listed = rules_of("{\"allow\":[\"fcm.googleapis.com\",\"*.example.com\"]}", known);
    struct origin_rules *nobody = rules_of("{}", NULL);
    const struct {
        const struct origin_rules *rules;
        const char *url, *trust;
    } rows[] = {
        {open, "https://web.push.apple.com/x", "named"},
        {open, "https://WEB.push.apple.com:443/x", "named"},
        {open, "https://a.b.push.apple.com/x", "matched"},
        {open, "https://push.apple.com/x", "stranger"},
        {open, "https://evilpush.apple.com/x", "stranger"},
        {open, "https://push.apple.com.evil.example/x", "stranger"},
        {open, "https://push.example.net/x", "stranger"},
        {open, "https://127.0.0.1:8443/x", "named"},
        {open, "https://127.0.0.1:8444/x", "stranger"},
        {open, "http://web.push.apple.com/x", "stranger"},
        {open, "", "stranger"},
        /* a list replaces those that are known */
        {listed, "https://fcm.googleapis.com/x", "named"},
        {listed, "https://FCM.GOOGLEAPIS.COM/x", "named"},
        {listed, "https://x.fcm.googleapis.com/x", "stranger"},
        {listed, "https://a.example.com/x", "matched"},
        {listed, "https://web.push.apple.com/x", "stranger"},
        {nobody, "https://web.push.apple.com/x", "stranger"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum origin_trust trust = origin_trust(rows[i].rules, rows[i].url);
        ck_assert_msg(strcmp(trust_name(trust), rows[i].trust) == 0, "%s: %s", rows[i].url,
                      trust_name(trust));
        struct origin_target target;
        struct error err;
        if (!origin_read(rows[i].rules, rows[i].url, arena, &target, &err))
            ck_assert_str_eq(rows[i].trust, "stranger");
    }
    origin_rules_free(open);
    origin_rules_free(listed);
    origin_rules_free(nobody);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("origin");
    TCase *tests = tcase_create("origin");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_settings);
    tcase_add_test(tests, test_urls);
    tcase_add_test(tests, test_lengths);
    tcase_add_test(tests, test_trust);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
