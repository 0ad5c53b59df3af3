#include "dispatcher/cursor.h"

#include "support/suite.h"

enum { FIRST = 500, LONGEST = 8000 }; /* intervals of looks, ms */

#define TICK(cursor, position, xmax, now, ...)                                                               \
    tick((cursor), (position), (xmax), (now), (const uint64_t[]){__VA_ARGS__, 0})
#define NONE 0

/* `running` ends with 0. */
static void tick(struct cursor *cursor, int64_t position, uint64_t xmax, int64_t now, const uint64_t *running)
{
    struct snapshot snapshot = {.xmax = xmax, .running = running};
    while (running[snapshot.count] != 0)
        snapshot.count++;
    cursor_tick(cursor, position, &snapshot, now);
}

static void scan(struct cursor *cursor, int64_t last, bool full, int64_t now)
{
    cursor_scan_started(cursor);
    cursor_scanned(cursor, last, last > 0 ? 1000 : 0, full, now);
}

static struct range expect_look(struct cursor *cursor, int64_t now, int64_t after, int64_t upto)
{
    struct range range;
    ck_assert_msg(cursor_next_look(cursor, now, &range), "no range is due at %ld", (long)now);
    ck_assert_int_eq(range.after, after);
    ck_assert_int_eq(range.upto, upto);
    return range;
}

static void expect_no_look(struct cursor *cursor, int64_t now)
{
    struct range range;
    ck_assert_msg(!cursor_next_look(cursor, now, &range), "a range is due at %ld", (long)now);
}

static void look(struct cursor *cursor, int64_t now, int64_t pending, int64_t lowest, int64_t highest)
{
    struct range range;
    ck_assert_msg(cursor_next_look(cursor, now, &range), "no range is due at %ld", (long)now);
    cursor_looked(cursor, range.id, pending, lowest, highest, now);
}

static void expect(const struct cursor *cursor, int64_t position, int64_t low_water, size_t ranges)
{
    ck_assert_int_eq(cursor_position(cursor), position);
    ck_assert_int_eq(cursor_low_water(cursor), low_water);
    ck_assert_uint_eq(cursor_ranges(cursor), ranges);
}

/* One range (0, 20] that waits for the given transactions, made at time 0. */
#define ONE_RANGE(...) one_range((const uint64_t[]){__VA_ARGS__, 0})

static struct cursor *one_range(const uint64_t *running)
{
    struct cursor *cursor = cursor_new(0);
    tick(cursor, 20, 200, 0, running);
    scan(cursor, 20, false, 0);
    expect(cursor, 20, 0, 1);
    return cursor;
}

START_TEST(test_scans_move_the_cursor)
{
    struct cursor *cursor = cursor_new(7);
    expect(cursor, 7, 7, 0);
    scan(cursor, 0, false, 0); /* found nothing, and no tick says how far nothing reaches */
    expect(cursor, 7, 7, 0);
    scan(cursor, 12, true, 0);
    expect(cursor, 12, 7, 0);
    scan(cursor, 15, false, 0);
    expect(cursor, 15, 7, 0);
    cursor_scan_started(cursor);
    cursor_scan_failed(cursor);
    expect(cursor, 15, 7, 0);
    expect_no_look(cursor, INT64_MAX);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_scans_start_a_little_behind)
{
    struct cursor *cursor = cursor_new(0);
    scan(cursor, 100, true, 1000); /* a backlog: nothing is visited twice */
    ck_assert_int_eq(cursor_scan_from(cursor), 100);
    scan(cursor, 110, false, 1010); /* the neighbour at 105 may commit in a moment */
    ck_assert_int_eq(cursor_scan_from(cursor), 100);
    scan(cursor, 0, false, 1200);
    scan(cursor, 0, false, 1400); /* it had its time */
    ck_assert_int_eq(cursor_scan_from(cursor), 110);
    scan(cursor, 5000, false, 1401); /* never far */
    ck_assert_int_ge(cursor_scan_from(cursor), 5000 - 200);
    ck_assert_int_le(cursor_scan_from(cursor), 5000);
    scan(cursor, 4990, false, 1402); /* a late row does not move the cursor back */
    ck_assert_int_eq(cursor_position(cursor), 5000);
    cursor_free(cursor);
}
END_TEST

