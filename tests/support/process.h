/* Child programs of a test. A failure here ends the test (ck_abort). */
#ifndef PGOUTBOX_TESTS_PROCESS_H
#define PGOUTBOX_TESTS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

/* Starts argv[0] (a path) with argv, which ends with NULL. env: "NAME=value" entries put over the caller's
 * own environment, ends with NULL; may be NULL. log_path: where stdout and stderr are appended, or NULL to
 * inherit them. The child is killed when the test program dies. The caller ends it with process_stop. */
struct process *process_start(const char *const argv[], const char *const env[], const char *log_path);

pid_t process_pid(const struct process *process);
void process_signal(struct process *process, int signal_number);

/* True when it has ended within the deadline; *status (may be NULL) is then as waitpid gives it. */
bool process_wait(struct process *process, int64_t deadline_ms, int *status);

/* SIGTERM, SIGKILL when it has not ended 10 s later, then frees. Returns the wait status; NULL gives 0. */
int process_stop(struct process *process);

/* SIGKILL, waits, frees. NULL is allowed. */
void process_kill(struct process *process);

/* A program of this build, "$PGOUTBOX_BUILD/bin/NAME". Caller frees with mem_free. */
char *process_program(const char *name);

#endif
