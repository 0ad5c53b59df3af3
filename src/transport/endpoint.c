#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "transport/curl/curl_pool.h"
#include "transport/http2/http2_pool.h"
#include "transport/smtp/smtp_pool.h"
#include "transport/tls.h"

enum { MAX_CONNECTIONS = 1000, MAX_STREAMS = 100000 };

struct endpoint {
    struct target target;
    struct endpoint_options options; /* strings owned */
    struct backend_setup setup;
    struct backend *backend;  /* takes the next requests */
    struct backend *chosen;   /* what url and options ask for */
    struct backend *fallback; /* HTTP/1.1, once a server turned out not to speak HTTP/2 */
    size_t slots_announced;   /* free slots when on_capacity was last worth a call, or fewer since */
};

size_t endpoint_free_slots(const struct endpoint *endpoint)
{
    size_t room = endpoint->backend->room(endpoint->backend);
    size_t waiting = queue_waiting(endpoint->setup.queue);
    if (room > waiting)
        return room - waiting;
    return queue_is_empty(endpoint->setup.queue) ? 1 : 0;
}

size_t endpoint_capacity(const struct endpoint *endpoint)
{
    size_t streams = endpoint->options.http2 ? (size_t)endpoint->options.streams : 1;
    return (size_t)endpoint->options.connections * streams;
}

void endpoint_send(struct endpoint *endpoint, const struct request *request, response_fn *callback, void *arg)
{
    int64_t timeout = request->timeout_ms > 0 ? request->timeout_ms : endpoint->options.timeout_ms;
    queue_add(endpoint->setup.queue, request, timeout, callback, arg);
}

/* ---- what the queue reports ---- */

static void start(void *arg)
{
    struct endpoint *endpoint = arg;
    endpoint->backend->start(endpoint->backend);
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

/* ---- what a back end reports ---- */

/* HTTP/1.1 until the next endpoint_renew. */
static void fall_back(void *arg)
{
    struct endpoint *endpoint = arg;
    struct error err;
    if (endpoint->fallback == NULL)
        endpoint->fallback = curl_pool_new(&endpoint->setup, &err);
    if (endpoint->fallback == NULL) {
        queue_fail(endpoint->setup.queue, FAULT_PROTOCOL, err.text);
        return;
    }
    if (endpoint->backend == endpoint->fallback)
        return;
    endpoint->backend = endpoint->fallback;
    log_event(LOG_WARN, "http2_not_offered", log_text("host", endpoint->target.host));
}

static const struct http2_pool_events http2_events = {.not_http2 = fall_back};

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
    queue_free(endpoint->setup.queue, "endpoint closed");
    SSL_CTX_free(endpoint->setup.tls);
    if (options->password != NULL)
        OPENSSL_cleanse((char *)options->password, strlen(options->password));
    mem_free((char *)options->password);
    mem_free((char *)options->username);
    mem_free((char *)options->helo);
    mem_free((char *)options->ca_file);
    mem_free(endpoint);
}

static struct backend *backend_new(struct endpoint *endpoint, struct error *err)
{
    if (endpoint->target.scheme != SCHEME_HTTPS)
        return smtp_pool_new(&endpoint->setup);
    if (endpoint->options.http2)
        return http2_pool_new(&endpoint->setup, &http2_events, endpoint);
    return curl_pool_new(&endpoint->setup, err);
}

struct endpoint *endpoint_new(struct transport *transport, const struct endpoint_options *options,
                              struct error *err)
{
    struct target target;
    if (!target_parse(&target, options->url, err) || !options_check(options, &target, err))
        return NULL;
    struct endpoint *endpoint = mem_alloc(sizeof *endpoint);
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
    endpoint->slots_announced = 1;
    struct loop *loop = transport_loop(transport);
    endpoint->setup = (struct backend_setup){
        .loop = loop,
        .queue = queue_new(loop, endpoint_capacity(endpoint), &queue_events, endpoint),
        .target = &endpoint->target,
        .options = &endpoint->options,
        /* Made for libcurl's endpoints too: it finds out here that the CA file cannot be used. */
        .tls = tls_context_new(endpoint->options.ca_file, err),
    };
    if (endpoint->setup.tls != NULL)
        endpoint->chosen = backend_new(endpoint, err);
    if (endpoint->chosen == NULL) {
        endpoint_release(endpoint);
        return NULL;
    }
    endpoint->backend = endpoint->chosen;
    return endpoint;
}

void endpoint_renew(struct endpoint *endpoint)
{
    endpoint->backend->renew(endpoint->backend);
    endpoint->backend = endpoint->chosen;
    queue_wake(endpoint->setup.queue);
}

void endpoint_free(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    endpoint->chosen->close(endpoint->chosen);
    if (endpoint->fallback != NULL)
        endpoint->fallback->close(endpoint->fallback);
    endpoint_release(endpoint);
}
