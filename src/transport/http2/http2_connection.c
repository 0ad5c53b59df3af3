#include "transport/http2/http2_connection.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "transport/dial.h"
#include "transport/tls.h"

enum {
    OUT_HIGH = 256 * 1024,            /* octets of waiting output above which no new request starts */
    OUT_BATCH = 64 * 1024,            /* octets collected before they are written */
    OUT_MAX = OUT_HIGH + 1024 * 1024, /* never reached: one frame is at most 16 KB plus its headers */
    SILENCE_MS = 10 * 1000,           /* no octet for so long with requests in the air: PING */
    IDLE_PING_MS = 3600 * 1000,       /* no octet for so long with none in the air: PING */
    PING_WAIT_MS = 5 * 1000,          /* no octet for so long after a PING: dead */
    TIMEOUTS_IN_ROW = 3,              /* this many time-outs without an answer: PING */
    DRAIN_MS = 60 * 1000,             /* after GOAWAY or endpoint_renew */
    RECORD_SIZE = 16384,   /* the most one TLS record holds (RFC 8446, 5.1): one SSL_write, one SSL_read */
    RECORDS_PER_EVENT = 64 /* then other descriptors get their turn */
};

/* Notes why; returns false. */
static bool broken(struct http2_connection *connection, enum send_fault fault, const char *error)
{
    connection->fault = fault;
    snprintf(connection->error, sizeof connection->error, "%.*s", (int)sizeof connection->error - 1, error);
    return false;
}

static bool tls_broken(struct http2_connection *connection, int error)
{
    char text[100];
    bool tls = tls_is_at_fault(error);
    if (tls)
        tls_error_text(connection->ssl, text, sizeof text);
    else
        snprintf(text, sizeof text, "connection lost");
    ERR_clear_error();
    return broken(connection, tls ? FAULT_TLS : FAULT_CONNECT, text);
}

static void watch_events(struct http2_connection *connection)
{
    watch_set(connection->watch, LOOP_READ | (connection->out.size > 0 ? LOOP_WRITE : 0));
}

/* ---- output ---- */

/* Writes out in records; stops when the socket takes no more. */
static bool write_out(struct http2_connection *connection)
{
    struct buf *out = &connection->out;
    size_t done = 0;
    bool good = true;
    ERR_clear_error();
    while (done < out->size) {
        size_t size = out->size - done < RECORD_SIZE ? out->size - done : RECORD_SIZE;
        /* A record that TLS could not get rid of is its own again: no octet more is handed over with it. */
        if (connection->retry > 0)
            size = connection->retry;
        connection->retry = 0;
        uint64_t end = connection->written + done + size;
        if (end > connection->handed)
            connection->handed = end;
        int written = SSL_write(connection->ssl, out->data + done, (int)size);
        if (written <= 0) {
            int error = SSL_get_error(connection->ssl, written);
            if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ)
                good = tls_broken(connection, error);
            connection->retry = size;
            break;
        }
        done += (size_t)written;
    }
    buf_consume(out, done);
    connection->written += done;
    return good;
}

static bool collect(struct http2_connection *connection, size_t limit)
{
    struct error err;
    return http2_session_collect(&connection->session, &connection->out, limit, &err) ||
           broken(connection, FAULT_PROTOCOL, err.text);
}

bool http2_connection_flush(struct http2_connection *connection)
{
    if (connection->fault != FAULT_NONE)
        return false;
    if (connection->state != HTTP2_OPEN)
        return true;
    for (;;) {
        if (!collect(connection, OUT_BATCH))
            return false;
        if (connection->out.size == 0)
            break;
        if (!write_out(connection))
            return false;
        if (connection->out.size > 0)
            break;
    }
    watch_events(connection);
    return true;
}

size_t http2_connection_room(const struct http2_connection *connection)
{
    if (connection->state != HTTP2_OPEN || connection->draining || connection->out.size >= OUT_HIGH)
        return 0;
    size_t own = (size_t)connection->setup->options->streams;
    size_t limit = connection->session.stream_limit < own ? connection->session.stream_limit : own;
    if (!connection->session.settings_seen)
        limit = 1;
    return limit > connection->session.open ? limit - connection->session.open : 0;
}

