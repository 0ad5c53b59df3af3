#include "transport/exchange.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Longer values (cookies, policies) would crowd out the headers that matter. */
enum { HEADER_VALUE_MAX = 512 };

void exchange_restart_response(struct exchange *exchange)
{
    exchange->response.status = 0;
    exchange->response.header_count = 0;
    exchange->response.body_truncated = false;
    exchange->header_text_size = 0;
    exchange->final = false;
    buf_reset(&exchange->body);
}

static char *keep_text(struct exchange *exchange, const char *text, size_t size)
{
    char *kept = exchange->header_text + exchange->header_text_size;
    memcpy(kept, text, size);
    kept[size] = '\0';
    exchange->header_text_size += size + 1;
    return kept;
}

void exchange_keep_header(struct exchange *exchange, const char *name, size_t name_size, const char *value,
                          size_t value_size)
{
    struct response *response = &exchange->response;
    size_t room = sizeof exchange->header_text - exchange->header_text_size;
    if (response->header_count == RESPONSE_MAX_HEADERS || value_size > HEADER_VALUE_MAX ||
        name_size > HEADER_VALUE_MAX || name_size + value_size + 2 > room)
        return;
    char *kept = keep_text(exchange, name, name_size);
    for (char *c = kept; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    struct header *header = &response->headers[response->header_count++];
    header->name = kept;
    header->value = keep_text(exchange, value, value_size);
}

void exchange_keep_body(struct exchange *exchange, const char *data, size_t size)
{
    size_t room = RESPONSE_MAX_BODY - exchange->body.size;
    if (size > room) {
        exchange->response.body_truncated = true;
        size = room;
    }
    if (size > 0 && !buf_append(&exchange->body, data, size))
        exchange->response.body_truncated = true;
}

static void exchange_done(struct exchange *exchange, enum send_state state, enum send_fault fault)
{
    exchange->response.state = state;
    exchange->response.fault = fault;
    exchange->carrier = NULL;
    TAILQ_REMOVE(&exchange->lists->due, exchange, due);
    TAILQ_INSERT_TAIL(&exchange->lists->done, exchange, place);
}

void exchange_answered(struct exchange *exchange)
{
    exchange->response.body = buf_string(&exchange->body);
    exchange->response.body_size = exchange->body.size;
    exchange->response.error[0] = '\0';
    exchange_done(exchange, SEND_ANSWERED, FAULT_NONE);
}

void exchange_failed(struct exchange *exchange, enum send_state state, enum send_fault fault,
                     const char *format, ...)
{
    struct response *response = &exchange->response;
    exchange_restart_response(exchange);
    response->body = "";
    response->body_size = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(response->error, sizeof response->error, format, args);
    va_end(args);
    exchange_done(exchange, state, fault);
}
