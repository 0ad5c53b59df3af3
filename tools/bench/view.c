#include "bench/view.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "core/buf.h"

enum { ANSWER_MAX = 256 * 1024 * 1024, STEP = 65536 };

static int dial(const char *url)
{
    char host[64], port[16];
    if (sscanf(url, "http://%63[^:/]:%15[0-9]", host, port) != 2)
        bench_die("--sandbox-url: \"%s\" is not http://HOST:PORT", url);
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &(struct addrinfo){.ai_socktype = SOCK_STREAM}, &found) != 0)
        bench_die("%s: no such host", host);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        bench_die("the sandbox does not answer at %s", url);
    freeaddrinfo(found);
    return fd;
}

/* The body, once all of the answer is there. NULL: not yet. */
static const char *whole_body(const struct buf *answer, bool ended)
{
    const char *body = answer->size > 0 ? strstr(answer->data, "\r\n\r\n") : NULL;
    if (!body)
        return NULL;
    body += 4;
    const char *length = strcasestr(answer->data, "\r\ncontent-length:");
    if (!length || length > body) /* the end of the connection ends it */
        return ended ? body : NULL;
    size_t wanted = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    return answer->size - (size_t)(body - answer->data) >= wanted ? body : NULL;
}

/* Leaves the answer in `answer` and returns where its body begins. */
static const char *ask(const char *url, const char *method, const char *path, struct buf *answer)
{
    int fd = dial(url);
    char request[256], step[STEP];
    int size = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nhost: sandbox\r\n\r\n", method, path);
    if (send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        bench_die("%s %s: cannot be sent", method, path);
    const char *body = NULL;
    for (ssize_t got = 1; got > 0 && !body;) {
        got = recv(fd, step, sizeof step, 0);
        if (got > 0 && !buf_append(answer, step, (size_t)got))
            bench_die("%s %s: the answer is too long", method, path);
        body = whole_body(answer, got == 0);
    }
    close(fd);
    if (!body || strncmp(answer->data, "HTTP/1.1 200 ", 13) != 0)
        bench_die("%s %s: no good answer", method, path);
    return body;
}

struct json_object *view_get(const char *url, const char *path)
{
    struct buf answer;
    struct error err;
    buf_init(&answer, ANSWER_MAX);
    const char *body = ask(url, "GET", path, &answer);
    struct json_object *document = json_parse(body, strlen(body), &err);
    if (!document)
        bench_die("GET %s: %s", path, err.text);
    buf_free(&answer);
    return document;
}

void view_reset(const char *url)
{
    struct buf answer;
    buf_init(&answer, STEP);
    (void)ask(url, "POST", "/reset", &answer);
    buf_free(&answer);
}

int64_t view_count(const char *url, const char *counter)
{
    struct json_object *stats = view_get(url, "/stats");
    int64_t count = json_get_int(json_get(stats, "apns"), counter, -1);
    json_object_put(stats);
    return count;
}
