#include "core/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/timers.h"

enum { LOOP_BATCH = 64, LOOP_SIGNALS = 8 };

struct watch {
    struct loop *loop;
    watch_fn *callback;
    void *arg;
    int fd;
    int events; /* 0: not known to epoll */
    struct watch *next_dead;
};

struct loop_signal {
    int number;
    signal_fn *callback;
    void *arg;
};

struct loop {
    int epoll;
    bool stopped;
    struct timers timers;
    /* Freed watches: events already fetched may still point to them, so they go when a turn ends. */
    struct watch *dead;
    int signal_fd;
    struct watch *signal_watch;
    sigset_t signal_set;
    struct loop_signal signals[LOOP_SIGNALS];
    int signal_count;
};

/* The kernel refuses only what is a fault of this program or a lack of kernel memory. */
static _Noreturn void loop_die(const char *step)
{
    log_event(LOG_ERROR, "loop_broken", log_text("step", step), log_int("errno", errno));
    abort();
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_alloc(sizeof *loop);
    loop->signal_fd = -1;
    sigemptyset(&loop->signal_set);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        loop_die("epoll_create1");
    return loop;
}

static void loop_bury(struct loop *loop)
{
    while (loop->dead != NULL) {
        struct watch *watch = loop->dead;
        loop->dead = watch->next_dead;
        mem_free(watch);
    }
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    watch_free(loop->signal_watch);
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    loop_bury(loop);
    timers_free(&loop->timers);
    close(loop->epoll);
    mem_free(loop);
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

static void watch_deliver(struct watch *watch, uint32_t ready)
{
    /* A callback of this turn may have freed this watch or changed what it asks for. */
    if (watch->events == 0)
        return;
    int events = 0;
    if (ready & (EPOLLERR | EPOLLHUP))
        events = LOOP_READ | LOOP_WRITE;
    if (ready & EPOLLIN)
        events |= LOOP_READ & watch->events;
    if (ready & EPOLLOUT)
        events |= LOOP_WRITE & watch->events;
    if (events != 0)
        watch->callback(watch->arg, events);
}

static void loop_turn(struct loop *loop)
{
    struct epoll_event ready[LOOP_BATCH];
    int64_t wait = timers_wait(&loop->timers, clock_mono());
    int timeout = wait < 0 ? -1 : wait > INT_MAX ? INT_MAX : (int)wait;
    int count = epoll_wait(loop->epoll, ready, LOOP_BATCH, timeout);
    if (count < 0 && errno != EINTR)
        loop_die("epoll_wait");
    for (int i = 0; i < count && !loop->stopped; i++) {
        watch_deliver(ready[i].data.ptr, ready[i].events);
    }
    timers_fire(&loop->timers, clock_mono(), &loop->stopped);
    loop_bury(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopped)
        loop_turn(loop);
    loop->stopped = false;
}

static uint32_t epoll_events(int events)
{
    return (events & LOOP_READ ? (uint32_t)EPOLLIN : 0) | (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
}

struct watch *watch_new(struct loop *loop, int fd, int events, watch_fn *callback, void *arg)
{
    struct watch *watch = mem_alloc(sizeof *watch);
    watch->loop = loop;
    watch->fd = fd;
    watch->callback = callback;
    watch->arg = arg;
    watch_set(watch, events);
    return watch;
}

void watch_set(struct watch *watch, int events)
{
    if (events == watch->events)
        return;
    int operation = watch->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = epoll_events(events), .data.ptr = watch};
    watch->events = events;
    /* A library may have closed the descriptor already; then there is nothing left to remove. */
    if (epoll_ctl(watch->loop->epoll, operation, watch->fd, &event) < 0 &&
        !(operation == EPOLL_CTL_DEL && (errno == EBADF || errno == ENOENT)))
        loop_die("epoll_ctl");
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    watch_set(watch, 0);
    watch->next_dead = watch->loop->dead;
    watch->loop->dead = watch;
}

struct timer *timer_new(struct loop *loop, timer_fn *callback, void *arg)
{
    return timers_add(&loop->timers, callback, arg);
}

static void signal_ready(void *arg, int events)
{
    (void)events;
    struct loop *loop = arg;
    struct signalfd_siginfo info;
    if (read(loop->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    for (int i = 0; i < loop->signal_count; i++) {
        if (loop->signals[i].number == (int)info.ssi_signo) {
            loop->signals[i].callback(loop->signals[i].arg, (int)info.ssi_signo);
            return;
        }
    }
}

void loop_on_signal(struct loop *loop, int signal_number, signal_fn *callback, void *arg)
{
    if (loop->signal_count == LOOP_SIGNALS) {
        errno = ENOSPC;
        loop_die("loop_on_signal");
    }
    loop->signals[loop->signal_count++] = (struct loop_signal){signal_number, callback, arg};
    sigaddset(&loop->signal_set, signal_number);
    if (sigprocmask(SIG_BLOCK, &loop->signal_set, NULL) < 0)
        loop_die("sigprocmask");
    int fd = signalfd(loop->signal_fd, &loop->signal_set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        loop_die("signalfd");
    loop->signal_fd = fd;
    if (loop->signal_watch == NULL)
        loop->signal_watch = watch_new(loop, fd, LOOP_READ, signal_ready, loop);
}
