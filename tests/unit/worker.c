#include "core/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "support/suite.h"
#include "support/wait.h"

enum { MANY = 50, PATIENCE_MS = 10000 };

static struct loop *loop;
static atomic_int discarded;
static int finished, wanted;

static void setup(void)
{
    loop = loop_new();
    atomic_store(&discarded, 0);
    finished = 0;
}

static void teardown(void)
{
    loop_free(loop);
}

struct sum {
    int from, upto, result;
    pthread_t thread;
    bool signals_blocked;
    int gate; /* read before anything is done; -1 = none */
};

static void add_up(void *data)
{
    struct sum *sum = data;
    char octet;
    if (sum->gate >= 0)
        ck_assert_int_ge(read(sum->gate, &octet, 1), 0);
    for (int i = sum->from; i <= sum->upto; i++)
        sum->result += i;
    sigset_t blocked;
    sum->thread = pthread_self();
    sum->signals_blocked = pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 &&
                           sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGHUP) == 1;
}

static void discard(void *data)
{
    mem_free(data);
    atomic_fetch_add(&discarded, 1);
}

static struct sum *sum_new(int upto, int gate)
{
    struct sum *sum = mem_alloc(sizeof *sum);
    *sum = (struct sum){.from = 1, .upto = upto, .gate = gate};
    return sum;
}

static void on_done(void *arg)
{
    (void)arg;
    if (++finished == wanted)
        loop_stop(loop);
}

START_TEST(test_work)
{
    struct worker *workers[MANY];
    struct sum *sums[MANY];
    wanted = MANY;
    for (int i = 0; i < MANY; i++) {
        sums[i] = sum_new(i, -1);
        workers[i] = worker_new(loop, &(struct worker_task){add_up, discard, sums[i]}, on_done, NULL);
        ck_assert_ptr_nonnull(workers[i]);
    }
    loop_run(loop);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(sums[i]->result, i * (i + 1) / 2);
        ck_assert(!pthread_equal(sums[i]->thread, pthread_self()));
        ck_assert(sums[i]->signals_blocked);
        worker_free(workers[i]);
    }
    ck_assert_int_eq(atomic_load(&discarded), MANY);
    worker_free(NULL);
}
END_TEST

static struct worker *own;

static void on_done_free(void *arg)
{
    ck_assert_int_eq(((struct sum *)arg)->result, 10);
    worker_free(own);
    loop_stop(loop);
}

START_TEST(test_freed_by_its_callback)
{
    struct sum *sum = sum_new(4, -1);
    own = worker_new(loop, &(struct worker_task){add_up, discard, sum}, on_done_free, sum);
    loop_run(loop);
    ck_assert_int_eq(atomic_load(&discarded), 1);
}
END_TEST

static void on_time(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static bool one_is_discarded(void *arg)
{
    (void)arg;
    return atomic_load(&discarded) >= 1;
}

/* Work that is stuck goes on by itself; nobody hears of it, and its data goes when it has ended. */
START_TEST(test_abandoned)
{
    int gate[2];
    wanted = 1;
    ck_assert_int_eq(pipe(gate), 0);
    struct worker *stuck =
        worker_new(loop, &(struct worker_task){add_up, discard, sum_new(4, gate[0])}, on_done, NULL);
    struct worker *ended =
        worker_new(loop, &(struct worker_task){add_up, discard, sum_new(4, -1)}, on_done, NULL);
    worker_free(stuck);
    ck_assert_int_eq(atomic_load(&discarded), 0);
    ck_assert_int_eq(close(gate[1]), 0); /* the end of the file ends its wait */
    ck_assert_msg(wait_until(one_is_discarded, NULL, PATIENCE_MS), "the abandoned work did not end");
    loop_run(loop);
    ck_assert_int_eq(finished, 1);
    worker_free(ended);
    ck_assert_int_eq(atomic_load(&discarded), 2);

    struct timer *timer = timer_new(loop, on_time, NULL);
    timer_set(timer, 20);
    loop_run(loop);
    ck_assert_int_eq(finished, 1);
    timer_free(timer);
    close(gate[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker");
    TCase *tests = tcase_create("worker");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_work);
    tcase_add_test(tests, test_freed_by_its_callback);
    tcase_add_test(tests, test_abandoned);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