/* Other channels draw positions too: what counts is how many rows of this one would be visited again. */
START_TEST(test_few_rows_may_be_far_apart)
{
    struct cursor *cursor = cursor_new(0);
    cursor_scan_started(cursor);
    cursor_scanned(cursor, 100, 1, true, 1000);
    for (int i = 1; i <= 30; i++) {
        cursor_scan_started(cursor);
        cursor_scanned(cursor, 100 + i * 1000, 2, false, 1000 + i);
    }
    ck_assert_int_eq(cursor_scan_from(cursor), 100);
    cursor_scan_started(cursor);
    cursor_scanned(cursor, 40000, 150, false, 1035);
    ck_assert_int_eq(cursor_scan_from(cursor), 40000 - 200);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_tick_covers)
{
    static const struct {
        const char *name;
        int64_t position, last;
        bool full;
        int64_t cursor, upto; /* upto 0 = no range */
    } cases[] = {
        {"the scan reached its end: nothing is between", 20, 12, false, 20, 20},
        {"it claimed nothing at all", 20, 0, false, 20, 20},
        {"it stopped at its limit: only up to there", 20, 12, true, 12, 12},
        {"it claimed beyond the tick's position", 20, 25, false, 25, 20},
        {"the same, at its limit", 20, 25, true, 25, 20},
        {"at its limit without a row", 20, 0, true, 10, 0},
        {"a tick from before the cursor", 10, 12, false, 12, 0},
        {"nothing new", 10, 0, false, 10, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cursor *cursor = cursor_new(10);
        TICK(cursor, cases[i].position, 100, 0, NONE);
        scan(cursor, cases[i].last, cases[i].full, 0);
        ck_assert_msg(cursor_position(cursor) == cases[i].cursor, "%s: cursor at %ld", cases[i].name,
                      (long)cursor_position(cursor));
        ck_assert_msg(cursor_ranges(cursor) == (cases[i].upto ? 1 : 0), "%s: ranges", cases[i].name);
        if (cases[i].upto)
            (void)expect_look(cursor, FIRST, 10, cases[i].upto);
        cursor_free(cursor);
    }
}
END_TEST

START_TEST(test_tick_waits_for_a_scan_that_starts_after_it)
{
    struct cursor *cursor = cursor_new(0);
    cursor_scan_started(cursor);
    TICK(cursor, 20, 100, 0, NONE);
    cursor_scanned(cursor, 5, 5, false, 0);
    expect(cursor, 5, 0, 0);
    scan(cursor, 0, false, 0);
    expect(cursor, 20, 0, 1);
    scan(cursor, 30, false, 0); /* a tick counts once */
    expect(cursor, 30, 0, 1);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_failed_scan_keeps_the_tick)
{
    struct cursor *cursor = cursor_new(0);
    TICK(cursor, 20, 100, 0, 90);
    cursor_scan_started(cursor);
    cursor_scan_failed(cursor);
    expect(cursor, 0, 0, 0);
    cursor_scan_started(cursor);
    TICK(cursor, 30, 100, 0, NONE); /* a newer one replaces it */
    cursor_scan_failed(cursor);
    scan(cursor, 0, false, 0);
    expect(cursor, 30, 0, 1);
    look(cursor, FIRST, 0, 0, 0);
    expect(cursor, 30, 30, 0); /* it did not wait for transaction 90 */
    cursor_free(cursor);
}
END_TEST

START_TEST(test_range_closes)
{
    struct cursor *cursor = ONE_RANGE(NONE);
    expect_no_look(cursor, FIRST - 1);
    look(cursor, FIRST, 0, 0, 0);
    expect(cursor, 20, 20, 0);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_range_narrows_to_what_is_pending)
{
    struct cursor *cursor = ONE_RANGE(NONE);
    look(cursor, FIRST, 3, 5, 15);
    expect(cursor, 20, 4, 1);
    struct range range = expect_look(cursor, 2 * FIRST, 4, 15);
    cursor_looked(cursor, range.id, 1, 15, 15, 2 * FIRST);
    expect(cursor, 20, 14, 1);
    look(cursor, LONGEST, 0, 0, 0);
    expect(cursor, 20, 20, 0);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_straggler)
{
    struct cursor *cursor = ONE_RANGE(101);
    look(cursor, FIRST, 0, 0, 0);
    expect(cursor, 20, 0, 1);
    expect_no_look(cursor, INT64_MAX - 1); /* nothing to see before its end */
    TICK(cursor, 20, 200, 1000, 101);
    expect_no_look(cursor, INT64_MAX - 1);
    TICK(cursor, 20, 201, 1500, NONE);
    struct range range = expect_look(cursor, 1500, 0, 20);
    cursor_looked(cursor, range.id, 1, 9, 9, 1500);
    expect(cursor, 20, 8, 1);
    range = expect_look(cursor, 1500 + FIRST, 8, 9);
    cursor_looked(cursor, range.id, 0, 0, 0, 2000);
    expect(cursor, 20, 20, 0);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_transaction_that_a_later_snapshot_does_not_know_still_runs)
{
    struct cursor *cursor = ONE_RANGE(101);
    look(cursor, FIRST, 0, 0, 0);
    TICK(cursor, 20, 101, 1000, NONE);
    expect_no_look(cursor, INT64_MAX - 1);
    expect(cursor, 20, 0, 1);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_long_transaction_does_not_delay_another)
{
    struct cursor *cursor = ONE_RANGE(50, 101, 102);
    look(cursor, FIRST, 0, 0, 0);
    TICK(cursor, 20, 200, 1000, 50, 102);
    look(cursor, 1000, 1, 7, 7);
    TICK(cursor, 20, 200, 1500, 50);
    look(cursor, 1500, 0, 0, 0);
    expect(cursor, 20, 0, 1);
    TICK(cursor, 20, 200, 2000, NONE);
    look(cursor, 2000, 0, 0, 0);
    expect(cursor, 20, 20, 0);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_range_keeps_its_bounds_while_transactions_run)
{
    struct cursor *cursor = ONE_RANGE(101);
    look(cursor, FIRST, 1, 9, 9);
    expect(cursor, 20, 0, 1);
    (void)expect_look(cursor, 2 * FIRST, 0, 20);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_looks_at_growing_intervals)
{
    struct cursor *cursor = ONE_RANGE(NONE);
    static const int64_t intervals[] = {FIRST, 1000, 2000, 4000, LONGEST, LONGEST, LONGEST};
    int64_t now = FIRST;
    look(cursor, now, 1, 20, 20);
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        expect_no_look(cursor, now + intervals[i] - 1);
        now += intervals[i];
        look(cursor, now, 1, 20, 20);
    }
    cursor_disturb(cursor, now + 1); /* who held the row is gone */
    look(cursor, now + 1, 1, 20, 20);
    expect_no_look(cursor, now + FIRST);
    look(cursor, now + 1 + FIRST, 0, 0, 0);
    expect(cursor, 20, 20, 0);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_disturb_reaches_ranges_that_wait)
{
    struct cursor *cursor = ONE_RANGE(101);
    look(cursor, FIRST, 0, 0, 0);
    cursor_disturb(cursor, 700);
    look(cursor, 700, 0, 0, 0);
    expect(cursor, 20, 0, 1);
    cursor_free(cursor);
}
END_TEST

