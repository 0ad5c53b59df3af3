/* outboxctl: one command per call, each with its own options. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/options.h"
#include "db/db.h"
#include "outboxctl/adapters.h"
#include "outboxctl/migrate.h"

static int fail(const struct error *err, int code)
{
    fprintf(stderr, "outboxctl: %s\n", err->text);
    return code;
}

static const char database_help[] =
    "libpq connection string or URI; what it leaves out comes from PGHOST, PGUSER and the like.";

static int run_migrate(int argc, char **argv)
{
    const char *database = NULL, *dir = NULL;
    const struct option_spec specs[] = {
        {.name = "database",
         .argument = "CONNINFO",
         .fallback = "",
         .text = &database,
         .help = database_help},
        {.name = "dir",
         .env = "OUTBOX_MIGRATIONS",
         .argument = "DIR",
         .text = &dir,
         .help = "Folder of the migrations (default: those that came with this program)."},
        {0},
    };
    struct error err;
    if (!options_parse(argc, argv, "Usage: outboxctl migrate [OPTIONS]\n\nBrings the schema up to date.\n",
                       specs, NULL, &err))
        return fail(&err, EXIT_USAGE);
    char *own_dir = dir == NULL ? migrate_default_dir() : NULL;
    if (dir == NULL && own_dir == NULL) {
        error_set(&err, "the migrations were not found; name their folder by --dir");
        return fail(&err, EXIT_USAGE);
    }
    int code = EXIT_OK;
    struct db_session *session = db_open(database, "outboxctl", &err);
    if (session == NULL)
        code = EXIT_UNAVAILABLE;
    else if (!migrate_apply(session, dir != NULL ? dir : own_dir, &err))
        code = EXIT_FAILED;
    db_close(session);
    mem_free(own_dir);
    return code == EXIT_OK ? EXIT_OK : fail(&err, code);
}

static int run_status(int argc, char **argv)
{
    const char *database = NULL;
    const struct option_spec specs[] = {
        {.name = "database",
         .argument = "CONNINFO",
         .fallback = "",
         .text = &database,
         .help = database_help},
        {0},
    };
    struct error err;
    if (!options_parse(argc, argv, "Usage: outboxctl status [OPTIONS]\n\nLists the applied migrations.\n",
                       specs, NULL, &err))
        return fail(&err, EXIT_USAGE);
    struct db_session *session = db_open(database, "outboxctl", &err);
    if (session == NULL)
        return fail(&err, EXIT_UNAVAILABLE);
    bool ok = migrate_status(session, &err);
    db_close(session);
    return ok ? EXIT_OK : fail(&err, EXIT_FAILED);
}

static int run_adapters(int argc, char **argv)
{
    const struct option_spec specs[] = {{0}};
    struct error err;
    if (!options_parse(argc, argv, "Usage: outboxctl adapters\n\nLists the adapters of outbox.provider.\n",
                       specs, NULL, &err))
        return fail(&err, EXIT_USAGE);
    adapters_print();
    return EXIT_OK;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
} commands[] = {
    {"migrate", run_migrate},
    {"status", run_status},
    {"adapters", run_adapters},
};

int main(int argc, char **argv)
{
    static const char usage[] = "Usage: outboxctl COMMAND [OPTIONS]\n\n"
                                "  migrate   bring the schema up to date\n"
                                "  status    list the applied migrations\n"
                                "  adapters  list the adapters that a provider row can name\n\n"
                                "outboxctl COMMAND --help tells more.\n";
    const struct option_spec none[] = {{0}};
    struct error err;
    int operand = 0;
    log_setup("outboxctl", LOG_WARN);
    if (!options_parse(argc, argv, usage, none, &operand, &err))
        return fail(&err, EXIT_USAGE);
    if (operand >= argc) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[operand], commands[i].name) == 0)
            return commands[i].run(argc - operand, argv + operand);
    }
    error_set(&err, "unknown command '%s' (see --help)", argv[operand]);
    return fail(&err, EXIT_USAGE);
}
