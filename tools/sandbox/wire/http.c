#include "sandbox/wire/http.h"

#include <string.h>

#include "core/mem.h"

enum { ANSWER_MAX = 65536 };

struct exchange *http_exchange_new(struct http_server *server, const struct http_carrier *carrier,
                                   void *connection)
{
    struct exchange *exchange = server->spare;
    if (exchange) {
        server->spare = exchange->next;
    } else {
        exchange = mem_alloc(sizeof(*exchange));
        exchange->server = server;
        buf_init(&exchange->body, server->service->max_body);
        buf_init(&exchange->answer, ANSWER_MAX);
    }
    exchange->carrier = carrier;
    exchange->connection = connection;
    exchange->method = exchange->path = "";
    exchange->header_count = exchange->answer_header_count = exchange->head_size = exchange->answer_sent = 0;
    exchange->head_overflowed = exchange->complete = false;
    exchange->status = 0;
    exchange->previous = exchange->next = NULL;
    return exchange;
}

void http_exchange_free(struct exchange *exchange)
{
    timer_free(exchange->delay);
    exchange->delay = NULL;
    mem_free(exchange->pull);
    exchange->pull = NULL;
    buf_reset(&exchange->body);
    buf_reset(&exchange->answer);
    exchange->next = exchange->server->spare;
    exchange->server->spare = exchange;
}

void http_server_clear(struct http_server *server)
{
    while (server->spare) {
        struct exchange *exchange = server->spare;
        server->spare = exchange->next;
        buf_free(&exchange->body);
        buf_free(&exchange->answer);
        mem_free(exchange);
    }
}

char *http_keep(struct exchange *exchange, const char *text, size_t size)
{
    if (size >= sizeof(exchange->head) - exchange->head_size)
        return NULL;
    char *kept = exchange->head + exchange->head_size;
    memcpy(kept, text, size);
    kept[size] = '\0';
    exchange->head_size += size + 1;
    return kept;
}

void http_add_header(struct exchange *exchange, const char *name, size_t name_size, const char *value,
                     size_t value_size)
{
    const char *kept_value = http_keep(exchange, value, value_size);
    bool is_path = name_size == 5 && memcmp(name, ":path", 5) == 0;
    bool is_method = name_size == 7 && memcmp(name, ":method", 7) == 0;
    if (kept_value && is_path) {
        exchange->path = kept_value;
    } else if (kept_value && is_method) {
        exchange->method = kept_value;
    } else {
        const char *kept_name = http_keep(exchange, name, name_size);
        if (!kept_name || !kept_value || exchange->header_count == HTTP_MAX_HEADERS)
            exchange->head_overflowed = true;
        else
            exchange->headers[exchange->header_count++] = (struct field){kept_name, kept_value};
    }
}

const char *http_header(const struct exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->header_count; i++)
        if (strcmp(exchange->headers[i].name, name) == 0)
            return exchange->headers[i].value;
    return NULL;
}

bool http_has_duplicates(const struct exchange *exchange)
{
    for (size_t i = 1; i < exchange->header_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(exchange->headers[i].name, exchange->headers[j].name) == 0)
                return true;
    return false;
}

void http_set_header(struct exchange *exchange, const char *name, const char *value)
{
    if (exchange->answer_header_count < HTTP_MAX_ANSWER_HEADERS)
        exchange->answer_headers[exchange->answer_header_count++] = (struct field){name, value};
}

static void on_delay(void *arg)
{
    struct exchange *exchange = arg;
    exchange->carrier->answer(exchange);
    exchange->carrier->turn(exchange);
}

void http_answer(struct exchange *exchange, int status, const char *type, int64_t delay_ms)
{
    exchange->status = status;
    if (type)
        http_set_header(exchange, "content-type", type);
    if (delay_ms == 0) {
        exchange->carrier->answer(exchange);
        return;
    }
    exchange->delay = timer_new(exchange->server->loop, on_delay, exchange);
    timer_set(exchange->delay, delay_ms);
}

void http_abort(struct exchange *exchange, enum http_abort how)
{
    exchange->carrier->abort(exchange, how);
}

void http_trust(struct exchange *exchange)
{
    exchange->carrier->trust(exchange);
}
