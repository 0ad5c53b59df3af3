#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/options.h"
#include "dispatcher/channel.h"
#include "dispatcher/control.h"
#include "transport/transport.h"

enum { CHANNELS_MAX = 16, READY_CHECK_MS = 20, DONE_CHECK_MS = 5 };

static const char usage[] =
    "Usage: outbox-dispatcher --channels=LIST [OPTION]...\n"
    "Claims messages of the channels from the outbox, sends them through the providers and settles them.\n"
    "The database is found by libpq's conventions: --database, or PGHOST, PGDATABASE, PGSERVICE ...\n"
    "SIGTERM: claims no more, settles what is in the air, ends. A second one, or --stop-timeout, ends at "
    "once.";

struct program {
    struct loop *loop;
    struct control *control;
    struct channel *channels[CHANNELS_MAX];
    size_t channel_count;
    struct timer *check; /* looks whether all is ready; when stopping, whether all has landed */
    struct timer *stop_deadline;
    int64_t stop_timeout;
    bool ready, stopping, leaving;
    int exit_code;
};

static void on_left(void *arg)
{
    struct program *program = arg;
    loop_stop(program->loop);
}

static void check_ready(struct program *program)
{
    if (!control_is_ready(program->control)) {
        timer_set(program->check, READY_CHECK_MS);
        return;
    }
    for (size_t i = 0; i < program->channel_count; i++)
        if (!channel_is_ready(program->channels[i])) {
            timer_set(program->check, READY_CHECK_MS);
            return;
        }
    program->ready = true;
    log_event(LOG_INFO, "ready", log_int("dispatcher", control_dispatcher(program->control)),
              log_int("channels", (int64_t)program->channel_count));
}

static void check_done(struct program *program)
{
    for (size_t i = 0; i < program->channel_count; i++)
        if (!channel_is_done(program->channels[i])) {
            timer_set(program->check, DONE_CHECK_MS);
            return;
        }
    program->leaving = true;
    control_leave(program->control, on_left, program);
}

static void on_check(void *arg)
{
    struct program *program = arg;
    if (program->stopping)
        check_done(program);
    else
        check_ready(program);
}

static void abort_now(struct program *program, const char *why)
{
    log_event(LOG_WARN, "aborted", log_text("reason", why));
    program->exit_code = EXIT_ABORTED;
    loop_stop(program->loop);
}

static void on_unusable(void *arg, const char *reason)
{
    struct program *program = arg;
    log_event(LOG_ERROR, "usage", log_text("error", reason));
    program->exit_code = EXIT_USAGE;
    loop_stop(program->loop);
}

static void on_stop_deadline(void *arg)
{
    abort_now(arg, "the stop timeout has passed");
}

static void on_stop_signal(void *arg, int signal_number)
{
    struct program *program = arg;
    if (program->stopping) {
        abort_now(program, "second signal");
        return;
    }
    log_event(LOG_INFO, "stopping", log_int("signal", signal_number));
    program->stopping = true;
    for (size_t i = 0; i < program->channel_count; i++)
        channel_stop(program->channels[i]);
    timer_set(program->stop_deadline, program->stop_timeout);
    timer_set(program->check, 0);
}

static bool add_channels(struct program *program, struct transport *transport, const char *list,
                         const struct channel_options *common, struct error *err)
{
    size_t size;
    for (const char *p = list; *p != '\0'; p += size + (p[size] == ',')) {
        size = strcspn(p, ",");
        if (size == 0 || program->channel_count == CHANNELS_MAX)
            return error_set(err, "--channels: must be 1 to %d names separated by commas", CHANNELS_MAX);
        struct channel_options options = *common;
        char *name = mem_alloc(size + 1);
        memcpy(name, p, size);
        options.name = name;
        program->channels[program->channel_count++] =
            channel_new(program->loop, transport, program->control, &options);
        mem_free(name);
    }
    return program->channel_count > 0 || error_set(err, "--channels: is required");
}