/* A look under way saw the state of before: what it says does not count. */
START_TEST(test_change_during_a_look)
{
    for (int disturbed = 0; disturbed < 2; disturbed++) {
        struct cursor *cursor = ONE_RANGE(101);
        struct range range = expect_look(cursor, FIRST, 0, 20);
        TICK(cursor, 20, 200, 600, NONE);
        if (disturbed)
            cursor_disturb(cursor, 600);
        expect_no_look(cursor, INT64_MAX - 1); /* it is busy */
        cursor_looked(cursor, range.id, 0, 0, 0, 700);
        expect(cursor, 20, 0, 1);
        look(cursor, 700, 0, 0, 0);
        expect(cursor, 20, 20, 0);
        cursor_free(cursor);
    }
}
END_TEST

START_TEST(test_look_failed)
{
    struct cursor *cursor = ONE_RANGE(NONE);
    struct range range = expect_look(cursor, FIRST, 0, 20);
    cursor_look_failed(cursor, range.id, 600);
    expect(cursor, 20, 0, 1);
    expect_no_look(cursor, 600 + FIRST - 1);
    look(cursor, 600 + FIRST, 0, 0, 0);
    expect(cursor, 20, 20, 0);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_look_that_stopped_early_goes_on_at_once)
{
    struct cursor *cursor = ONE_RANGE(NONE);
    struct range range = expect_look(cursor, FIRST, 0, 20);
    cursor_look_stopped(cursor, range.id, 6, FIRST);
    cursor_looked(cursor, range.id, 2, 3, 6, FIRST);
    expect(cursor, 20, 2, 2);
    range = expect_look(cursor, FIRST, 6, 20);
    cursor_look_stopped(cursor, range.id, 12, FIRST);
    cursor_looked(cursor, range.id, 0, 0, 0, FIRST);
    expect(cursor, 20, 2, 2);
    range = expect_look(cursor, FIRST, 12, 20);
    cursor_look_stopped(cursor, range.id, 20, FIRST); /* at its very end: there is no rest */
    cursor_looked(cursor, range.id, 1, 20, 20, FIRST);
    expect_no_look(cursor, 2 * FIRST - 1);
    range = expect_look(cursor, 2 * FIRST, 2, 6);
    cursor_looked(cursor, range.id, 0, 0, 0, 2 * FIRST);
    expect(cursor, 20, 19, 1);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_both_parts_of_a_stopped_look_wait)
{
    struct cursor *cursor = ONE_RANGE(101);
    struct range range = expect_look(cursor, FIRST, 0, 20);
    cursor_look_stopped(cursor, range.id, 6, FIRST);
    cursor_looked(cursor, range.id, 0, 0, 0, FIRST);
    look(cursor, FIRST, 0, 0, 0);
    expect_no_look(cursor, INT64_MAX - 1);
    TICK(cursor, 20, 200, 1000, 101);
    expect(cursor, 20, 0, 1); /* one again */
    TICK(cursor, 20, 200, 1500, NONE);
    (void)expect_look(cursor, 1500, 0, 20);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_low_water_is_below_all_ranges)
{
    struct cursor *cursor = cursor_new(0);
    for (int64_t i = 1; i <= 3; i++) {
        TICK(cursor, 10 * i, 100, i, NONE);
        scan(cursor, 0, false, i);
    }
    scan(cursor, 35, false, 4);
    expect(cursor, 35, 0, 3);
    struct range first = expect_look(cursor, 1000, 0, 10);
    struct range second = expect_look(cursor, 1000, 10, 20);
    struct range third = expect_look(cursor, 1000, 20, 30);
    cursor_looked(cursor, second.id, 0, 0, 0, 1000);
    expect(cursor, 35, 0, 2);
    cursor_looked(cursor, first.id, 0, 0, 0, 1000);
    expect(cursor, 35, 20, 1);
    cursor_looked(cursor, third.id, 0, 0, 0, 1000);
    expect(cursor, 35, 30, 0); /* 31 to 35 are not covered yet */
    cursor_free(cursor);
}
END_TEST

