#include "support/suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "support/sender.h"
#include "transport/guard.h"

static bool allowed(const char *text)
{
    struct sockaddr_in six_less = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    if (strchr(text, ':') == NULL) {
        ck_assert_msg(inet_pton(AF_INET, text, &six_less.sin_addr) == 1, "%s", text);
        return guard_allows((const struct sockaddr *)&six_less);
    }
    ck_assert_msg(inet_pton(AF_INET6, text, &six.sin6_addr) == 1, "%s", text);
    return guard_allows((const struct sockaddr *)&six);
}

/* Of each block: the address before it, its first, its last, the one behind it. */
START_TEST(test_blocks)
{
    static const struct {
        const char *before, *first, *last, *after;
    } rows[] = {
        {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
        {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
        {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
        {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
        {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
        {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
        {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
        {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
        {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
        {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
        {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
        {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
        {"223.255.255.255", "224.0.0.0", "239.255.255.255", NULL},
        {NULL, "240.0.0.0", "255.255.255.255", NULL},
        {NULL, "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"},
        {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
         "2001:200::"},
        {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
         "2001:db9::"},
        {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
         "3fff:1000::"},
        {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(rows[i].before == NULL || allowed(rows[i].before), "%s", rows[i].before);
        ck_assert_msg(!allowed(rows[i].first), "%s", rows[i].first);
        ck_assert_msg(!allowed(rows[i].last), "%s", rows[i].last);
        ck_assert_msg(rows[i].after == NULL || allowed(rows[i].after), "%s", rows[i].after);
    }
}
END_TEST

START_TEST(test_addresses)
{
    static const struct {
        const char *address;
        bool allowed;
    } rows[] = {
        {"8.8.8.8", true},
        {"142.250.74.10", true},
        {"17.57.144.180", true},
        {"2a00:1450:4001:830::200a", true},
        {"2606:4700::6810:84e5", true},
        {"169.254.169.254", false},
        {"::1", false},
        {"fe80::1", false},
        {"fc00::1", false},
        {"fd00:ec2::254", false},
        {"fec0::1", false},
        {"ff02::1", false},
        {"100::1", false},
        {"::8.8.8.8", false}, /* IPv4-compatible: no longer in use */
        {"64:ff9b:1::808:808", false},
        {"5f00::1", false},
        /* the inner address decides */
        {"::ffff:8.8.8.8", true},
        {"::ffff:127.0.0.1", false},
        {"::ffff:169.254.169.254", false},
        {"::ffff:10.1.2.3", false},
        {"64:ff9b::8.8.8.8", true},
        {"64:ff9b::127.0.0.1", false},
        {"64:ff9b::192.168.0.1", false},
        {"2002:808:808::1", true},
        {"2002:7f00:1::1", false},
        {"2002:a00:1::1", false},
        {"2002:a9fe:a9fe::", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(allowed(rows[i].address) == rows[i].allowed, "%s", rows[i].address);
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
    ck_assert(!guard_allows((const struct sockaddr *)&local));
}
END_TEST

static const struct peer_options peers[] = {{.kind = PEER_HTTP2}, {.kind = PEER_HTTP1}};
static const char *const hosts[] = {"127.0.0.1", "localhost"};
enum { KINDS = 2, HOSTS = 2 };

/* Both ways to connect refuse an address and a name that leads there. */
START_TEST(test_refused)
{
    struct sender sender;
    struct answer answers[2];
    const struct endpoint_options options = {.guarded = true, .http2 = peers[_i / HOSTS].kind == PEER_HTTP2};
    sender_start(&sender, &peers[_i / HOSTS], &options, hosts[_i % HOSTS]);
    for (size_t i = 0; i < 2; i++) {
        sender_post(&sender, &answers[i], "/answer", "{}", 2, 0);
        sender_run(&sender, 0);
        answer_expect(&answers[i], SEND_UNSENT, FAULT_NOT_ALLOWED, 0);
        ck_assert_str_eq(answers[i].error, "address not allowed");
    }
    ck_assert_uint_eq(peer_connections(sender.peer), 0);
    sender_stop(&sender);
}
END_TEST

static struct endpoint *endpoint_to(struct sender *sender, const char *trusted, bool http2)
{
    struct error err;
    char url[64];
    snprintf(url, sizeof url, "https://localhost:%d", peer_port(sender->peer));
    const char *const list[] = {"https://push.example", trusted != NULL ? trusted : url, NULL};
    struct endpoint_options options = {.url = url,
                                       .http2 = http2,
                                       .connections = 1,
                                       .streams = 10,
                                       .guarded = true,
                                       .trusted_origins = list,
                                       .connect_timeout_ms = 5000,
                                       .timeout_ms = 5000};
    struct endpoint *endpoint = endpoint_new(sender->transport, &options, &err);
    ck_assert_msg(endpoint != NULL, "%s", err.text);
    return endpoint;
}

/* Only the very origin that the operator named may be anywhere. */
START_TEST(test_trusted)
{
    struct sender sender;
    struct answer answer;
    const struct endpoint_options options = {.guarded = true, .http2 = peers[_i].kind == PEER_HTTP2};
    sender_start(&sender, &peers[_i], &options, "localhost");
    endpoint_free(sender.endpoint);
    sender.endpoint = endpoint_to(&sender, NULL, options.http2);
    sender_post(&sender, &answer, "/answer", "{}", 2, 0);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_ANSWERED, FAULT_NONE, 200);
    /* No redirection is followed. */
    sender_post(&sender, &answer, "/status/307", "{}", 2, 0);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_ANSWERED, FAULT_NONE, 307);

    static const char *const others[] = {"https://localhost", "https://localhost:1", "https://127.0.0.1"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        endpoint_free(sender.endpoint);
        sender.endpoint = endpoint_to(&sender, others[i], options.http2);
        sender_post(&sender, &answer, "/answer", "{}", 2, 0);
        sender_run(&sender, 0);
        answer_expect(&answer, SEND_UNSENT, FAULT_NOT_ALLOWED, 0);
    }
    ck_assert_uint_eq(peer_connections(sender.peer), 1);
    sender_stop(&sender);
}
END_TEST

/* The connections made after a server turned out not to speak HTTP/2 are guarded as well. */
START_TEST(test_fall_back)
{
    struct sender sender;
    struct answer answer;
    const struct endpoint_options options = {.guarded = true};
    sender_start(&sender, &peers[1], &options, "localhost");
    endpoint_free(sender.endpoint);
    sender.endpoint = endpoint_to(&sender, NULL, true);
    sender_post(&sender, &answer, "/answer", "{}", 2, 0);
    sender_run(&sender, 0);
    answer_expect(&answer, SEND_ANSWERED, FAULT_NONE, 200);
    sender_stop(&sender);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guard");
    suite_add(suite, test_blocks);
    suite_add(suite, test_addresses);
    TCase *refused = tcase_create("refused"), *trusted = tcase_create("trusted");
    tcase_add_loop_test(refused, test_refused, 0, KINDS * HOSTS);
    tcase_add_loop_test(trusted, test_trusted, 0, KINDS);
    suite_add_tcase(suite, refused);
    suite_add_tcase(suite, trusted);
    suite_add(suite, test_fall_back);
    return suite_run(suite);
}