int main(int argc, char **argv)
{
    const char *channels = NULL, *database = "", *name = "outbox-dispatcher", *ca_file = NULL,
               *level = "info";
    int64_t connections, stop_timeout;
    const struct option_spec specs[] = {
        {.name = "channels",
         .env = "OUTBOX_CHANNELS",
         .argument = "LIST",
         .fallback = "",
         .text = &channels,
         .help = "channels to serve, separated by commas; required"},
        {.name = "database",
         .env = "OUTBOX_DATABASE",
         .argument = "CONNINFO",
         .fallback = "",
         .text = &database,
         .help = "libpq connection string or URI; what it leaves out comes from libpq's own environment"},
        {.name = "connections",
         .argument = "N",
         .fallback = "4",
         .min = 2,
         .max = 64,
         .number = &connections,
         .help = "batches at once per channel, each on a database connection of its own"},
        {.name = "name",
         .argument = "TEXT",
         .fallback = "outbox-dispatcher",
         .text = &name,
         .help = "shown in outbox.dispatcher and pg_stat_activity"},
        {.name = "ca-file",
         .env = "OUTBOX_CA_FILE",
         .argument = "FILE",
         .text = &ca_file,
         .help = "PEM bundle to verify providers against, instead of the system's"},
        {.name = "stop-timeout",
         .argument = "SECONDS",
         .fallback = "40",
         .min = 1,
         .max = 3600,
         .number = &stop_timeout,
         .help = "after SIGTERM, longest wait for what is in the air"},
        {.name = "log-level",
         .env = "OUTBOX_LOG_LEVEL",
         .argument = "LEVEL",
         .fallback = "info",
         .text = &level,
         .help = "debug, info, warn or error"},
        {0}};
    struct error err;
    enum log_level least;
    log_setup("dispatcher", LOG_INFO);
    if (!options_parse(argc, argv, usage, specs, NULL, &err) ||
        (!log_level_parse(level, &least) &&
         !error_set(&err, "--log-level: must be debug, info, warn or error"))) {
        log_event(LOG_ERROR, "usage", log_text("error", err.text));
        return EXIT_USAGE;
    }
    log_setup("dispatcher", least);

    struct program program = {.loop = loop_new(), .stop_timeout = stop_timeout * 1000, .exit_code = EXIT_OK};
    struct transport *transport =
        transport_new(program.loop, &(struct transport_options){.ca_file = ca_file}, &err);
    if (!transport) {
        log_event(LOG_ERROR, "usage", log_text("error", err.text));
        return EXIT_USAGE;
    }
    loop_on_signal(program.loop, SIGTERM, on_stop_signal, &program);
    loop_on_signal(program.loop, SIGINT, on_stop_signal, &program);
    program.check = timer_new(program.loop, on_check, &program);
    program.stop_deadline = timer_new(program.loop, on_stop_deadline, &program);
    program.control = control_new(
        program.loop, &(struct control_options){
                          .conninfo = database, .name = name, .unusable = on_unusable, .arg = &program});
    struct channel_options common = {
        .conninfo = database, .application_name = name, .connections = (int)connections};
    if (!add_channels(&program, transport, channels, &common, &err)) {
        log_event(LOG_ERROR, "usage", log_text("error", err.text));
        return EXIT_USAGE;
    }
    control_start(program.control, program.channels, program.channel_count);
    timer_set(program.check, READY_CHECK_MS);
    loop_run(program.loop);

    if (program.exit_code == EXIT_ABORTED)
        _exit(EXIT_ABORTED); /* the server rolls back the claims; open flights tell what was in the air */
    for (size_t i = 0; i < program.channel_count; i++)
        channel_free(program.channels[i]);
    control_free(program.control);
    transport_free(transport);
    timer_free(program.check);
    timer_free(program.stop_deadline);
    loop_free(program.loop);
    log_event(LOG_INFO, "stopped", log_int("exit", program.exit_code));
    return program.exit_code;
}
