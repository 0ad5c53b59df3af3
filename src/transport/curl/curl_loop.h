/* libcurl on the loop: one multi handle, its connections and its transfers. */
#ifndef PGOUTBOX_TRANSPORT_CURL_LOOP_H
#define PGOUTBOX_TRANSPORT_CURL_LOOP_H

#include "transport/backend.h"

struct curl_loop;

struct curl_loop_events {
    /* libcurl has acted, exchanges may have ended. The curl_loop may be freed in here. */
    void (*acted)(void *arg);
};

/* events: must live as long. NULL with err. */
struct curl_loop *curl_loop_new(const struct backend_setup *setup, const struct curl_loop_events *events,
                                void *arg, struct error *err);
void curl_loop_free(struct curl_loop *curl); /* ends all transfers */

/* Starts a transfer, or ends the exchange when libcurl does not take it. */
void curl_loop_begin(struct curl_loop *curl, struct exchange *exchange);
/* The time of an exchange in the air is up. */
void curl_loop_time_out(struct exchange *exchange);
size_t curl_loop_active(const struct curl_loop *curl); /* transfers in the air */

#endif
