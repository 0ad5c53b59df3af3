#include <signal.h>
#include <unistd.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/options.h"
#include "dispatcher/dispatcher.h"
#include "transport/transport.h"

static const char usage[] =
    "Usage: outbox-dispatcher --channels=LIST [OPTION]...\n"
    "Claims messages of the channels from the outbox, sends them through the providers and settles them.\n"
    "The database is found by libpq's conventions: --database, or PGHOST, PGDATABASE, PGSERVICE ...\n"
    "SIGTERM: claims no more, settles what is in the air, ends. A second one, or --stop-timeout, ends at "
    "once.";

struct program {
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct timer *stop_deadline;
    int64_t stop_timeout;
    bool stopping;
    int exit_code;
};

static void on_stopped(void *arg)
{
    struct program *program = arg;
    loop_stop(program->loop);
}

static void on_unusable(void *arg, const char *reason)
{
    struct program *program = arg;
    log_event(LOG_ERROR, "usage", log_text("error", reason));
    program->exit_code = EXIT_USAGE;
    loop_stop(program->loop);
}

static void abort_now(struct program *program, const char *why)
{
    log_event(LOG_WARN, "aborted", log_text("reason", why));
    program->exit_code = EXIT_ABORTED;
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
    timer_set(program->stop_deadline, program->stop_timeout);
    dispatcher_stop(program->dispatcher);
}

int main(int argc, char **argv)
{
    const char *channels = NULL, *database = "", *name = "outbox-dispatcher", *ca_file = NULL,
               *level = "info";
    int64_t connections, poll_interval, stop_timeout;
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
        {.name = "poll-interval",
         .argument = "MS",
         .fallback = "1000",
         .min = 10,
         .max = 60000,
         .number = &poll_interval,
         .help = "how often a sleeping channel looks for rows whose producer may not notify"},
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
    program.stop_deadline = timer_new(program.loop, on_stop_deadline, &program);
    program.dispatcher = dispatcher_new(
        program.loop, transport,
        &(struct dispatcher_options){.channels = channels,
                                     .conninfo = database,
                                     .name = name,
                                     .connections = (int)connections,
                                     .poll_ms = (int)poll_interval},
        &(struct dispatcher_events){.stopped = on_stopped, .unusable = on_unusable, .arg = &program}, &err);
    if (!program.dispatcher) {
        log_event(LOG_ERROR, "usage", log_text("error", err.text));
        return EXIT_USAGE;
    }
    loop_run(program.loop);

    if (program.exit_code == EXIT_ABORTED)
        _exit(EXIT_ABORTED); /* the server rolls back the claims; open flights tell what was in the air */
    dispatcher_free(program.dispatcher);
    transport_free(transport);
    timer_free(program.stop_deadline);
    loop_free(program.loop);
    log_event(LOG_INFO, "stopped", log_int("exit", program.exit_code));
    return program.exit_code;
}