bool http2_connection_submit(struct http2_connection *connection, struct exchange *exchange)
{
    if (!http2_session_submit(&connection->session, exchange)) {
        http2_connection_drain(connection); /* its stream identifiers are used up */
        return false;
    }
    exchange->carrier = connection;
    if (connection->session.open == 1) {
        connection->last_sound = clock_mono();
        if (!connection->pinged && connection->session.timeouts == 0)
            timer_set(connection->timer, SILENCE_MS);
    }
    /* Now rather than at the flush, as libnghttp2 might hold back what it has queued. */
    if (!collect(connection, OUT_HIGH))
        timer_set(connection->timer, 0); /* the next flush fails and reports it */
    return true;
}

/* ---- input ---- */

/* Reads records until there are no more. */
static bool read_records(struct http2_connection *connection)
{
    struct error err;
    unsigned char data[RECORD_SIZE];
    for (int i = 0; i < RECORDS_PER_EVENT; i++) {
        ERR_clear_error();
        int size = SSL_read(connection->ssl, data, sizeof data);
        if (size <= 0) {
            int error = SSL_get_error(connection->ssl, size);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
                return true;
            return tls_broken(connection, error);
        }
        connection->last_sound = clock_mono();
        connection->pinged = false;
        if (!http2_session_receive(&connection->session, data, (size_t)size, &err))
            return broken(connection, FAULT_PROTOCOL, err.text);
        if (connection->session.going_away)
            http2_connection_drain(connection);
    }
    return true;
}

