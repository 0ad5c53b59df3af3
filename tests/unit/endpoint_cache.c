#include "support/suite.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "dispatcher/endpoint_cache.h"
#include "support/peer.h"

enum { PEERS = 3, PATIENCE_MS = 20 * 1000 };

static const struct request hello = {.method = "POST", .path = "/answer", .body = "{}", .body_size = 2};
static const struct request silent = {.method = "POST", .path = "/silent", .body = "{}", .body_size = 2};

/* Servers, and the origins that are to be tested against them. */
static struct {
    struct certs *certs;
    struct peer *peers[PEERS];
    char urls[PEERS][64];
    const char *trusted[PEERS + 1];
    struct loop *loop;
    struct transport *transport;
    struct timer *patience;
    struct endpoint_options model;
    struct endpoint_cache *cache;
    size_t pending;
} world;

struct sent {
    struct endpoint *endpoint;
    enum send_state state;
    int status;
    const char *then; /* an origin that is taken in the callback, given back at once */
    struct error err;
};

static void on_patience(void *arg)
{
    (void)arg;
    ck_abort_msg("%zu answers are missing", world.pending);
}

static void setup(void)
{
    static const struct peer_options peer = {.kind = PEER_HTTP2};
    struct error err;
    world.certs = certs_new();
    for (size_t i = 0; i < PEERS; i++) {
        world.peers[i] = peer_new(world.certs, &peer);
        snprintf(world.urls[i], sizeof world.urls[i], "https://localhost:%d", peer_port(world.peers[i]));
        world.trusted[i] = world.urls[i];
    }
    world.loop = loop_new();
    world.patience = timer_new(world.loop, on_patience, NULL);
    const struct transport_options options = {.ca_file = world.certs->ca_file};
    world.transport = transport_new(world.loop, &options, &err);
    ck_assert_msg(world.transport != NULL, "%s", err.text);
    world.model = (struct endpoint_options){.http2 = true,
                                            .connections = 1,
                                            .streams = 10,
                                            .guarded = true,
                                            .trusted_origins = world.trusted,
                                            .connect_timeout_ms = 5000,
                                            .timeout_ms = 10000};
    world.pending = 0;
}

static void teardown(void)
{
    endpoint_cache_free(world.cache);
    world.cache = NULL;
    transport_free(world.transport);
    timer_free(world.patience);
    loop_free(world.loop);
    for (size_t i = 0; i < PEERS; i++)
        peer_free(world.peers[i]);
    certs_free(world.certs);
}

static void start(size_t max)
{
    world.cache = endpoint_cache_new(world.transport, &world.model, max);
}

static void on_response(void *arg, const struct response *response)
{
    struct sent *sent = arg;
    sent->state = response->state;
    sent->status = response->status;
    endpoint_cache_give(world.cache, sent->endpoint);
    if (sent->then != NULL) {
        struct endpoint *other = endpoint_cache_take(world.cache, sent->then, &sent->err);
        if (other != NULL)
            endpoint_cache_give(world.cache, other);
    }
    if (--world.pending == 0)
        loop_stop(world.loop);
}

static bool take_and_send(struct sent *sent, const char *origin, const struct request *request)
{
    *sent = (struct sent){.then = sent->then};
    sent->endpoint = endpoint_cache_take(world.cache, origin, &sent->err);
    if (sent->endpoint == NULL)
        return false;
    world.pending++;
    endpoint_send(sent->endpoint, request, on_response, sent);
    return true;
}

static void run(void)
{
    timer_set(world.patience, PATIENCE_MS);
    loop_run(world.loop);
    timer_clear(world.patience);
}

/* One request there and back. */
static struct endpoint *visit(const char *origin)
{
    struct sent sent = {.then = NULL};
    ck_assert_msg(take_and_send(&sent, origin, &hello), "%s", sent.err.text);
    run();
    ck_assert_int_eq(sent.state, SEND_ANSWERED);
    ck_assert_int_eq(sent.status, 200);
    return sent.endpoint;
}

/* The server's view of how many connections were made to it. */
static void expect_connections(size_t first, size_t second, size_t third)
{
    ck_assert_uint_eq(peer_connections(world.peers[0]), first);
    ck_assert_uint_eq(peer_connections(world.peers[1]), second);
    ck_assert_uint_eq(peer_connections(world.peers[2]), third);
}

START_TEST(test_one_each)
{
    start(2);
    struct endpoint *first = visit(world.urls[0]);
    struct endpoint *second = visit(world.urls[1]);
    ck_assert_ptr_ne(first, second);
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_eq(visit(world.urls[0]), first);
        ck_assert_ptr_eq(visit(world.urls[1]), second);
    }
    expect_connections(1, 1, 0);
    ck_assert_uint_eq(peer_count(world.peers[0], "/answer"), 6);
    ck_assert_uint_eq(peer_count(world.peers[1], "/answer"), 6);
}
END_TEST

START_TEST(test_oldest_makes_way)
{
    start(2);
    visit(world.urls[0]);
    visit(world.urls[1]);
    visit(world.urls[0]);
    visit(world.urls[2]); /* in place of the second */
    visit(world.urls[0]);
    expect_connections(1, 1, 1);
    visit(world.urls[1]); /* in place of the third */
    visit(world.urls[0]);
    expect_connections(1, 2, 1);
    visit(world.urls[2]); /* in place of the second again */
    expect_connections(1, 2, 2);
}
END_TEST

