#include "transport/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/mem.h"

/* What the helper thread and the loop share; the last one to let go frees it. A look-up cannot be
 * interrupted, so an abandoned one may outlive its asker. */
struct lookup {
    atomic_int holders;
    char *host;
    char *port;
    int event; /* eventfd: readable when result is there */
    int result;
    struct addrinfo *addresses;
};

struct resolve {
    struct loop *loop;
    resolve_fn *callback;
    void *arg;
    struct lookup *lookup;
    pthread_t thread; /* while watch is set */
    struct watch *watch;
    struct timer *timer; /* instead of the thread when nothing has to be looked up */
};

static const struct addrinfo lookup_hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

static void lookup_release(struct lookup *lookup)
{
    if (atomic_fetch_sub(&lookup->holders, 1) != 1)
        return;
    if (lookup->addresses != NULL)
        freeaddrinfo(lookup->addresses);
    if (lookup->event >= 0)
        close(lookup->event);
    mem_free(lookup->host);
    mem_free(lookup->port);
    mem_free(lookup);
}

static void *lookup_thread(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = lookup_hints;
    hints.ai_flags = AI_ADDRCONFIG;
    lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    /* Cannot fail: the counter is far from its maximum. If it did, the asker's time limit ends the wait. */
    if (eventfd_write(lookup->event, 1) != 0)
        lookup->result = EAI_SYSTEM;
    lookup_release(lookup);
    return NULL;
}

static void resolve_deliver(struct resolve *resolve)
{
    struct lookup *lookup = resolve->lookup;
    struct addrinfo *addresses = lookup->addresses;
    lookup->addresses = NULL;
    resolve->callback(resolve->arg, addresses, addresses != NULL ? NULL : gai_strerror(lookup->result));
}

static void resolve_ready(void *arg, int events)
{
    (void)events;
    struct resolve *resolve = arg;
    watch_free(resolve->watch);
    resolve->watch = NULL;
    (void)pthread_join(resolve->thread, NULL); /* it has nothing left to do but to end */
    resolve_deliver(resolve);
}

static void resolve_known(void *arg)
{
    resolve_deliver(arg);
}

/* Signals belong to the loop's thread. */
static int start_thread(struct lookup *lookup, pthread_t *thread)
{
    sigset_t all, old;
    sigfillset(&all);
    int failed = pthread_sigmask(SIG_SETMASK, &all, &old);
    if (failed != 0)
        return failed;
    failed = pthread_create(thread, NULL, lookup_thread, lookup);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL); /* worked with the other mask just before */
    return failed;
}

struct resolve *resolve_new(struct loop *loop, const char *host, const char *port, resolve_fn *callback,
                            void *arg)
{
    struct resolve *resolve = mem_alloc(sizeof *resolve);
    struct lookup *lookup = mem_alloc(sizeof *lookup);
    *resolve = (struct resolve){.loop = loop, .callback = callback, .arg = arg, .lookup = lookup};
    lookup->event = -1;
    atomic_init(&lookup->holders, 1);

    struct addrinfo hints = lookup_hints;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    lookup->result = getaddrinfo(host, port, &hints, &lookup->addresses);
    if (lookup->result != 0) {
        lookup->host = mem_strdup(host);
        lookup->port = mem_strdup(port);
        lookup->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (lookup->event >= 0) {
            atomic_store(&lookup->holders, 2);
            if (start_thread(lookup, &resolve->thread) == 0) {
                resolve->watch = watch_new(loop, lookup->event, LOOP_READ, resolve_ready, resolve);
                return resolve;
            }
            atomic_store(&lookup->holders, 1);
        }
        lookup->result = EAI_MEMORY; /* no descriptor or no thread left */
    }
    resolve->timer = timer_new(loop, resolve_known, resolve);
    timer_set(resolve->timer, 0);
    return resolve;
}

void resolve_free(struct resolve *resolve)
{
    if (resolve == NULL)
        return;
    if (resolve->watch != NULL)
        (void)pthread_detach(resolve->thread);
    watch_free(resolve->watch);
    timer_free(resolve->timer);
    lookup_release(resolve->lookup);
    mem_free(resolve);
}
