#include "transport/transport.h"

#include <curl/curl.h>
#include <signal.h>

#include "core/mem.h"

struct transport {
    struct loop *loop;
    char *ca_file;
};

struct transport *transport_new(struct loop *loop, const struct transport_options *options, struct error *err)
{
    /* A write to a connection that the peer has closed must be an error, not the end of the process; TLS
     * libraries write without MSG_NOSIGNAL. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        error_set(err, "cannot ignore SIGPIPE");
        return NULL;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        error_set(err, "cannot start libcurl");
        return NULL;
    }
    struct transport *transport = mem_alloc(sizeof *transport);
    transport->loop = loop;
    transport->ca_file = mem_strdup(options->ca_file);
    return transport;
}

void transport_free(struct transport *transport)
{
    if (transport == NULL)
        return;
    curl_global_cleanup();
    mem_free(transport->ca_file);
    mem_free(transport);
}

struct loop *transport_loop(const struct transport *transport)
{
    return transport->loop;
}

const char *transport_ca_file(const struct transport *transport)
{
    return transport->ca_file;
}
