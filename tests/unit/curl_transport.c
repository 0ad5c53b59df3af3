#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "support/sender.h"
#include "support/suite.h"

static const struct endpoint_options http1 = {.connections = 2};
static const struct peer_options http1_peer = {.kind = PEER_HTTP1};

static void post(struct sender *sender, struct answer *answer, const char *path)
{
    sender_post(sender, answer, path, "{}", 2, 0);
}

START_TEST(test_answer)
{
    struct sender sender;
    struct answer answers[5], status, big;
    sender_start(&sender, &http1_peer, &http1, "localhost");
    ck_assert_uint_eq(endpoint_free_slots(sender.endpoint), 2);
    for (int i = 0; i < 5; i++)
        post(&sender, &answers[i], "/answer?a=1&b");
    ck_assert_uint_eq(endpoint_free_slots(sender.endpoint), 0);
    sender_run(&sender, 0);
    for (int i = 0; i < 5; i++) {
        answer_expect(&answers[i], SEND_ANSWERED, FAULT_NONE, 200);
        ck_assert_str_eq(answers[i].body, "ok");
        ck_assert_str_eq(answers[i].x_peer, "yes");
    }
    post(&sender, &status, "/status/503");
    post(&sender, &big, "/big");
    sender_run(&sender, 0);
    answer_expect(&status, SEND_ANSWERED, FAULT_NONE, 503);
    answer_expect(&big, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert(big.truncated);
    ck_assert_uint_eq(big.body_size, RESPONSE_MAX_BODY);
    ck_assert_uint_eq(peer_connections(sender.peer), 2); /* reused */
    ck_assert_uint_eq(peer_count(sender.peer, "/answer?a=1&b"), 5);
    ck_assert_uint_ge(sender.capacity_calls, 1);
    sender_stop(&sender);
}
END_TEST

/* A reused connection dies after it took the request: libcurl would send it again by itself. */
static const struct {
    const char *path;
    const char *body;
} lost_cases[] = {{"/reset", "{}"}, {"/close", "{}"}, {"/reset", ""}, {"/close", ""}};

START_TEST(test_no_silent_resend)
{
    struct sender sender;
    struct answer warm, lost, after;
    const struct endpoint_options one = {.connections = 1};
    sender_start(&sender, &http1_peer, &one, NULL);
    post(&sender, &warm, "/answer");
    sender_run(&sender, 0);
    sender_post(&sender, &lost, lost_cases[_i].path, lost_cases[_i].body, strlen(lost_cases[_i].body), 0);
    sender_run(&sender, 0);
    ck_assert_int_eq(lost.state, SEND_IN_DOUBT);
    ck_assert_int_eq(lost.calls, 1);
    post(&sender, &after, "/answer?2");
    sender_run(&sender, 0);
    answer_expect(&after, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_eq(peer_count(sender.peer, lost_cases[_i].path), 1);
    ck_assert_uint_eq(peer_count(sender.peer, "/answer?2"), 1);
    sender_stop(&sender);
}
END_TEST

/* Ten connections are lost one after the other, each in use or idle after an answer: whichever slot sends
 * next has a connection that works. */
static const char *const lossy_paths[] = {"/reset", "/close", "/leave"};
enum { LOSSES = 10, SLOTS = 2 };

START_TEST(test_slots_outlive_their_connections)
{
    struct sender sender;
    struct answer warm[SLOTS], lost, after[SLOTS];
    sender_start(&sender, &http1_peer, &http1, NULL);
    for (int loss = 0; loss < LOSSES; loss++) {
        for (int i = 0; i < SLOTS; i++)
            post(&sender, &warm[i], "/answer");
        sender_run(&sender, 0);
        post(&sender, &lost, lossy_paths[_i]);
        sender_run(&sender, 0);
        ck_assert_int_eq(lost.calls, 1);
        for (int i = 0; i < SLOTS; i++)
            answer_expect(&warm[i], SEND_ANSWERED, FAULT_NONE, 200);
        /* A request that met the end on its way would rightly be in doubt. */
        for (int64_t end = clock_mono() + 5000; peer_left(sender.peer) <= (size_t)loss && clock_mono() < end;)
            sender_idle(&sender, 1);
        ck_assert_uint_ge(peer_left(sender.peer), (size_t)loss + 1);
    }
    for (int i = 0; i < SLOTS; i++)
        post(&sender, &after[i], "/answer?after");
    sender_run(&sender, 0);
    for (int i = 0; i < SLOTS; i++)
        answer_expect(&after[i], SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_eq(peer_count(sender.peer, lossy_paths[_i]), LOSSES);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_timeout)
{
    struct sender sender;
    struct answer silent, other;
    sender_start(&sender, &http1_peer, &http1, NULL);
    sender_post(&sender, &silent, "/silent", "{}", 2, 200);
    post(&sender, &other, "/answer");
    sender_run(&sender, 0);
    answer_expect(&silent, SEND_IN_DOUBT, FAULT_TIMEOUT, 0);
    answer_expect(&other, SEND_ANSWERED, FAULT_NONE, 200);
    ck_assert_uint_eq(peer_count(sender.peer, "/silent"), 1);
    sender_stop(&sender);
}
END_TEST

/* Both connections are busy: the third request waits in the queue and ends there. */
START_TEST(test_timeout_in_queue)
{
    struct sender sender;
    struct answer silent[2], waiting;
    sender_start(&sender, &http1_peer, &http1, NULL);
    for (int i = 0; i < 2; i++)
        sender_post(&sender, &silent[i], "/silent", "{}", 2, 600);
    sender_post(&sender, &waiting, "/answer", "{}", 2, 200);
    sender_run(&sender, 0);
    answer_expect(&waiting, SEND_UNSENT, FAULT_TIMEOUT, 0);
    ck_assert_uint_eq(peer_count(sender.peer, "/answer"), 0);
    sender_stop(&sender);
}
END_TEST

START_TEST(test_renew)
{
    struct sender sender;
    struct answer slow, fast;
    sender_start(&sender, &http1_peer, &http1, NULL);
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
    struct answer silent, waiting;
    const struct endpoint_options one = {.connections = 1};
    sender_start(&sender, &http1_peer, &one, NULL);
    post(&sender, &silent, "/silent");
    post(&sender, &waiting, "/answer");
    for (int64_t end = clock_mono() + 5000; peer_count(sender.peer, "/silent") == 0 && clock_mono() < end;)
        sender_idle(&sender, 1);
    endpoint_free(sender.endpoint);
    sender.endpoint = NULL;
    ck_assert_int_eq(silent.state, SEND_IN_DOUBT);
    answer_expect(&waiting, SEND_UNSENT, FAULT_NONE, 0);
    sender_stop(&sender);
}
END_TEST

static const struct connect_case {
    const char *host;
    enum peer_kind kind;
    const char *names;
    bool other_authority;
    enum send_fault fault;
} connect_cases[] = {
    {"localhost", PEER_HTTP1, "DNS:elsewhere", false, FAULT_TLS},
    {"127.0.0.1", PEER_HTTP1, "DNS:localhost,IP:127.0.0.2", false, FAULT_TLS},
    {"localhost", PEER_HTTP1, NULL, true, FAULT_TLS},
    {"127.0.0.1", PEER_MUTE, NULL, false, FAULT_CONNECT},
    {"no-such-name.invalid", PEER_HTTP1, NULL, false, FAULT_RESOLVE},
};

START_TEST(test_cannot_connect)
{
    const struct connect_case *row = &connect_cases[_i];
    struct sender sender;
    struct answer answer;
    struct certs *other = certs_new();
    const struct peer_options peer = {.kind = row->kind, .names = row->names};
    const struct endpoint_options options = {.ca_file = row->other_authority ? other->ca_file : NULL,
                                             .connect_timeout_ms = 400};
    sender_start(&sender, &peer, &options, row->host);
    post(&sender, &answer, "/answer");
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_UNSENT, row->fault, 0);
    ck_assert_uint_eq(peer_count(sender.peer, "/answer"), 0);
    sender_stop(&sender);
    certs_free(other);
}
END_TEST

static const char *const bad_paths[] = {"@elsewhere/", "", "/a b", "/a\r\nX-Evil: 1"};

START_TEST(test_bad_path)
{
    struct sender sender;
    struct answer answer;
    sender_start(&sender, &http1_peer, &http1, NULL);
    post(&sender, &answer, bad_paths[_i]);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_UNSENT, FAULT_PROTOCOL, 0);
    sender_stop(&sender);
}
END_TEST

#define ADD(test, rows)                                                                                      \
    do {                                                                                                     \
        TCase *case_ = tcase_create(#test);                                                                  \
        tcase_set_timeout(case_, 10);                                                                        \
        tcase_add_loop_test(case_, test, 0, rows);                                                           \
        suite_add_tcase(suite, case_);                                                                       \
    } while (0)
#define ROWS(table) ((int)(sizeof(table) / sizeof(table)[0]))

int main(void)
{
    Suite *suite = suite_create("curl_transport");
    ADD(test_answer, 1);
    ADD(test_no_silent_resend, ROWS(lost_cases));
    ADD(test_slots_outlive_their_connections, ROWS(lossy_paths));
    ADD(test_timeout, 1);
    ADD(test_timeout_in_queue, 1);
    ADD(test_renew, 1);
    ADD(test_free_with_requests, 1);
    ADD(test_cannot_connect, ROWS(connect_cases));
    ADD(test_bad_path, ROWS(bad_paths));
    return suite_run(suite);
}
