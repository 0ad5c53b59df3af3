#include "fakes/time.h"

#include <check.h>

#include "core/backoff.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/timers.h"

enum { TURNS_MAX = 100000 };

struct loop {
    struct timers timers;
};

static struct loop *the_loop;
static int64_t passed;

int64_t clock_ms(void)
{
    return FAKE_TIME_MS + passed;
}

int64_t clock_mono(void)
{
    return FAKE_TIME_MONO + passed;
}

uint32_t backoff_random(void)
{
    return 0;
}

struct loop *loop_new(void)
{
    passed = 0;
    return the_loop = mem_alloc(sizeof *the_loop);
}

void loop_free(struct loop *loop)
{
    ck_assert_uint_eq(loop->timers.count, 0);
    timers_free(&loop->timers);
    mem_free(loop);
    the_loop = NULL;
}

struct timer *timer_new(struct loop *loop, timer_fn *callback, void *arg)
{
    return timers_add(&loop->timers, callback, arg);
}

void fake_time_pass(int64_t ms)
{
    int64_t end = passed + ms, wait;
    const bool stopped = false;
    for (int turns = 0; (wait = timers_wait(&the_loop->timers, clock_mono())) >= 0 && passed + wait <= end;
         turns++) {
        ck_assert_int_lt(turns, TURNS_MAX);
        passed += wait;
        timers_fire(&the_loop->timers, clock_mono(), &stopped);
    }
    passed = end;
}
