#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "transport/tls.h"
#include "transport/transport_internal.h"

enum {
    MAX_CONNECTIONS = 1000,
    MAX_STREAMS = 100000,
    SPARE_BODY_MAX = 4096 /* a spare exchange keeps no larger buffer */
};

/* ---- deadlines: mostly equal time-outs, so a new one nearly always belongs at the end of the list ---- */

static void due_insert(struct endpoint *endpoint, struct exchange *exchange)
{
    struct exchange *before = TAILQ_LAST(&endpoint->lists.due, exchange_list);
    while (before != NULL && before->deadline > exchange->deadline)
        before = TAILQ_PREV(before, exchange_list, due);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&endpoint->lists.due, before, exchange, due);
    else
        TAILQ_INSERT_HEAD(&endpoint->lists.due, exchange, due);
    /* The timer may fire early, never late: it is moved only when the first deadline comes closer. */
    if (before == NULL || !timer_is_set(endpoint->deadline))
        timer_set(endpoint->deadline, TAILQ_FIRST(&endpoint->lists.due)->deadline - clock_mono());
}

static void endpoint_on_deadline(void *arg)
{
    struct endpoint *endpoint = arg;
    int64_t now = clock_mono();
    struct exchange *first;
    while ((first = TAILQ_FIRST(&endpoint->lists.due)) != NULL && first->deadline <= now) {
        if (first->backend != NULL) {
            first->backend->cancel(first);
            continue;
        }
        TAILQ_REMOVE(&endpoint->queue, first, place);
        endpoint->queued--;
        exchange_failed(first, SEND_UNSENT, FAULT_TIMEOUT, "timed out before it could be sent");
    }
    if (first != NULL)
        timer_set(endpoint->deadline, first->deadline - now);
    endpoint_settle(endpoint);
}

/* ---- the queue ---- */

struct exchange *endpoint_take(struct endpoint *endpoint)
{
    struct exchange *exchange = TAILQ_FIRST(&endpoint->queue);
    if (exchange == NULL)
        return NULL;
    TAILQ_REMOVE(&endpoint->queue, exchange, place);
    endpoint->queued--;
    return exchange;
}

void endpoint_give_back(struct endpoint *endpoint, struct exchange *exchange)
{
    exchange->backend = NULL;
    exchange->carrier = NULL;
    exchange->body_sent = 0;
    TAILQ_INSERT_HEAD(&endpoint->queue, exchange, place);
    endpoint->queued++;
}

void endpoint_fail_queue(struct endpoint *endpoint, enum send_fault fault, const char *error)
{
    struct exchange *exchange;
    while ((exchange = endpoint_take(endpoint)) != NULL)
        exchange_failed(exchange, SEND_UNSENT, fault, "%s", error);
}

static struct exchange *exchange_get(struct endpoint *endpoint)
{
    struct exchange *exchange = TAILQ_FIRST(&endpoint->spare);
    if (exchange != NULL) {
        TAILQ_REMOVE(&endpoint->spare, exchange, place);
        endpoint->spares--;
        return exchange;
    }
    exchange = mem_alloc(sizeof *exchange);
    exchange->lists = &endpoint->lists;
    exchange->endpoint = endpoint;
    buf_init(&exchange->body, RESPONSE_MAX_BODY);
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    buf_free(&exchange->body);
    mem_free(exchange);
}

static void exchange_put(struct endpoint *endpoint, struct exchange *exchange)
{
    if (endpoint->spares >= endpoint_capacity(endpoint) || exchange->body.capacity > SPARE_BODY_MAX) {
        exchange_free(exchange);
        return;
    }
    TAILQ_INSERT_HEAD(&endpoint->spare, exchange, place);
    endpoint->spares++;
}

/* The header array is copied only as far as it is used. */
static void request_copy(struct request *to, const struct request *from)
{
    size_t count = from->header_count <= REQUEST_MAX_HEADERS ? from->header_count : REQUEST_MAX_HEADERS;
    to->method = from->method;
    to->path = from->path;
    memcpy(to->headers, from->headers, count * sizeof from->headers[0]);
    to->header_count = count;
    to->mail_from = from->mail_from;
    to->mail_to = from->mail_to;
    to->body = from->body;
    to->body_size = from->body_size;
    to->timeout_ms = from->timeout_ms;
}

