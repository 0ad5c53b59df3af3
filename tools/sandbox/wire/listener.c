#include "sandbox/wire/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

enum { ACCEPTS_PER_TURN = 64, BACKLOG = 1024 };

struct connection {
    struct listener *listener;
    struct wire *wire;
    struct connection *previous, *next;
};

struct listener {
    struct listener_options options;
    int fd;
    int port;
    struct watch *watch;
    struct connection *connections;
    size_t count;
};

static void on_ended(void *arg)
{
    struct connection *connection = arg;
    struct listener *listener = connection->listener;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        listener->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    listener->count--;
    listener->options.count->now--;
    mem_free(connection);
}

static void take(struct listener *listener, int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct connection *connection = mem_alloc(sizeof(*connection));
    connection->listener = listener;
    connection->wire = wire_new(listener->options.loop, fd, on_ended, connection);
    connection->next = listener->connections;
    if (connection->next)
        connection->next->previous = connection;
    listener->connections = connection;
    listener->count++;
    listener->options.count->opened++;
    listener->options.count->now++;

    struct wire *wire = connection->wire;
    listener->options.accepted(listener->options.arg, wire);
    wire_start(wire, listener->options.tls);
}

static void on_accept(void *arg, int events)
{
    (void)events;
    struct listener *listener = arg;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (listener->count >= listener->options.max_connections)
            close(fd);
        else
            take(listener, fd);
    }
}

static int listen_on(int port, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    error_set(err, "cannot listen on 127.0.0.1 port %d: %s", port, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

struct listener *listener_new(const struct listener_options *options, struct error *err)
{
    int fd = listen_on(options->port, err);
    if (fd < 0)
        return NULL;
    struct sockaddr_in bound;
    socklen_t size = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        error_set(err, "cannot read the port of a listener: %s", strerror(errno));
        close(fd);
        return NULL;
    }
    struct listener *listener = mem_alloc(sizeof(*listener));
    listener->options = *options;
    listener->fd = fd;
    listener->port = ntohs(bound.sin_port);
    listener->watch = watch_new(options->loop, fd, LOOP_READ, on_accept, listener);
    return listener;
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_free(struct listener *listener)
{
    if (!listener)
        return;
    while (listener->connections)
        wire_free(listener->connections->wire);
    watch_free(listener->watch);
    close(listener->fd);
    mem_free(listener);
}
