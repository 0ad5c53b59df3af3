#include "core/mem.h"
#include "transport/curl/curl_internal.h"

TAILQ_HEAD(curl_transfers, curl_transfer);
TAILQ_HEAD(curl_waits, curl_wait);

/* A descriptor that libcurl wants to know about. */
struct curl_wait {
    TAILQ_ENTRY(curl_wait) place;
    struct curl_pool *pool;
    int fd;
    struct watch *watch;
};

/* One multi handle and its connections. endpoint_renew makes a new one; the old ones hang behind it until
 * their last transfer has ended. */
struct curl_pool {
    struct curl_pool *older;
    struct endpoint *endpoint;
    CURLM *multi;
    struct timer *timer;
    struct curl_transfers active;
    struct curl_transfers spare;
    size_t active_count;
    struct curl_waits waits;
};

/* ---- libcurl on the loop ---- */

static void pool_finish(struct curl_transfer *transfer, CURLcode code);

static void read_messages(struct curl_pool *pool)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) != CURLE_OK)
            continue;
        pool_finish((struct curl_transfer *)(void *)private, message->data.result);
    }
}

static void pool_sweep(struct endpoint *endpoint);

/* A failing multi handle would leave its transfers to their deadlines, which end them. */
static void pool_action(struct curl_pool *pool, int fd, int events)
{
    struct endpoint *endpoint = pool->endpoint;
    int running;
    (void)curl_multi_socket_action(pool->multi, fd, events, &running);
    read_messages(pool);
    pool_sweep(endpoint);
    queue_settle(endpoint->queue);
}

