#include "fakes/worker.h"

#include <check.h>

#include "core/mem.h"
#include "core/worker.h"

struct worker {
    struct worker_task task;
    void (*done)(void *arg);
    void *arg;
    struct worker *next; /* while it waits */
};

static struct worker *waiting;

size_t fake_workers(void)
{
    size_t count = 0;
    for (const struct worker *worker = waiting; worker; worker = worker->next)
        count++;
    return count;
}

static void leave(struct worker *worker)
{
    struct worker **place = &waiting;
    while (*place && *place != worker)
        place = &(*place)->next;
    if (*place)
        *place = worker->next;
}

void fake_worker_works(void)
{
    struct worker *worker = waiting;
    ck_assert_ptr_nonnull(worker);
    leave(worker);
    worker->task.work(worker->task.data);
    worker->done(worker->arg);
}

struct worker *worker_new(struct loop *loop, const struct worker_task *task, void (*done)(void *arg),
                          void *arg)
{
    (void)loop;
    struct worker *worker = mem_alloc(sizeof *worker), **last = &waiting;
    *worker = (struct worker){.task = *task, .done = done, .arg = arg};
    while (*last)
        last = &(*last)->next;
    return *last = worker;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    leave(worker);
    worker->task.discard(worker->task.data);
    mem_free(worker);
}
