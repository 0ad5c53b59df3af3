#include "support/suite.h"

#include "dispatcher/breaker.h"

enum { CAPACITY = 1000 };

static void expect(const struct breaker *breaker, enum breaker_state state, size_t allows)
{
    ck_assert_int_eq(breaker_state(breaker), state);
    ck_assert_uint_eq(breaker_allows(breaker, CAPACITY), allows);
}

static void good(struct breaker *breaker, int times)
{
    for (int i = 0; i < times; i++)
        ck_assert_msg(!breaker_good(breaker), "good answer %d changed the state", i + 1);
}

/* Opens a closed one at that time. */
static void trip(struct breaker *breaker, int64_t now, uint64_t random)
{
    for (int i = 0; i < 4; i++)
        ck_assert(!breaker_bad(breaker, now, random));
    ck_assert(breaker_bad(breaker, now, random));
    expect(breaker, BREAKER_OPEN, 0);
}

/* Probes an open one until it closes. */
static void heal(struct breaker *breaker)
{
    breaker_probe(breaker);
    good(breaker, 19);
    ck_assert(breaker_good(breaker));
    ck_assert_int_eq(breaker_state(breaker), BREAKER_CLOSED);
}

/* g: good, b: bad, *: the bad one that opens it. */
START_TEST(test_opening)
{
    static const char *const rows[] = {
        "ggggbbbb",
        "bbbb*",
        "gbbbb*",
        "bbbbgbbbbg",                 /* eight of ten */
        "bbbbgbbbbgbg",               /* nine */
        "bbbbgbbbbgbg*",              /* ten */
        "bgbgbgbgbgbgbgbgbg*",        /* half of the last 20 */
        "bggbggbggbggbggbggbggbgg",   /* a third */
        "bbbgggbbbgggbbbgg*",         /* the tenth among 18 */
        "bbbgggggggbbbbggggggbbbbgg", /* eleven of 26, at most eight of any 20 */
        "bgbgbgbgbgbgbgbgbggggbg",    /* nine of 20 ever: the old ones leave */
        "bbbbgbbbbggggggggggggbbbbgg",
        "ggggggggggggggggggggggggbggggggggbgggggggggbbbbgggggggbbbg",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct breaker breaker;
        breaker_init(&breaker);
        for (const char *c = rows[i]; *c != '\0'; c++) {
            bool changed = *c == 'g' ? breaker_good(&breaker) : breaker_bad(&breaker, 0, 0);
            ck_assert_msg(changed == (*c == '*'), "row %zu, octet %td", i, c - rows[i]);
            ck_assert_msg(breaker_state(&breaker) == (*c == '*' ? BREAKER_OPEN : BREAKER_CLOSED),
                          "row %zu, octet %td", i, c - rows[i]);
        }
    }
}
END_TEST

START_TEST(test_few_among_many)
{
    struct breaker breaker;
    breaker_init(&breaker);
    for (int i = 0; i < 100000; i++) {
        bool bad = i % 20 < 9 && i % 20 % 5 != 4; /* 8 of 20, never five in a row */
        ck_assert_msg(bad ? !breaker_bad(&breaker, i, 0) : !breaker_good(&breaker), "answer %d", i);
    }
    expect(&breaker, BREAKER_CLOSED, CAPACITY);
}
END_TEST

START_TEST(test_wait)
{
    struct breaker breaker;
    breaker_init(&breaker);
    ck_assert_int_eq(breaker_wait(&breaker, 5000), 0);
    breaker_probe(&breaker);
    expect(&breaker, BREAKER_CLOSED, CAPACITY);
    trip(&breaker, 5000, 0);
    ck_assert_int_eq(breaker_wait(&breaker, 5000), 1000);
    ck_assert_int_eq(breaker_wait(&breaker, 5999), 1);
    ck_assert_int_eq(breaker_wait(&breaker, 6000), 0);
    ck_assert_int_eq(breaker_wait(&breaker, 99000), 0);
    expect(&breaker, BREAKER_OPEN, 0); /* until it is probed */
    breaker_probe(&breaker);
    expect(&breaker, BREAKER_PROBING, 1);
    ck_assert_int_eq(breaker_wait(&breaker, 5000), 0);
}
END_TEST

/* Answers of requests that were in the air when it opened. */
START_TEST(test_late_answers)
{
    struct breaker breaker;
    breaker_init(&breaker);
    trip(&breaker, 0, 0);
    for (int i = 0; i < 100; i++) {
        ck_assert(!breaker_bad(&breaker, 900, UINT64_MAX));
        ck_assert(!breaker_good(&breaker));
    }
    expect(&breaker, BREAKER_OPEN, 0);
    ck_assert_int_eq(breaker_wait(&breaker, 900), 100);
    breaker_probe(&breaker);
    expect(&breaker, BREAKER_PROBING, 1);
    ck_assert(breaker_bad(&breaker, 1000, 0));
    ck_assert_int_eq(breaker_wait(&breaker, 1000), 2000); /* the second wait, not the hundredth */
}
END_TEST

