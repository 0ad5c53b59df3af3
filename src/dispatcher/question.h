/* One question to one provider: did it take this message, whose answer was lost? */
#ifndef PGOUTBOX_DISPATCHER_QUESTION_H
#define PGOUTBOX_DISPATCHER_QUESTION_H

#include <stdbool.h>

#include "core/mem.h"
#include "providers/adapter.h"
#include "transport/transport.h"

struct provider;

/* The caller keeps all of it until the answer has come. */
struct question {
    const struct message *message;
    struct sent_span sent;
    struct arena *arena; /* for the request */
    /* SENT, UNSENT or IN_DOUBT. Called once if question_ask said true. */
    void (*answered)(void *arg, const struct verdict *verdict);
    void *arg;
    struct provider *provider; /* the rest belongs to question_ask */
    struct request request;
};

/* Whether the provider can tell if it took a message. */
bool question_is_possible(const struct provider *provider);
/* Whether it has time for that now. Messages that wait go first. */
bool question_is_timely(struct provider *provider);
/* Asks; the answer comes later. False: it is not asked, because it has no time or it is too early. */
bool question_ask(struct question *question, struct provider *provider);

#endif
