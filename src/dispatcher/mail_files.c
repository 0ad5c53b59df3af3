#include "dispatcher/mail_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/worker.h"

/* All that the thread touches. */
struct reading {
    char *directory;
    char *names[FILES_MAX];
    size_t count, octets_max, octets;
    char too_large[64];
    struct files result;
};

struct mail_files {
    struct reading *reading; /* the worker's, when there is one */
    struct worker *worker;
    struct timer *timer; /* instead of a worker */
};

/* The kernel asks to try again when somebody renames a directory while ".." is looked up. */
enum { OPEN_TRIES = 10 };

static int open_beneath(int directory, const char *file)
{
    /* Not blocking: nobody may ever write to a FIFO. */
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = -1;
    for (int i = 0; i < OPEN_TRIES; i++) {
        fd = (int)syscall(SYS_openat2, directory, file, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd;
}

/* False with errno; 0 when the file ended early. */
static bool read_whole(int fd, char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t part = read(fd, data + at, size - at);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0) {
            errno = part == 0 ? 0 : errno;
            return false;
        }
        at += (size_t)part;
    }
    return true;
}

/* False with errno and file->fault: see there. */
static bool read_open(struct reading *reading, int fd, struct file *file)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode)) {
        file->fault = "must be a regular file";
        return false;
    }
    if (status.st_size < 0 || (uintmax_t)status.st_size > reading->octets_max - reading->octets) {
        file->fault = reading->too_large;
        return false;
    }
    size_t size = (size_t)status.st_size;
    char *octets = mem_alloc(size + 1);
    if (!read_whole(fd, octets, size)) {
        if (errno == 0)
            file->fault = "became shorter while it was read";
        mem_free(octets);
        return false;
    }
    file->data = octets;
    file->size = size;
    reading->octets += size;
    return true;
}

/* strerror keeps its text where other threads write theirs. */
static const char *error_text(int number)
{
    const char *text = strerrordesc_np(number);
    return text != NULL ? text : "unknown error";
}

/* False: file->fault says why. */
static bool read_one(struct reading *reading, int directory, const char *name, struct file *file)
{
    int fd = open_beneath(directory, name);
    bool ok = fd >= 0 && read_open(reading, fd, file);
    if (!ok && file->fault == NULL)
        file->fault =
            fd < 0 && errno == EXDEV ? "must lie below the attachment directory" : error_text(errno);
    if (fd >= 0)
        close(fd);
    return ok;
}

static void read_all(void *data)
{
    struct reading *reading = data;
    int directory = open(reading->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        reading->result.fault = error_text(errno);
        return;
    }
    bool ok = true;
    for (size_t i = 0; i < reading->count && ok; i++)
        ok = reading->names[i] == NULL ||
             read_one(reading, directory, reading->names[i], &reading->result.list[i]);
    close(directory);
}

static void reading_free(void *data)
{
    struct reading *reading = data;
    for (size_t i = 0; i < reading->count; i++) {
        mem_free(reading->names[i]);
        mem_free((char *)reading->result.list[i].data);
    }
    mem_free(reading->directory);
    mem_free(reading);
}

static struct reading *reading_new(const struct file_list *list)
{
    struct reading *reading = mem_alloc(sizeof *reading);
    reading->directory = mem_strdup(list->directory);
    reading->count = list->count;
    for (size_t i = 0; i < list->count; i++)
        reading->names[i] = mem_strdup(list->names[i]);
    reading->octets_max = list->octets_max;
    snprintf(reading->too_large, sizeof reading->too_large, "all files together have more than %zu octets",
             list->octets_max);
    return reading;
}

struct mail_files *mail_files_read(struct loop *loop, const struct file_list *list, void (*done)(void *arg),
                                   void *arg)
{
    struct mail_files *files = mem_alloc(sizeof *files);
    files->reading = reading_new(list);
    const struct worker_task task = {.work = read_all, .discard = reading_free, .data = files->reading};
    files->worker = worker_new(loop, &task, done, arg);
    if (files->worker == NULL) {
        read_all(files->reading);
        files->timer = timer_new(loop, done, arg);
        timer_set(files->timer, 0);
    }
    return files;
}

const struct files *mail_files_result(const struct mail_files *files)
{
    return &files->reading->result;
}

void mail_files_free(struct mail_files *files)
{
    if (files == NULL)
        return;
    if (files->worker == NULL)
        reading_free(files->reading);
    worker_free(files->worker);
    timer_free(files->timer);
    mem_free(files);
}
