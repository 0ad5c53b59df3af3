#include "sandbox/wire/wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

enum { READ_SIZE = 16384, READS_PER_TURN = 64 };

enum wire_state { WIRE_HANDSHAKE, WIRE_OPEN };

struct wire {
    int fd;
    SSL *ssl;
    struct watch *watch;
    struct timer *again;
    enum wire_state state;
    const struct wire_user *calls;
    void *user;
    struct buf out;
    SSL_CTX *tls_next;
    bool unread; /* input was left, in the socket or inside the TLS library, where it would wake nobody */
    bool closing;
    bool dead;
    void (*ended)(void *arg);
    void *ended_arg;
};

/* Closing a socket with unread input resets it, which can cost the peer the last answers. */
static void close_socket(int fd)
{
    char data[READ_SIZE];
    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < READS_PER_TURN && recv(fd, data, sizeof(data), 0) > 0; i++)
        continue;
    close(fd);
}

void wire_free(struct wire *wire)
{
    wire->ended(wire->ended_arg);
    if (wire->user)
        wire->calls->gone(wire->user);
    watch_free(wire->watch);
    timer_free(wire->again);
    SSL_free(wire->ssl);
    close_socket(wire->fd);
    buf_free(&wire->out);
    mem_free(wire);
}

static void begin_tls(struct wire *wire, SSL_CTX *tls)
{
    wire->ssl = SSL_new(tls);
    wire->state = WIRE_HANDSHAKE;
    if (!wire->ssl || SSL_set_fd(wire->ssl, wire->fd) != 1)
        wire->dead = true;
}

/* What an SSL call's failure means: true when it is only waiting for the socket. Only right when OpenSSL's
 * queue of errors was empty before the call, and whoever judges a signature leaves some there. */
static bool ssl_waits(struct wire *wire, int result)
{
    int reason = SSL_get_error(wire->ssl, result);
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
}

static void open_user(struct wire *wire)
{
    wire->state = WIRE_OPEN;
    if (!wire->calls->ready(wire->user, wire))
        wire->dead = true;
}

static void handshake(struct wire *wire)
{
    ERR_clear_error();
    int result = SSL_accept(wire->ssl);
    if (result == 1)
        open_user(wire);
    else if (!ssl_waits(wire, result))
        wire->dead = true;
}

enum { RECEIVE_NOTHING = -1, RECEIVE_END = 0 };

static ssize_t receive(struct wire *wire, char *data, size_t size)
{
    if (wire->ssl) {
        ERR_clear_error();
        int got = SSL_read(wire->ssl, data, (int)size);
        if (got > 0)
            return got;
        return ssl_waits(wire, got) ? RECEIVE_NOTHING : RECEIVE_END;
    }
    ssize_t got = recv(wire->fd, data, size, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? RECEIVE_NOTHING : RECEIVE_END;
    return got;
}

static bool reading(const struct wire *wire)
{
    return !wire->dead && !wire->closing && !wire->tls_next && wire->out.size < WIRE_BATCH;
}

static void read_input(struct wire *wire)
{
    char data[READ_SIZE];
    wire->unread = true;
    for (int i = 0; i < READS_PER_TURN && reading(wire); i++) {
        ssize_t got = receive(wire, data, sizeof(data));
        if (got == RECEIVE_NOTHING) {
            wire->unread = false;
            return;
        }
        if (got == RECEIVE_END) {
            wire->closing = true;
            return;
        }
        if (!wire->calls->input(wire->user, data, (size_t)got))
            wire->dead = true;
        /* Most turns end here without the read that would only say "nothing more". */
        if (wire->ssl && !SSL_has_pending(wire->ssl) && got < READ_SIZE) {
            wire->unread = false;
            return;
        }
    }
}

/* True when everything left. */
static bool flush(struct wire *wire)
{
    while (wire->out.size > 0) {
        ssize_t sent;
        if (wire->ssl) {
            ERR_clear_error();
            int result = SSL_write(wire->ssl, wire->out.data, (int)wire->out.size);
            if (result <= 0 && ssl_waits(wire, result))
                return false;
            sent = result;
        } else {
            sent = send(wire->fd, wire->out.data, wire->out.size, MSG_NOSIGNAL);
            if (sent < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        }
        if (sent <= 0) {
            wire->dead = true;
            return false;
        }
        buf_consume(&wire->out, (size_t)sent);
    }
    return true;
}

void wire_turn(struct wire *wire)
{
    while (!wire->dead) {
        if (wire->state == WIRE_OPEN)
            wire->calls->room(wire->user, &wire->out);
        if (wire->out.overflowed)
            wire->dead = true;
        if (wire->dead || wire->out.size == 0 || !flush(wire))
            break;
    }
    if (wire->tls_next && wire->out.size == 0 && !wire->dead) {
        begin_tls(wire, wire->tls_next);
        wire->tls_next = NULL;
    }
    if (wire->dead || (wire->closing && wire->out.size == 0)) {
        wire_free(wire);
        return;
    }
    if (wire->unread && reading(wire))
        timer_set(wire->again, 0);
    bool blocked = wire->out.size > 0 || (wire->state == WIRE_HANDSHAKE && SSL_want_write(wire->ssl));
    watch_set(wire->watch, (reading(wire) ? LOOP_READ : 0) | (blocked ? LOOP_WRITE : 0));
}

static void work(struct wire *wire)
{
    if (wire->state == WIRE_HANDSHAKE)
        handshake(wire);
    if (wire->state == WIRE_OPEN)
        read_input(wire);
    wire_turn(wire);
}

static void on_event(void *arg, int events)
{
    (void)events;
    work(arg);
}

static void on_again(void *arg)
{
    work(arg);
}

struct wire *wire_new(struct loop *loop, int fd, void (*ended)(void *arg), void *arg)
{
    struct wire *wire = mem_alloc(sizeof(*wire));
    wire->fd = fd;
    wire->ended = ended;
    wire->ended_arg = arg;
    buf_init(&wire->out, WIRE_OUTPUT_MAX);
    wire->watch = watch_new(loop, fd, LOOP_READ, on_event, wire);
    wire->again = timer_new(loop, on_again, wire);
    return wire;
}

void wire_start(struct wire *wire, SSL_CTX *tls)
{
    if (tls)
        begin_tls(wire, tls);
    else
        open_user(wire);
    wire_turn(wire);
}

void wire_use(struct wire *wire, const struct wire_user *calls, void *user)
{
    wire->calls = calls;
    wire->user = user;
}

const char *wire_protocol(const struct wire *wire)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    if (wire->ssl)
        SSL_get0_alpn_selected(wire->ssl, &name, &size);
    if (size == 2 && memcmp(name, "h2", 2) == 0)
        return "h2";
    return size == 8 && memcmp(name, "http/1.1", 8) == 0 ? "http/1.1" : "";
}

bool wire_is_tls(const struct wire *wire)
{
    return wire->ssl != NULL;
}

void wire_start_tls(struct wire *wire, SSL_CTX *tls)
{
    wire->tls_next = tls;
}

void wire_close(struct wire *wire)
{
    wire->closing = true;
}
