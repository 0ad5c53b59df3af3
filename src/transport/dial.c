#include "transport/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "transport/guard.h"
#include "transport/resolve.h"

struct dial {
    struct loop *loop;
    dial_fn *callback;
    void *arg;
    bool guarded;
    int64_t deadline; /* monotonic ms */
    struct resolve *resolve;
    struct addrinfo *addresses;
    struct addrinfo *next; /* to be tried after the present one */
    int fd;
    struct watch *watch;
    struct timer *timer;   /* end of the present step */
    enum send_fault fault; /* why the last address failed */
    char error[120];
};

static void dial_close(struct dial *dial)
{
    watch_free(dial->watch);
    dial->watch = NULL;
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
}

static void dial_failed(struct dial *dial, enum send_fault fault, const char *error)
{
    timer_clear(dial->timer);
    dial_close(dial);
    dial->callback(dial->arg, -1, fault, error);
}

static void dial_connected(struct dial *dial)
{
    int fd = dial->fd;
    int one = 1;
    timer_clear(dial->timer);
    watch_free(dial->watch);
    dial->watch = NULL;
    dial->fd = -1;
    /* Frames leave in few writes, so Nagle could only delay the last one. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        close(fd);
        dial_failed(dial, FAULT_CONNECT, "connection lost");
        return;
    }
    dial->callback(dial->arg, fd, FAULT_NONE, "");
}

static void address_failed(struct dial *dial, enum send_fault fault, const char *error)
{
    dial->fault = fault;
    snprintf(dial->error, sizeof dial->error, "%s%s", fault == FAULT_CONNECT ? "connect: " : "", error);
}

static void dial_ready(void *arg, int events);

/* Starts with the next address; each gets an equal share of the time that is left, so that one black hole
 * does not use up all of it. */
static void dial_next(struct dial *dial)
{
    while (dial->next != NULL) {
        const struct addrinfo *address = dial->next;
        dial->next = address->ai_next;
        /* Here and not after the look-up alone: what is checked is what is connected to. */
        if (dial->guarded && !guard_allows(address->ai_addr)) {
            address_failed(dial, FAULT_NOT_ALLOWED, "address not allowed");
            continue;
        }
        dial->fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          address->ai_protocol);
        if (dial->fd >= 0 &&
            (connect(dial->fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)) {
            int64_t shares = 1;
            for (const struct addrinfo *other = dial->next; other != NULL; other = other->ai_next)
                shares++;
            int64_t left = dial->deadline - clock_mono();
            timer_set(dial->timer, left > shares ? left / shares : 1);
            dial->watch = watch_new(dial->loop, dial->fd, LOOP_WRITE, dial_ready, dial);
            return;
        }
        address_failed(dial, FAULT_CONNECT, strerror(errno));
        dial_close(dial);
    }
    dial_failed(dial, dial->fault, dial->error);
}

static void dial_ready(void *arg, int events)
{
    (void)events;
    struct dial *dial = arg;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0) {
        dial_connected(dial);
        return;
    }
    address_failed(dial, FAULT_CONNECT, strerror(error));
    dial_close(dial);
    dial_next(dial);
}

static void dial_late(void *arg)
{
    struct dial *dial = arg;
    if (dial->addresses == NULL) {
        dial_failed(dial, FAULT_RESOLVE, "name look-up: timed out");
        return;
    }
    address_failed(dial, FAULT_CONNECT, "timed out");
    dial_close(dial);
    dial_next(dial);
}

static void dial_resolved(void *arg, struct addrinfo *addresses, const char *error)
{
    struct dial *dial = arg;
    if (addresses == NULL) {
        snprintf(dial->error, sizeof dial->error, "name look-up: %s", error);
        dial_failed(dial, FAULT_RESOLVE, dial->error);
        return;
    }
    dial->addresses = dial->next = addresses;
    dial_next(dial);
}

struct dial *dial_new(struct loop *loop, const char *host, const char *port, bool guarded, int64_t timeout_ms,
                      dial_fn *callback, void *arg)
{
    struct dial *dial = mem_alloc(sizeof *dial);
    *dial = (struct dial){.loop = loop, .callback = callback, .arg = arg, .guarded = guarded, .fd = -1};
    dial->deadline = clock_mono() + timeout_ms;
    dial->timer = timer_new(loop, dial_late, dial);
    timer_set(dial->timer, timeout_ms);
    dial->resolve = resolve_new(loop, host, port, dial_resolved, dial);
    return dial;
}

void dial_free(struct dial *dial)
{
    if (dial == NULL)
        return;
    resolve_free(dial->resolve);
    dial_close(dial);
    timer_free(dial->timer);
    if (dial->addresses != NULL)
        freeaddrinfo(dial->addresses);
    mem_free(dial);
}
