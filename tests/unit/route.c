#include "dispatcher/route.h"

#include "support/suite.h"

enum { CANDIDATES = 4 };

#define SHOP "com.example.shop"
#define BANK "com.example.bank"

#define RULES(app_, priority_)                                                                               \
    &(const struct route_rules)                                                                              \
    {                                                                                                        \
        .app = (app_), .environment = "production", .priority = (priority_), .weight = 1                     \
    }
#define REGION(priority_, ...)                                                                               \
    &(const struct route_rules)                                                                              \
    {                                                                                                        \
        .environment = "production", .priority = (priority_), .weight = 1, .regions = (const char *const[])  \
        {                                                                                                    \
            __VA_ARGS__, NULL                                                                                \
        }                                                                                                    \
    }
#define SANDBOX(app_)                                                                                        \
    &(const struct route_rules)                                                                              \
    {                                                                                                        \
        .app = (app_), .environment = "sandbox", .weight = 1                                                 \
    }
#define OPEN(app_, priority_, room_)                                                                         \
    {                                                                                                        \
        .rules = RULES(app_, priority_), .open = true, .room = (room_)                                       \
    }
#define CLOSED(app_, priority_, room_)                                                                       \
    {                                                                                                        \
        .rules = RULES(app_, priority_), .open = false, .room = (room_)                                      \
    }

static const struct route_case {
    const char *name;
    struct route_candidate candidates[CANDIDATES];
    size_t count;
    const char *app;
    int chosen;
} cases[] = {
    {"no provider at all", {OPEN(NULL, 0, 0)}, 0, NULL, -1},
    {"the only one", {OPEN(NULL, 100, 1)}, 1, NULL, 0},
    {"the only one serves any app", {OPEN(NULL, 100, 1)}, 1, SHOP, 0},
    {"the only one is closed", {CLOSED(NULL, 100, 9)}, 1, NULL, -1},
    {"all are closed", {CLOSED(NULL, 100, 9), CLOSED(SHOP, 1, 9)}, 2, SHOP, -1},
    {"without room, but open", {OPEN(NULL, 100, 0)}, 1, NULL, 0},
    {"bound to another app", {OPEN(BANK, 1, 9)}, 1, SHOP, -1},
    {"an app's name must be equal, not begin so", {OPEN("com.example", 1, 9)}, 1, SHOP, -1},
    {"nor the other way round", {OPEN(SHOP, 1, 9)}, 1, "com.example", -1},
    {"bound, and the message is of no app", {OPEN(BANK, 1, 9)}, 1, NULL, -1},
    {"a message of no app takes one for any", {OPEN(BANK, 1, 9), OPEN(NULL, 5, 1)}, 2, NULL, 1},
    {"bound before any, whatever priority and room", {OPEN(NULL, 1, 99), OPEN(SHOP, 9, 1)}, 2, SHOP, 1},
    {"any, while the bound one is closed", {CLOSED(SHOP, 1, 9), OPEN(NULL, 9, 1)}, 2, SHOP, 1},
    {"lower priority first, even without room", {OPEN(NULL, 2, 99), OPEN(NULL, 1, 0)}, 2, NULL, 1},
    {"also below zero", {OPEN(NULL, 0, 9), OPEN(NULL, -1, 1)}, 2, NULL, 1},
    {"the next priority, while the first is closed",
     {CLOSED(NULL, 1, 9), OPEN(NULL, 3, 9), OPEN(NULL, 2, 1)},
     3,
     NULL,
     2},
    {"among equals one with room", {OPEN(NULL, 1, 0), OPEN(NULL, 1, 1), OPEN(NULL, 1, 0)}, 3, NULL, 1},
    {"among bound ones: priority, then room",
     {OPEN(SHOP, 2, 99), OPEN(SHOP, 1, 0), OPEN(SHOP, 1, 7), OPEN(NULL, 0, 999)},
     4,
     SHOP,
     2},
    {"in the region", {{.rules = REGION(1, "+1", "+82"), .open = true}}, 1, NULL, 0},
    {"in another region", {{.rules = REGION(1, "+81", "+1"), .open = true}}, 1, NULL, -1},
    {"the region before any, whatever the priority",
     {OPEN(NULL, 1, 9), {.rules = REGION(9, "+82"), .open = true, .room = 1}},
     2,
     NULL,
     1},
    {"the longer region first",
     {{.rules = REGION(1, "+82"), .open = true, .room = 9}, {.rules = REGION(9, "+8210"), .open = true}},
     2,
     NULL,
     1},
    {"in the country", {{.rules = REGION(1, "JP", "KR"), .open = true}}, 1, NULL, 0},
    {"in another country", {{.rules = REGION(1, "KP", "US"), .open = true}}, 1, NULL, -1},
    {"the country before any, whatever the priority",
     {OPEN(NULL, 1, 9), {.rules = REGION(9, "KR"), .open = true}},
     2,
     NULL,
     1},
    {"a prefix before the country, be it as short as can be",
     {{.rules = REGION(1, "KR"), .open = true, .room = 9}, {.rules = REGION(9, "+"), .open = true}},
     2,
     NULL,
     1},
    {"the better of a provider's own regions counts",
     {{.rules = REGION(1, "+82"), .open = true, .room = 9},
      {.rules = REGION(9, "KR", "+8210", "+8"), .open = true}},
     2,
     NULL,
     1},
    {"countries are equal: priority decides",
     {{.rules = REGION(2, "KR"), .open = true, .room = 9}, {.rules = REGION(1, "DE", "KR"), .open = true}},
     2,
     NULL,
     1},
    {"no code of a country: what the recipient begins with",
     {{.rules = REGION(1, "kr", "KOR"), .open = true}},
     1,
     NULL,
     -1},
    {"any, while the region's own is closed",
     {{.rules = REGION(1, "+82"), .open = false}, OPEN(NULL, 9, 1)},
     2,
     NULL,
     1},
    {"a token of production never goes to the sandbox",
     {{.rules = SANDBOX(NULL), .open = true}},
     1,
     NULL,
     -1},
};

