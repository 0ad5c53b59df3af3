/* Which provider takes a message. Pure. */
#ifndef PGOUTBOX_DISPATCHER_ROUTE_H
#define PGOUTBOX_DISPATCHER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a provider's row says about the messages it serves. A region of two capitals is a country (ISO 3166-1
 * alpha-2): all its phone numbers, and nothing else. Any other is what the recipient begins with. */
struct route_rules {
    const char *app;            /* only this app; NULL = any */
    const char *environment;    /* only this one */
    const char *const *regions; /* only recipients in one of these; ends with NULL; NULL or none = all */
    int priority;               /* lower is preferred */
    int weight;                 /* share among equals, at least 1 */
};

/* What routing knows of a provider. */
struct route_candidate {
    const struct route_rules *rules;
    bool open;   /* takes messages now, and has not been tried with this one */
    size_t room; /* how many more it could well use */
};

/* What it knows of a message. */
struct route_message {
    const char *app; /* NULL = of no particular app */
    const char *environment;
    const char *recipient;
    const char *country; /* that the recipient's number is of, see country_of_phone; NULL = none */
};

/* Whether the rules let a provider take the message at all. */
bool route_serves(const struct route_rules *rules, const struct route_message *message);

/* Index of the candidate for the message, -1 when none takes it now. A provider bound to the message's app
 * goes before one that takes any; then the closer region: a longer prefix before a shorter one, any prefix
 * before a country, a country before all; then the lower priority; then one that has room before one that has
 * none. Equals share by weight: random decides, a number of any size. */
int route_choose(const struct route_candidate *candidates, size_t count, const struct route_message *message,
                 uint64_t random);

#endif