static void on_descriptor(void *arg, int events)
{
    struct curl_wait *wait = arg;
    pool_action(wait->pool, wait->fd,
                (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
    pool_action(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_change(CURLM *multi, long delay_ms, void *arg)
{
    (void)multi;
    struct curl_pool *pool = arg;
    if (delay_ms < 0)
        timer_clear(pool->timer);
    else
        timer_set(pool->timer, delay_ms);
    return 0;
}

static void wait_free(struct curl_wait *wait)
{
    TAILQ_REMOVE(&wait->pool->waits, wait, place);
    watch_free(wait->watch);
    mem_free(wait);
}

static int on_wait_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct curl_pool *pool = arg;
    struct curl_wait *wait = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (wait != NULL)
            wait_free(wait);
        return 0;
    }
    int events = (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
    if (wait != NULL) {
        watch_set(wait->watch, events);
        return 0;
    }
    wait = mem_alloc(sizeof *wait);
    wait->pool = pool;
    wait->fd = fd;
    wait->watch = watch_new(pool->endpoint->loop, fd, events, on_descriptor, wait);
    TAILQ_INSERT_TAIL(&pool->waits, wait, place);
    return curl_multi_assign(pool->multi, fd, wait) == CURLM_OK ? 0 : -1;
}

/* ---- transfers ---- */

static struct curl_transfer *transfer_get(struct curl_pool *pool)
{
    struct curl_transfer *transfer = TAILQ_FIRST(&pool->spare);
    if (transfer != NULL) {
        TAILQ_REMOVE(&pool->spare, transfer, place);
        return transfer;
    }
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return NULL;
    transfer = mem_alloc(sizeof *transfer);
    transfer->pool = pool;
    transfer->easy = easy;
    return transfer;
}

static void pool_finish(struct curl_transfer *transfer, CURLcode code)
{
    struct curl_pool *pool = transfer->pool;
    curl_transfer_conclude(transfer, code);
    (void)curl_multi_remove_handle(pool->multi, transfer->easy);
    TAILQ_REMOVE(&pool->active, transfer, place);
    pool->active_count--;
    curl_transfer_reset(transfer);
    TAILQ_INSERT_HEAD(&pool->spare, transfer, place);
}

static void pool_begin(struct curl_pool *pool, struct exchange *exchange)
{
    struct curl_transfer *transfer = transfer_get(pool);
    if (transfer == NULL) {
        exchange_failed(exchange, SEND_UNSENT, FAULT_NONE, "libcurl: no handle");
        return;
    }
    transfer->exchange = exchange;
    const char *wrong = curl_transfer_prepare(transfer);
    if (wrong == NULL && curl_multi_add_handle(pool->multi, transfer->easy) != CURLM_OK)
        wrong = "libcurl refused a transfer";
    if (wrong != NULL) {
        exchange_failed(exchange, SEND_UNSENT, FAULT_PROTOCOL, "%s", wrong);
        curl_transfer_reset(transfer);
        TAILQ_INSERT_HEAD(&pool->spare, transfer, place);
        return;
    }
    exchange->carrier = transfer;
    TAILQ_INSERT_TAIL(&pool->active, transfer, place);
    pool->active_count++;
}

static size_t pool_room(const struct endpoint *endpoint)
{
    size_t limit = (size_t)endpoint->options.connections;
    size_t active = endpoint->curl->active_count;
    return limit > active ? limit - active : 0;
}

static void pool_start(struct endpoint *endpoint)
{
    while (queue_waiting(endpoint->queue) > 0 && pool_room(endpoint) > 0)
        pool_begin(endpoint->curl, queue_take(endpoint->queue, &curl_backend));
}

static void pool_cancel(struct exchange *exchange)
{
    struct endpoint *endpoint = exchange->endpoint;
    pool_finish(exchange->carrier, CURLE_OPERATION_TIMEDOUT);
    pool_sweep(endpoint);
}

/* ---- life ---- */

static void pool_free(struct curl_pool *pool)
{
    struct curl_transfer *transfer;
    struct curl_wait *wait;
    while ((transfer = TAILQ_FIRST(&pool->active)) != NULL)
        pool_finish(transfer, CURLE_ABORTED_BY_CALLBACK);
    while ((transfer = TAILQ_FIRST(&pool->spare)) != NULL) {
        TAILQ_REMOVE(&pool->spare, transfer, place);
        curl_easy_cleanup(transfer->easy);
        mem_free(transfer);
    }
    (void)curl_multi_cleanup(pool->multi);
    while ((wait = TAILQ_FIRST(&pool->waits)) != NULL)
        wait_free(wait);
    timer_free(pool->timer);
    mem_free(pool);
}

/* Frees old pools that have nothing left to do. */
static void pool_sweep(struct endpoint *endpoint)
{
    struct curl_pool **link = &endpoint->curl->older;
    while (*link != NULL) {
        struct curl_pool *pool = *link;
        if (pool->active_count > 0) {
            link = &pool->older;
            continue;
        }
        *link = pool->older;
        pool_free(pool);
    }
}

static void pool_renew(struct endpoint *endpoint)
{
    struct error err;
    /* Without memory for a new one the old one goes on. */
    if (curl_pool_new(endpoint, &err))
        pool_sweep(endpoint);
}

static void pool_close(struct endpoint *endpoint)
{
    while (endpoint->curl != NULL) {
        struct curl_pool *pool = endpoint->curl;
        endpoint->curl = pool->older;
        pool_free(pool);
    }
}

const struct backend curl_backend = {
    .start = pool_start,
    .cancel = pool_cancel,
    .room = pool_room,
    .renew = pool_renew,
    .close = pool_close,
};

static bool multi_setup(struct curl_pool *pool)
{
    long connections = pool->endpoint->options.connections;
    CURLM *multi = pool->multi;
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_wait_change) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_change) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
}

bool curl_pool_new(struct endpoint *endpoint, struct error *err)
{
    CURLM *multi = curl_multi_init();
    if (multi == NULL)
        return error_set(err, "libcurl: cannot make a multi handle");
    struct curl_pool *pool = mem_alloc(sizeof *pool);
    pool->endpoint = endpoint;
    pool->multi = multi;
    TAILQ_INIT(&pool->active);
    TAILQ_INIT(&pool->spare);
    TAILQ_INIT(&pool->waits);
    if (!multi_setup(pool)) {
        (void)curl_multi_cleanup(multi);
        mem_free(pool);
        return error_set(err, "libcurl refused an option of its multi handle");
    }
    pool->timer = timer_new(endpoint->loop, on_timer, pool);
    pool->older = endpoint->curl;
    endpoint->curl = pool;
    return true;
}
