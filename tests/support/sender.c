#include "support/sender.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

static void on_patience(void *arg)
{
    struct sender *sender = arg;
    loop_stop(sender->loop);
}

static void on_capacity(void *arg)
{
    struct sender *sender = arg;
    sender->capacity_calls++;
}

static enum scheme_of_peer { HTTPS, SMTP, SMTPS } scheme_of(enum peer_kind kind)
{
    return kind == PEER_SMTP ? SMTP : kind == PEER_SMTPS ? SMTPS : HTTPS;
}

void sender_start(struct sender *sender, const struct peer_options *peer,
                  const struct endpoint_options *options, const char *host)
{
    static const char *const schemes[] = {[HTTPS] = "https", [SMTP] = "smtp", [SMTPS] = "smtps"};
    struct error err;
    char url[128];
    struct endpoint_options full = *options;
    *sender = (struct sender){.certs = certs_new()};
    sender->peer = peer_new(sender->certs, peer);
    sender->loop = loop_new();
    sender->patience = timer_new(sender->loop, on_patience, sender);
    struct transport_options transport_options = {.ca_file = sender->certs->ca_file};
    sender->transport = transport_new(sender->loop, &transport_options, &err);
    ck_assert_msg(sender->transport != NULL, "%s", err.text);
    snprintf(url, sizeof url, "%s://%s:%d", schemes[scheme_of(peer->kind)], host != NULL ? host : "127.0.0.1",
             peer_port(sender->peer));
    if (full.url == NULL)
        full.url = url;
    if (full.connections == 0)
        full.connections = 1;
    if (full.streams == 0)
        full.streams = 100;
    if (full.connect_timeout_ms == 0)
        full.connect_timeout_ms = 5000;
    if (full.timeout_ms == 0)
        full.timeout_ms = 10000;
    full.on_capacity = on_capacity;
    full.arg = sender;
    sender->endpoint = endpoint_new(sender->transport, &full, &err);
    ck_assert_msg(sender->endpoint != NULL, "%s", err.text);
}

void sender_stop(struct sender *sender)
{
    endpoint_free(sender->endpoint);
    transport_free(sender->transport);
    timer_free(sender->patience);
    loop_free(sender->loop);
    peer_free(sender->peer);
    certs_free(sender->certs);
}

static void on_response(void *arg, const struct response *response)
{
    struct answer *answer = arg;
    struct sender *sender = answer->sender;
    const char *x_peer = response_header(response, "x-peer");
    answer->calls++;
    answer->state = response->state;
    answer->fault = response->fault;
    answer->status = response->status;
    answer->phase = response->phase;
    answer->body_size = response->body_size;
    answer->truncated = response->body_truncated;
    snprintf(answer->body, sizeof answer->body, "%s", response->body);
    snprintf(answer->x_peer, sizeof answer->x_peer, "%s", x_peer != NULL ? x_peer : "");
    snprintf(answer->error, sizeof answer->error, "%s", response->error);
    sender->pending--;
    struct answer *then = sender->then;
    sender->then = NULL;
    if (then != NULL)
        sender_post(sender, then, sender->then_path, "", 0, 0);
    if (sender->pending <= sender->stop_at)
        loop_stop(sender->loop);
}

static void send_request(struct sender *sender, struct answer *answer, const struct request *request)
{
    *answer = (struct answer){.sender = sender};
    sender->pending++;
    endpoint_send(sender->endpoint, request, on_response, answer);
    ck_assert_int_eq(answer->calls, 0); /* never from inside */
}

void sender_post(struct sender *sender, struct answer *answer, const char *path, const char *body,
                 size_t size, int64_t timeout_ms)
{
    static const char *const changing[] = {"x-path", NULL};
    struct request request = {.method = "POST",
                              .path = path,
                              .headers = {{"content-type", "application/json"}, {"x-path", path}},
                              .header_count = 2,
                              .changing = changing,
                              .body = body,
                              .body_size = size,
                              .timeout_ms = timeout_ms};
    send_request(sender, answer, &request);
}

void sender_mail(struct sender *sender, struct answer *answer, const char *to, const char *body, size_t size,
                 int64_t timeout_ms)
{
    struct request request = {.mail_from = "me@example.com",
                              .mail_to = to,
                              .body = body,
                              .body_size = size,
                              .timeout_ms = timeout_ms};
    send_request(sender, answer, &request);
}

void sender_run(struct sender *sender, size_t left)
{
    if (sender->pending <= left)
        return;
    sender->stop_at = left;
    timer_set(sender->patience, SENDER_PATIENCE_MS);
    loop_run(sender->loop);
    timer_clear(sender->patience);
    ck_assert_msg(sender->pending <= left, "%zu answers still missing", sender->pending - left);
}

void sender_idle(struct sender *sender, int64_t ms)
{
    sender->stop_at = 0;
    timer_set(sender->patience, ms);
    loop_run(sender->loop);
    timer_clear(sender->patience);
}

void sender_reach(struct sender *sender, const char *path)
{
    int64_t end = clock_mono() + SENDER_PATIENCE_MS;
    while (peer_count(sender->peer, path) == 0 && clock_mono() < end)
        sender_idle(sender, 5);
    ck_assert_msg(peer_count(sender->peer, path) > 0, "%s was never seen", path);
}

void answer_expect(const struct answer *answer, enum send_state state, enum send_fault fault, int status)
{
    ck_assert_msg(answer->calls == 1, "%d callbacks", answer->calls);
    ck_assert_msg(answer->state == state && answer->fault == fault && answer->status == status,
                  "state %d fault %d status %d (%s), expected state %d fault %d status %d", answer->state,
                  answer->fault, answer->status, answer->error, state, fault, status);
    ck_assert_int_eq(answer->error[0] == '\0', state == SEND_ANSWERED);
}
