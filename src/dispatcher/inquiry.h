/*
 * Messages in doubt: held because nobody knows whether the provider took them. Where the provider can be
 * asked, it is, and the doubt ends by itself: sent, or sent now. Each channel of a dispatcher asks one
 * question at a time; what is to be asked, and whose turn it is, stands in outbox.doubt.
 */
#ifndef PGOUTBOX_DISPATCHER_INQUIRY_H
#define PGOUTBOX_DISPATCHER_INQUIRY_H

#include "core/loop.h"

struct control;
struct roster;
struct template_cache;

struct inquiry;

/* All of it must outlive the inquiry, but for the roster. */
struct inquiry_options {
    struct loop *loop;
    struct control *control;
    struct roster *roster;
    struct template_cache *templates;
    const char *channel; /* its name */
};

/* Asks from time to time until it is stopped, while the control connection is ready. */
struct inquiry *inquiry_new(const struct inquiry_options *options);
void inquiry_stop(struct inquiry *inquiry); /* asks nothing any more */
void inquiry_free(struct inquiry *inquiry); /* after the roster; NULL is allowed */

#endif
