#include "transport/smtp/smtp_connection.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "transport/dial.h"
#include "transport/tls.h"

enum {
    LINE_MAX_SIZE = 4096, /* RFC 5321, 4.5.3.1.5 asks for 512 */
    READ_SIZE = 16384,
    READS_PER_EVENT = 16,
    IDLE_MS = 30 * 1000 /* servers close idle connections soon */
};

/* ---- ends of exchanges ---- */

bool smtp_connection_lost(struct smtp_connection *connection, enum send_fault fault, const char *error)
{
    struct exchange *exchange = connection->exchange;
    connection->exchange = NULL;
    if (exchange == NULL)
        return false;
    exchange->response.phase = connection->dialogue.phase;
    bool doubt = smtp_dialogue_in_doubt(&connection->dialogue);
    exchange_failed(exchange, doubt ? SEND_IN_DOUBT : SEND_UNSENT, fault, "%s", error);
    return false;
}

/* False when the connection has no future. */
static bool answered(struct smtp_connection *connection)
{
    const struct smtp_dialogue *dialogue = &connection->dialogue;
    struct exchange *exchange = connection->exchange;
    connection->exchange = NULL;
    exchange->response.phase = dialogue->phase;
    exchange->response.status = dialogue->code;
    exchange_keep_body(exchange, dialogue->reply.data, dialogue->reply.size);
    exchange->response.body_truncated = dialogue->reply_truncated;
    exchange_answered(exchange);
    return !dialogue->spent;
}

/* ---- octets, in clear or through TLS ---- */

enum { IO_WAIT = 0, IO_LOST = -1 };

/* Both return the number of octets moved, IO_WAIT or IO_LOST. */
static ssize_t io_result(struct smtp_connection *connection, ssize_t result)
{
    if (result > 0)
        return result;
    if (connection->ssl == NULL)
        return result < 0 && (errno == EAGAIN || errno == EINTR) ? IO_WAIT : IO_LOST;
    int error = SSL_get_error(connection->ssl, (int)result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? IO_WAIT : IO_LOST;
}

static ssize_t io_read(struct smtp_connection *connection, char *data, size_t size)
{
    ERR_clear_error();
    return io_result(connection, connection->ssl != NULL ? SSL_read(connection->ssl, data, (int)size)
                                                         : recv(connection->fd, data, size, 0));
}

static ssize_t io_write(struct smtp_connection *connection, const char *data, size_t size)
{
    ERR_clear_error();
    return io_result(connection, connection->ssl != NULL ? SSL_write(connection->ssl, data, (int)size)
                                                         : send(connection->fd, data, size, MSG_NOSIGNAL));
}

static bool write_out(struct smtp_connection *connection)
{
    const char *octets;
    size_t size;
    while ((size = smtp_dialogue_output(&connection->dialogue, &octets)) > 0) {
        ssize_t written = io_write(connection, octets, size);
        if (written == IO_LOST)
            return smtp_connection_lost(connection, FAULT_CONNECT, "connection lost");
        if (written == IO_WAIT)
            break;
        smtp_dialogue_wrote(&connection->dialogue, (size_t)written);
    }
    watch_set(connection->watch, LOOP_READ | (size > 0 ? LOOP_WRITE : 0));
    return true;
}

/* ---- what the dialogue asks for ---- */

static bool start_tls(struct smtp_connection *connection)
{
    const struct backend_setup *setup = connection->setup;
    /* Octets that came in clear after the reply must never be taken for ones that came through TLS. */
    if (connection->in.size > 0)
        return smtp_connection_lost(connection, FAULT_TLS, "data in clear after STARTTLS");
    connection->ssl = tls_new(setup->tls, connection->fd, setup->target->host);
    if (connection->ssl == NULL)
        return smtp_connection_lost(connection, FAULT_TLS, "TLS: cannot start");
    connection->handshaking = true;
    timer_set(connection->timer, setup->options->connect_timeout_ms);
    watch_set(connection->watch, LOOP_WRITE);
    return true;
}

/* Does what the dialogue asks for; what there is to write is written when all has been read. */
static bool act(struct smtp_connection *connection, enum smtp_move move)
{
    switch (move) {
    case SMTP_WRITE:
        return true;
    case SMTP_STARTTLS:
        return start_tls(connection);
    case SMTP_DONE:
        return answered(connection);
    case SMTP_BROKEN:
        break;
    }
    return smtp_connection_lost(connection, connection->dialogue.fault, connection->dialogue.error);
}

/* ---- input ---- */

/* Takes the complete lines out of `in`. */
static bool take_lines(struct smtp_connection *connection)
{
    char *newline;
    while (connection->in.size > 0 &&
           (newline = memchr(connection->in.data, '\n', connection->in.size)) != NULL) {
        char line[LINE_MAX_SIZE];
        size_t taken = (size_t)(newline - connection->in.data) + 1;
        size_t size = taken - 1;
        if (size > 0 && connection->in.data[size - 1] == '\r')
            size--;
        if (size > sizeof line)
            return smtp_connection_lost(connection, FAULT_PROTOCOL, "reply line too long");
        memcpy(line, connection->in.data, size);
        buf_consume(&connection->in, taken);
        if (!act(connection, smtp_dialogue_line(&connection->dialogue, line, size)))
            return false;
        if (connection->handshaking)
            return true;
    }
    return connection->in.size <= LINE_MAX_SIZE ||
           smtp_connection_lost(connection, FAULT_PROTOCOL, "reply line too long");
}

/* Reads all there is before anything is written, so that a server's closing is seen before the end of data
 * makes it a doubt. */
static bool read_lines(struct smtp_connection *connection)
{
    char data[READ_SIZE];
    for (int i = 0; i < READS_PER_EVENT && !connection->handshaking; i++) {
        ssize_t size = io_read(connection, data, sizeof data);
        if (size == IO_WAIT)
            return true;
        if (size == IO_LOST || !buf_append(&connection->in, data, (size_t)size))
            return smtp_connection_lost(connection, FAULT_CONNECT, "connection lost");
        if (!take_lines(connection))
            return false;
    }
    return true;
}

static bool handshake(struct smtp_connection *connection)
{
    char text[100];
    ERR_clear_error();
    int result = SSL_do_handshake(connection->ssl);
    if (result != 1) {
        int error = SSL_get_error(connection->ssl, result);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
            watch_set(connection->watch, error == SSL_ERROR_WANT_WRITE ? LOOP_WRITE : LOOP_READ);
            return true;
        }
        if (!tls_is_at_fault(error))
            return smtp_connection_lost(connection, FAULT_CONNECT, "connection lost");
        tls_error_text(connection->ssl, text, sizeof text);
        return smtp_connection_lost(connection, FAULT_TLS, text);
    }
    connection->handshaking = false;
    timer_clear(connection->timer);
    watch_set(connection->watch, LOOP_READ);
    return act(connection, smtp_dialogue_secured(&connection->dialogue));
}

