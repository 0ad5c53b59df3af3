/*
 * A provider by itself: the test is its roster, and the flight of its jobs. What it reports and how jobs end
 * are words in the journal: "capacity", "stopped(403 key)", "open(500 busy)", "closed",
 * "lease(wanted,unused,in flight)", "7=sent", and "7=back" for one that was handed back.
 */
#ifndef PGOUTBOX_TESTS_FAKES_LONE_H
#define PGOUTBOX_TESTS_FAKES_LONE_H

#include "dispatcher/provider.h"
#include "fakes/adapter.h"
#include "fakes/endpoint.h"
#include "fakes/journal.h"
#include "fakes/time.h"

enum { LONE_FLIGHT_MS = 30000 };

struct lone {
    struct loop *loop;
    struct transport *transport;
    struct provider_row row; /* "apple": two requests at once, 10 s each */
    struct provider *provider;
    struct flight flight; /* of the jobs that follow */
    bool away;            /* nobody can be asked for a lease */
};

extern struct lone lone;

/* Without a provider yet. */
void lone_setup(void);
/* Frees the provider, too, unless it is NULL. */
void lone_teardown(void);

/* A provider of the row as it stands, which must be good. */
struct provider *lone_make(const char *adapter);
/* Gives it a new message. */
struct job *lone_submit(int64_t id);
/* The same for a recipient. */
struct job *lone_submit_to(int64_t id, const char *recipient);

#endif