/* Every round trip brings as many good answers as there were requests: 1, 2, 4, … */
START_TEST(test_growth)
{
    struct breaker breaker;
    breaker_init(&breaker);
    trip(&breaker, 0, 0);
    breaker_probe(&breaker);
    size_t in_the_air = 1, changes = 0, answers = 0;
    for (size_t allows = 1; allows < CAPACITY; in_the_air = allows) {
        ck_assert_uint_eq(breaker_allows(&breaker, CAPACITY), allows);
        ck_assert_uint_eq(breaker_allows(&breaker, 3), allows < 3 ? allows : 3);
        for (size_t i = 0; i < in_the_air; i++) {
            bool changed = breaker_good(&breaker);
            ck_assert_int_eq(changed, ++answers == 20);
            changes += changed;
        }
        allows = allows * 2 < CAPACITY ? allows * 2 : CAPACITY;
    }
    ck_assert_uint_eq(changes, 1);
    expect(&breaker, BREAKER_CLOSED, CAPACITY);
    ck_assert_uint_eq(breaker_allows(&breaker, 0), 0);
}
END_TEST

/* While it is probing one bad answer is enough; once closed it takes as many as ever. */
START_TEST(test_hysteresis)
{
    for (int before = 0; before < 20; before++) {
        struct breaker breaker;
        breaker_init(&breaker);
        trip(&breaker, 0, 0);
        breaker_probe(&breaker);
        good(&breaker, before);
        ck_assert_msg(breaker_bad(&breaker, 1000, 0), "after %d good ones", before);
        expect(&breaker, BREAKER_OPEN, 0);
        breaker_probe(&breaker);
        expect(&breaker, BREAKER_PROBING, 1); /* from the beginning */
    }
    struct breaker breaker;
    breaker_init(&breaker);
    trip(&breaker, 0, 0);
    heal(&breaker);
    trip(&breaker, 2000, 0);
}
END_TEST

START_TEST(test_backoff)
{
    static const struct {
        int64_t low, high;
    } rows[] = {{1000, 2000},   {2000, 4000},   {4000, 8000},   {8000, 16000},
                {16000, 32000}, {30000, 60000}, {30000, 60000}, {30000, 60000}};
    static const uint64_t randoms[] = {0, 1, 12345, 999999999999, UINT64_MAX, UINT64_MAX - 12345};
    for (size_t r = 0; r < sizeof randoms / sizeof randoms[0]; r++) {
        struct breaker breaker;
        int64_t now = 1000000;
        breaker_init(&breaker);
        trip(&breaker, now, randoms[r]);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            int64_t wait = breaker_wait(&breaker, now);
            ck_assert_msg(wait >= rows[i].low && wait <= rows[i].high, "row %zu: %lld", i, (long long)wait);
            ck_assert(randoms[r] != 0 || wait == rows[i].low);
            now += wait;
            breaker_probe(&breaker);
            ck_assert(breaker_bad(&breaker, now, randoms[r]));
        }
    }
}
END_TEST

START_TEST(test_jitter)
{
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t random = 0; random <= 1000; random++) {
        struct breaker breaker;
        breaker_init(&breaker);
        trip(&breaker, 0, random);
        int64_t wait = breaker_wait(&breaker, 0);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    ck_assert_int_eq(least, 1000);
    ck_assert_int_eq(most, 2000);
}
END_TEST

/* Closing alone does not forget the trouble; five calm minutes do. */
START_TEST(test_calm)
{
    static const struct {
        int64_t calm, wait; /* since the end of the wait before */
    } rows[] = {{0, 2000}, {299999, 2000}, {300000, 1000}, {3600000, 1000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct breaker breaker;
        breaker_init(&breaker);
        trip(&breaker, 0, 0);
        heal(&breaker);
        int64_t now = 1000 + rows[i].calm;
        trip(&breaker, now, 0);
        ck_assert_msg(breaker_wait(&breaker, now) == rows[i].wait, "row %zu", i);
    }
    /* Not while it is probing, however long nobody has anything to send. */
    struct breaker breaker;
    breaker_init(&breaker);
    trip(&breaker, 0, 0);
    breaker_probe(&breaker);
    ck_assert(breaker_bad(&breaker, 3600000, 0));
    ck_assert_int_eq(breaker_wait(&breaker, 3600000), 2000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("breaker");
    suite_add(suite, test_opening);
    suite_add(suite, test_few_among_many);
    suite_add(suite, test_wait);
    suite_add(suite, test_late_answers);
    suite_add(suite, test_growth);
    suite_add(suite, test_hysteresis);
    suite_add(suite, test_backoff);
    suite_add(suite, test_jitter);
    suite_add(suite, test_calm);
    return suite_run(suite);
}
