/*
 * The exchanges of an endpoint: those that wait, the time limits of all, and the callbacks of those that have
 * ended.
 *
 * An exchange is on exactly one list of its life: what waits, a back end's own list while it is in the air,
 * what is done until its callback has run, what is spare. Callbacks run only from queue_settle, which every
 * loop event of a back end calls as its very last step. So no callback ever runs inside libnghttp2 or
 * libcurl.
 */
#ifndef PGOUTBOX_TRANSPORT_QUEUE_H
#define PGOUTBOX_TRANSPORT_QUEUE_H

#include "core/loop.h"
#include "transport/exchange.h"

struct queue;

struct queue_events {
    void (*start)(void *arg);   /* something waits: take what fits now */
    void (*settled)(void *arg); /* callbacks have run, what fits was taken */
};

/* spares: how many exchanges that have ended are kept for later ones. events: must live as long. */
struct queue *queue_new(struct loop *loop, size_t spares, const struct queue_events *events, void *arg);
/* Ends what waits, surely unsent, runs the callbacks, frees. What was taken has ended before. */
void queue_free(struct queue *queue, const char *error);

/* A request at the end of those that wait; started in the next turn of the loop. */
void queue_add(struct queue *queue, const struct request *request, int64_t timeout_ms, response_fn *callback,
               void *arg);
size_t queue_waiting(const struct queue *queue);
bool queue_is_empty(const struct queue *queue); /* nothing waits, nothing is in the air */

/* For back ends. The first that waits, NULL when none does; it is the back end's until it ends or goes back.
 */
struct exchange *queue_take(struct queue *queue, struct backend *backend);
/* To the head of those that wait, as if it had never been taken. */
void queue_give_back(struct queue *queue, struct exchange *exchange);
/* Ends all that wait, surely unsent. */
void queue_fail(struct queue *queue, enum send_fault fault, const char *error);
/* Runs the callbacks of what is done and starts what waits. The caller's connection may be gone after. */
void queue_settle(struct queue *queue);
void queue_wake(struct queue *queue); /* queue_settle in the next turn of the loop */

#endif
