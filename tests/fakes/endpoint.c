#include "fakes/endpoint.h"

#include <check.h>
#include <string.h>

#include "core/mem.h"
#include "fakes/journal.h"

struct transport {
    struct loop *loop;
};

struct endpoint {
    struct loop *loop;
    struct endpoint_options options; /* texts are not kept */
    char *host;
    size_t requests;
};

struct exchange {
    struct exchange *next;
    struct endpoint *endpoint;
    struct request request; /* what it points to is the sender's */
    response_fn *callback;
    void *arg;
    struct timer *deadline;
};

static struct exchange *in_the_air;
static size_t endpoints, limit;
static enum send_state end_as;

struct transport *transport_new(struct loop *loop, const struct transport_options *options, struct error *err)
{
    (void)options;
    (void)err;
    struct transport *transport = mem_alloc(sizeof *transport);
    transport->loop = loop;
    end_as = SEND_IN_DOUBT;
    limit = SIZE_MAX;
    return transport;
}

void transport_free(struct transport *transport)
{
    ck_assert_uint_eq(endpoints, 0);
    mem_free(transport);
}

struct loop *transport_loop(const struct transport *transport)
{
    return transport->loop;
}

struct endpoint *endpoint_new(struct transport *transport, const struct endpoint_options *options,
                              struct error *err)
{
    if (strncmp(options->url, "https://", 8) != 0) {
        error_set(err, "url: is bad");
        return NULL;
    }
    struct endpoint *endpoint = mem_alloc(sizeof *endpoint);
    endpoint->loop = transport->loop;
    endpoint->options = *options;
    endpoint->host = mem_strdup(options->url + 8);
    endpoints++;
    return endpoint;
}

static void end(struct exchange **place, const struct response *response)
{
    struct exchange exchange = **place;
    struct endpoint *endpoint = exchange.endpoint;
    bool was_full = endpoint_free_slots(endpoint) == 0;
    mem_free(*place);
    *place = exchange.next;
    timer_free(exchange.deadline);
    endpoint->requests--;
    exchange.callback(exchange.arg, response);
    if (was_full && endpoint_free_slots(endpoint) > 0 && endpoint->options.on_capacity)
        endpoint->options.on_capacity(endpoint->options.arg);
}

void endpoint_free(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    endpoint->options.on_capacity = NULL;
    const struct response response = {.state = end_as, .error = "endpoint closed", .body = ""};
    for (struct exchange **place = &in_the_air; *place;) {
        if ((*place)->endpoint == endpoint) {
            end(place, &response);
            place = &in_the_air; /* the callback may have sent */
        } else {
            place = &(*place)->next;
        }
    }
    endpoints--;
    mem_free(endpoint->host);
    mem_free(endpoint);
}

size_t endpoint_capacity(const struct endpoint *endpoint)
{
    int streams = endpoint->options.http2 ? endpoint->options.streams : 1;
    return (size_t)(endpoint->options.connections * streams);
}

size_t endpoint_free_slots(const struct endpoint *endpoint)
{
    size_t all = endpoint_capacity(endpoint);
    all = limit < all ? limit : all;
    return endpoint->requests < all ? all - endpoint->requests : 0;
}

void endpoint_renew(struct endpoint *endpoint)
{
    journal_add("renew:%s", endpoint->host);
}

static void on_deadline(void *arg)
{
    struct exchange **place = &in_the_air;
    while (*place != arg)
        place = &(*place)->next;
    end(place, &(const struct response){.state = SEND_IN_DOUBT, .fault = FAULT_TIMEOUT, .body = ""});
}

void endpoint_send(struct endpoint *endpoint, const struct request *request, response_fn *callback, void *arg)
{
    struct exchange *exchange = mem_alloc(sizeof *exchange), **place = &in_the_air;
    *exchange =
        (struct exchange){.endpoint = endpoint, .request = *request, .callback = callback, .arg = arg};
    exchange->deadline = timer_new(endpoint->loop, on_deadline, exchange);
    timer_set(exchange->deadline,
              request->timeout_ms > 0 ? request->timeout_ms : endpoint->options.timeout_ms);
    while (*place)
        place = &(*place)->next;
    *place = exchange;
    endpoint->requests++;
    const char *token = request->header_count > 0 ? request->headers[0].value : NULL;
    if (token)
        journal_add("%s:%s(%s)", endpoint->host, request->path, token);
    else
        journal_add("%s:%s", endpoint->host, request->path);
}

static struct exchange **find(const char *path)
{
    struct exchange **place = &in_the_air;
    while (*place && strcmp((*place)->request.path, path) != 0)
        place = &(*place)->next;
    if (!*place)
        ck_abort_msg("no request %s is in the air", path);
    return place;
}

void fake_endpoint_answer(const char *path, int status, const char *body)
{
    end(find(path), &(const struct response){
                        .state = SEND_ANSWERED, .status = status, .body = body, .body_size = strlen(body)});
}

void fake_endpoint_fail(const char *path, enum send_state state, enum send_fault fault)
{
    end(find(path), &(const struct response){.state = state, .fault = fault, .body = ""});
}

void fake_endpoints_end_as(enum send_state state)
{
    end_as = state;
}

void fake_endpoints_take(size_t requests)
{
    limit = requests;
}

const struct request *fake_endpoint_request(const char *path)
{
    return &(*find(path))->request;
}

size_t fake_endpoints_requests(void)
{
    size_t count = 0;
    for (const struct exchange *exchange = in_the_air; exchange; exchange = exchange->next)
        count++;
    return count;
}

size_t fake_endpoints(void)
{
    return endpoints;
}
