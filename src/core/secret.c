#include "core/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

/* Fills text with up to size octets of the file; -1 with errno on failure. */
static ssize_t read_all(int fd, char *text, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, text + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Checks a value of the given size in place: text, not empty, not too long, without its last newline. */
static bool check_value(char *value, size_t size, const char *setting, struct error *err)
{
    if (size > SECRET_MAX)
        return error_set(err, "%s: longer than %d octets", setting, SECRET_MAX);
    if (memchr(value, '\0', size) != NULL)
        return error_set(err, "%s: holds a zero octet", setting);
    if (size > 0 && value[size - 1] == '\n')
        size--;
    if (size > 0 && value[size - 1] == '\r')
        size--;
    value[size] = '\0';
    return size > 0 || error_set(err, "%s: is empty", setting);
}

static char *secret_from_file(const char *path, const char *setting, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set(err, "%s: cannot open %s: %s", setting, path, strerror(errno));
        return NULL;
    }
    char *value = mem_alloc(SECRET_MAX + 2);
    ssize_t size = read_all(fd, value, SECRET_MAX + 1);
    int failure = errno;
    close(fd);
    if (size < 0)
        error_set(err, "%s: cannot read %s: %s", setting, path, strerror(failure));
    else if (check_value(value, (size_t)size, setting, err))
        return value;
    explicit_bzero(value, SECRET_MAX + 2);
    mem_free(value);
    return NULL;
}

static char *secret_from_env(const char *variable, const char *setting, struct error *err)
{
    const char *found = getenv(variable);
    if (found == NULL) {
        error_set(err, "%s: environment variable %s is not set", setting, variable);
        return NULL;
    }
    char *value = mem_strdup(found);
    if (check_value(value, strlen(value), setting, err))
        return value;
    secret_free(value);
    return NULL;
}

char *secret_read(struct json_object *settings, const char *name, struct error *err)
{
    struct buf file, env;
    buf_init(&file, 256);
    buf_init(&env, 256);
    buf_printf(&file, "%s_file", name);
    buf_printf(&env, "%s_env", name);
    const char *path = json_get_text(settings, buf_string(&file));
    const char *variable = json_get_text(settings, buf_string(&env));
    char *value = NULL;
    if (path != NULL && variable != NULL)
        error_set(err, "%s_file and %s_env are both set", name, name);
    else if (path != NULL)
        value = secret_from_file(path, buf_string(&file), err);
    else if (variable != NULL)
        value = secret_from_env(variable, buf_string(&env), err);
    else
        error_set(err, "%s_file or %s_env is missing", name, name);
    buf_free(&file);
    buf_free(&env);
    return value;
}

void secret_free(char *secret)
{
    if (secret == NULL)
        return;
    explicit_bzero(secret, strlen(secret));
    mem_free(secret);
}
