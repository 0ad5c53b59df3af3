/* The sandbox (outbox-sandbox) as a test uses it. A failure here ends the test (ck_abort). */
#ifndef PGOUTBOX_TESTS_SANDBOX_H
#define PGOUTBOX_TESTS_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

#include "core/json.h"

struct sandbox;

/* Starts $PGOUTBOX_BUILD/bin/outbox-sandbox in a new directory and waits until it listens. extra_args:
 * further options, ends with NULL; may be NULL. The caller ends it with sandbox_stop. */
struct sandbox *sandbox_start(const char *const extra_args[]);

/* Stops the program and removes its directory. NULL is allowed. */
void sandbox_stop(struct sandbox *sandbox);

/* Kills it (SIGKILL), or starts it again with the same keys, ports and options; its counters begin anew. */
void sandbox_kill(struct sandbox *sandbox);
void sandbox_restart(struct sandbox *sandbox);

/* The getters' texts live until sandbox_stop. */
const char *sandbox_dir(const struct sandbox *sandbox);
const char *
sandbox_url(const struct sandbox *sandbox,
            const char *name); /* "APNS", "FCM", "SMTP", "SMTPS", "VENDORS"; "" is the HTTP view */
const char *sandbox_ca(const struct sandbox *sandbox);

/* A file of its directory ("apns.p8", "service-account.json", "smtp.password", "vendor.secret", "ca.pem").
 * Caller frees with mem_free. */
char *sandbox_file(const struct sandbox *sandbox, const char *name);

/* GET of the HTTP view, "/stats"; must be answered with 200. Caller frees with mem_free. */
char *sandbox_get(const struct sandbox *sandbox, const char *path);
/* The same, parsed. Caller frees with json_object_put. */
struct json_object *sandbox_get_json(const struct sandbox *sandbox, const char *path);
/* A counter of /stats, for example ("apns", "arrived"). */
int64_t sandbox_count(const struct sandbox *sandbox, const char *channel, const char *counter);
/* Waits until the counter is at least `least`; returns its value then, or what it was at the deadline. */
int64_t sandbox_wait_count(const struct sandbox *sandbox, const char *channel, const char *counter,
                           int64_t least, int64_t deadline_ms);
/* Forgets all arrivals and counters (POST /reset). */
void sandbox_reset(const struct sandbox *sandbox);

#endif