/* One with requests in the air stays, however long ago it was taken. */
START_TEST(test_busy_stays)
{
    struct sent first = {.then = NULL}, again = {.then = NULL};
    start(2);
    ck_assert(take_and_send(&first, world.urls[0], &silent));
    ck_assert(take_and_send(&again, world.urls[0], &hello));
    ck_assert_ptr_eq(first.endpoint, again.endpoint);
    world.pending--; /* the silent one is not waited for */
    run();
    ck_assert_int_eq(again.status, 200);
    visit(world.urls[1]);
    visit(world.urls[2]);
    visit(world.urls[1]);
    expect_connections(1, 2, 1);
    ck_assert_ptr_eq(visit(world.urls[0]), first.endpoint);
    world.pending++;
    endpoint_cache_free(world.cache);
    world.cache = NULL;
    ck_assert_int_eq(first.state, SEND_IN_DOUBT);
    ck_assert_uint_eq(world.pending, 0);
}
END_TEST

START_TEST(test_too_many)
{
    struct sent sent[2] = {{.then = NULL}, {.then = NULL}};
    struct error err;
    start(2);
    ck_assert(take_and_send(&sent[0], world.urls[0], &hello));
    ck_assert(take_and_send(&sent[1], world.urls[1], &hello));
    ck_assert_ptr_null(endpoint_cache_take(world.cache, world.urls[2], &err));
    ck_assert_str_eq(err.text, "too many hosts at once");
    /* Those that are there are still to be had. */
    struct endpoint *endpoint = endpoint_cache_take(world.cache, world.urls[0], &err);
    ck_assert_ptr_eq(endpoint, sent[0].endpoint);
    endpoint_cache_give(world.cache, endpoint);
    run();
    ck_assert(sent[0].status == 200 && sent[1].status == 200);
    visit(world.urls[2]);
    expect_connections(1, 1, 1);
}
END_TEST

/* Open descriptors of this process but those of the servers, which keep each connection that they took. */
static size_t own_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    for (size_t i = 0; i < PEERS; i++)
        count -= peer_connections(world.peers[i]);
    return count;
}

/* Who made way is not connected any more. */
START_TEST(test_closed)
{
    start(1);
    visit(world.urls[0]);
    size_t before = own_descriptors();
    for (int i = 0; i < 5; i++) {
        visit(world.urls[1]);
        visit(world.urls[0]);
        ck_assert_uint_eq(own_descriptors(), before);
    }
    expect_connections(6, 5, 0);
}
END_TEST

/* The endpoint whose callback is running makes way. */
START_TEST(test_within_callback)
{
    struct sent sent = {.then = world.urls[1]};
    start(1);
    ck_assert(take_and_send(&sent, world.urls[0], &hello));
    run();
    ck_assert_msg(sent.status == 200 && sent.err.text[0] == '\0', "%s", sent.err.text);
    visit(world.urls[1]);
    visit(world.urls[0]);
    expect_connections(2, 1, 0);
}
END_TEST

/* What cannot be made pushes nobody out. */
START_TEST(test_bad_origin)
{
    static const char *const rows[] = {"",
                                       "http://localhost",
                                       "https://",
                                       "https://a b",
                                       "https://localhost/x",
                                       "https://user@localhost",
                                       "https://localhost:0"};
    struct error err;
    start(1);
    struct endpoint *endpoint = visit(world.urls[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        err.text[0] = '\0';
        ck_assert_msg(endpoint_cache_take(world.cache, rows[i], &err) == NULL, "%s", rows[i]);
        ck_assert_msg(strncmp(err.text, "url: ", 5) == 0, "%s: %s", rows[i], err.text);
    }
    ck_assert_ptr_eq(visit(world.urls[0]), endpoint);
    expect_connections(1, 0, 0);
}
END_TEST

/* The model's guard is every endpoint's: only the trusted origins may be on this host. */
START_TEST(test_guarded)
{
    struct sent sent = {.then = NULL};
    world.trusted[1] = NULL;
    start(2);
    visit(world.urls[0]);
    ck_assert(take_and_send(&sent, world.urls[1], &hello));
    run();
    ck_assert_int_eq(sent.state, SEND_UNSENT);
    expect_connections(1, 0, 0);
}
END_TEST

/* Every request ends, and nothing new begins meanwhile. */
START_TEST(test_free)
{
    struct sent sent[PEERS + 1];
    start(PEERS);
    visit(world.urls[0]);
    for (size_t i = 0; i <= PEERS; i++) {
        sent[i].then = world.urls[0];
        ck_assert(take_and_send(&sent[i], world.urls[i % PEERS], &silent));
    }
    endpoint_cache_free(world.cache);
    world.cache = NULL;
    ck_assert_uint_eq(world.pending, 0);
    for (size_t i = 0; i <= PEERS; i++) {
        ck_assert_int_ne(sent[i].state, SEND_ANSWERED);
        ck_assert_str_eq(sent[i].err.text, "the provider is being closed");
    }
    endpoint_cache_free(NULL);
}
END_TEST

/* One that made way and has not yet been freed goes with the others. */
START_TEST(test_free_before_sweep)
{
    struct error err;
    start(1);
    for (size_t i = 0; i < PEERS; i++) {
        struct endpoint *endpoint = endpoint_cache_take(world.cache, world.urls[i], &err);
        ck_assert_msg(endpoint != NULL, "%s", err.text);
        endpoint_cache_give(world.cache, endpoint);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint_cache");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, test_one_each);
    tcase_add_test(all, test_oldest_makes_way);
    tcase_add_test(all, test_busy_stays);
    tcase_add_test(all, test_too_many);
    tcase_add_test(all, test_closed);
    tcase_add_test(all, test_within_callback);
    tcase_add_test(all, test_bad_origin);
    tcase_add_test(all, test_guarded);
    tcase_add_test(all, test_free);
    tcase_add_test(all, test_free_before_sweep);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
