#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/parts.h"
#include "bench/report.h"
#include "bench/session.h"

static void report_processors(void)
{
    char line[256], text[320] = "";
    const char *model = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && model[0] == '\0' && fgets(line, sizeof line, file)) {
        if (strncmp(line, "model name", 10) != 0 || !strchr(line, ':'))
            continue;
        line[strcspn(line, "\n")] = '\0';
        model = strchr(line, ':') + 1;
    }
    snprintf(text, sizeof text, "%9ld%s%s", sysconf(_SC_NPROCESSORS_ONLN), model[0] ? " x" : "", model);
    if (file)
        fclose(file);
    report_text("processors, shared by all that is measured", text);
}

void machine_run(const struct bench *bench)
{
    struct db_session *session = session_open(bench->conninfo);
    struct error err;
    struct db_result *result = db_query(
        session,
        "SELECT name, current_setting(name) FROM unnest(ARRAY['server_version', 'fsync', "
        "'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'commit_delay', 'shared_buffers', "
        "'max_wal_size', 'checkpoint_timeout', 'autovacuum']) AS name",
        0, NULL, &err);
    if (!result)
        bench_die("%s", err.text);
    report_title("machine and settings");
    report_processors();
    for (int row = 0; row < db_rows(result); row++) {
        char text[96];
        snprintf(text, sizeof text, "%9s", db_text(result, row, 1));
        report_text(db_text(result, row, 0), text);
    }
    db_result_free(result);
    db_close(session);
}
