/* outbox-scheduler: options, signals and the loop. The work is in scheduler.c. */
#include <signal.h>
#include <stdio.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/options.h"
#include "scheduler/scheduler.h"

struct settings {
    const char *database;
    const char *log_level;
    int64_t interval_ms;
};

static bool settings_parse(struct settings *settings, int argc, char **argv, struct error *err)
{
    const struct option_spec specs[] = {
        {.name = "database",
         .env = "OUTBOX_DATABASE",
         .argument = "CONNINFO",
         .fallback = "",
         .text = &settings->database,
         .help =
             "libpq connection string or URI; what it leaves out comes from PGHOST, PGUSER and the like."},
        {.name = "interval",
         .argument = "MS",
         .fallback = "100",
         .min = 10,
         .max = 60000,
         .number = &settings->interval_ms,
         .help =
             "How often it looks for what is due; what it knows to be due earlier does not wait so long."},
        {.name = "log-level",
         .env = "OUTBOX_LOG_LEVEL",
         .argument = "LEVEL",
         .fallback = "info",
         .text = &settings->log_level,
         .help = "Least level that is logged: debug, info, warn or error."},
        {0},
    };
    const char *usage = "Usage: outbox-scheduler [OPTIONS]\n\n"
                        "Releases timed and waiting messages when they are due, fires schedules, recovers\n"
                        "what a dead dispatcher left, and keeps house. Any number may run; one leads.\n";
    enum log_level level;
    if (!options_parse(argc, argv, usage, specs, NULL, err))
        return false;
    if (!log_level_parse(settings->log_level, &level))
        return error_set(err, "--log-level: %s is not debug, info, warn or error", settings->log_level);
    log_setup("scheduler", level);
    return true;
}

static void on_signal(void *arg, int signal_number)
{
    struct loop *loop = arg;
    log_event(LOG_INFO, "stopping", log_int("signal", signal_number));
    loop_stop(loop);
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    struct error err;
    if (!settings_parse(&settings, argc, argv, &err)) {
        fprintf(stderr, "outbox-scheduler: %s\n", err.text);
        return EXIT_USAGE;
    }
    struct loop *loop = loop_new();
    loop_on_signal(loop, SIGTERM, on_signal, loop);
    loop_on_signal(loop, SIGINT, on_signal, loop);
    struct scheduler *scheduler = scheduler_new(loop, settings.database, settings.interval_ms);
    loop_run(loop);
    scheduler_free(scheduler);
    loop_free(loop);
    return EXIT_OK;
}
