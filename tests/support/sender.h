/* One endpoint against one scripted peer, and what became of each request. */
#ifndef PGOUTBOX_TESTS_SENDER_H
#define PGOUTBOX_TESTS_SENDER_H

#include "support/peer.h"
#include "transport/transport.h"

enum { SENDER_PATIENCE_MS = 20 * 1000 };

struct answer;

struct sender {
    struct certs *certs;
    struct peer *peer;
    struct loop *loop;
    struct transport *transport;
    struct endpoint *endpoint;
    struct timer *patience;
    size_t pending; /* sent, callback not yet called */
    size_t stop_at; /* the loop ends when so few are pending */
    size_t capacity_calls;
    struct answer *then; /* sent from inside the next callback, to this path */
    const char *then_path;
};

struct answer {
    struct sender *sender;
    int calls; /* of the callback: must become exactly 1 */
    enum send_state state;
    enum send_fault fault;
    int status;
    enum smtp_phase phase;
    size_t body_size;
    char body[256]; /* its beginning */
    bool truncated;
    char x_peer[16]; /* the header */
    char error[160];
};

/* The peer and an endpoint for it. options: url, ca_file and on_capacity are filled in when NULL;
 * connections, streams and times when 0. host: in the URL; NULL = 127.0.0.1. Ends the test on failure. */
void sender_start(struct sender *sender, const struct peer_options *peer,
                  const struct endpoint_options *options, const char *host);
void sender_stop(struct sender *sender);

void sender_post(struct sender *sender, struct answer *answer, const char *path, const char *body,
                 size_t size, int64_t timeout_ms);
void sender_mail(struct sender *sender, struct answer *answer, const char *to, const char *body, size_t size,
                 int64_t timeout_ms);
/* Runs the loop until at most `left` answers are pending. Ends the test when that takes too long. */
void sender_run(struct sender *sender, size_t left);
/* Runs the loop for a while although nothing may be pending. */
void sender_idle(struct sender *sender, int64_t ms);
/* Runs the loop until the peer has recorded a request to this path. Ends the test when that takes too long.
 */
void sender_reach(struct sender *sender, const char *path);

void answer_expect(const struct answer *answer, enum send_state state, enum send_fault fault, int status);

#endif
