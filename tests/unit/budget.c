/* When a budget asks for more, what it says while it waits, and that it comes to rest. The database is the
 * test. */
#include <check.h>

#include "core/clock.h"
#include "dispatcher/budget.h"
#include "support/suite.h"

enum { DEADLINE_MS = 3000 };

static struct world {
    struct loop *loop;
    struct timer *deadline;
    struct budget *budget;
    int leases, wanted, unused, in_flight; /* the last one's */
    bool running;
    bool answered_at_once; /* each question, with all it wants */
    bool away;             /* nobody can be asked */
} world;

static bool on_lease(void *arg, const char *name, int wanted, int unused, int in_flight)
{
    (void)arg;
    (void)name;
    world.leases++;
    world.wanted = wanted;
    world.unused = unused;
    world.in_flight = in_flight;
    if (world.answered_at_once && wanted > 0 && !world.away)
        budget_granted(world.budget, wanted, wanted + in_flight, 0);
    else if (world.running)
        loop_stop(world.loop);
    if (world.away && wanted > 0)
        budget_lost(world.budget);
    return !world.away;
}

static void on_deadline(void *arg)
{
    (void)arg;
    loop_stop(world.loop);
}

static void setup(void)
{
    world = (struct world){.loop = loop_new()};
    world.deadline = timer_new(world.loop, on_deadline, NULL);
    world.budget = budget_new(world.loop, "a", &(struct budget_events){.lease = on_lease});
}

static void teardown(void)
{
    budget_free(world.budget);
    timer_free(world.deadline);
    loop_free(world.loop);
}

/* Runs until the next lease, or so long; tells whether there was one. */
static bool leased_within(int64_t ms)
{
    int before = world.leases;
    timer_set(world.deadline, ms);
    world.running = true;
    loop_run(world.loop);
    world.running = false;
    return world.leases > before;
}

/* Asks for so many; the next lease comes at once, not with the next tenth of a second. */
static void demand(size_t waiting)
{
    int64_t begin = clock_mono();
    budget_demand(world.budget, waiting);
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_lt(clock_mono() - begin, 90);
}

static void start(int count)
{
    for (int i = 0; i < count; i++)
        budget_started(world.budget);
}

START_TEST(test_it_asks_only_for_somebody)
{
    ck_assert(!leased_within(300));
    ck_assert_uint_eq(budget_room(world.budget), 0);
    ck_assert_uint_eq(budget_prospect(world.budget), 1);
    ck_assert(!budget_is_short(world.budget));
    ck_assert_int_eq(budget_wait(world.budget), 0);
    ck_assert(!leased_within(300)); /* these questions were no demand */
    demand(1);
    ck_assert_int_eq(world.wanted, 1);                   /* what it holds, others may not use */
    ck_assert_uint_eq(budget_prospect(world.budget), 0); /* the answer tells soon */
    ck_assert(!budget_is_short(world.budget));
    budget_granted(world.budget, world.wanted, world.wanted, 0);
    ck_assert_uint_eq(budget_room(world.budget), (size_t)world.wanted);
    ck_assert_uint_eq(budget_prospect(world.budget), (size_t)world.wanted);
}
END_TEST

START_TEST(test_it_comes_to_rest)
{
    world.answered_at_once = true;
    budget_demand(world.budget, 1);
    ck_assert(leased_within(DEADLINE_MS)); /* stops at the lease that wants nothing */
    ck_assert_int_eq(world.wanted, 0);
    ck_assert_int_ge(world.unused, 1);
    ck_assert_int_le(world.leases, 5);
    ck_assert_uint_eq(budget_room(world.budget), 0);
    ck_assert_uint_eq(budget_prospect(world.budget), 1);
    ck_assert(!leased_within(300));
    /* Also while something is in the air; that this has ended is told, at once or when it can be. */
    world.answered_at_once = false;
    demand(3);
    budget_granted(world.budget, 3, 3, 0);
    start(2);
    world.answered_at_once = true;
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_eq(world.wanted, 0);
    ck_assert_int_eq(world.in_flight, 2);
    ck_assert(!leased_within(300));
    budget_ended(world.budget);
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_eq(world.in_flight, 1);
    budget_lost(world.budget); /* nobody knows whether that arrived */
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_eq(world.wanted, 0);
    ck_assert_int_eq(world.unused, 0);
    ck_assert_int_eq(world.in_flight, 1);
    budget_ended(world.budget);
    world.away = true;
    ck_assert(leased_within(DEADLINE_MS));
    world.away = false;
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_eq(world.wanted, 0);
    ck_assert_int_eq(world.in_flight, 0);
    ck_assert(!leased_within(300));
}
END_TEST

/* Who uses up what was given gets more at once, and more of it, as long as there is as much as was wanted. */
START_TEST(test_more_comes_at_once)
{
    demand(1);
    int wanted = world.wanted;
    for (int i = 0; i < 4; i++) {
        budget_granted(world.budget, wanted, wanted, 0);
        start(wanted);
        for (int j = 0; j < wanted; j++)
            budget_ended(world.budget);
        ck_assert(!budget_is_short(world.budget));
        demand(1);
        ck_assert_int_eq(world.wanted, 2 * wanted);
        wanted *= 2;
    }
    budget_granted(world.budget, wanted, wanted, 0);
    start(wanted);
    demand(5000); /* so many wait: no growing step by step */
    ck_assert_int_eq(world.wanted, 5000);
}
END_TEST

