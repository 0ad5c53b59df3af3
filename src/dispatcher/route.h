/* Which account takes a message. Pure. */
#ifndef PGOUTBOX_DISPATCHER_ROUTE_H
#define PGOUTBOX_DISPATCHER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/* What routing knows of an account. */
struct route_candidate {
    const char *app; /* serves only this app; NULL = any */
    int priority;    /* lower is preferred */
    bool open;       /* takes messages now */
    size_t room;     /* how many more it could well use */
};

/* Index of the candidate for a message of this app (NULL = of no particular app), -1 when none takes it now.
 * An account bound to the message's app goes before one that takes any; then the lower priority; then the one
 * with more room. */
int route_choose(const struct route_candidate *candidates, size_t count, const char *app);

#endif
