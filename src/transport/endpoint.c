#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "transport/tls.h"
#include "transport/transport_internal.h"

enum { MAX_CONNECTIONS = 1000, MAX_STREAMS = 100000 };

size_t endpoint_free_slots(const struct endpoint *endpoint)
{
    size_t room = endpoint->backend->room(endpoint);
    size_t waiting = queue_waiting(endpoint->queue);
    if (room > waiting)
        return room - waiting;
    return queue_is_empty(endpoint->queue) ? 1 : 0;
}

size_t endpoint_capacity(const struct endpoint *endpoint)
{
    size_t streams = endpoint->options.http2 ? (size_t)endpoint->options.streams : 1;
    return (size_t)endpoint->options.connections * streams;
}

void endpoint_send(struct endpoint *endpoint, const struct request *request, response_fn *callback, void *arg)
{
    int64_t timeout = request->timeout_ms > 0 ? request->timeout_ms : endpoint->options.timeout_ms;
    queue_add(endpoint->queue, request, timeout, callback, arg);
}

/* ---- what the queue reports ---- */

static void start(void *arg)
{
    struct endpoint *endpoint = arg;
    endpoint->backend->start(endpoint);
}

/* A call per freed slot would cost more than it brings: from none to some, or by a good part of all. */
static void announce_slots(void *arg)
{
    struct endpoint *endpoint = arg;
    size_t slots = endpoint_free_slots(endpoint);
    size_t notable = endpoint_capacity(endpoint) / 8 + 1;
    size_t before = endpoint->slots_announced;
    bool worth_it = slots > before && (before == 0 || slots - before >= notable);
    if (worth_it || slots < before)
        endpoint->slots_announced = slots;
    if (worth_it && endpoint->options.on_capacity != NULL)
        endpoint->options.on_capacity(endpoint->options.arg);
}

static const struct queue_events queue_events = {.start = start, .settled = announce_slots};

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

/* The back ends are closed. */
static void endpoint_release(struct endpoint *endpoint)
{
    struct endpoint_options *options = &endpoint->options;
    queue_free(endpoint->queue, "endpoint closed");
    SSL_CTX_free(endpoint->tls);
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
    endpoint->queue = queue_new(endpoint->loop, endpoint_capacity(endpoint), &queue_events, endpoint);
    endpoint->slots_announced = 1;

    /* Made for libcurl's endpoints too: it finds out here that the CA file cannot be used. */
    endpoint->tls = tls_context_new(endpoint->options.ca_file, err);
    endpoint->setup = (struct backend_setup){.loop = endpoint->loop,
                                             .queue = endpoint->queue,
                                             .target = &endpoint->target,
                                             .options = &endpoint->options,
                                             .tls = endpoint->tls};
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
        queue_fail(endpoint->queue, FAULT_PROTOCOL, err.text);
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
    queue_wake(endpoint->queue);
}

void endpoint_free(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    if (endpoint->http2 != NULL)
        http2_backend.close(endpoint);
    if (endpoint->curl != NULL)
        curl_backend.close(endpoint);
    if (endpoint->smtp != NULL)
        smtp_backend.close(endpoint);
    endpoint_release(endpoint);
}
