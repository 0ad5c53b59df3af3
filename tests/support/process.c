#include "support/process.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "support/wait.h"

enum { STOP_DEADLINE_MS = 10000, CHILD_FAILED = 127 };

struct process {
    pid_t pid;
    bool ended;
    int status;
};

extern char **environ;

/* The caller's environment with env put over it. The texts stay where they are; free the array. */
static char **merge_environment(const char *const env[])
{
    size_t own = 0, more = 0, count = 0;
    while (environ[own])
        own++;
    while (env && env[more])
        more++;
    char **merged = mem_array(own + more + 1, sizeof(*merged));
    for (size_t i = 0; i < own; i++) {
        size_t name = strcspn(environ[i], "=") + 1;
        bool replaced = false;
        for (size_t j = 0; j < more; j++)
            replaced = replaced || strncmp(env[j], environ[i], name) == 0;
        if (!replaced)
            merged[count++] = environ[i];
    }
    for (size_t j = 0; j < more; j++)
        merged[count++] = (char *)(uintptr_t)env[j];
    return merged;
}

/* Between fork and exec. */
static _Noreturn void become(const char *const argv[], char **env, int log, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    bool ready = sigprocmask(SIG_SETMASK, &none, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
                 getppid() == parent;
    if (ready && log >= 0)
        ready = dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0;
    if (ready)
        execve(argv[0], (char **)(uintptr_t)argv, env);
    _exit(CHILD_FAILED);
}

struct process *process_start(const char *const argv[], const char *const env[], const char *log_path)
{
    int log = -1;
    if (log_path) {
        log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ck_assert_msg(log >= 0, "cannot open %s: %s", log_path, strerror(errno));
    }
    char **merged = merge_environment(env);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(argv, merged, log, parent);
    ck_assert_msg(pid > 0, "cannot fork: %s", strerror(errno));
    mem_free(merged);
    if (log >= 0)
        close(log);
    struct process *process = mem_alloc(sizeof(*process));
    process->pid = pid;
    return process;
}

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

void process_signal(struct process *process, int signal_number)
{
    if (!process->ended)
        kill(process->pid, signal_number);
}

static bool has_ended(void *arg)
{
    struct process *process = arg;
    if (!process->ended)
        process->ended = waitpid(process->pid, &process->status, WNOHANG) == process->pid;
    return process->ended;
}

bool process_wait(struct process *process, int64_t deadline_ms, int *status)
{
    if (!wait_until(has_ended, process, deadline_ms))
        return false;
    if (status)
        *status = process->status;
    return true;
}

static int finish(struct process *process)
{
    int status = 0;
    if (!process_wait(process, STOP_DEADLINE_MS, &status)) {
        process_signal(process, SIGKILL);
        ck_assert_msg(process_wait(process, STOP_DEADLINE_MS, &status), "a killed child does not end");
    }
    mem_free(process);
    return status;
}

int process_stop(struct process *process)
{
    if (!process)
        return 0;
    process_signal(process, SIGTERM);
    return finish(process);
}

void process_kill(struct process *process)
{
    if (!process)
        return;
    process_signal(process, SIGKILL);
    (void)finish(process);
}

char *process_program(const char *name)
{
    const char *build = getenv("PGOUTBOX_BUILD");
    ck_assert_msg(build != NULL, "PGOUTBOX_BUILD is not set");
    size_t size = strlen(build) + strlen("/bin/") + strlen(name) + 1;
    char *path = mem_alloc(size);
    strcat(strcat(strcpy(path, build), "/bin/"), name);
    return path;
}