START_TEST(test_what_is_used_up)
{
    demand(40);
    ck_assert_int_eq(world.wanted, 40);
    budget_granted(world.budget, 30, 40, 0);
    ck_assert(budget_is_short(world.budget));
    ck_assert_uint_eq(budget_room(world.budget), 30);
    ck_assert_int_eq(budget_wait(world.budget), 0);
    start(30);
    ck_assert_int_gt(budget_wait(world.budget), 0);
    int64_t begin = clock_mono();
    budget_demand(world.budget, 1);
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_ge(clock_mono() - begin, 50); /* there was no more a moment ago */
    ck_assert(!budget_is_short(world.budget));  /* until the answer is known */

    begin = clock_mono();
    budget_granted(world.budget, 0, 40, 600);
    ck_assert(budget_is_short(world.budget));
    ck_assert_int_gt(budget_wait(world.budget), 300);
    ck_assert_int_le(budget_wait(world.budget), 600);
    budget_demand(world.budget, 1);
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_ge(clock_mono() - begin, 590);

    /* A whole day is not waited for: others may give something back. */
    budget_granted(world.budget, 0, 40, 86400000);
    ck_assert_int_gt(budget_wait(world.budget), 50000);
    ck_assert_int_le(budget_wait(world.budget), 60000);
    begin = clock_mono();
    budget_limits_read(world.budget);
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_lt(clock_mono() - begin, 1000);
    budget_granted(world.budget, world.wanted, world.wanted + 30, 0);
    ck_assert(!budget_is_short(world.budget));
}
END_TEST

START_TEST(test_slots)
{
    demand(16);
    int wanted = world.wanted;
    budget_granted(world.budget, wanted, 2, 0);
    ck_assert(budget_is_short(world.budget));
    ck_assert_uint_eq(budget_room(world.budget), 2);
    start(2);
    ck_assert_uint_eq(budget_room(world.budget), 0);
    budget_ended(world.budget);
    ck_assert_uint_eq(budget_room(world.budget), 1);
    for (int i = 2; i < wanted; i++) {
        start(1);
        budget_ended(world.budget);
    }
    ck_assert_uint_eq(budget_room(world.budget), 0);
    demand(1); /* the slots were few, not the tokens */
    ck_assert_int_eq(world.in_flight, 1);
    budget_granted(world.budget, world.wanted, 0, 0);
    ck_assert_uint_eq(budget_room(world.budget), 0);
}
END_TEST

START_TEST(test_nothing_is_kept_back)
{
    budget_rest(world.budget); /* it has nothing */
    ck_assert_int_eq(world.leases, 0);
    demand(16);
    budget_granted(world.budget, world.wanted, world.wanted, 0);
    int given = world.wanted;
    start(1);
    budget_rest(world.budget);
    ck_assert_int_eq(world.wanted, 0);
    ck_assert_int_eq(world.unused, given - 1);
    ck_assert_int_eq(world.in_flight, 1);
    ck_assert_uint_eq(budget_room(world.budget), 0);
    budget_ended(world.budget);
    /* Nor what comes when nobody wants it any more. */
    demand(1);
    budget_rest(world.budget);
    budget_granted(world.budget, 16, 16, 0);
    ck_assert_int_eq(world.wanted, 0);
    ck_assert_int_eq(world.unused, 16);
    ck_assert_uint_eq(budget_room(world.budget), 0);
    ck_assert(!leased_within(300));
}
END_TEST

/* What could not be given back is given back later. */
START_TEST(test_nothing_is_lost)
{
    demand(16);
    budget_granted(world.budget, 16, 16, 0);
    start(6);
    world.away = true;
    for (int i = 0; i < 2; i++)
        ck_assert(leased_within(DEADLINE_MS));
    ck_assert(budget_is_short(world.budget));
    world.away = false;
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_eq(world.unused, 10);
    budget_granted(world.budget, world.wanted, 16, 0);
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_lt(world.unused, 10);
}
END_TEST

START_TEST(test_two_providers)
{
    struct budget *other = budget_share(world.budget);
    demand(2);
    budget_granted(world.budget, 2, 2, 0);
    start(2);
    budget_free(world.budget); /* one of them goes */
    world.budget = other;
    ck_assert_uint_eq(budget_room(other), 0);
    budget_ended(other);
    demand(1);
    ck_assert_int_eq(world.in_flight, 1);
}
END_TEST

START_TEST(test_a_lost_question)
{
    demand(1);
    budget_lost(world.budget);
    ck_assert(budget_is_short(world.budget));
    ck_assert_uint_eq(budget_room(world.budget), 0);
    ck_assert(leased_within(DEADLINE_MS));
    ck_assert_int_gt(world.wanted, 0);
    budget_rest(world.budget);
    budget_lost(world.budget);
    ck_assert(!leased_within(300));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("budget");
    TCase *tcase = tcase_create("budget");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_it_asks_only_for_somebody);
    tcase_add_test(tcase, test_it_comes_to_rest);
    tcase_add_test(tcase, test_more_comes_at_once);
    tcase_add_test(tcase, test_what_is_used_up);
    tcase_add_test(tcase, test_slots);
    tcase_add_test(tcase, test_nothing_is_kept_back);
    tcase_add_test(tcase, test_nothing_is_lost);
    tcase_add_test(tcase, test_two_providers);
    tcase_add_test(tcase, test_a_lost_question);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
