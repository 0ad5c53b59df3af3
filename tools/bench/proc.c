#include "bench/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stat_line {
    int64_t parent;
    double own_us, ended_us; /* of itself; of its children that were waited for */
};

static bool read_stat(int64_t pid, struct stat_line *line)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    /* The name in parentheses may hold blanks. */
    const char *rest = strrchr(text, ')');
    int64_t parent;
    unsigned long long user, system, ended_user, ended_system;
    if (!rest || sscanf(rest + 1, " %*c %" SCNd64 " %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
                        &parent, &user, &system, &ended_user, &ended_system) != 5)
        return false;
    double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK);
    *line = (struct stat_line){.parent = parent,
                               .own_us = (double)(user + system) * tick_us,
                               .ended_us = (double)(ended_user + ended_system) * tick_us};
    return true;
}

double proc_cpu_us(int64_t pid)
{
    struct stat_line line;
    return read_stat(pid, &line) ? line.own_us : 0;
}

int64_t proc_parent(int64_t pid)
{
    struct stat_line line;
    return read_stat(pid, &line) ? line.parent : 0;
}

double proc_tree_cpu_us(int64_t pid, int64_t except)
{
    struct stat_line line;
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    double sum = read_stat(pid, &line) ? line.own_us + line.ended_us : 0;
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        int64_t child = isdigit((unsigned char)entry->d_name[0]) ? strtoll(entry->d_name, NULL, 10) : 0;
        if (child > 0 && child != except && read_stat(child, &line) && line.parent == pid)
            sum += line.own_us;
    }
    closedir(proc);
    return sum;
}

int64_t proc_peak_kib(int64_t pid)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/status", pid);
    FILE *file = fopen(path, "r");
    int64_t peak = 0;
    while (file && fgets(text, sizeof text, file))
        if (strncmp(text, "VmHWM:", 6) == 0)
            peak = strtoll(text + 6, NULL, 10);
    if (file)
        fclose(file);
    return peak;
}