void endpoint_send(struct endpoint *endpoint, const struct request *request, response_fn *callback, void *arg)
{
    struct exchange *exchange = exchange_get(endpoint);
    request_copy(&exchange->request, request);
    exchange->callback = callback;
    exchange->arg = arg;
    exchange->backend = NULL;
    exchange->body_sent = 0;
    exchange->response.phase = SMTP_CONNECT;
    exchange_restart_response(exchange);
    int64_t timeout = request->timeout_ms > 0 ? request->timeout_ms : endpoint->options.timeout_ms;
    exchange->deadline = clock_mono() + timeout;
    due_insert(endpoint, exchange);
    TAILQ_INSERT_TAIL(&endpoint->queue, exchange, place);
    endpoint->queued++;
    endpoint_wake(endpoint);
}

/* ---- turns ---- */

static void deliver(struct endpoint *endpoint)
{
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&endpoint->lists.done)) != NULL) {
        TAILQ_REMOVE(&endpoint->lists.done, exchange, place);
        exchange->callback(exchange->arg, &exchange->response);
        exchange_put(endpoint, exchange);
    }
}

/* A call per freed slot would cost more than it brings: from none to some, or by a good part of all. */
static void announce_slots(struct endpoint *endpoint)
{
    size_t slots = endpoint_free_slots(endpoint);
    size_t notable = endpoint_capacity(endpoint) / 8 + 1;
    size_t before = endpoint->slots_announced;
    bool worth_it = slots > before && (before == 0 || slots - before >= notable);
    if (worth_it || slots < before)
        endpoint->slots_announced = slots;
    if (worth_it && endpoint->options.on_capacity != NULL)
        endpoint->options.on_capacity(endpoint->options.arg);
}

void endpoint_settle(struct endpoint *endpoint)
{
    deliver(endpoint);
    if (endpoint->closing)
        return;
    if (endpoint->queued > 0)
        endpoint->backend->start(endpoint);
    announce_slots(endpoint);
    if (!TAILQ_EMPTY(&endpoint->lists.done))
        endpoint_wake(endpoint);
}

void endpoint_wake(struct endpoint *endpoint)
{
    if (!timer_is_set(endpoint->turn))
        timer_set(endpoint->turn, 0);
}

static void endpoint_on_turn(void *arg)
{
    endpoint_settle(arg);
}

size_t endpoint_free_slots(const struct endpoint *endpoint)
{
    size_t room = endpoint->backend->room(endpoint);
    if (room > endpoint->queued)
        return room - endpoint->queued;
    return TAILQ_EMPTY(&endpoint->lists.due) ? 1 : 0;
}

size_t endpoint_capacity(const struct endpoint *endpoint)
{
    size_t streams = endpoint->options.http2 ? (size_t)endpoint->options.streams : 1;
    return (size_t)endpoint->options.connections * streams;
}

/* ---- life ---- */

static bool options_check(const struct endpoint_options *options, const struct target *target,
                          struct error *err)
{
    if (options->connections < 1 || options->connections > MAX_CONNECTIONS)
        return error_set(err, "connections: must be 1 to %d", MAX_CONNECTIONS);
    if (options->http2 && (options->streams < 1 || options->streams > MAX_STREAMS))
        return error_set(err, "streams: must be 1 to %d", MAX_STREAMS);
    if (options->http2 && target->scheme != SCHEME_HTTPS)
        return error_set(err, "url: HTTP/2 needs https://");
    if (options->connect_timeout_ms < 1 || options->timeout_ms < 1)
        return error_set(err, "connect_timeout_ms, timeout_ms: must be positive");
    return true;
}

static bool url_is_trusted(const struct endpoint_options *options)
{
    const char *const *origin = options->trusted_origins;
    while (origin != NULL && *origin != NULL && strcmp(*origin, options->url) != 0)
        origin++;
    return origin != NULL && *origin != NULL;
}

