#include "transport/resolve.h"

#include <netdb.h>
#include <stddef.h>

#include "core/mem.h"
#include "core/worker.h"

struct lookup {
    char *host;
    char *port;
    int result;
    struct addrinfo *addresses;
};

struct resolve {
    resolve_fn *callback;
    void *arg;
    struct lookup *lookup; /* the worker's, when there is one */
    struct worker *worker;
    struct timer *timer; /* instead of a worker when nothing has to be looked up */
};

static const struct addrinfo lookup_hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

static void lookup_free(void *data)
{
    struct lookup *lookup = data;
    if (lookup->addresses != NULL)
        freeaddrinfo(lookup->addresses);
    mem_free(lookup->host);
    mem_free(lookup->port);
    mem_free(lookup);
}

static void lookup_run(void *data)
{
    struct lookup *lookup = data;
    struct addrinfo hints = lookup_hints;
    hints.ai_flags = AI_ADDRCONFIG;
    lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
}

static void on_known(void *arg)
{
    struct resolve *resolve = arg;
    struct lookup *lookup = resolve->lookup;
    struct addrinfo *addresses = lookup->addresses;
    lookup->addresses = NULL;
    resolve->callback(resolve->arg, addresses, addresses != NULL ? NULL : gai_strerror(lookup->result));
}

struct resolve *resolve_new(struct loop *loop, const char *host, const char *port, resolve_fn *callback,
                            void *arg)
{
    struct resolve *resolve = mem_alloc(sizeof *resolve);
    struct lookup *lookup = mem_alloc(sizeof *lookup);
    *resolve = (struct resolve){.callback = callback, .arg = arg, .lookup = lookup};

    struct addrinfo hints = lookup_hints;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    lookup->result = getaddrinfo(host, port, &hints, &lookup->addresses);
    if (lookup->result != 0) {
        const struct worker_task task = {.work = lookup_run, .discard = lookup_free, .data = lookup};
        lookup->host = mem_strdup(host);
        lookup->port = mem_strdup(port);
        resolve->worker = worker_new(loop, &task, on_known, resolve);
        if (resolve->worker != NULL)
            return resolve;
        lookup->result = EAI_MEMORY;
    }
    resolve->timer = timer_new(loop, on_known, resolve);
    timer_set(resolve->timer, 0);
    return resolve;
}

void resolve_free(struct resolve *resolve)
{
    if (resolve == NULL)
        return;
    if (resolve->worker == NULL)
        lookup_free(resolve->lookup);
    worker_free(resolve->worker);
    timer_free(resolve->timer);
    mem_free(resolve);
}