static int64_t look_at_all_due(struct cursor *cursor, int64_t now)
{
    struct range range;
    int64_t looks = 0;
    for (; cursor_next_look(cursor, now, &range); looks++)
        cursor_looked(cursor, range.id, 0, 0, 0, now);
    return looks;
}

START_TEST(test_one_long_transaction_makes_few_ranges)
{
    enum { TICKS = 10000 };
    struct cursor *cursor = cursor_new(0);
    int64_t now = 0, looks = 0;
    for (int64_t i = 1; i <= TICKS; i++, now += FIRST) {
        uint64_t newest = 100 + (uint64_t)i;
        TICK(cursor, 10 * i, newest + 1, now, 50, newest); /* each tick also sees a short one */
        scan(cursor, 10 * i, false, now);
        looks += look_at_all_due(cursor, now);
        ck_assert_uint_le(cursor_ranges(cursor), 5);
        ck_assert_int_eq(cursor_low_water(cursor), 0);
    }
    ck_assert_int_le(looks, 2 * TICKS);
    TICK(cursor, 10 * TICKS, 1000000, now, NONE);
    ck_assert_int_le(look_at_all_due(cursor, now), 5);
    expect(cursor, 10 * TICKS, 10 * TICKS, 0);
    cursor_free(cursor);
}
END_TEST

/* Nothing ends and every range waits for something else: neighbours are joined, none is forgotten. */
START_TEST(test_ranges_are_bounded)
{
    enum { TICKS = 300 };
    uint64_t running[TICKS + 1] = {0};
    struct cursor *cursor = cursor_new(0);
    int64_t now = 0;
    for (int64_t i = 1; i <= TICKS; i++, now += FIRST) {
        running[i - 1] = 100 + (uint64_t)i;
        tick(cursor, 10 * i, 101 + (uint64_t)i, now, running);
        scan(cursor, 10 * i, false, now);
        (void)look_at_all_due(cursor, now);
        ck_assert_uint_le(cursor_ranges(cursor), 65);
        ck_assert_int_eq(cursor_low_water(cursor), 0);
    }
    for (int64_t ended = 1; ended <= TICKS; ended++) {
        tick(cursor, 10 * TICKS, 1000, now, running + ended);
        (void)look_at_all_due(cursor, now);
        ck_assert_int_le(cursor_low_water(cursor), 10 * ended);
    }
    expect(cursor, 10 * TICKS, 10 * TICKS, 0);
    cursor_free(cursor);
}
END_TEST

