/* outbox-bench: options, and which parts run. */
#include <stdio.h>
#include <string.h>

#include "bench/parts.h"
#include "core/log.h"
#include "core/options.h"

static const struct part {
    const char *name;
    void (*run)(const struct bench *bench);
} parts[] = {
    {"machine", machine_run}, {"claim", claim_run},         {"push", push_run},
    {"latency", latency_run}, {"producers", producers_run}, {"schedule", schedule_run},
};

enum { PART_COUNT = sizeof parts / sizeof *parts };

static const struct part *find_part(const char *name)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        if (strcmp(parts[i].name, name) == 0)
            return &parts[i];
    return NULL;
}

static int run(int count, char **names, const struct bench *bench)
{
    for (int i = 0; i < count; i++)
        if (!find_part(names[i])) {
            fprintf(stderr, "outbox-bench: there is no part %s\n", names[i]);
            return EXIT_USAGE;
        }
    for (int i = 0; i < count; i++)
        find_part(names[i])->run(bench);
    for (size_t i = 0; i < PART_COUNT && count == 0; i++)
        parts[i].run(bench);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    const struct option_spec specs[] = {
        {.name = "database",
         .argument = "CONNINFO",
         .fallback = "",
         .text = &bench.conninfo,
         .help = "superuser of a private, migrated database; its messages are deleted"},
        {.name = "sandbox-url",
         .env = "OUTBOX_SANDBOX_URL",
         .argument = "URL",
         .fallback = "",
         .text = &bench.sandbox_url,
         .help = "the sandbox's HTTP view"},
        {.name = "sandbox-pid",
         .argument = "PID",
         .fallback = "0",
         .max = INT32_MAX,
         .number = &bench.sandbox_pid,
         .help = "shows the sandbox's processor time"},
        {.name = "rounds",
         .argument = "N",
         .fallback = "4",
         .min = 1,
         .max = 60,
         .number = &bench.rounds,
         .help = "how often each figure is taken"},
        {.name = "rows",
         .argument = "N",
         .fallback = "200000",
         .min = 1000,
         .max = 10000000,
         .number = &bench.rows,
         .help = "backlog of claim, in all its rounds together; push sends half as many in a round"},
        {.name = "front",
         .argument = "N",
         .fallback = "1000000",
         .max = 100000000,
         .number = &bench.front,
         .help =
             "finished rows in front of the queue (claim); timed rows, and users of the audience (schedule)"},
        {.name = "seconds",
         .argument = "N",
         .fallback = "2",
         .min = 1,
         .max = 3600,
         .number = &bench.seconds,
         .help = "length of a round of producers; latency takes five times as long"},
        {.name = "rate",
         .argument = "N",
         .fallback = "1000",
         .min = 1,
         .max = 1000,
         .number = &bench.rate,
         .help = "messages per second (latency)"},
        {0}};
    struct error err;
    int first = 0;
    log_setup("bench", LOG_WARN);
    if (!options_parse(
            argc, argv,
            "Usage: outbox-bench [OPTION]... [machine|claim|push|latency|producers|schedule]...\n"
            "Measures on a private database with a running ios dispatcher and sandbox; all parts by "
            "default.\n",
            specs, &first, &err)) {
        fprintf(stderr, "outbox-bench: %s\n", err.text);
        return EXIT_USAGE;
    }
    return run(argc - first, argv + first, &bench);
}
