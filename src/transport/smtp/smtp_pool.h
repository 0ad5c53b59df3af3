/* The SMTP back end: the connections of an endpoint, each with one mail at a time. */
#ifndef PGOUTBOX_TRANSPORT_SMTP_POOL_H
#define PGOUTBOX_TRANSPORT_SMTP_POOL_H

#include "transport/backend.h"

struct backend *smtp_pool_new(const struct backend_setup *setup);

#endif