START_TEST(test_choice)
{
    const struct route_case *c = &cases[_i];
    const struct route_message message = {
        .app = c->app, .environment = "production", .recipient = "+821012345678", .country = "KR"};
    for (uint64_t random = 0; random < 3; random++) {
        int chosen = route_choose(c->candidates, c->count, &message, random);
        ck_assert_msg(chosen == c->chosen, "%s: chose %d, expected %d", c->name, chosen, c->chosen);
    }
}
END_TEST

START_TEST(test_environment)
{
    const struct route_message message = {.app = SHOP, .environment = "sandbox", .recipient = "ab"};
    const struct route_candidate both[] = {OPEN(SHOP, 1, 9), {.rules = SANDBOX(SHOP), .open = true}};
    ck_assert_int_eq(route_choose(both, 2, &message, 0), 1);
    ck_assert_int_eq(route_choose(both, 1, &message, 0), -1);
}
END_TEST

/* Two capitals are never what a recipient begins with. */
START_TEST(test_no_phone_number)
{
    const struct route_message message = {.environment = "production", .recipient = "KR+token"};
    const struct route_candidate country = {.rules = REGION(1, "KR"), .open = true};
    const struct route_candidate prefix = {.rules = REGION(1, "KR+"), .open = true};
    ck_assert_int_eq(route_choose(&country, 1, &message, 0), -1);
    ck_assert_int_eq(route_choose(&prefix, 1, &message, 0), 0);
}
END_TEST

START_TEST(test_weights)
{
    const struct route_message message = {.environment = "production", .recipient = "ab"};
    const struct route_rules heavy = {.environment = "production", .weight = 3};
    const struct route_rules light = {.environment = "production", .weight = 1};
    const struct route_rules later = {.environment = "production", .weight = 100, .priority = 1};
    const struct route_candidate all[] = {{.rules = &later, .open = true, .room = 1},
                                          {.rules = &heavy, .open = true, .room = 1},
                                          {.rules = &heavy, .open = false, .room = 1},
                                          {.rules = &light, .open = true, .room = 1}};
    int chosen[4] = {0};
    for (uint64_t random = 0; random < 400; random++) {
        int index = route_choose(all, 4, &message, random);
        ck_assert_int_ge(index, 0);
        chosen[index]++;
    }
    ck_assert_int_eq(chosen[0], 0);
    ck_assert_int_eq(chosen[1], 300);
    ck_assert_int_eq(chosen[2], 0);
    ck_assert_int_eq(chosen[3], 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *choice = tcase_create("choice");
    tcase_add_loop_test(choice, test_choice, 0, sizeof cases / sizeof cases[0]);
    suite_add_tcase(suite, choice);
    suite_add(suite, test_environment);
    suite_add(suite, test_no_phone_number);
    suite_add(suite, test_weights);
    return suite_run(suite);
}
