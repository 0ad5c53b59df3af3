#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "support/sender.h"
#include "support/suite.h"

static const struct endpoint_options h2 = {.http2 = true};
static const struct peer_options h2_peer = {.kind = PEER_HTTP2};

static void post(struct sender *sender, struct answer *answer, const char *path)
{
    sender_post(sender, answer, path, "{}", 2, 0);
}

/* ---- answers ---- */

START_TEST(test_answer)
{
    struct sender sender;
    struct answer first, second;
    char body[70000];
    memset(body, 'b', sizeof body);
    sender_start(&sender, &h2_peer, &h2, "localhost");
    post(&sender, &first, "/answer");
    sender_run(&sender, 0);
    answer_expect(&first, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_str_eq(first.body, "ok");
    ck_assert_str_eq(first.x_peer, "yes");
    sender_post(&sender, &first, "/echo", body, sizeof body - 10000, 0);
    sender_post(&sender, &second, "/status/410", NULL, 0, 0);
    sender_run(&sender, 0);
    answer_expect(&first, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_eq(first.body_size, sizeof body - 10000);
    ck_assert(!first.truncated);
    answer_expect(&second, SEND_ANSWERED, FAULT_NONE, 410);
    ck_assert_str_eq(second.body, "");
    ck_assert_uint_eq(peer_connections(sender.peer), 1);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_big_body)
{
    struct sender sender;
    struct answer answers[20];
    sender_start(&sender, &h2_peer, &h2, NULL);
    for (int i = 0; i < 20; i++)
        post(&sender, &answers[i], "/big");
    sender_run(&sender, 0);
    for (int i = 0; i < 20; i++) {
        answer_expect(&answers[i], SEND_ANSWERED, FAULT_NONE, 200);
        ck_assert(answers[i].truncated);
        ck_assert_uint_eq(answers[i].body_size, RESPONSE_MAX_BODY);
    }
    sender_stop(&sender);
}
END_TEST

/* A header that is another one each time takes no place in the compression table. */
START_TEST(test_changing_header)
{
    struct sender sender;
    struct answer answers[2];
    sender_start(&sender, &h2_peer, &h2, NULL);
    post(&sender, &answers[0], "/answer?1");
    post(&sender, &answers[1], "/answer?2");
    sender_run(&sender, 0);
    ck_assert_uint_eq(peer_count(sender.peer, "x-path"), 2);
    ck_assert_uint_eq(peer_count(sender.peer, "content-type"), 0);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_send_from_callback)
{
    struct sender sender;
    struct answer first, second;
    sender_start(&sender, &h2_peer, &h2, NULL);
    sender.then = &second;
    sender.then_path = "/answer?2";
    post(&sender, &first, "/answer?1");
    sender_run(&sender, 0);
    answer_expect(&first, SEND_ANSWERED, FAULT_NONE, 200);
    answer_expect(&second, SEND_ANSWERED, FAULT_NONE, 200);
    sender_stop(&sender);
}
END_TEST

/* ---- one stream goes wrong, its neighbour does not ---- */

static const struct stream_case {
    const char *path;
    int64_t timeout_ms;
    enum send_state state;
    enum send_fault fault;
    size_t recorded;
} stream_cases[] = {
    {"/refuse", 0, SEND_UNSENT, FAULT_REFUSED, 0},     {"/rst/2", 0, SEND_IN_DOUBT, FAULT_PROTOCOL, 1},
    {"/rst/7", 0, SEND_UNSENT, FAULT_REFUSED, 1},      {"/rst/0", 0, SEND_IN_DOUBT, FAULT_PROTOCOL, 1},
    {"/silent", 100, SEND_IN_DOUBT, FAULT_TIMEOUT, 1}, {"/half", 100, SEND_IN_DOUBT, FAULT_TIMEOUT, 1},
    {"/goaway-not", 0, SEND_UNSENT, FAULT_REFUSED, 0},
};

START_TEST(test_one_stream)
{
    const struct stream_case *row = &stream_cases[_i];
    struct sender sender;
    struct answer warm, before, bad, after;
    sender_start(&sender, &h2_peer, &h2, NULL);
    post(&sender, &warm, "/answer?0"); /* the stream limit is known from now on */
    sender_run(&sender, 0);
    post(&sender, &before, "/answer?1");
    sender_post(&sender, &bad, row->path, "{}", 2, row->timeout_ms);
    sender_run(&sender, 0);
    post(&sender, &after, "/answer?2");
    sender_run(&sender, 0);
    answer_expect(&before, SEND_ANSWERED, FAULT_NONE, 200);
    answer_expect(&bad, row->state, row->fault, 0);
    answer_expect(&after, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_eq(peer_count(sender.peer, row->path), row->recorded);
    for (const char *const *path = (const char *const[]){"/answer?0", "/answer?1", "/answer?2", NULL}; *path;
         path++)
        ck_assert_uint_eq(peer_count(sender.peer, *path), 1);
    bool new_connection = strcmp(row->path, "/goaway-not") == 0;
    ck_assert_uint_eq(peer_connections(sender.peer), new_connection ? 2 : 1);
    sender_stop(&sender);
}
END_TEST

/* ---- the connection ends ---- */

static const struct {
    const char *path;
    enum send_state state; /* of the request that makes the peer close */
} lost_cases[] = {
    {"/close", SEND_IN_DOUBT},
    {"/reset", SEND_IN_DOUBT},
    {"/goaway-end", SEND_IN_DOUBT},
};

START_TEST(test_lost_connection)
{
    struct sender sender;
    struct answer warm, silent, bad, after;
    sender_start(&sender, &h2_peer, &h2, NULL);
    post(&sender, &warm, "/answer?0");
    sender_run(&sender, 0);
    post(&sender, &silent, "/silent");
    post(&sender, &bad, lost_cases[_i].path);
    sender_run(&sender, 0);
    post(&sender, &after, "/answer?1");
    sender_run(&sender, 0);
    answer_expect(&silent, SEND_IN_DOUBT, FAULT_CONNECT, 0);
    answer_expect(&bad, SEND_IN_DOUBT, FAULT_CONNECT, 0);
    answer_expect(&after, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_eq(peer_count(sender.peer, "/silent"), 1);
    ck_assert_uint_eq(peer_count(sender.peer, lost_cases[_i].path), 1);
    ck_assert_uint_eq(peer_count(sender.peer, "/answer?1"), 1);
    ck_assert_uint_eq(peer_connections(sender.peer), 2);
    sender_stop(&sender);
}
END_TEST

/* GOAWAY with streams on both sides of last-stream-id: those below are answered, those above were not
 * processed, what waits goes to a new connection; every request arrives at most once. */
START_TEST(test_goaway)
{
    enum { COUNT = 40 };
    struct sender sender;
    struct answer warm, answers[COUNT];
    char paths[COUNT][32];
    const struct endpoint_options few = {.http2 = true, .streams = 20};
    sender_start(&sender, &h2_peer, &few, NULL);
    post(&sender, &warm, "/answer?w");
    sender_run(&sender, 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(paths[i], sizeof paths[i], i == 10 ? "/goaway-not?%d" : "/answer?%d", i);
        post(&sender, &answers[i], paths[i]);
    }
    sender_run(&sender, 0);
    for (int i = 0; i < COUNT; i++) {
        bool processed = answers[i].state == SEND_ANSWERED;
        if (i < 10 || i >= 20)
            answer_expect(&answers[i], SEND_ANSWERED, FAULT_NONE, 200);
        if (i == 10)
            answer_expect(&answers[i], SEND_UNSENT, FAULT_REFUSED, 0);
        ck_assert_msg(processed || answers[i].state == SEND_UNSENT, "%d: state %d", i, answers[i].state);
        ck_assert_msg(peer_count(sender.peer, paths[i]) == processed, "%s", paths[i]);
    }
    ck_assert_uint_eq(peer_connections(sender.peer), 2);
    sender_stop(&sender);
}
END_TEST

/* The peer stops reading: what it may have seen is in doubt, what never reached the socket is surely unsent.
 */
START_TEST(test_unwritten)
{
    enum { COUNT = 900, SIZE = 3000000 };
    struct sender sender;
    struct answer warm, freeze, big[COUNT], late;
    char *body = calloc(1, SIZE);
    const struct peer_options wide = {.kind = PEER_HTTP2, .wide = true, .max_streams = 1000};
    const struct endpoint_options many = {.http2 = true, .streams = 1000};
    sender_start(&sender, &wide, &many, NULL);
    post(&sender, &warm, "/answer");
    sender_run(&sender, 0);
    post(&sender, &freeze, "/freeze");
    for (int64_t end = clock_mono() + 5000; peer_count(sender.peer, "/freeze") == 0 && clock_mono() < end;)
        sender_idle(&sender, 1);
    for (int i = 0; i < COUNT; i++)
        sender_post(&sender, &big[i], "/answer?1", body, SIZE, 0);
    sender_idle(&sender, 300); /* until the socket's buffers are full */
    post(&sender, &late, "/answer?2");
    sender_idle(&sender, 50);
    endpoint_free(sender.endpoint);
    sender.endpoint = NULL;
    answer_expect(&freeze, SEND_IN_DOUBT, FAULT_NONE, 0);
    answer_expect(&big[0], SEND_IN_DOUBT, FAULT_NONE, 0);
    answer_expect(&late, SEND_UNSENT, FAULT_NONE, 0);
    size_t stuck = 0; /* on a stream, but behind what the socket took */
    for (int i = 0; i < COUNT; i++)
        stuck += big[i].state == SEND_UNSENT && strcmp(big[i].error, "connection closed") == 0;
    ck_assert_uint_ge(stuck, 1);
    sender_stop(&sender);
    free(body);
}
END_TEST

/* Three time-outs in a row: PING; no octet within its deadline: the connection is given up. */
START_TEST(test_dead_connection)
{
    struct sender sender;
    struct answer warm, first, others[3], after;
    sender_start(&sender, &h2_peer, &h2, NULL);
    post(&sender, &warm, "/answer");
    sender_run(&sender, 0);
    sender_post(&sender, &first, "/freeze", "{}", 2, 15000);
    for (int i = 0; i < 3; i++)
        sender_post(&sender, &others[i], "/silent", "{}", 2, 100);
    int64_t start = clock_mono();
    sender_run(&sender, 0);
    int64_t spent = clock_mono() - start;
    ck_assert_msg(spent >= 5000 && spent < 9000, "%d ms", (int)spent);
    answer_expect(&first, SEND_IN_DOUBT, FAULT_CONNECT, 0);
    for (int i = 0; i < 3; i++)
        answer_expect(&others[i], SEND_IN_DOUBT, FAULT_TIMEOUT, 0);
    post(&sender, &after, "/answer?2");
    sender_run(&sender, 0);
    answer_expect(&after, SEND_ANSWERED, FAULT_NONE, 200);
    sender_stop(&sender);
}
END_TEST

/* ---- the peer's stream limit ---- */

START_TEST(test_stream_limit)
{
    struct sender sender;
    struct answer answers[200];
    const struct peer_options narrow = {.kind = PEER_HTTP2, .max_streams = 1, .raise_to = 30};
    sender_start(&sender, &narrow, &h2, NULL);
    ck_assert_uint_eq(endpoint_free_slots(sender.endpoint), 1);
    ck_assert_uint_eq(endpoint_capacity(sender.endpoint), 100);
    post(&sender, &answers[0], "/answer");
    ck_assert_uint_eq(endpoint_free_slots(sender.endpoint), 0);
    sender_run(&sender, 0);
    /* SETTINGS follow the first answer. */
    for (int64_t end = clock_mono() + 5000; endpoint_free_slots(sender.endpoint) < 30 && clock_mono() < end;)
        sender_idle(&sender, 1);
    ck_assert_uint_eq(endpoint_free_slots(sender.endpoint), 30);
    ck_assert_uint_ge(sender.capacity_calls, 1);
    for (int i = 0; i < 200; i++)
        post(&sender, &answers[i], "/answer");
    ck_assert_uint_eq(endpoint_free_slots(sender.endpoint), 0);
    sender_run(&sender, 0);
    for (int i = 0; i < 200; i++)
        answer_expect(&answers[i], SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_le(peer_most_streams(sender.peer), 30);
    ck_assert_uint_eq(peer_connections(sender.peer), 1);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_several_connections)
{
    struct sender sender;
    struct answer answers[40];
    const struct endpoint_options three = {.http2 = true, .connections = 3, .streams = 10};
    sender_start(&sender, &h2_peer, &three, NULL);
    /* Those that wait give up first: no stream comes free for them. */
    for (int i = 0; i < 40; i++)
        sender_post(&sender, &answers[i], "/silent", "{}", 2, i < 30 ? 1400 : 700);
    sender_run(&sender, 0);
    size_t unsent = 0;
    for (int i = 0; i < 40; i++) {
        ck_assert_int_eq(answers[i].fault, FAULT_TIMEOUT);
        unsent += answers[i].state == SEND_UNSENT;
    }
    ck_assert_uint_eq(unsent, 10);
    ck_assert_uint_eq(peer_count(sender.peer, "/silent"), 30);
    ck_assert_uint_eq(peer_connections(sender.peer), 3);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_renew)
{
    struct sender sender;
    struct answer slow, fast;
    sender_start(&sender, &h2_peer, &h2, NULL);
    post(&sender, &fast, "/answer");
    sender_run(&sender, 0);
    sender_post(&sender, &slow, "/silent", "{}", 2, 400);
    sender_reach(&sender, "/silent");
    endpoint_renew(sender.endpoint);
    post(&sender, &fast, "/answer?2");
    sender_run(&sender, 1);
    answer_expect(&fast, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_eq(peer_connections(sender.peer), 2);
    sender_run(&sender, 0);
    answer_expect(&slow, SEND_IN_DOUBT, FAULT_TIMEOUT, 0);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_free_with_requests)
{
    struct sender sender;
    struct answer warm, sent, waiting;
    sender_start(&sender, &h2_peer, &h2, NULL);
    post(&sender, &warm, "/answer");
    sender_run(&sender, 0);
    post(&sender, &sent, "/silent");
    sender_reach(&sender, "/silent");
    post(&sender, &waiting, "/answer?2");
    endpoint_free(sender.endpoint);
    sender.endpoint = NULL;
    answer_expect(&sent, SEND_IN_DOUBT, FAULT_NONE, 0);
    answer_expect(&waiting, SEND_UNSENT, FAULT_NONE, 0);
    sender_stop(&sender);
}
END_TEST

/* ---- connecting ---- */

static const struct connect_case {
    const char *label;
    const char *host; /* in the URL */
    enum peer_kind kind;
    const char *names; /* of the certificate */
    bool other_authority;
    enum send_fault fault;
} connect_cases[] = {
    {"wrong name", "localhost", PEER_HTTP2, "DNS:elsewhere", false, FAULT_TLS},
    {"wrong address", "127.0.0.1", PEER_HTTP2, "DNS:localhost,IP:127.0.0.2", false, FAULT_TLS},
    {"name is no address", "127.0.0.1", PEER_HTTP2, "DNS:127.0.0.1", false, FAULT_TLS},
    {"wrong authority", "localhost", PEER_HTTP2, NULL, true, FAULT_TLS},
    {"never speaks", "127.0.0.1", PEER_MUTE, NULL, false, FAULT_CONNECT},
    {"no such name", "no-such-name.invalid", PEER_HTTP2, NULL, false, FAULT_RESOLVE},
};

START_TEST(test_cannot_connect)
{
    const struct connect_case *row = &connect_cases[_i];
    struct sender sender;
    struct answer answers[3];
    struct certs *other = certs_new();
    const struct peer_options peer = {.kind = row->kind, .names = row->names};
    const struct endpoint_options options = {
        .http2 = true, .ca_file = row->other_authority ? other->ca_file : NULL, .connect_timeout_ms = 400};
    sender_start(&sender, &peer, &options, row->host);
    for (int i = 0; i < 3; i++)
        post(&sender, &answers[i], "/answer");
    sender_run(&sender, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(answers[i].fault == row->fault, "%s: %s", row->label, answers[i].error);
        answer_expect(&answers[i], SEND_UNSENT, row->fault, 0);
    }
    /* Backoff: what comes meanwhile fails at once and opens no connection. */
    size_t connections = peer_connections(sender.peer);
    post(&sender, &answers[0], "/answer");
    sender_run(&sender, 0);
    answer_expect(&answers[0], SEND_UNSENT, row->fault, 0);
    ck_assert_uint_le(peer_connections(sender.peer), connections + 1);
    ck_assert_uint_eq(peer_count(sender.peer, "/answer"), 0);
    sender_stop(&sender);
    certs_free(other);
}
END_TEST

START_TEST(test_nobody_listens)
{
    struct sender sender;
    struct answer answer;
    const struct endpoint_options options = {.url = "https://127.0.0.1:1", .http2 = true};
    sender_start(&sender, &h2_peer, &options, NULL);
    post(&sender, &answer, "/answer");
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_UNSENT, FAULT_CONNECT, 0);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_falls_back_to_http1)
{
    struct sender sender;
    struct answer answers[5];
    const struct peer_options old = {.kind = PEER_HTTP1};
    sender_start(&sender, &old, &h2, NULL);
    for (int i = 0; i < 5; i++)
        post(&sender, &answers[i], "/answer");
    sender_run(&sender, 0);
    for (int i = 0; i < 5; i++) {
        answer_expect(&answers[i], SEND_ANSWERED, FAULT_NONE, 200);
        ck_assert_str_eq(answers[i].x_peer, "yes");
    }
    ck_assert_uint_eq(peer_count(sender.peer, "/answer"), 5);
    ck_assert_uint_eq(peer_connections(sender.peer), 2); /* the first showed that there is no HTTP/2 */
    sender_stop(&sender);
}
END_TEST

/* ---- options ---- */

static const char *const bad_urls[] = {"http://a",    "https://",    "https://a:0", "https://a:70000",
                                       "https://a:x", "https://u@a", "https://a/b", "https://[::1",
                                       "https://a b", "ftp://a",     "https://a:",  "https://a?x"};

START_TEST(test_bad_options)
{
    struct sender sender;
    struct error err;
    sender_start(&sender, &h2_peer, &h2, NULL);
    struct endpoint_options good = {.url = "https://[::1]:443/",
                                    .http2 = true,
                                    .connections = 1,
                                    .streams = 1,
                                    .connect_timeout_ms = 1,
                                    .timeout_ms = 1};
    struct endpoint *endpoint = endpoint_new(sender.transport, &good, &err);
    ck_assert_msg(endpoint != NULL, "%s", err.text);
    endpoint_free(endpoint);
    for (size_t i = 0; i < sizeof bad_urls / sizeof bad_urls[0]; i++) {
        struct endpoint_options bad = good;
        bad.url = bad_urls[i];
        ck_assert_msg(endpoint_new(sender.transport, &bad, &err) == NULL, "%s", bad_urls[i]);
    }
    struct endpoint_options bad = good;
    bad.ca_file = "/no/such/file";
    ck_assert_ptr_null(endpoint_new(sender.transport, &bad, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "ca_file"));
    bad = good;
    bad.connections = 0;
    ck_assert_ptr_null(endpoint_new(sender.transport, &bad, &err));
    bad = good;
    bad.url = "smtps://a";
    ck_assert_ptr_null(endpoint_new(sender.transport, &bad, &err));
    sender_stop(&sender);
}
END_TEST

#define ADD(test, timeout, rows)                                                                             \
    do {                                                                                                     \
        TCase *case_ = tcase_create(#test);                                                                  \
        tcase_set_timeout(case_, timeout);                                                                   \
        tcase_add_loop_test(case_, test, 0, rows);                                                           \
        suite_add_tcase(suite, case_);                                                                       \
    } while (0)
#define ROWS(table) ((int)(sizeof(table) / sizeof(table)[0]))

int main(void)
{
    Suite *suite = suite_create("http2");
    ADD(test_answer, 10, 1);
    ADD(test_big_body, 10, 1);
    ADD(test_changing_header, 10, 1);
    ADD(test_send_from_callback, 10, 1);
    ADD(test_one_stream, 10, ROWS(stream_cases));
    ADD(test_lost_connection, 10, ROWS(lost_cases));
    ADD(test_goaway, 10, 1);
    ADD(test_unwritten, 30, 1);
    ADD(test_dead_connection, 30, 1);
    ADD(test_stream_limit, 10, 1);
    ADD(test_several_connections, 10, 1);
    ADD(test_renew, 10, 1);
    ADD(test_free_with_requests, 10, 1);
    ADD(test_cannot_connect, 10, ROWS(connect_cases));
    ADD(test_nobody_listens, 10, 1);
    ADD(test_falls_back_to_http1, 10, 1);
    ADD(test_bad_options, 10, 1);
    return suite_run(suite);
}