START_TEST(test_snapshot_texts)
{
    enum { ROOM = 3 };
    static const struct {
        const char *text;
        bool ok;
        uint64_t xmax;
        size_t count;
        uint64_t running[ROOM];
    } cases[] = {
        {"725:725:", true, 725, 0, {0}}, /* as Postgres 15 prints them */
        {"725:727:725", true, 727, 1, {725}},
        {"10:20:10,14,15", true, 20, 3, {10, 14, 15}},
        {"3:18446744073709551615:3", true, UINT64_MAX, 1, {3}},
        {"10:20:10,14,15,16", false, 0, 0, {0}}, /* no room */
        {"10:99999999999999999999:", false, 0, 0, {0}},
        {"10:20:99999999999999999999", false, 0, 0, {0}},
        {"99999999999999999999:20:", false, 0, 0, {0}},
        {"", false, 0, 0, {0}},
        {"10", false, 0, 0, {0}},
        {"10:", false, 0, 0, {0}},
        {"10:20", false, 0, 0, {0}},
        {":20:", false, 0, 0, {0}},
        {"10::", false, 0, 0, {0}},
        {"10:20:,", false, 0, 0, {0}},
        {"10:20:11,", false, 0, 0, {0}},
        {"10:20:,11", false, 0, 0, {0}},
        {"10:20:11,,12", false, 0, 0, {0}},
        {"10:20:11 ", false, 0, 0, {0}},
        {"10:20:11:", false, 0, 0, {0}},
        {" 10:20:", false, 0, 0, {0}},
        {"10:-20:", false, 0, 0, {0}},
        {"+10:20:", false, 0, 0, {0}},
        {"10:20: 11", false, 0, 0, {0}},
        {"10:20:x", false, 0, 0, {0}},
        {"0x10:20:", false, 0, 0, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t running[ROOM];
        struct snapshot snapshot;
        bool ok = snapshot_parse(cases[i].text, running, ROOM, &snapshot);
        ck_assert_msg(ok == cases[i].ok, "\"%s\" was %s", cases[i].text, ok ? "taken" : "refused");
        if (!ok)
            continue;
        ck_assert_msg(snapshot.xmax == cases[i].xmax, "\"%s\": xmax", cases[i].text);
        ck_assert_msg(snapshot.count == cases[i].count, "\"%s\": count", cases[i].text);
        for (size_t j = 0; j < snapshot.count; j++)
            ck_assert_msg(snapshot.running[j] == cases[i].running[j], "\"%s\": id %zu", cases[i].text, j);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor");
    suite_add(suite, test_scans_move_the_cursor);
    suite_add(suite, test_scans_start_a_little_behind);
    suite_add(suite, test_few_rows_may_be_far_apart);
    suite_add(suite, test_tick_covers);
    suite_add(suite, test_tick_waits_for_a_scan_that_starts_after_it);
    suite_add(suite, test_failed_scan_keeps_the_tick);
    suite_add(suite, test_range_closes);
    suite_add(suite, test_range_narrows_to_what_is_pending);
    suite_add(suite, test_straggler);
    suite_add(suite, test_transaction_that_a_later_snapshot_does_not_know_still_runs);
    suite_add(suite, test_long_transaction_does_not_delay_another);
    suite_add(suite, test_range_keeps_its_bounds_while_transactions_run);
    suite_add(suite, test_looks_at_growing_intervals);
    suite_add(suite, test_disturb_reaches_ranges_that_wait);
    suite_add(suite, test_change_during_a_look);
    suite_add(suite, test_look_failed);
    suite_add(suite, test_look_that_stopped_early_goes_on_at_once);
    suite_add(suite, test_both_parts_of_a_stopped_look_wait);
    suite_add(suite, test_low_water_is_below_all_ranges);
    suite_add(suite, test_one_long_transaction_makes_few_ranges);
    suite_add(suite, test_ranges_are_bounded);
    suite_add(suite, test_snapshot_texts);
    return suite_run(suite);
}
