#include "sandbox/wire/http1.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* HEAD_ROOM: what is taken beyond the service's longest body, so that the service can refuse a longer one. */
enum { OUTPUT_MAX = 131072, HEAD_ROOM = 65536 };

struct http1 {
    struct http_server *server;
    struct wire *wire;
    struct buf input;
    struct buf output;         /* the answers' heads and fixed bodies */
    struct exchange *exchange; /* the one that is being answered */
    bool stopped;
};

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {204, "No Content"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Content Too Large"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Answer";
}

static void stop(struct http1 *http1)
{
    http1->stopped = true;
    wire_close(http1->wire);
}

static void end_exchange(struct http1 *http1)
{
    if (http1->exchange)
        http_exchange_free(http1->exchange);
    http1->exchange = NULL;
}

static void answer(struct exchange *x)
{
    struct http1 *http1 = x->connection;
    struct buf *out = &http1->output;
    buf_printf(out, "HTTP/1.1 %d %s\r\n", x->status, reason_of(x->status));
    for (size_t i = 0; i < x->answer_header_count; i++)
        buf_printf(out, "%s: %s\r\n", x->answer_headers[i].name, x->answer_headers[i].value);
    if (x->pull) { /* its length is not known: the end of the connection ends it */
        buf_text(out, "connection: close\r\n\r\n");
        return;
    }
    buf_printf(out, "content-length: %zu\r\n\r\n", x->answer.size);
    if (x->answer.size > 0)
        buf_append(out, x->answer.data, x->answer.size);
    end_exchange(http1);
}

static void abort_connection(struct exchange *x, enum http_abort how)
{
    (void)how;
    struct http1 *http1 = x->connection;
    end_exchange(http1);
    stop(http1);
}

static void trust(struct exchange *x)
{
    (void)x;
}

static void parse_input(struct http1 *http1);

static void turn(struct exchange *x)
{
    struct http1 *http1 = x->connection;
    parse_input(http1);
    wire_turn(http1->wire);
}

static const struct http_carrier carrier = {answer, abort_connection, trust, turn};

/* Splits "METHOD SP path SP HTTP/1.1". */
static bool add_request_line(struct exchange *x, const char *line, size_t size)
{
    const char *path = memchr(line, ' ', size);
    const char *version = path ? memchr(path + 1, ' ', size - (size_t)(path + 1 - line)) : NULL;
    if (!version || path[1] != '/' || line + size - version != 9 || memcmp(version, " HTTP/1.", 8) != 0)
        return false;
    http_add_header(x, ":method", 7, line, (size_t)(path - line));
    http_add_header(x, ":path", 5, path + 1, (size_t)(version - path - 1));
    return true;
}

static bool add_field_line(struct exchange *x, char *line, size_t size)
{
    char *colon = memchr(line, ':', size);
    if (!colon || colon == line)
        return false;
    for (char *c = line; c < colon; c++)
        *c = (char)tolower((unsigned char)*c);
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    http_add_header(x, line, (size_t)(colon - line), value, (size_t)(end - value));
    return true;
}

static bool add_head(struct exchange *x, char *head, size_t size)
{
    bool first = true;
    for (char *line = head, *end = head + size; line < end;) {
        char *crlf = memmem(line, (size_t)(end - line), "\r\n", 2);
        size_t length = crlf ? (size_t)(crlf - line) : (size_t)(end - line);
        if (!(first ? add_request_line(x, line, length) : add_field_line(x, line, length)))
            return false;
        first = false;
        line += length + (crlf ? 2 : 0);
    }
    return !first && !x->head_overflowed;
}

static size_t longest_body(const struct http_server *server)
{
    return server->service->max_body + HEAD_ROOM;
}

static bool body_size(const struct exchange *x, size_t *size)
{
    const char *text = http_header(x, "content-length");
    *size = 0;
    if (http_header(x, "transfer-encoding"))
        return false;
    if (!text)
        return true;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *size = (size_t)value;
    return errno == 0 && isdigit((unsigned char)*text) && *end == '\0' && value < longest_body(x->server);
}

/* Takes one request from the input. false: there is none that is whole, or the connection is over. */
static bool take_request(struct http1 *http1)
{
    struct buf *in = &http1->input;
    char *end = in->size > 0 ? memmem(in->data, in->size, "\r\n\r\n", 4) : NULL;
    if (!end)
        return false;
    size_t head_size = (size_t)(end - in->data), wanted = 0;
    struct exchange *x = http_exchange_new(http1->server, &carrier, http1);
    if (!add_head(x, in->data, head_size) || !body_size(x, &wanted)) {
        http_exchange_free(x);
        buf_text(&http1->output, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        stop(http1);
        return false;
    }
    const char *expect = http_header(x, "expect");
    if (in->size < head_size + 4 + wanted) {
        if (expect && in->size == head_size + 4)
            buf_text(&http1->output, "HTTP/1.1 100 Continue\r\n\r\n");
        http_exchange_free(x);
        return false;
    }
    if (wanted > 0)
        (void)buf_append(&x->body, in->data + head_size + 4, wanted); /* body.overflowed tells */
    buf_consume(in, head_size + 4 + wanted);
    http1->exchange = x;
    const struct http_service *service = http1->server->service;
    if (service->head)
        service->head(http1->server->arg, x);
    if (http1->exchange == x && x->status == 0) {
        x->complete = true;
        service->request(http1->server->arg, x);
    }
    return true;
}

static void parse_input(struct http1 *http1)
{
    while (!http1->stopped && !http1->exchange && take_request(http1))
        continue;
}

static bool ready(void *user, struct wire *wire)
{
    (void)user, (void)wire;
    return true;
}

static bool input(void *user, const char *data, size_t size)
{
    struct http1 *http1 = user;
    if (http1->stopped)
        return true;
    if (!buf_append(&http1->input, data, size))
        return false;
    parse_input(http1);
    return true;
}

static void room(void *user, struct buf *out)
{
    struct http1 *http1 = user;
    if (http1->output.size > 0) {
        buf_append(out, http1->output.data, http1->output.size);
        buf_reset(&http1->output);
    }
    struct exchange *x = http1->exchange;
    if (!x || !x->pull || x->status == 0)
        return;
    while (out->size < WIRE_BATCH) {
        if (!x->pull->next(x->pull, out)) {
            end_exchange(http1);
            stop(http1);
            return;
        }
    }
}

static void gone(void *user)
{
    struct http1 *http1 = user;
    end_exchange(http1);
    buf_free(&http1->input);
    buf_free(&http1->output);
    mem_free(http1);
}

bool http1_open(struct http_server *server, struct wire *wire)
{
    static const struct wire_user calls = {ready, input, room, gone};
    struct http1 *http1 = mem_alloc(sizeof(*http1));
    http1->server = server;
    http1->wire = wire;
    buf_init(&http1->input, longest_body(server) + HEAD_ROOM);
    buf_init(&http1->output, OUTPUT_MAX);
    wire_use(wire, &calls, http1);
    return true;
}
