#include "dispatcher/route.h"

#include "support/suite.h"

enum { CANDIDATES = 4 };

#define SHOP "com.example.shop"
#define BANK "com.example.bank"

#define OPEN(app_, priority_, room_)                                                                         \
    {                                                                                                        \
        .app = (app_), .environment = "production", .priority = (priority_), .open = true, .room = (room_)   \
    }
#define CLOSED(app_, priority_, room_)                                                                       \
    {                                                                                                        \
        .app = (app_), .environment = "production", .priority = (priority_), .open = false, .room = (room_)  \
    }

static const struct route_case {
    const char *name;
    struct route_candidate candidates[CANDIDATES];
    size_t count;
    const char *app;
    int chosen;
} cases[] = {
    {"no account at all", {OPEN(NULL, 0, 0)}, 0, NULL, -1},
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
    {"lower priority first, whatever the room", {OPEN(NULL, 2, 99), OPEN(NULL, 1, 0)}, 2, NULL, 1},
    {"also below zero", {OPEN(NULL, 0, 9), OPEN(NULL, -1, 1)}, 2, NULL, 1},
    {"the next priority, while the first is closed",
     {CLOSED(NULL, 1, 9), OPEN(NULL, 3, 9), OPEN(NULL, 2, 1)},
     3,
     NULL,
     2},
    {"more room first", {OPEN(NULL, 1, 3), OPEN(NULL, 1, 7), OPEN(NULL, 1, 5)}, 3, NULL, 1},
    {"the first of equals", {OPEN(NULL, 1, 5), OPEN(NULL, 1, 5)}, 2, NULL, 0},
    {"among bound ones: priority, then room",
     {OPEN(SHOP, 2, 99), OPEN(SHOP, 1, 3), OPEN(SHOP, 1, 7), OPEN(NULL, 0, 999)},
     4,
     SHOP,
     2},
};

START_TEST(test_choice)
{
    const struct route_case *c = &cases[_i];
    int chosen = route_choose(c->candidates, c->count, c->app, "production");
    ck_assert_msg(chosen == c->chosen, "%s: chose %d, expected %d", c->name, chosen, c->chosen);
}
END_TEST

START_TEST(test_environment)
{
    const struct route_candidate production = OPEN(SHOP, 1, 9);
    struct route_candidate both[] = {OPEN(SHOP, 1, 9), OPEN(SHOP, 9, 1)};
    both[1].environment = "sandbox";
    ck_assert_int_eq(route_choose(both, 2, SHOP, "sandbox"), 1);
    ck_assert_int_eq(route_choose(both, 2, SHOP, "production"), 0);
    ck_assert_int_eq(route_choose(&production, 1, SHOP, "sandbox"), -1);
    ck_assert_int_eq(route_choose(both + 1, 1, SHOP, "production"), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *choice = tcase_create("choice");
    tcase_add_loop_test(choice, test_choice, 0, sizeof cases / sizeof cases[0]);
    suite_add_tcase(suite, choice);
    suite_add(suite, test_environment);
    return suite_run(suite);
}
