#include "support/sandbox.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "support/process.h"
#include "support/scratch.h"
#include "support/wait.h"

enum { START_DEADLINE_MS = 20000, MAX_ARGS = 32, FILE_LIMIT = 65536, ANSWER_LIMIT = 1 << 30 };

/* The sandbox's own names of its URLs, and the options that keep a port at a restart. */
static const struct {
    const char *name;
    const char *variable;
    const char *option;
} urls[] = {{"", "OUTBOX_SANDBOX_URL", "--http-port"},
            {"APNS", "OUTBOX_SANDBOX_APNS_URL", "--apns-port"},
            {"FCM", "OUTBOX_SANDBOX_FCM_URL", "--fcm-port"},
            {"SMTP", "OUTBOX_SANDBOX_SMTP_URL", "--smtp-port"},
            {"SMTPS", "OUTBOX_SANDBOX_SMTPS_URL", "--smtps-port"},
            {"VENDORS", "OUTBOX_SANDBOX_VENDORS_URL", "--vendors-port"}};

enum { URLS = sizeof(urls) / sizeof(*urls) };

struct sandbox {
    struct process *process;
    char *program;
    char dir[SCRATCH_PATH];
    char log[SCRATCH_PATH + 16];
    char ca[SCRATCH_PATH + 16];
    char url[URLS][64];
    const char *args[MAX_ARGS];
    size_t arg_count;
    char ports[URLS][32];
};

static char *read_file(const char *path)
{
    struct buf content;
    buf_init(&content, FILE_LIMIT);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "cannot open %s: %s", path, strerror(errno));
    char data[4096];
    ssize_t got;
    while ((got = read(fd, data, sizeof(data))) > 0)
        ck_assert_msg(buf_append(&content, data, (size_t)got), "%s is too long", path);
    close(fd);
    char *text = mem_strdup(buf_string(&content));
    buf_free(&content);
    return text;
}

/* Takes NAME='value' out of the file `env`. */
static void read_url(const char *env, const char *variable, char url[64])
{
    char pattern[64];
    snprintf(pattern, sizeof(pattern), "%s='", variable);
    const char *start = strstr(env, pattern);
    ck_assert_msg(start != NULL, "the sandbox's env has no %s", variable);
    start += strlen(pattern);
    const char *end = strchr(start, '\'');
    ck_assert(end != NULL && end - start < 64);
    snprintf(url, 64, "%.*s", (int)(end - start), start);
}

static bool has_started(void *arg)
{
    struct sandbox *sandbox = arg;
    char path[SCRATCH_PATH + 16];
    snprintf(path, sizeof(path), "%s/env", sandbox->dir);
    return access(path, F_OK) == 0 || process_wait(sandbox->process, 0, NULL);
}

static void launch(struct sandbox *sandbox)
{
    char path[SCRATCH_PATH + 16];
    snprintf(path, sizeof(path), "%s/env", sandbox->dir);
    ck_assert(unlink(path) == 0 || errno == ENOENT);
    sandbox->process = process_start(sandbox->args, NULL, sandbox->log);
    bool started = wait_until(has_started, sandbox, START_DEADLINE_MS) && access(path, F_OK) == 0;
    if (!started)
        fputs(read_file(sandbox->log), stderr);
    ck_assert_msg(started, "the sandbox did not start");
    char *env = read_file(path);
    for (size_t i = 0; i < URLS; i++)
        read_url(env, urls[i].variable, sandbox->url[i]);
    mem_free(env);
}

static void add_arg(struct sandbox *sandbox, const char *arg)
{
    ck_assert(sandbox->arg_count < MAX_ARGS - 1);
    sandbox->args[sandbox->arg_count++] = arg;
}

struct sandbox *sandbox_start(const char *const extra_args[])
{
    struct sandbox *sandbox = mem_alloc(sizeof(*sandbox));
    scratch_template(sandbox->dir, "sandbox");
    ck_assert_msg(mkdtemp(sandbox->dir) != NULL, "cannot make %s: %s", sandbox->dir, strerror(errno));
    snprintf(sandbox->log, sizeof(sandbox->log), "%s/log", sandbox->dir);
    snprintf(sandbox->ca, sizeof(sandbox->ca), "%s/ca.pem", sandbox->dir);
    sandbox->program = process_program("outbox-sandbox");
    add_arg(sandbox, sandbox->program);
    add_arg(sandbox, "--dir");
    add_arg(sandbox, sandbox->dir);
    for (size_t i = 0; extra_args && extra_args[i]; i++)
        add_arg(sandbox, extra_args[i]);
    launch(sandbox);
    for (size_t i = 0; i < URLS; i++) {
        int port = atoi(strrchr(sandbox->url[i], ':') + 1);
        snprintf(sandbox->ports[i], sizeof(sandbox->ports[i]), "%s=%d", urls[i].option, port);
        add_arg(sandbox, sandbox->ports[i]);
    }
    return sandbox;
}

