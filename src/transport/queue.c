#include "transport/queue.h"

#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "transport/backend.h"

enum { SPARE_BODY_MAX = 4096 /* a spare exchange keeps no larger buffer */ };

struct queue {
    const struct queue_events *events;
    void *arg;
    struct exchange_list waiting; /* in order */
    size_t waiting_count;
    struct exchange_lists lists;
    struct exchange_list spare;
    size_t spare_count;
    size_t spare_max;
    struct timer *turn;     /* there is something to start or to deliver */
    struct timer *deadline; /* not later than the first deadline */
};

/* ---- deadlines: mostly equal time-outs, so a new one nearly always belongs at the end of the list ---- */

static void due_insert(struct queue *queue, struct exchange *exchange)
{
    struct exchange *before = TAILQ_LAST(&queue->lists.due, exchange_list);
    while (before != NULL && before->deadline > exchange->deadline)
        before = TAILQ_PREV(before, exchange_list, due);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&queue->lists.due, before, exchange, due);
    else
        TAILQ_INSERT_HEAD(&queue->lists.due, exchange, due);
    /* The timer may fire early, never late: it is moved only when the first deadline comes closer. */
    if (before == NULL || !timer_is_set(queue->deadline))
        timer_set(queue->deadline, TAILQ_FIRST(&queue->lists.due)->deadline - clock_mono());
}

static void on_deadline(void *arg)
{
    struct queue *queue = arg;
    int64_t now = clock_mono();
    struct exchange *first;
    while ((first = TAILQ_FIRST(&queue->lists.due)) != NULL && first->deadline <= now) {
        if (first->backend != NULL) {
            first->backend->cancel(first->backend, first);
            continue;
        }
        TAILQ_REMOVE(&queue->waiting, first, place);
        queue->waiting_count--;
        exchange_failed(first, SEND_UNSENT, FAULT_TIMEOUT, "timed out before it could be sent");
    }
    if (first != NULL)
        timer_set(queue->deadline, first->deadline - now);
    queue_settle(queue);
}

/* ---- what waits ---- */

struct exchange *queue_take(struct queue *queue, struct backend *backend)
{
    struct exchange *exchange = TAILQ_FIRST(&queue->waiting);
    if (exchange == NULL)
        return NULL;
    TAILQ_REMOVE(&queue->waiting, exchange, place);
    queue->waiting_count--;
    exchange->backend = backend;
    return exchange;
}

void queue_give_back(struct queue *queue, struct exchange *exchange)
{
    exchange->backend = NULL;
    exchange->carrier = NULL;
    exchange->body_sent = 0;
    TAILQ_INSERT_HEAD(&queue->waiting, exchange, place);
    queue->waiting_count++;
}

void queue_fail(struct queue *queue, enum send_fault fault, const char *error)
{
    struct exchange *exchange;
    while ((exchange = queue_take(queue, NULL)) != NULL)
        exchange_failed(exchange, SEND_UNSENT, fault, "%s", error);
}

static struct exchange *spare_get(struct queue *queue)
{
    struct exchange *exchange = TAILQ_FIRST(&queue->spare);
    if (exchange != NULL) {
        TAILQ_REMOVE(&queue->spare, exchange, place);
        queue->spare_count--;
        return exchange;
    }
    exchange = mem_alloc(sizeof *exchange);
    exchange->lists = &queue->lists;
    buf_init(&exchange->body, RESPONSE_MAX_BODY);
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    buf_free(&exchange->body);
    mem_free(exchange);
}

static void spare_put(struct queue *queue, struct exchange *exchange)
{
    if (queue->spare_count >= queue->spare_max || exchange->body.capacity > SPARE_BODY_MAX) {
        exchange_free(exchange);
        return;
    }
    TAILQ_INSERT_HEAD(&queue->spare, exchange, place);
    queue->spare_count++;
}

/* The header array is copied only as far as it is used. */
static void request_copy(struct request *to, const struct request *from)
{
    size_t count = from->header_count <= REQUEST_MAX_HEADERS ? from->header_count : REQUEST_MAX_HEADERS;
    to->method = from->method;
    to->path = from->path;
    memcpy(to->headers, from->headers, count * sizeof from->headers[0]);
    to->header_count = count;
    to->changing = from->changing;
    to->mail_from = from->mail_from;
    to->mail_to = from->mail_to;
    to->body = from->body;
    to->body_size = from->body_size;
    to->timeout_ms = from->timeout_ms;
}

void queue_add(struct queue *queue, const struct request *request, int64_t timeout_ms, response_fn *callback,
               void *arg)
{
    struct exchange *exchange = spare_get(queue);
    request_copy(&exchange->request, request);
    exchange->callback = callback;
    exchange->arg = arg;
    exchange->backend = NULL;
    exchange->body_sent = 0;
    exchange->response.phase = SMTP_CONNECT;
    exchange_restart_response(exchange);
    exchange->deadline = clock_mono() + timeout_ms;
    due_insert(queue, exchange);
    TAILQ_INSERT_TAIL(&queue->waiting, exchange, place);
    queue->waiting_count++;
    queue_wake(queue);
}

/* ---- turns ---- */

static void deliver(struct queue *queue)
{
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&queue->lists.done)) != NULL) {
        TAILQ_REMOVE(&queue->lists.done, exchange, place);
        exchange->callback(exchange->arg, &exchange->response);
        spare_put(queue, exchange);
    }
}

void queue_settle(struct queue *queue)
{
    deliver(queue);
    if (queue->waiting_count > 0)
        queue->events->start(queue->arg);
    queue->events->settled(queue->arg);
    if (!TAILQ_EMPTY(&queue->lists.done))
        queue_wake(queue);
}

void queue_wake(struct queue *queue)
{
    if (!timer_is_set(queue->turn))
        timer_set(queue->turn, 0);
}

static void on_turn(void *arg)
{
    queue_settle(arg);
}

size_t queue_waiting(const struct queue *queue)
{
    return queue->waiting_count;
}

bool queue_is_empty(const struct queue *queue)
{
    return TAILQ_EMPTY(&queue->lists.due);
}

/* ---- life ---- */

struct queue *queue_new(struct loop *loop, size_t spares, const struct queue_events *events, void *arg)
{
    struct queue *queue = mem_alloc(sizeof *queue);
    queue->events = events;
    queue->arg = arg;
    TAILQ_INIT(&queue->waiting);
    TAILQ_INIT(&queue->lists.due);
    TAILQ_INIT(&queue->lists.done);
    TAILQ_INIT(&queue->spare);
    queue->spare_max = spares;
    queue->turn = timer_new(loop, on_turn, queue);
    queue->deadline = timer_new(loop, on_deadline, queue);
    return queue;
}

void queue_free(struct queue *queue, const char *error)
{
    struct exchange *exchange;
    /* A callback may send again; that ends here as well. */
    do {
        queue_fail(queue, FAULT_NONE, error);
        deliver(queue);
    } while (queue->waiting_count > 0);
    while ((exchange = TAILQ_FIRST(&queue->spare)) != NULL) {
        TAILQ_REMOVE(&queue->spare, exchange, place);
        exchange_free(exchange);
    }
    timer_free(queue->turn);
    timer_free(queue->deadline);
    mem_free(queue);
}
