/*
 * Messages in doubt: held because nobody knows whether the provider took them. Where the provider can be
 * asked, it is, and the doubt ends by itself: sent, or sent now. Each channel of a dispatcher asks one
 * question at a time; what is to be asked, and whose turn it is, stands in outbox.doubt.
 */
#ifndef PGOUTBOX_DISPATCHER_INQUIRY_H
#define PGOUTBOX_DISPATCHER_INQUIRY_H

#include "core/mem.h"
#include "providers/adapter.h"

struct provider;
struct channel;

/* One question to one provider. The caller keeps all of it until the answer has come. */
struct question {
    const struct message *message;
    struct sent_span sent;
    struct arena *arena; /* for the request */
    /* SENT, UNSENT or IN_DOUBT. Called once if provider_ask said true. */
    void (*answered)(void *arg, const struct verdict *verdict);
    void *arg;
    struct provider *provider; /* the rest belongs to the provider */
    struct request request;
};

struct inquiry;

/* Asks from time to time until it is freed, while the channel's control connection is ready. */
struct inquiry *inquiry_new(struct channel *channel);
void inquiry_free(struct inquiry *inquiry); /* after the channel's providers; NULL is allowed */

#endif
