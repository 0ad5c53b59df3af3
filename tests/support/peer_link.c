/* A connection of the scripted server: what speaks HTTP or SMTP on it stands on this. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/mem.h"
#include "support/peer_internal.h"

void peer_record(struct peer *peer, const char *text, size_t size)
{
    pthread_mutex_lock(&peer->lock);
    NEED(peer->record_count < PEER_MAX_RECORDS);
    char *copy = mem_alloc(size + 1);
    memcpy(copy, text, size);
    peer->records[peer->record_count++] = copy;
    pthread_mutex_unlock(&peer->lock);
}

int peer_read(struct peer_link *link, void *data, int size)
{
    if (link->ssl != NULL)
        return SSL_read(link->ssl, data, size);
    return (int)recv(link->fd, data, (size_t)size, 0);
}

bool peer_write(struct peer_link *link, const void *data, size_t size)
{
    if (size == 0)
        return true;
    if (link->ssl != NULL)
        return SSL_write(link->ssl, data, (int)size) > 0;
    return send(link->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

bool peer_start_tls(struct peer_link *link)
{
    link->ssl = SSL_new(link->peer->tls);
    NEED(link->ssl != NULL && SSL_set_fd(link->ssl, link->fd) == 1);
    return SSL_accept(link->ssl) == 1;
}

void peer_abort(struct peer_link *link)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    NEED(setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
}
