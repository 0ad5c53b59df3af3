#include "sandbox/store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool directory_open(struct directory *directory, const char *path, struct error *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set(err, "cannot make directory %s: %s", path, strerror(errno));
    char *real = realpath(path, NULL);
    if (!real)
        return error_set(err, "cannot resolve %s: %s", path, strerror(errno));
    int size = snprintf(directory->path, sizeof(directory->path), "%s", real);
    free(real);
    if (size < 0 || (size_t)size >= sizeof(directory->path))
        return error_set(err, "the path of the directory is too long");
    return true;
}

static bool path_of(const struct directory *directory, const char *name, const char *suffix,
                    char path[DIRECTORY_PATH_MAX], struct error *err)
{
    int size = snprintf(path, DIRECTORY_PATH_MAX, "%s/%s%s", directory->path, name, suffix);
    return (size > 0 && size < DIRECTORY_PATH_MAX) || error_set(err, "the path of %s is too long", name);
}

bool directory_has(const struct directory *directory, const char *name)
{
    char path[DIRECTORY_PATH_MAX];
    return path_of(directory, name, "", path, NULL) && access(path, F_OK) == 0;
}

bool directory_read(const struct directory *directory, const char *name, struct buf *out, struct error *err)
{
    char path[DIRECTORY_PATH_MAX];
    if (!path_of(directory, name, "", path, err))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "cannot read %s: %s", path, strerror(errno));
    char data[4096];
    ssize_t got;
    bool fits = true;
    while (fits && (got = read(fd, data, sizeof(data))) > 0)
        fits = buf_append(out, data, (size_t)got);
    int reason = errno;
    close(fd);
    if (!fits)
        return error_set(err, "%s is too long", path);
    return got == 0 || error_set(err, "cannot read %s: %s", path, strerror(reason));
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(fd, data, size);
        if (sent < 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool directory_write(const struct directory *directory, const char *name, const void *data, size_t size,
                     unsigned mode, struct error *err)
{
    char path[DIRECTORY_PATH_MAX], temporary[DIRECTORY_PATH_MAX];
    if (!path_of(directory, name, "", path, err) || !path_of(directory, name, ".new", temporary, err))
        return false;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return error_set(err, "cannot write %s: %s", temporary, strerror(errno));
    bool written = write_all(fd, data, size);
    if (close(fd) != 0 || !written || rename(temporary, path) != 0)
        return error_set(err, "cannot write %s: %s", path, strerror(errno));
    return true;
}