static bool handshake(struct http2_connection *connection)
{
    struct error err;
    const unsigned char *protocol;
    unsigned int size;
    ERR_clear_error();
    int result = SSL_do_handshake(connection->ssl);
    if (result != 1) {
        int error = SSL_get_error(connection->ssl, result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return tls_broken(connection, error);
        watch_set(connection->watch, error == SSL_ERROR_WANT_WRITE ? LOOP_WRITE : LOOP_READ);
        return true;
    }
    SSL_get0_alpn_selected(connection->ssl, &protocol, &size);
    if (size != 2 || memcmp(protocol, "h2", 2) != 0) {
        connection->draining = true; /* idle, so it is freed by the caller's next step */
        connection->events->not_http2(connection->arg, connection);
        return true;
    }
    if (!http2_session_start(&connection->session, &err))
        return broken(connection, FAULT_PROTOCOL, err.text);
    connection->state = HTTP2_OPEN;
    connection->last_sound = clock_mono();
    timer_set(connection->timer, IDLE_PING_MS);
    connection->events->opened(connection->arg, connection);
    return http2_connection_flush(connection);
}

static bool is_idle(const struct http2_connection *connection)
{
    return connection->draining && connection->session.open == 0;
}

static void on_socket(void *arg, int events)
{
    (void)events;
    struct http2_connection *connection = arg;
    const struct backend_setup *setup = connection->setup;
    bool good;
    if (connection->state == HTTP2_HANDSHAKE)
        good = handshake(connection);
    else
        good = read_records(connection) && http2_connection_flush(connection);
    if (!good || is_idle(connection))
        connection->events->broken(connection->arg, connection);
    queue_settle(setup->queue);
}

static void on_dialed(void *arg, int fd, enum send_fault fault, const char *error)
{
    struct http2_connection *connection = arg;
    const struct backend_setup *setup = connection->setup;
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";
    bool good = fd >= 0;
    if (good) {
        connection->fd = fd;
        connection->state = HTTP2_HANDSHAKE;
        connection->watch = watch_new(setup->loop, fd, LOOP_WRITE, on_socket, connection);
        connection->ssl = tls_new(setup->tls, fd, setup->target->host);
        /* This setter returns 0 for success. */
        good = connection->ssl != NULL &&
               SSL_set_alpn_protos(connection->ssl, protocols, sizeof protocols - 1) == 0;
        if (!good)
            tls_broken(connection, SSL_ERROR_SSL);
    } else {
        broken(connection, fault, error);
    }
    dial_free(connection->dial);
    connection->dial = NULL;
    if (!good) {
        connection->events->broken(connection->arg, connection);
        queue_settle(setup->queue);
    }
}

/* ---- time ---- */

static bool ping(struct http2_connection *connection, int64_t now)
{
    struct error err;
    if (!http2_session_ping(&connection->session, &err))
        return broken(connection, FAULT_PROTOCOL, err.text);
    connection->pinged = true;
    connection->ping_sent = now;
    connection->session.timeouts = 0;
    return true;
}

/* The one janitor of a connection. */
static bool check_time(struct http2_connection *connection)
{
    int64_t now = clock_mono();
    if (connection->state != HTTP2_OPEN)
        return broken(connection, FAULT_CONNECT, "TLS handshake: timed out");
    if (connection->deadline != 0 && now >= connection->deadline)
        return broken(connection, FAULT_TIMEOUT, "connection did not drain in time");
    if (connection->pinged && now - connection->ping_sent >= PING_WAIT_MS)
        return broken(connection, FAULT_CONNECT, "connection dead: PING not answered");
    int64_t patience = connection->session.open > 0 ? SILENCE_MS : IDLE_PING_MS;
    bool suspect =
        now - connection->last_sound >= patience || connection->session.timeouts >= TIMEOUTS_IN_ROW;
    if (suspect && !connection->pinged && !ping(connection, now))
        return false;
    int64_t next =
        connection->pinged ? connection->ping_sent + PING_WAIT_MS : connection->last_sound + patience;
    if (connection->deadline != 0 && connection->deadline < next)
        next = connection->deadline;
    timer_set(connection->timer, next - now);
    return http2_connection_flush(connection);
}

static void on_timer(void *arg)
{
    struct http2_connection *connection = arg;
    const struct backend_setup *setup = connection->setup;
    if (!check_time(connection) || is_idle(connection))
        connection->events->broken(connection->arg, connection);
    queue_settle(setup->queue);
}

void http2_connection_cancel(struct http2_connection *connection, struct exchange *exchange)
{
    http2_session_cancel(&connection->session, exchange);
    /* The janitor sends the reset, the PING if one is due now, and closes what is drained. */
    timer_set(connection->timer, 0);
}

void http2_connection_drain(struct http2_connection *connection)
{
    if (connection->draining)
        return;
    connection->draining = true;
    connection->deadline = clock_mono() + DRAIN_MS;
    timer_set(connection->timer, 0); /* the janitor keeps the deadline, and closes at once what is idle */
}

/* ---- life ---- */

struct http2_connection *http2_connection_new(const struct backend_setup *setup,
                                              const struct http2_events *events, void *arg)
{
    struct http2_connection *connection = mem_alloc(sizeof *connection);
    connection->setup = setup;
    connection->events = events;
    connection->arg = arg;
    connection->fd = -1;
    http2_session_init(&connection->session, setup->target);
    buf_init(&connection->out, OUT_MAX);
    connection->timer = timer_new(setup->loop, on_timer, connection);
    int64_t limit = setup->options->connect_timeout_ms;
    connection->dial = dial_new(setup->loop, setup->target->host, setup->target->port,
                                setup->options->guarded, limit, on_dialed, connection);
    /* The dial has the same limit and knows better which step failed. */
    timer_set(connection->timer, limit + 1);
    return connection;
}

/* A goodbye is a courtesy: what the socket does not take at once is dropped. None when streams are open: no
 * octet of a request that was called unsent may follow. */
static void say_goodbye(struct http2_connection *connection)
{
    if (connection->fault != FAULT_NONE || connection->state != HTTP2_OPEN || connection->session.open > 0)
        return;
    if (http2_session_terminate(&connection->session) && http2_connection_flush(connection))
        (void)SSL_shutdown(connection->ssl);
}

void http2_connection_free(struct http2_connection *connection)
{
    say_goodbye(connection);
    http2_session_end(&connection->session, connection->handed, connection->fault,
                      connection->error[0] != '\0' ? connection->error : "connection closed");
    dial_free(connection->dial);
    watch_free(connection->watch);
    timer_free(connection->timer);
    http2_session_free(&connection->session);
    SSL_free(connection->ssl);
    if (connection->fd >= 0)
        close(connection->fd);
    buf_free(&connection->out);
    mem_free(connection);
}