static void endpoint_release(struct endpoint *endpoint)
{
    struct endpoint_options *options = &endpoint->options;
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&endpoint->spare)) != NULL) {
        TAILQ_REMOVE(&endpoint->spare, exchange, place);
        exchange_free(exchange);
    }
    SSL_CTX_free(endpoint->tls);
    timer_free(endpoint->turn);
    timer_free(endpoint->deadline);
    if (options->password != NULL)
        OPENSSL_cleanse((char *)options->password, strlen(options->password));
    mem_free((char *)options->password);
    mem_free((char *)options->username);
    mem_free((char *)options->helo);
    mem_free((char *)options->ca_file);
    mem_free(endpoint);
}

static bool backend_choose(struct endpoint *endpoint, struct error *err)
{
    if (endpoint->target.scheme != SCHEME_HTTPS) {
        endpoint->backend = &smtp_backend;
        smtp_pool_new(endpoint);
        return true;
    }
    if (endpoint->options.http2) {
        endpoint->backend = &http2_backend;
        http2_pool_new(endpoint);
        return true;
    }
    endpoint->backend = &curl_backend;
    return curl_pool_new(endpoint, err);
}

struct endpoint *endpoint_new(struct transport *transport, const struct endpoint_options *options,
                              struct error *err)
{
    struct target target;
    if (!target_parse(&target, options->url, err) || !options_check(options, &target, err))
        return NULL;
    struct endpoint *endpoint = mem_alloc(sizeof *endpoint);
    endpoint->loop = transport_loop(transport);
    endpoint->target = target;
    endpoint->options = *options;
    endpoint->options.url = NULL;
    endpoint->options.guarded = options->guarded && !url_is_trusted(options);
    endpoint->options.trusted_origins = NULL;
    endpoint->options.username = mem_strdup(options->username);
    endpoint->options.password = mem_strdup(options->password);
    endpoint->options.helo = mem_strdup(options->helo);
    endpoint->options.ca_file =
        mem_strdup(options->ca_file != NULL ? options->ca_file : transport_ca_file(transport));
    TAILQ_INIT(&endpoint->queue);
    TAILQ_INIT(&endpoint->lists.due);
    TAILQ_INIT(&endpoint->lists.done);
    TAILQ_INIT(&endpoint->spare);
    endpoint->turn = timer_new(endpoint->loop, endpoint_on_turn, endpoint);
    endpoint->deadline = timer_new(endpoint->loop, endpoint_on_deadline, endpoint);
    endpoint->slots_announced = 1;

    /* Made for libcurl's endpoints too: it finds out here that the CA file cannot be used. */
    endpoint->tls = tls_context_new(endpoint->options.ca_file, err);
    if (endpoint->tls == NULL || !backend_choose(endpoint, err)) {
        endpoint_release(endpoint);
        return NULL;
    }
    return endpoint;
}

void endpoint_fall_back(struct endpoint *endpoint)
{
    struct error err;
    if (endpoint->backend == &curl_backend)
        return;
    if (endpoint->curl == NULL && !curl_pool_new(endpoint, &err)) {
        endpoint_fail_queue(endpoint, FAULT_PROTOCOL, err.text);
        return;
    }
    endpoint->backend = &curl_backend;
    log_event(LOG_WARN, "http2_not_offered", log_text("host", endpoint->target.host));
}

void endpoint_renew(struct endpoint *endpoint)
{
    endpoint->backend->renew(endpoint);
    if (endpoint->http2 != NULL)
        endpoint->backend = &http2_backend;
    endpoint_wake(endpoint);
}

void endpoint_free(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    endpoint->closing = true;
    if (endpoint->http2 != NULL)
        http2_backend.close(endpoint);
    if (endpoint->curl != NULL)
        curl_backend.close(endpoint);
    if (endpoint->smtp != NULL)
        smtp_backend.close(endpoint);
    /* A callback may send again; that ends here as well. */
    do {
        endpoint_fail_queue(endpoint, FAULT_NONE, "endpoint closed");
        deliver(endpoint);
    } while (endpoint->queued > 0);
    endpoint_release(endpoint);
}
