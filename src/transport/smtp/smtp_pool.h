/*
 * The SMTP back end: the connections of an endpoint, each with one mail at a time.
 *
 * Not on libcurl: its multi interface waits for the reply to the end of data with the whole process, and a
 * transfer removed while it uploads is ended with a valid end of data, so half a mail would be delivered.
 */
#ifndef PGOUTBOX_TRANSPORT_SMTP_POOL_H
#define PGOUTBOX_TRANSPORT_SMTP_POOL_H

#include "transport/backend.h"

struct backend *smtp_pool_new(const struct backend_setup *setup);

#endif
