#include "dispatcher/mail_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/mem.h"
#include "providers/mail/mail_attachment.h"

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

static bool read_file(int fd, size_t index, size_t *left, struct json_object **data, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set(err, "payload.attachments.%zu.file: %s", index, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(err, "payload.attachments.%zu.file: must be a regular file", index);
    if (status.st_size < 0 || (uintmax_t)status.st_size > *left)
        return error_set(err, "payload.attachments.%zu.file: all files together have more than %d octets",
                         index, MAIL_ATTACHED_MAX);
    size_t size = (size_t)status.st_size;
    char *octets = mem_alloc(size + 1);
    bool ok = read_whole(fd, octets, size);
    if (ok) {
        *data = json_object_new_string_len(octets, (int)size);
        if (*data == NULL)
            mem_exhausted();
        *left -= size;
    } else {
        error_set(err, "payload.attachments.%zu.file: %s", index,
                  errno != 0 ? strerror(errno) : "became shorter while it was read");
    }
    mem_free(octets);
    return ok;
}

static bool attach(int directory, struct json_object *item, size_t index, size_t *left, struct error *err)
{
    const char *file = json_get_text(item, "file");
    struct json_object *data = NULL;
    if (file == NULL)
        return true;
    int fd = open_beneath(directory, file);
    if (fd < 0)
        return error_set(err, "payload.attachments.%zu.file: %s", index,
                         errno == EXDEV ? "must lie below the attachment directory" : strerror(errno));
    bool ok = read_file(fd, index, left, &data, err);
    close(fd);
    if (ok && json_object_object_add(item, "data", data) != 0)
        mem_exhausted();
    return ok;
}

static bool attach_all(const char *directory, struct json_object *items, struct error *err)
{
    size_t count = json_object_array_length(items), left = MAIL_ATTACHED_MAX;
    if (count > MAIL_ATTACHMENTS_MAX)
        return error_set(err, "payload.attachments: has more than %d files", MAIL_ATTACHMENTS_MAX);
    int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "payload.attachments: the attachment directory: %s", strerror(errno));
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++)
        ok = attach(fd, json_object_array_get_idx(items, i), i, &left, err);
    close(fd);
    return ok;
}

bool mail_files_read(const char *directory, struct json_object *payload, struct error *err)
{
    struct json_object *items = json_get(payload, "attachments");
    if (!json_object_is_type(items, json_type_array))
        return true;
    size_t count = json_object_array_length(items);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        if (json_object_is_type(item, json_type_object))
            json_object_object_del(item, "data");
    }
    return directory == NULL || count == 0 || attach_all(directory, items, err);
}
