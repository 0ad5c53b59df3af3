/* Inside the scripted server: what its connections share. */
#ifndef PGOUTBOX_TESTS_PEER_INTERNAL_H
#define PGOUTBOX_TESTS_PEER_INTERNAL_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "support/peer.h"

#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #condition);                           \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

enum { PEER_MAX_RECORDS = 20000, PEER_MAX_CONNECTIONS = 64 };

struct peer {
    struct peer_options options;
    SSL_CTX *tls;
    int listener;
    int port;
    pthread_t acceptor;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t turn;  /* `answered` or `closing` has changed */
    size_t answered;
    bool closing;
    char *records[PEER_MAX_RECORDS];
    size_t record_count;
    size_t connections;
    size_t left;
    size_t most_streams;
    struct buf mail;
    int fds[PEER_MAX_CONNECTIONS];
    pthread_t threads[PEER_MAX_CONNECTIONS];
};

/* One connection, served by one thread with blocking calls. */
struct peer_link {
    struct peer *peer;
    int fd;
    SSL *ssl; /* NULL in clear */
};

/* --- peer_link.c --- */

void peer_record(struct peer *peer, const char *text, size_t size);
int peer_read(struct peer_link *link, void *data, int size); /* <= 0: gone */
bool peer_write(struct peer_link *link, const void *data, size_t size);
bool peer_start_tls(struct peer_link *link);
void peer_abort(struct peer_link *link); /* the close to come is a TCP reset */

/* --- peer_http2.c, peer_text.c: until the connection ends --- */

void peer_serve_http2(struct peer_link *link);
void peer_serve_http1(struct peer_link *link);
void peer_serve_smtp(struct peer_link *link);

#endif