static void remove_directory(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    (void)rmdir(path);
}

void sandbox_stop(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    (void)process_stop(sandbox->process);
    remove_directory(sandbox->dir);
    mem_free(sandbox->program);
    mem_free(sandbox);
}

void sandbox_kill(struct sandbox *sandbox)
{
    process_kill(sandbox->process);
    sandbox->process = NULL;
}

void sandbox_restart(struct sandbox *sandbox)
{
    (void)process_stop(sandbox->process);
    launch(sandbox);
}

const char *sandbox_dir(const struct sandbox *sandbox)
{
    return sandbox->dir;
}

const char *sandbox_url(const struct sandbox *sandbox, const char *name)
{
    for (size_t i = 0; i < URLS; i++)
        if (strcmp(urls[i].name, name) == 0)
            return sandbox->url[i];
    ck_abort_msg("the sandbox has no URL %s", name);
    return NULL;
}

const char *sandbox_ca(const struct sandbox *sandbox)
{
    return sandbox->ca;
}

char *sandbox_file(const struct sandbox *sandbox, const char *name)
{
    char path[SCRATCH_PATH + 64];
    snprintf(path, sizeof(path), "%s/%s", sandbox->dir, name);
    return read_file(path);
}

/* Sends the request and reads to the end of the connection. */
static void exchange(const struct sandbox *sandbox, const char *method, const char *path, struct buf *answer)
{
    int port = atoi(strrchr(sandbox->url[0], ':') + 1);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(fd >= 0);
    ck_assert_msg(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0,
                  "the sandbox does not listen: %s", strerror(errno));
    ck_assert(dprintf(fd, "%s %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n", method, path) >
              0);
    ck_assert(shutdown(fd, SHUT_WR) == 0);
    char data[65536];
    ssize_t got;
    while ((got = recv(fd, data, sizeof(data), 0)) > 0)
        ck_assert(buf_append(answer, data, (size_t)got));
    close(fd);
    ck_assert_msg(got == 0, "the sandbox's answer broke off: %s", strerror(errno));
}

static char *request(const struct sandbox *sandbox, const char *method, const char *path)
{
    struct buf answer;
    buf_init(&answer, ANSWER_LIMIT);
    exchange(sandbox, method, path, &answer);
    const char *body = answer.size > 0 ? strstr(answer.data, "\r\n\r\n") : NULL;
    ck_assert_msg(body != NULL && strncmp(answer.data, "HTTP/1.1 200 ", 13) == 0, "%s %s was answered: %.60s",
                  method, path, buf_string(&answer));
    char *copy = mem_strdup(body + 4);
    buf_free(&answer);
    return copy;
}

char *sandbox_get(const struct sandbox *sandbox, const char *path)
{
    return request(sandbox, "GET", path);
}

struct json_object *sandbox_get_json(const struct sandbox *sandbox, const char *path)
{
    struct error err = {.text = ""};
    char *text = sandbox_get(sandbox, path);
    struct json_object *value = json_parse(text, strlen(text), &err);
    ck_assert_msg(value != NULL, "%s is no JSON: %s", path, err.text);
    mem_free(text);
    return value;
}

int64_t sandbox_count(const struct sandbox *sandbox, const char *channel, const char *counter)
{
    struct json_object *stats = sandbox_get_json(sandbox, "/stats");
    int64_t count = json_get_int(json_get(stats, channel), counter, -1);
    json_object_put(stats);
    ck_assert_msg(count >= 0, "/stats has no %s of %s", counter, channel);
    return count;
}

struct awaited {
    const struct sandbox *sandbox;
    const char *channel;
    const char *counter;
    int64_t least;
    int64_t count;
};

static bool is_reached(void *arg)
{
    struct awaited *awaited = arg;
    awaited->count = sandbox_count(awaited->sandbox, awaited->channel, awaited->counter);
    return awaited->count >= awaited->least;
}

int64_t sandbox_wait_count(const struct sandbox *sandbox, const char *channel, const char *counter,
                           int64_t least, int64_t deadline_ms)
{
    struct awaited awaited = {sandbox, channel, counter, least, 0};
    (void)wait_until(is_reached, &awaited, deadline_ms);
    return awaited.count;
}

void sandbox_reset(const struct sandbox *sandbox)
{
    mem_free(request(sandbox, "POST", "/reset"));
}
