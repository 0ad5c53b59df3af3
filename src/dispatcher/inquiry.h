/*
 * Messages in doubt: held because nobody knows whether the provider took them. Where the provider can be
 * asked, it is, and the doubt ends by itself: sent, or sent now. Each channel of a dispatcher has one of
 * these; what is to be asked, and who asks it, is agreed upon in outbox.doubt.
 */
#ifndef PGOUTBOX_DISPATCHER_INQUIRY_H
#define PGOUTBOX_DISPATCHER_INQUIRY_H

#include "core/loop.h"
#include "core/mem.h"
#include "providers/provider.h"

struct account;
struct channel;

/* One question to one account. The caller keeps all of it until the answer has come. */
struct inquiry {
    const struct message *message;
    struct sent_span sent;
    struct arena *arena; /* for the request */
    /* SENT, UNSENT or IN_DOUBT. Called once if account_inquire said true. */
    void (*answered)(struct inquiry *inquiry, const struct verdict *verdict);
    struct account *account; /* the rest belongs to the account */
    struct request request;
};

struct inquiries;

/* Asks from time to time until it is freed, while the channel's control connection is ready. */
struct inquiries *inquiries_new(struct channel *channel);
void inquiries_free(struct inquiries *inquiries); /* after the channel's accounts; NULL is allowed */

#endif
