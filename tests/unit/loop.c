#include "support/suite.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"

struct fixture {
    struct loop *loop;
    int pair[2], other[2];
    struct watch *watch, *second;
    struct timer *timer;
    int calls, events, total;
    char order[64];
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){.loop = loop_new()};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->pair), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->other), 0);
}

static void teardown(struct fixture *f)
{
    watch_free(f->watch);
    watch_free(f->second);
    timer_free(f->timer);
    loop_free(f->loop);
    close(f->pair[0]);
    close(f->pair[1]);
    close(f->other[0]);
    close(f->other[1]);
}

static void poke(int fd)
{
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void hang_up(int fd)
{
    ck_assert_int_eq(shutdown(fd, SHUT_RDWR), 0);
}

static void stop_soon(void *arg)
{
    struct fixture *f = arg;
    loop_stop(f->loop);
}

/* Runs the loop for the given time. */
static void run_for(struct fixture *f, int64_t ms)
{
    struct timer *end = timer_new(f->loop, stop_soon, f);
    timer_set(end, ms);
    loop_run(f->loop);
    timer_free(end);
}

static void on_events(void *arg, int events)
{
    struct fixture *f = arg;
    f->calls++;
    f->events = events;
    loop_stop(f->loop);
}

START_TEST(test_read_write)
{
    struct fixture f;
    setup(&f);
    f.watch = watch_new(f.loop, f.pair[0], LOOP_READ, on_events, &f);
    poke(f.pair[1]);
    loop_run(f.loop);
    ck_assert_int_eq(f.events, LOOP_READ);
    watch_set(f.watch, LOOP_READ | LOOP_WRITE);
    loop_run(f.loop);
    ck_assert_int_eq(f.events, LOOP_READ | LOOP_WRITE);
    watch_set(f.watch, LOOP_WRITE);
    loop_run(f.loop);
    ck_assert_int_eq(f.events, LOOP_WRITE);
    teardown(&f);
}
END_TEST

START_TEST(test_hang_up_sets_both)
{
    struct fixture f;
    setup(&f);
    f.watch = watch_new(f.loop, f.pair[0], LOOP_READ, on_events, &f);
    hang_up(f.pair[1]);
    loop_run(f.loop);
    ck_assert_int_eq(f.events, LOOP_READ | LOOP_WRITE);
    teardown(&f);
}
END_TEST

START_TEST(test_no_events_no_calls)
{
    struct fixture f;
    setup(&f);
    f.watch = watch_new(f.loop, f.pair[0], 0, on_events, &f);
    poke(f.pair[1]);
    hang_up(f.pair[1]);
    run_for(&f, 5);
    ck_assert_int_eq(f.calls, 0);
    watch_set(f.watch, LOOP_READ);
    loop_run(f.loop);
    ck_assert_int_eq(f.calls, 1);
    watch_set(f.watch, 0);
    run_for(&f, 5);
    ck_assert_int_eq(f.calls, 1);
    teardown(&f);
}
END_TEST

/* Both descriptors are ready in the same turn; whoever comes first frees both watches. */
static void on_events_free_all(void *arg, int events)
{
    struct fixture *f = arg;
    (void)events;
    f->calls++;
    watch_free(f->watch);
    watch_free(f->second);
    f->watch = f->second = NULL;
}

START_TEST(test_free_in_callback)
{
    struct fixture f;
    setup(&f);
    f.watch = watch_new(f.loop, f.pair[0], LOOP_READ, on_events_free_all, &f);
    f.second = watch_new(f.loop, f.other[0], LOOP_READ, on_events_free_all, &f);
    hang_up(f.pair[1]);
    hang_up(f.other[1]);
    run_for(&f, 5);
    ck_assert_int_eq(f.calls, 1);
    teardown(&f);
}
END_TEST

/* Whoever comes first silences the other one, whose event has been fetched already. */
static void on_events_silence(void *arg, int events)
{
    struct fixture *f = arg;
    (void)events;
    f->calls++;
    watch_set(f->watch, 0);
    watch_set(f->second, 0);
}

START_TEST(test_set_in_callback)
{
    struct fixture f;
    setup(&f);
    f.watch = watch_new(f.loop, f.pair[0], LOOP_READ, on_events_silence, &f);
    f.second = watch_new(f.loop, f.other[0], LOOP_READ, on_events_silence, &f);
    hang_up(f.pair[1]);
    hang_up(f.other[1]);
    run_for(&f, 5);
    ck_assert_int_eq(f.calls, 1);
    teardown(&f);
}
END_TEST

struct tick {
    struct fixture *f;
    struct timer *timer;
    char name;
};

static void on_tick(void *arg)
{
    struct tick *tick = arg;
    tick->f->order[tick->f->calls++] = tick->name;
    if (tick->f->calls == tick->f->total)
        loop_stop(tick->f->loop);
}

START_TEST(test_timer_order)
{
    struct fixture f;
    setup(&f);
    f.total = 6;
    static const int delays[] = {90, 30, 60, 30, 0, 120, 30};
    struct tick ticks[7];
    for (int i = 0; i < 7; i++) {
        ticks[i] = (struct tick){.f = &f, .name = (char)('a' + i)};
        ticks[i].timer = timer_new(f.loop, on_tick, &ticks[i]);
        ck_assert(!timer_is_set(ticks[i].timer));
        timer_set(ticks[i].timer, delays[i]);
        ck_assert(timer_is_set(ticks[i].timer));
    }
    timer_clear(ticks[3].timer);
    int64_t start = clock_mono();
    loop_run(f.loop);
    ck_assert_str_eq(f.order, "ebgcaf");
    ck_assert_int_ge(clock_mono() - start, 119);
    for (int i = 0; i < 7; i++) {
        ck_assert(!timer_is_set(ticks[i].timer));
        timer_free(ticks[i].timer);
    }
    teardown(&f);
}
END_TEST

/* Many timers set, moved and cleared at random fire exactly once each, in order of their due times. */
enum { MANY = 400 };

struct due {
    struct fixture *f;
    struct timer *timer;
    int64_t at; /* clock_mono */
};

static int64_t latest;

static void on_due(void *arg)
{
    struct due *due = arg;
    ck_assert_int_ge(clock_mono(), due->at);
    /* The steps are wider than this slack for the moment between reading the clock and setting the timer. */
    ck_assert_int_ge(due->at, latest - 15);
    latest = due->at > latest ? due->at : latest;
    due->f->calls++;
}

START_TEST(test_timer_heap)
{
    struct fixture f;
    setup(&f);
    struct due dues[MANY];
    uint32_t seed = 12345;
    for (int i = 0; i < MANY; i++) {
        dues[i] = (struct due){.f = &f};
        dues[i].timer = timer_new(f.loop, on_due, &dues[i]);
    }
    for (int i = 0; i < 5 * MANY; i++) {
        seed = seed * 1664525 + 1013904223;
        struct due *due = &dues[(seed >> 8) % MANY];
        if ((seed >> 28) < 4) {
            timer_clear(due->timer);
        } else {
            int64_t delay = (int64_t)((seed >> 20) % 8) * 20;
            due->at = clock_mono() + delay;
            timer_set(due->timer, delay);
        }
    }
    int expected = 0;
    for (int i = 0; i < MANY; i++)
        expected += timer_is_set(dues[i].timer) ? 1 : 0;
    ck_assert_int_gt(expected, MANY / 2);
    run_for(&f, 200);
    ck_assert_int_eq(f.calls, expected);
    for (int i = 0; i < MANY; i++)
        timer_free(dues[i].timer);
    teardown(&f);
}
END_TEST

static void on_again(void *arg)
{
    struct fixture *f = arg;
    if (++f->total == 1)
        poke(f->pair[1]);
    timer_set(f->timer, 0);
}

/* A timer that sets itself to 0 for ever does not lock out the descriptors. */
START_TEST(test_timer_zero_is_next_turn)
{
    struct fixture f;
    setup(&f);
    f.watch = watch_new(f.loop, f.pair[0], LOOP_READ, on_events, &f);
    f.timer = timer_new(f.loop, on_again, &f);
    timer_set(f.timer, 0);
    loop_run(f.loop);
    ck_assert_int_eq(f.calls, 1);
    ck_assert_int_eq(f.total, 1);
    teardown(&f);
}
END_TEST

static void on_free_self(void *arg)
{
    struct fixture *f = arg;
    ck_assert(!timer_is_set(f->timer));
    timer_free(f->timer);
    f->timer = NULL;
    loop_stop(f->loop);
}

START_TEST(test_timer_frees_itself)
{
    struct fixture f;
    setup(&f);
    f.timer = timer_new(f.loop, on_free_self, &f);
    timer_set(f.timer, 1);
    loop_run(f.loop);
    ck_assert_ptr_null(f.timer);
    teardown(&f);
}
END_TEST

static void on_signal(void *arg, int number)
{
    struct fixture *f = arg;
    f->order[f->calls++] = number == SIGTERM ? 'T' : number == SIGUSR1 ? 'U' : '?';
    if (f->calls == f->total)
        loop_stop(f->loop);
}

START_TEST(test_signals)
{
    struct fixture f;
    setup(&f);
    f.total = 2;
    loop_on_signal(f.loop, SIGUSR1, on_signal, &f);
    loop_on_signal(f.loop, SIGTERM, on_signal, &f);
    ck_assert_int_eq(raise(SIGTERM), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    loop_run(f.loop);
    ck_assert(f.order[0] != f.order[1]);
    ck_assert(f.order[0] == 'T' || f.order[0] == 'U');
    ck_assert(f.order[1] == 'T' || f.order[1] == 'U');
    teardown(&f);
}
END_TEST

START_TEST(test_stop_before_run)
{
    struct fixture f;
    setup(&f);
    loop_stop(f.loop);
    loop_run(f.loop);
    f.watch = watch_new(f.loop, f.pair[0], LOOP_READ, on_events, &f);
    poke(f.pair[1]);
    loop_run(f.loop);
    ck_assert_int_eq(f.calls, 1);
    teardown(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    suite_add(suite, test_read_write);
    suite_add(suite, test_hang_up_sets_both);
    suite_add(suite, test_no_events_no_calls);
    suite_add(suite, test_free_in_callback);
    suite_add(suite, test_set_in_callback);
    suite_add(suite, test_timer_order);
    suite_add(suite, test_timer_heap);
    suite_add(suite, test_timer_zero_is_next_turn);
    suite_add(suite, test_timer_frees_itself);
    suite_add(suite, test_signals);
    suite_add(suite, test_stop_before_run);
    return suite_run(suite);
}
