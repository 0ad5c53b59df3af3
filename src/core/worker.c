#include "core/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/mem.h"

/* What the thread and the loop share; the last one to let go frees it. */
struct shared {
    atomic_int holders;
    int event; /* eventfd: readable when the work is done */
    struct worker_task task;
};

struct worker {
    struct shared *shared;
    pthread_t thread; /* while watch is set */
    struct watch *watch;
    void (*done)(void *arg);
    void *arg;
};

static void release(struct shared *shared)
{
    if (atomic_fetch_sub(&shared->holders, 1) != 1)
        return;
    shared->task.discard(shared->task.data);
    close(shared->event);
    mem_free(shared);
}

static void *run(void *arg)
{
    struct shared *shared = arg;
    shared->task.work(shared->task.data);
    /* Cannot fail: the counter is far from its maximum. */
    (void)eventfd_write(shared->event, 1);
    release(shared);
    return NULL;
}

static void on_event(void *arg, int events)
{
    (void)events;
    struct worker *worker = arg;
    watch_free(worker->watch);
    worker->watch = NULL;
    (void)pthread_join(worker->thread, NULL); /* it has nothing left to do but to end */
    worker->done(worker->arg);
}

/* Signals belong to the loop's thread. */
static bool start_thread(pthread_t *thread, struct shared *shared)
{
    sigset_t all, old;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0)
        return false;
    bool started = pthread_create(thread, NULL, run, shared) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL); /* worked with the other mask just before */
    return started;
}

struct worker *worker_new(struct loop *loop, const struct worker_task *task, void (*done)(void *arg),
                          void *arg)
{
    int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event < 0)
        return NULL;
    struct shared *shared = mem_alloc(sizeof *shared);
    struct worker *worker = mem_alloc(sizeof *worker);
    *shared = (struct shared){.event = event, .task = *task};
    *worker = (struct worker){.shared = shared, .done = done, .arg = arg};
    atomic_init(&shared->holders, 2);
    if (start_thread(&worker->thread, shared)) {
        worker->watch = watch_new(loop, event, LOOP_READ, on_event, worker);
        return worker;
    }
    close(event);
    mem_free(shared);
    mem_free(worker);
    return NULL;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    if (worker->watch != NULL)
        (void)pthread_detach(worker->thread);
    watch_free(worker->watch);
    release(worker->shared);
    mem_free(worker);
}
