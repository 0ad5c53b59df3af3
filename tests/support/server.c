#include "support/server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/process.h"
#include "support/scratch.h"

enum { SETTINGS_MAX = 16, DEADLINE_MS = 60000 };

static char directory[SCRATCH_PATH], answer[SCRATCH_PATH + 8];

static bool run_script(const char *command, const char *const settings[])
{
    const char *argv[4 + SETTINGS_MAX] = {"tools/scripts/pg", command, directory};
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        ck_assert_uint_lt(i, SETTINGS_MAX);
        argv[3 + i] = settings[i];
    }
    struct process *script = process_start(argv, NULL, answer);
    int status = 0;
    bool ok = process_wait(script, DEADLINE_MS, &status) && status == 0;
    process_stop(script);
    return ok;
}

void server_start(const char *const settings[])
{
    scratch_template(directory, "server");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(answer, sizeof answer, "%s.log", directory);
    ck_assert_msg(run_script("start", settings), "the server did not start: see %s", answer);
    FILE *file = fopen(answer, "r");
    ck_assert_ptr_nonnull(file);
    static const char word[] = "conninfo=";
    char line[SCRATCH_PATH + 64];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strncmp(line, word, strlen(word)) == 0;
    fclose(file);
    ck_assert(found);
    line[strcspn(line, "\n")] = '\0';
    ck_assert_int_eq(setenv("PGOUTBOX_TEST_CONNINFO", line + strlen(word), 1), 0);
}

void server_stop(void)
{
    if (run_script("stop", NULL))
        unlink(answer);
}
