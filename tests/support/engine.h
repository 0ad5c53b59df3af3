/*
 * The whole engine for an end-to-end test: a database of its own, a sandbox, provider rows that point at it,
 * and as many dispatchers and schedulers as the test starts. A failure here ends the test (ck_abort).
 */
#ifndef PGOUTBOX_TESTS_ENGINE_H
#define PGOUTBOX_TESTS_ENGINE_H

#include <stdint.h>

#include "db/db.h"
#include "support/process.h"
#include "support/sandbox.h"

struct engine {
    char *conninfo; /* as the superuser */
    struct db_session *sql;
    struct sandbox *sandbox;
    struct process *programs[16];
    char *log_directory;
};

/* Retries come fast: base 50 ms, cap 200 ms. */
struct engine *engine_start(const char *name);
/* Ends all programs; prints their logs when the test has failed before (the files are kept then). */
void engine_stop(struct engine *engine);

/* Starts `outbox-dispatcher --channels=CHANNELS` in the role outbox_dispatcher and waits until it is ready.
 */
struct process *engine_dispatcher(struct engine *engine, const char *channels);
/* The same with more options (ends with NULL) and without waiting. */
struct process *engine_dispatcher_with(struct engine *engine, const char *channels,
                                       const char *const options[]);
void engine_wait_ready(struct engine *engine, const struct process *dispatcher);
/* Starts outbox-scheduler in the role outbox_scheduler. */
struct process *engine_scheduler(struct engine *engine);
/* SIGKILL. */
void engine_kill(struct engine *engine, struct process *program);
/* SIGTERM; returns the exit status as waitpid gives it. */
int engine_end(struct engine *engine, struct process *program);

/* Inserts `count` messages with distinct good recipients; keys are PREFIX-1 … */
void engine_insert(struct engine *engine, const char *channel, const char *prefix, int count);

/* Waits until the query gives `expected`; fails the test with what it gave last. */
void engine_wait(struct engine *engine, const char *query, const char *expected, int64_t deadline_ms);

/* Every message has one final state, and the sandbox has seen each that was sent. */
void engine_check_all_sent(struct engine *engine, const char *sandbox_channel, int count);

#endif
