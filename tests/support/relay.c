#include "support/relay.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

enum { PAIRS_MAX = 64, TURN_MS = 20 };

struct relay {
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t has_turned;
    int target;
    bool turned, ending;
};

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int connect_to(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool pass(int from, int to)
{
    char data[16384];
    ssize_t size = recv(from, data, sizeof data, 0);
    for (ssize_t sent = 0; sent < size;) {
        ssize_t part = send(to, data + sent, (size_t)(size - sent), MSG_NOSIGNAL);
        if (part <= 0)
            return false;
        sent += part;
    }
    return size > 0;
}

static void close_pair(int pairs[PAIRS_MAX][2], int *count, int which)
{
    close(pairs[which][0]);
    close(pairs[which][1]);
    (*count)--;
    pairs[which][0] = pairs[*count][0];
    pairs[which][1] = pairs[*count][1];
}

static void accept_one(struct relay *relay, int pairs[PAIRS_MAX][2], int *count, int target)
{
    int client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC);
    int server = client >= 0 && *count < PAIRS_MAX ? connect_to(target) : -1;
    if (server < 0) {
        if (client >= 0)
            close(client);
        return;
    }
    pairs[*count][0] = client;
    pairs[*count][1] = server;
    (*count)++;
}

static void *run(void *arg)
{
    struct relay *relay = arg;
    int pairs[PAIRS_MAX][2], count = 0;
    for (;;) {
        pthread_mutex_lock(&relay->lock);
        int target = relay->target;
        bool ending = relay->ending;
        while (count > 0 && (relay->turned || ending))
            close_pair(pairs, &count, 0);
        relay->turned = false;
        pthread_cond_signal(&relay->has_turned);
        pthread_mutex_unlock(&relay->lock);
        if (ending)
            return NULL;
        struct pollfd fds[2 * PAIRS_MAX + 1] = {{.fd = relay->listener, .events = POLLIN}};
        for (int i = 0; i < 2 * count; i++)
            fds[i + 1] = (struct pollfd){.fd = pairs[i / 2][i % 2], .events = POLLIN};
        if (poll(fds, (nfds_t)(2 * count + 1), TURN_MS) <= 0)
            continue;
        for (int i = count - 1; i >= 0; i--) {
            bool open = true;
            for (int side = 0; side < 2 && open; side++)
                if (fds[2 * i + side + 1].revents)
                    open = pass(pairs[i][side], pairs[i][1 - side]);
            if (!open)
                close_pair(pairs, &count, i);
        }
        if (fds[0].revents)
            accept_one(relay, pairs, &count, target);
    }
}

struct relay *relay_new(int target_port)
{
    struct relay *relay = mem_alloc(sizeof *relay);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    relay->target = target_port;
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(relay->listener, 0);
    ck_assert_int_eq(bind(relay->listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(relay->listener, 128), 0);
    ck_assert_int_eq(getsockname(relay->listener, (struct sockaddr *)&address, &size), 0);
    relay->port = ntohs(address.sin_port);
    pthread_mutex_init(&relay->lock, NULL);
    pthread_cond_init(&relay->has_turned, NULL);
    ck_assert_int_eq(pthread_create(&relay->thread, NULL, run, relay), 0);
    return relay;
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    pthread_mutex_lock(&relay->lock);
    relay->ending = true;
    pthread_mutex_unlock(&relay->lock);
    pthread_join(relay->thread, NULL);
    pthread_mutex_destroy(&relay->lock);
    close(relay->listener);
    mem_free(relay);
}

int relay_port(const struct relay *relay)
{
    return relay->port;
}

void relay_turn(struct relay *relay, int target_port)
{
    pthread_mutex_lock(&relay->lock);
    relay->target = target_port;
    relay->turned = true;
    while (relay->turned)
        pthread_cond_wait(&relay->has_turned, &relay->lock);
    pthread_mutex_unlock(&relay->lock);
}
