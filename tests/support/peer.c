#include "support/peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "support/peer_internal.h"

size_t peer_count(struct peer *peer, const char *text)
{
    size_t count = 0;
    pthread_mutex_lock(&peer->lock);
    for (size_t i = 0; i < peer->record_count; i++)
        count += strcmp(peer->records[i], text) == 0;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

size_t peer_connections(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    size_t count = peer->connections;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

size_t peer_left(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    size_t count = peer->left;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

size_t peer_most_streams(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    size_t count = peer->most_streams;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

char *peer_mail(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    char *mail = mem_strdup(buf_string(&peer->mail));
    pthread_mutex_unlock(&peer->lock);
    return mail;
}

int peer_port(const struct peer *peer)
{
    return peer->port;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned int in_size, void *arg)
{
    (void)ssl;
    const char *wanted = ((struct peer *)arg)->options.kind == PEER_HTTP2 ? "\x02h2" : "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, (const unsigned char *)wanted, (unsigned)strlen(wanted), in,
                              in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void serve(struct peer_link *link)
{
    enum peer_kind kind = link->peer->options.kind;
    char octet;
    if (kind == PEER_MUTE) {
        while (recv(link->fd, &octet, 1, 0) > 0)
            continue;
        return;
    }
    if (kind != PEER_SMTP && !peer_start_tls(link))
        return;
    if (kind == PEER_HTTP2)
        peer_serve_http2(link);
    else if (kind == PEER_HTTP1)
        peer_serve_http1(link);
    else
        peer_serve_smtp(link);
}

static void *link_thread(void *arg)
{
    struct peer_link *link = arg;
    serve(link);
    SSL_free(link->ssl);
    /* The descriptor itself is closed by peer_free, so its number is not used again while the peer may still
     * shut it down; the client sees the end now. */
    struct linger linger;
    socklen_t size = sizeof linger;
    if (getsockopt(link->fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff) {
        int null = socket(AF_INET, SOCK_STREAM, 0);
        NEED(null >= 0 && dup2(null, link->fd) == link->fd); /* closes it: a reset */
        close(null);
    } else {
        shutdown(link->fd, SHUT_RDWR);
    }
    pthread_mutex_lock(&link->peer->lock);
    link->peer->left++;
    pthread_mutex_unlock(&link->peer->lock);
    mem_free(link);
    return NULL;
}

static void *acceptor_thread(void *arg)
{
    struct peer *peer = arg;
    int fd;
    int one = 1;
    while ((fd = accept(peer->listener, NULL, NULL)) >= 0) {
        NEED(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
        struct peer_link *link = mem_alloc(sizeof *link);
        link->peer = peer;
        link->fd = fd;
        pthread_mutex_lock(&peer->lock);
        NEED(peer->connections < PEER_MAX_CONNECTIONS);
        peer->fds[peer->connections] = fd;
        NEED(pthread_create(&peer->threads[peer->connections], NULL, link_thread, link) == 0);
        peer->connections++;
        pthread_mutex_unlock(&peer->lock);
    }
    return NULL;
}

struct peer *peer_new(struct certs *certs, const struct peer_options *options)
{
    struct peer *peer = mem_alloc(sizeof *peer);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    signal(SIGPIPE, SIG_IGN);
    peer->options = *options;
    buf_init(&peer->mail, 16 * 1024 * 1024);
    peer->tls = certs_server(certs, options->names != NULL ? options->names : "DNS:localhost,IP:127.0.0.1");
    SSL_CTX_set_alpn_select_cb(peer->tls, choose_protocol, peer);
    NEED(pthread_mutex_init(&peer->lock, NULL) == 0 && pthread_cond_init(&peer->turn, NULL) == 0);
    peer->listener = socket(AF_INET, SOCK_STREAM, 0);
    NEED(peer->listener >= 0 && bind(peer->listener, (struct sockaddr *)&address, size) == 0);
    NEED(listen(peer->listener, 64) == 0);
    NEED(getsockname(peer->listener, (struct sockaddr *)&address, &size) == 0);
    peer->port = ntohs(address.sin_port);
    NEED(pthread_create(&peer->acceptor, NULL, acceptor_thread, peer) == 0);
    return peer;
}

void peer_free(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    NEED(pthread_join(peer->acceptor, NULL) == 0);
    close(peer->listener);
    pthread_mutex_lock(&peer->lock);
    peer->closing = true;
    pthread_cond_broadcast(&peer->turn);
    pthread_mutex_unlock(&peer->lock);
    for (size_t i = 0; i < peer->connections; i++) {
        shutdown(peer->fds[i], SHUT_RDWR);
        NEED(pthread_join(peer->threads[i], NULL) == 0);
        close(peer->fds[i]);
    }
    for (size_t i = 0; i < peer->record_count; i++)
        mem_free(peer->records[i]);
    SSL_CTX_free(peer->tls);
    buf_free(&peer->mail);
    mem_free(peer);
}
