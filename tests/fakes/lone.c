#include "fakes/lone.h"

#include <check.h>
#include <inttypes.h>

#include "dispatcher/send.h"
#include "dispatcher/settle.h"

struct lone lone;

static void on_capacity(void *arg)
{
    (void)arg;
    journal_add("capacity");
}

static void on_stopped(void *arg, const char *name, const char *reason, int64_t for_ms)
{
    (void)arg;
    (void)name;
    (void)for_ms;
    journal_add("stopped(%s)", reason);
}

static void on_health(void *arg, const char *name, const char *state, const char *reason)
{
    (void)arg;
    (void)name;
    if (reason)
        journal_add("%s(%s)", state, reason);
    else
        journal_add("%s", state);
}

static bool on_lease(void *arg, const char *name, int wanted, int unused, int in_flight)
{
    (void)arg;
    (void)name;
    if (!lone.away)
        journal_add("lease(%d,%d,%d)", wanted, unused, in_flight);
    else if (wanted > 0)
        send_leased(lone.provider, false, 0, 0, 0);
    return !lone.away;
}

static void on_done(void *arg, struct job *job)
{
    (void)arg;
    journal_add("%" PRId64 "=%s", job->message.id, job->state == JOB_HANDED_BACK ? "back" : settle_word(job));
}

void lone_setup(void)
{
    lone = (struct lone){
        .loop = loop_new(),
        .row = {.name = "apple",
                .rules = {.environment = "production", .weight = 1},
                .settings = "{\"url\": \"https://apple\"}",
                .max_connections = 1,
                .max_streams = 2,
                .connect_timeout_ms = 5000,
                .request_timeout_ms = 10000,
                .gone_limit = 30},
        .flight = {.arena = arena_new(),
                   .time = LONE_FLIGHT_MS,
                   .deadline = FAKE_TIME_MONO + LONE_FLIGHT_MS,
                   .done = on_done},
    };
    struct error err;
    lone.transport = transport_new(lone.loop, &(struct transport_options){0}, &err);
    journal_read();
}

void lone_teardown(void)
{
    provider_free(lone.provider);
    transport_free(lone.transport);
    loop_free(lone.loop);
    arena_free(lone.flight.arena);
}

struct provider *lone_make(const char *adapter)
{
    static const struct provider_events events = {
        .capacity = on_capacity, .stopped = on_stopped, .health = on_health, .lease = on_lease};
    struct error err;
    lone.row.adapter = adapter;
    lone.provider = provider_new(lone.loop, lone.transport, &lone.row, &events, &err);
    if (!lone.provider)
        ck_abort_msg("%s", err.text);
    return lone.provider;
}

struct job *lone_submit_to(int64_t id, const char *recipient)
{
    struct job *job = arena_alloc(lone.flight.arena, sizeof *job);
    *job = (struct job){.flight = &lone.flight, .message = {.id = id, .recipient = recipient}};
    send_submit(lone.provider, job);
    return job;
}

struct job *lone_submit(int64_t id)
{
    return lone_submit_to(id, "kim");
}
