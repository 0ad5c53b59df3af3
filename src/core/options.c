#include "core/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_WIDTH = 80, HELP_LEFT_MAX = 30 };

static const char *program_name(char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    return slash != NULL ? slash + 1 : argv[0];
}

/* Width of "  --name=ARGUMENT  ". */
static int left_width(const struct option_spec *spec)
{
    size_t width = strlen("  --  ") + strlen(spec->name);
    if (spec->argument != NULL)
        width += 1 + strlen(spec->argument);
    return (int)width;
}

/* Prints words from column `left` on, wrapped; *column is where the cursor stands. */
static void print_words(const char *text, int left, int *column)
{
    while (*text != '\0') {
        int size = (int)strcspn(text, " ");
        if (*column > left && *column + 1 + size > HELP_WIDTH) {
            printf("\n%*s", left, "");
            *column = left;
        } else if (*column > left) {
            putchar(' ');
            ++*column;
        }
        printf("%.*s", size, text);
        *column += size;
        text += size;
        text += strspn(text, " ");
    }
}

static void print_option(const struct option_spec *spec, int left)
{
    int column = left_width(spec);
    printf("  --%s%s%s", spec->name, spec->argument != NULL ? "=" : "",
           spec->argument != NULL ? spec->argument : "");
    if (column > left)
        printf("\n%*s", left, "");
    else
        printf("%*s", left - column + 2, "");
    column = left;
    print_words(spec->help, left, &column);
    if (spec->fallback != NULL && spec->fallback[0] != '\0') {
        print_words("(default:", left, &column);
        print_words(spec->fallback, left, &column);
        fputs(spec->env != NULL ? ";" : ")", stdout);
        column++;
    }
    if (spec->env != NULL) {
        bool first = spec->fallback == NULL || spec->fallback[0] == '\0';
        print_words(first ? "(environment:" : "environment:", left, &column);
        print_words(spec->env, left, &column);
        putchar(')');
    }
    putchar('\n');
}

static _Noreturn void finish_output(void)
{
    exit(fflush(stdout) == 0 && !ferror(stdout) ? EXIT_OK : EXIT_FAILED);
}

static _Noreturn void print_help(const char *usage, const struct option_spec *specs)
{
    static const struct option_spec always[] = {
        {.name = "help", .help = "Print this text and exit."},
        {.name = "version", .help = "Print the version and exit."},
    };
    int left = 0;
    for (const struct option_spec *spec = specs; spec->name != NULL; spec++) {
        int width = left_width(spec);
        if (width > left && width <= HELP_LEFT_MAX)
            left = width;
    }
    if (left < left_width(&always[1]))
        left = left_width(&always[1]);
    printf("%s%s\nOptions:\n", usage, usage[0] != '\0' && usage[strlen(usage) - 1] == '\n' ? "" : "\n");
    for (const struct option_spec *spec = specs; spec->name != NULL; spec++)
        print_option(spec, left);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        print_option(&always[i], left);
    finish_output();
}

static _Noreturn void print_version(char **argv)
{
    printf("%s %s\n", program_name(argv), PGOUTBOX_VERSION);
    finish_output();
}

static bool parse_flag(const char *value, bool *flag)
{
    static const struct {
        const char *word;
        bool meaning;
    } words[] = {{"1", true},      {"true", true}, {"yes", true},  {"on", true}, {"0", false},
                 {"false", false}, {"no", false},  {"off", false}, {"", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value, words[i].word) == 0) {
            *flag = words[i].meaning;
            return true;
        }
    }
    return false;
}

/* from: how the user named it, "--port" or an environment variable. */
static bool assign(const struct option_spec *spec, const char *from, const char *value, struct error *err)
{
    if (spec->text != NULL) {
        *spec->text = value;
        return true;
    }
    if (spec->flag != NULL)
        return parse_flag(value, spec->flag) || error_set(err, "%s: '%s' is neither on nor off", from, value);
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0')
        return error_set(err, "%s: '%s' is not a whole number", from, value);
    if (errno == ERANGE || number < spec->min || number > spec->max)
        return error_set(err, "%s: %s is not within %" PRId64 "..%" PRId64, from, value, spec->min,
                         spec->max);
    *spec->number = number;
    return true;
}

static bool assign_defaults(const struct option_spec *specs, struct error *err)
{
    for (const struct option_spec *spec = specs; spec->name != NULL; spec++) {
        const char *value = spec->env != NULL ? getenv(spec->env) : NULL;
        if (value != NULL) {
            if (!assign(spec, spec->env, value, err))
                return false;
        } else if (spec->fallback != NULL && !assign(spec, spec->name, spec->fallback, err)) {
            return false;
        }
    }
    return true;
}

static const struct option_spec *find_option(const struct option_spec *specs, const char *name, size_t size)
{
    for (const struct option_spec *spec = specs; spec->name != NULL; spec++) {
        if (strlen(spec->name) == size && memcmp(spec->name, name, size) == 0)
            return spec;
    }
    return NULL;
}

/* Handles argv[*at] and, when its value stands apart, the next argument. */
static bool parse_option(char **argv, int *at, const struct option_spec *specs, struct error *err)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    int size = (int)(equals != NULL ? (size_t)(equals - name) : strlen(name));
    const struct option_spec *spec = argv[*at][1] == '-' ? find_option(specs, name, (size_t)size) : NULL;
    if (spec == NULL)
        return error_set(err, "unknown option %.*s (see --help)", size + 2, argv[*at]);
    if (spec->flag != NULL) {
        *spec->flag = true;
        return equals == NULL || error_set(err, "--%s takes no value", spec->name);
    }
    const char *value = equals != NULL ? equals + 1 : argv[++*at];
    if (value == NULL)
        return error_set(err, "--%s needs a value", spec->name);
    char from[64];
    snprintf(from, sizeof from, "--%s", spec->name);
    return assign(spec, from, value, err);
}

bool options_parse(int argc, char **argv, const char *usage, const struct option_spec *specs, int *operands,
                   struct error *err)
{
    /* A bad environment is reported only after the options, so that --help always works. */
    struct error bad_defaults;
    bool defaults_good = assign_defaults(specs, &bad_defaults);
    int at = 1;
    for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strcmp(argv[at], "--help") == 0)
            print_help(usage, specs);
        if (strcmp(argv[at], "--version") == 0)
            print_version(argv);
        if (!parse_option(argv, &at, specs, err))
            return false;
    }
    if (!defaults_good)
        return error_set(err, "%s", bad_defaults.text);
    if (operands != NULL)
        *operands = at;
    else if (at < argc)
        return error_set(err, "unexpected argument '%s'", argv[at]);
    return true;
}
