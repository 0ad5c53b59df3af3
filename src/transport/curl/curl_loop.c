#include "transport/curl/curl_loop.h"

#include "core/mem.h"
#include "transport/curl/curl_transfer.h"

TAILQ_HEAD(curl_transfers, curl_transfer);
TAILQ_HEAD(curl_waits, curl_wait);

/* A descriptor that libcurl wants to know about. */
struct curl_wait {
    TAILQ_ENTRY(curl_wait) place;
    struct curl_loop *curl;
    int fd;
    struct watch *watch;
};

struct curl_loop {
    const struct backend_setup *setup;
    const struct curl_loop_events *events;
    void *arg;
    CURLM *handle;
    struct timer *timer;
    struct curl_transfers active;
    struct curl_transfers spare;
    size_t active_count;
    struct curl_waits waits;
};

/* ---- libcurl on the loop ---- */

static void transfer_end(struct curl_transfer *transfer, CURLcode code);

static void read_messages(struct curl_loop *curl)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(curl->handle, &left)) != NULL) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) != CURLE_OK)
            continue;
        transfer_end((struct curl_transfer *)(void *)private, message->data.result);
    }
}

/* A failing multi handle would leave its transfers to their deadlines, which end them. */
static void act(struct curl_loop *curl, int fd, int events)
{
    int running;
    (void)curl_multi_socket_action(curl->handle, fd, events, &running);
    read_messages(curl);
    curl->events->acted(curl->arg);
}

static void on_descriptor(void *arg, int events)
{
    struct curl_wait *wait = arg;
    act(wait->curl, wait->fd,
        (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_change(CURLM *handle, long delay_ms, void *arg)
{
    (void)handle;
    struct curl_loop *curl = arg;
    if (delay_ms < 0)
        timer_clear(curl->timer);
    else
        timer_set(curl->timer, delay_ms);
    return 0;
}

static void wait_free(struct curl_wait *wait)
{
    TAILQ_REMOVE(&wait->curl->waits, wait, place);
    watch_free(wait->watch);
    mem_free(wait);
}

static int on_wait_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct curl_loop *curl = arg;
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
    wait->curl = curl;
    wait->fd = fd;
    wait->watch = watch_new(curl->setup->loop, fd, events, on_descriptor, wait);
    TAILQ_INSERT_TAIL(&curl->waits, wait, place);
    return curl_multi_assign(curl->handle, fd, wait) == CURLM_OK ? 0 : -1;
}

/* ---- transfers ---- */

static struct curl_transfer *transfer_get(struct curl_loop *curl)
{
    struct curl_transfer *transfer = TAILQ_FIRST(&curl->spare);
    if (transfer != NULL) {
        TAILQ_REMOVE(&curl->spare, transfer, place);
        return transfer;
    }
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return NULL;
    transfer = mem_alloc(sizeof *transfer);
    transfer->curl = curl;
    transfer->easy = easy;
    return transfer;
}

static void transfer_free(struct curl_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    mem_free(transfer);
}

/* curl_easy_reset leaves what a lost connection leaves in a handle: libcurl 8.14 then fails every later
 * request of it with CURLE_SEND_FAIL_REWIND. */
static void transfer_end(struct curl_transfer *transfer, CURLcode code)
{
    struct curl_loop *curl = transfer->curl;
    curl_transfer_conclude(transfer, code);
    (void)curl_multi_remove_handle(curl->handle, transfer->easy);
    TAILQ_REMOVE(&curl->active, transfer, place);
    curl->active_count--;
    curl_transfer_reset(transfer);
    if (code == CURLE_OK)
        TAILQ_INSERT_HEAD(&curl->spare, transfer, place);
    else
        transfer_free(transfer);
}

void curl_loop_begin(struct curl_loop *curl, struct exchange *exchange)
{
    struct curl_transfer *transfer = transfer_get(curl);
    if (transfer == NULL) {
        exchange_failed(exchange, SEND_UNSENT, FAULT_NONE, "libcurl: no handle");
        return;
    }
    transfer->exchange = exchange;
    const char *wrong = curl_transfer_prepare(transfer, curl->setup);
    if (wrong == NULL && curl_multi_add_handle(curl->handle, transfer->easy) != CURLM_OK)
        wrong = "libcurl refused a transfer";
    if (wrong != NULL) {
        exchange_failed(exchange, SEND_UNSENT, FAULT_PROTOCOL, "%s", wrong);
        curl_transfer_reset(transfer);
        transfer_free(transfer);
        return;
    }
    exchange->carrier = transfer;
    TAILQ_INSERT_TAIL(&curl->active, transfer, place);
    curl->active_count++;
}

void curl_loop_time_out(struct exchange *exchange)
{
    transfer_end(exchange->carrier, CURLE_OPERATION_TIMEDOUT);
}

size_t curl_loop_active(const struct curl_loop *curl)
{
    return curl->active_count;
}

/* ---- life ---- */

void curl_loop_free(struct curl_loop *curl)
{
    struct curl_transfer *transfer;
    struct curl_wait *wait;
    while ((transfer = TAILQ_FIRST(&curl->active)) != NULL)
        transfer_end(transfer, CURLE_ABORTED_BY_CALLBACK);
    while ((transfer = TAILQ_FIRST(&curl->spare)) != NULL) {
        TAILQ_REMOVE(&curl->spare, transfer, place);
        transfer_free(transfer);
    }
    (void)curl_multi_cleanup(curl->handle);
    while ((wait = TAILQ_FIRST(&curl->waits)) != NULL)
        wait_free(wait);
    timer_free(curl->timer);
    mem_free(curl);
}

static bool set_up(struct curl_loop *curl)
{
    long connections = curl->setup->options->connections;
    CURLM *handle = curl->handle;
    return curl_multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, on_wait_change) == CURLM_OK &&
           curl_multi_setopt(handle, CURLMOPT_SOCKETDATA, curl) == CURLM_OK &&
           curl_multi_setopt(handle, CURLMOPT_TIMERFUNCTION, on_timer_change) == CURLM_OK &&
           curl_multi_setopt(handle, CURLMOPT_TIMERDATA, curl) == CURLM_OK &&
           curl_multi_setopt(handle, CURLMOPT_MAX_HOST_CONNECTIONS, connections) == CURLM_OK &&
           curl_multi_setopt(handle, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
}

struct curl_loop *curl_loop_new(const struct backend_setup *setup, const struct curl_loop_events *events,
                                void *arg, struct error *err)
{
    CURLM *handle = curl_multi_init();
    if (handle == NULL) {
        error_set(err, "libcurl: cannot make a multi handle");
        return NULL;
    }
    struct curl_loop *curl = mem_alloc(sizeof *curl);
    *curl = (struct curl_loop){.setup = setup, .events = events, .arg = arg, .handle = handle};
    TAILQ_INIT(&curl->active);
    TAILQ_INIT(&curl->spare);
    TAILQ_INIT(&curl->waits);
    if (!set_up(curl)) {
        (void)curl_multi_cleanup(handle);
        mem_free(curl);
        error_set(err, "libcurl refused an option of its multi handle");
        return NULL;
    }
    curl->timer = timer_new(setup->loop, on_timer, curl);
    return curl;
}