/* ---- mails ---- */

static struct smtp_mail mail_of(const struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    return (struct smtp_mail){.from = request->mail_from,
                              .to = request->mail_to,
                              .body = request->body,
                              .body_size = request->body_size};
}

const char *smtp_connection_check(const struct backend_setup *setup, const struct exchange *exchange)
{
    struct smtp_mail mail = mail_of(exchange);
    return smtp_dialogue_check(&mail, setup->options->helo);
}

bool smtp_connection_begin(struct smtp_connection *connection, struct exchange *exchange)
{
    struct smtp_mail mail = mail_of(exchange);
    exchange->carrier = connection;
    connection->exchange = exchange;
    timer_clear(connection->timer); /* of idleness */
    if (!act(connection, smtp_dialogue_begin(&connection->dialogue, &mail)))
        return false;
    return connection->fd < 0 || write_out(connection);
}

/* ---- events ---- */

static void after_event(struct smtp_connection *connection, bool good)
{
    const struct backend_setup *setup = connection->setup;
    if (good && connection->exchange == NULL) {
        if (connection->last)
            good = false;
        else if (!timer_is_set(connection->timer))
            timer_set(connection->timer, IDLE_MS);
    }
    if (!good)
        connection->events->ended(connection->arg, connection);
    queue_settle(setup->queue);
}

static void on_socket(void *arg, int events)
{
    (void)events;
    struct smtp_connection *connection = arg;
    bool good = !connection->handshaking || handshake(connection);
    if (good && !connection->handshaking)
        good = read_lines(connection);
    if (good && !connection->handshaking)
        good = write_out(connection);
    after_event(connection, good);
}

static void on_dialed(void *arg, int fd, enum send_fault fault, const char *error)
{
    struct smtp_connection *connection = arg;
    const struct backend_setup *setup = connection->setup;
    bool good = fd >= 0;
    if (good) {
        connection->fd = fd;
        connection->watch = watch_new(setup->loop, fd, LOOP_READ, on_socket, connection);
        if (setup->target->scheme == SCHEME_SMTPS)
            good = start_tls(connection);
    } else {
        smtp_connection_lost(connection, fault, error);
    }
    dial_free(connection->dial);
    connection->dial = NULL;
    after_event(connection, good);
}

static void on_timer(void *arg)
{
    struct smtp_connection *connection = arg;
    after_event(connection, smtp_connection_lost(connection, FAULT_CONNECT, "TLS handshake: timed out"));
}

/* ---- life ---- */

static void dialogue_init(struct smtp_connection *connection)
{
    const struct endpoint_options *options = connection->setup->options;
    const char *helo = options->helo;
    if (helo == NULL)
        helo =
            gethostname(connection->host, sizeof connection->host - 1) == 0 ? connection->host : "localhost";
    struct smtp_login login = {.helo = helo, .username = options->username, .password = options->password};
    smtp_dialogue_init(&connection->dialogue, &login);
}

struct smtp_connection *smtp_connection_new(const struct backend_setup *setup,
                                            const struct smtp_events *events, void *arg)
{
    struct smtp_connection *connection = mem_alloc(sizeof *connection);
    connection->setup = setup;
    connection->events = events;
    connection->arg = arg;
    connection->fd = -1;
    buf_init(&connection->in, LINE_MAX_SIZE + READ_SIZE);
    dialogue_init(connection);
    connection->timer = timer_new(setup->loop, on_timer, connection);
    connection->dial =
        dial_new(setup->loop, setup->target->host, setup->target->port, setup->options->guarded,
                 setup->options->connect_timeout_ms, on_dialed, connection);
    return connection;
}

void smtp_connection_free(struct smtp_connection *connection)
{
    /* A goodbye is a courtesy; nobody waits for the reply. */
    if (connection->ssl != NULL && smtp_dialogue_is_idle(&connection->dialogue) &&
        io_write(connection, "QUIT\r\n", 6) != IO_LOST)
        (void)SSL_shutdown(connection->ssl);
    ERR_clear_error();
    dial_free(connection->dial);
    watch_free(connection->watch);
    timer_free(connection->timer);
    SSL_free(connection->ssl);
    if (connection->fd >= 0)
        close(connection->fd);
    buf_free(&connection->in);
    smtp_dialogue_free(&connection->dialogue);
    mem_free(connection);
}
