/*
 * The event loop: descriptors, timers and signals on epoll, one thread. Callbacks run from loop_run only.
 * A watch or timer may be changed or removed from any callback, its own included.
 */
#ifndef PGOUTBOX_CORE_LOOP_H
#define PGOUTBOX_CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct watch;
struct timer;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void watch_fn(void *arg,
                      int events); /* events: LOOP_READ | LOOP_WRITE; an error or hang-up sets both */
typedef void timer_fn(void *arg);
typedef void signal_fn(void *arg, int signal_number);

struct loop *loop_new(void);
void loop_free(struct loop *loop); /* NULL is allowed; watches and timers must be gone */

/* Runs until loop_stop is called. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Watches a descriptor (not owned). events may be 0. Free the watch before closing the descriptor. */
struct watch *watch_new(struct loop *loop, int fd, int events, watch_fn *callback, void *arg);
void watch_set(struct watch *watch, int events); /* cheap when nothing changes */
void watch_free(struct watch *watch);            /* NULL is allowed */

/* A one-shot timer; it is made unset and may be set again and again. */
struct timer *timer_new(struct loop *loop, timer_fn *callback, void *arg);
void timer_set(struct timer *timer,
               int64_t delay_ms); /* replaces an earlier setting; 0 = next turn of the loop */
void timer_clear(struct timer *timer);
bool timer_is_set(const struct timer *timer);
void timer_free(struct timer *timer); /* NULL is allowed */

/* Delivers the signal as a loop event (signalfd); call before any other thread exists. */
void loop_on_signal(struct loop *loop, int signal_number, signal_fn *callback, void *arg);

#endif
