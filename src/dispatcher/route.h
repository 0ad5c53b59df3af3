/* Which account takes a message. Pure. */
#ifndef PGOUTBOX_DISPATCHER_ROUTE_H
#define PGOUTBOX_DISPATCHER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/* What routing knows of an account. */
struct route_candidate {
    const char *app;         /* serves only this app; NULL = any */
    const char *environment; /* serves only this one */
    int priority;            /* lower is preferred */
    bool open;               /* takes messages now */
    size_t room;             /* how many more it could well use */
};

/* Whether an account's row lets it take messages of this app (NULL = of no particular app) and environment.
 */
bool route_serves(const char *account_app, const char *account_environment, const char *app,
                  const char *environment);

/* Index of the candidate for a message, -1 when none takes it now.
 * An account bound to the message's app goes before one that takes any; then the lower priority; then the one
 * with more room. */
int route_choose(const struct route_candidate *candidates, size_t count, const char *app,
                 const char *environment);

#endif
