#include "core/timers.h"

#include "core/clock.h"
#include "core/mem.h"

#define TIMER_UNSET SIZE_MAX

struct timer {
    struct timers *timers;
    timer_fn *callback;
    void *arg;
    int64_t due; /* clock_mono */
    uint64_t sequence;
    size_t place; /* index in the heap, or TIMER_UNSET */
};

static bool timer_before(const struct timer *a, const struct timer *b)
{
    return a->due != b->due ? a->due < b->due : a->sequence < b->sequence;
}

static void heap_put(struct timers *timers, size_t place, struct timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void heap_up(struct timers *timers, struct timer *timer, size_t place)
{
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (!timer_before(timer, timers->heap[parent]))
            break;
        heap_put(timers, place, timers->heap[parent]);
        place = parent;
    }
    heap_put(timers, place, timer);
}

static void heap_down(struct timers *timers, struct timer *timer, size_t place)
{
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count && timer_before(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!timer_before(timers->heap[child], timer))
            break;
        heap_put(timers, place, timers->heap[child]);
        place = child;
    }
    heap_put(timers, place, timer);
}

struct timer *timers_add(struct timers *timers, timer_fn *callback, void *arg)
{
    struct timer *timer = mem_alloc(sizeof *timer);
    timer->timers = timers;
    timer->callback = callback;
    timer->arg = arg;
    timer->place = TIMER_UNSET;
    return timer;
}

void timers_free(struct timers *timers)
{
    mem_free(timers->heap);
    *timers = (struct timers){0};
}

void timer_set(struct timer *timer, int64_t delay_ms)
{
    struct timers *timers = timer->timers;
    timer_clear(timer);
    int64_t now = clock_mono();
    if (delay_ms < 0)
        delay_ms = 0;
    timer->due = delay_ms < INT64_MAX - now ? now + delay_ms : INT64_MAX;
    timer->sequence = timers->sequence++;
    if (timers->count == timers->capacity) {
        timers->capacity = timers->capacity > 0 ? timers->capacity * 2 : 16;
        timers->heap = mem_grow(timers->heap, timers->capacity, sizeof *timers->heap);
    }
    heap_up(timers, timer, timers->count++);
}

void timer_clear(struct timer *timer)
{
    struct timers *timers = timer->timers;
    if (timer->place == TIMER_UNSET)
        return;
    size_t place = timer->place;
    timer->place = TIMER_UNSET;
    struct timer *last = timers->heap[--timers->count];
    if (last == timer)
        return;
    if (place > 0 && timer_before(last, timers->heap[(place - 1) / 2]))
        heap_up(timers, last, place);
    else
        heap_down(timers, last, place);
}

bool timer_is_set(const struct timer *timer)
{
    return timer->place != TIMER_UNSET;
}

void timer_free(struct timer *timer)
{
    if (timer == NULL)
        return;
    timer_clear(timer);
    mem_free(timer);
}

int64_t timers_wait(const struct timers *timers, int64_t now)
{
    if (timers->count == 0)
        return -1;
    int64_t due = timers->heap[0]->due;
    return due > now ? due - now : 0;
}

void timers_fire(struct timers *timers, int64_t now, const bool *stopped)
{
    /* What a callback sets is for the next turn, or a timer set to 0 again and again would lock out the
     * descriptors. */
    uint64_t limit = timers->sequence;
    while (timers->count > 0 && !*stopped) {
        struct timer *timer = timers->heap[0];
        if (timer->due > now || timer->sequence >= limit)
            return;
        timer_clear(timer);
        timer->callback(timer->arg); /* may free it */
    }
}
