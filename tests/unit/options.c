#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/options.h"

static const char *text;
static const char *other;
static int64_t number;
static bool flag;

static const struct option_spec specs[] = {
    {.name = "db",
     .env = "PGOUTBOX_T_DB",
     .argument = "CONNINFO",
     .fallback = "",
     .text = &text,
     .help = "Database."},
    {.name = "other", .argument = "TEXT", .text = &other, .help = "Without a default."},
    {.name = "slots",
     .env = "PGOUTBOX_T_SLOTS",
     .argument = "N",
     .fallback = "100",
     .min = 1,
     .max = 5000,
     .number = &number,
     .help = "How many requests may be in flight at any moment, over all the connections of one channel."},
    {.name = "once", .env = "PGOUTBOX_T_ONCE", .flag = &flag, .help = "Stop when idle."},
    {0},
};

struct row {
    const char *args[6], *slots_env, *once_env;
    const char *text;
    int64_t number;
    bool flag;
    int operands;
    const char *error; /* NULL: accepted */
};

static const struct row rows[] = {
    {.text = "", .number = 100, .operands = 1},
    {.args = {"--db=x y", "--slots=7", "--once"}, .text = "x y", .number = 7, .flag = true, .operands = 4},
    {.args = {"--db", "host=h", "--slots", "5000"}, .text = "host=h", .number = 5000, .operands = 5},
    {.args = {"--db=", "a", "--once"}, .text = "", .number = 100, .operands = 2},
    {.args = {"--slots=8", "--", "--once"}, .text = "", .number = 8, .operands = 3},
    {.args = {"-", "x"}, .text = "", .number = 100, .operands = 1},
    {.args = {"--db=a=b"}, .text = "a=b", .number = 100, .operands = 2},
    {.args = {"--slots=1", "--slots=2"}, .text = "", .number = 2, .operands = 3},
    {.slots_env = "42", .once_env = "yes", .text = "", .number = 42, .flag = true, .operands = 1},
    {.args = {"--slots=3"}, .slots_env = "42", .once_env = "0", .text = "", .number = 3, .operands = 2},
    {.args = {"--nope"}, .error = "unknown option --nope (see --help)"},
    {.args = {"--password=x"}, .error = "unknown option --password (see --help)"},
    {.args = {"--slot=1"}, .error = "unknown option --slot (see --help)"},
    {.args = {"-x"}, .error = "unknown option -x (see --help)"},
    {.args = {"--once=1"}, .error = "--once takes no value"},
    {.args = {"--slots"}, .error = "--slots needs a value"},
    {.args = {"--slots="}, .error = "--slots: '' is not a whole number"},
    {.args = {"--slots=7x"}, .error = "--slots: '7x' is not a whole number"},
    {.args = {"--slots=0"}, .error = "--slots: 0 is not within 1..5000"},
    {.args = {"--slots=5001"}, .error = "--slots: 5001 is not within 1..5000"},
    {.args = {"--slots=99999999999999999999"},
     .error = "--slots: 99999999999999999999 is not within 1..5000"},
    {.slots_env = "many", .error = "PGOUTBOX_T_SLOTS: 'many' is not a whole number"},
    {.once_env = "maybe", .error = "PGOUTBOX_T_ONCE: 'maybe' is neither on nor off"},
};

static void set_env(const char *name, const char *value)
{
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static int build_argv(const struct row *row, char *argv[8])
{
    int argc = 1;
    argv[0] = (char *)"/usr/bin/prog";
    for (int i = 0; i < 6 && row->args[i] != NULL; i++)
        argv[argc++] = (char *)row->args[i];
    argv[argc] = NULL;
    return argc;
}

START_TEST(test_rows)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text = other = NULL;
        number = 0;
        flag = false;
        unsetenv("PGOUTBOX_T_DB");
        set_env("PGOUTBOX_T_SLOTS", rows[i].slots_env);
        set_env("PGOUTBOX_T_ONCE", rows[i].once_env);
        char *argv[8];
        int argc = build_argv(&rows[i], argv);
        struct error err = {0};
        int operands = 0;
        bool accepted = options_parse(argc, argv, "usage", specs, &operands, &err);
        ck_assert_msg(accepted == (rows[i].error == NULL), "row %zu: %s", i, err.text);
        if (!accepted) {
            ck_assert_str_eq(err.text, rows[i].error);
            continue;
        }
        ck_assert_str_eq(text, rows[i].text);
        ck_assert_ptr_null(other);
        ck_assert_msg(number == rows[i].number, "row %zu: %lld", i, (long long)number);
        ck_assert_msg(flag == rows[i].flag, "row %zu", i);
        ck_assert_msg(operands == rows[i].operands, "row %zu: operands at %d", i, operands);
    }
}
END_TEST

START_TEST(test_operands_refused)
{
    char *argv[] = {(char *)"prog", (char *)"--once", (char *)"stray", NULL};
    struct error err;
    ck_assert(!options_parse(3, argv, "usage", specs, NULL, &err));
    ck_assert_str_eq(err.text, "unexpected argument 'stray'");
}
END_TEST

/* Standard output of a run with this argument. The exit status of the test itself is checked by Check. */
static void run_to_exit(const char *argument, const char *const wanted[])
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setenv("PGOUTBOX_T_SLOTS", "bad", 1);
        dup2(fileno(file), STDOUT_FILENO);
        char *argv[] = {(char *)"/usr/bin/prog", (char *)"--db", (char *)"x", (char *)argument, NULL};
        struct error err;
        _exit(options_parse(4, argv, "prog [OPTION]...\n", specs, NULL, &err) ? 90 : 91);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK, "status %d", status);
    char output[4096] = {0};
    ck_assert_int_gt(pread(fileno(file), output, sizeof output - 1, 0), 0);
    for (int i = 0; wanted[i] != NULL; i++)
        ck_assert_msg(strstr(output, wanted[i]) != NULL, "no '%s' in:\n%s", wanted[i], output);
    for (const char *line = output; *line != '\0'; line += strcspn(line, "\n") + 1)
        ck_assert_msg(strcspn(line, "\n") <= 80, "too wide: %s", line);
    fclose(file);
}

START_TEST(test_help)
{
    static const char *const wanted[] = {"prog [OPTION]...\n",
                                         "  --db=CONNINFO  Database. (environment: PGOUTBOX_T_DB)\n",
                                         "  --slots=N      How many requests may be in flight",
                                         "(default: 100;",
                                         "PGOUTBOX_T_SLOTS)\n",
                                         "  --once         Stop when idle.",
                                         "  --help ",
                                         "  --version ",
                                         NULL};
    run_to_exit("--help", wanted);
}
END_TEST

START_TEST(test_version)
{
    static const char *const wanted[] = {"prog " PGOUTBOX_VERSION "\n", NULL};
    run_to_exit("--version", wanted);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    suite_add(suite, test_rows);
    suite_add(suite, test_operands_refused);
    suite_add(suite, test_help);
    suite_add(suite, test_version);
    return suite_run(suite);
}
