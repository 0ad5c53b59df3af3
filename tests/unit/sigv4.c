#include "providers/aws.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/hex.h"
#include "support/suite.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

/* 2015-08-30T12:36:00Z, the time of the whole AWS suite. */
#define SUITE_MS INT64_C(1440938160000)

static struct json_object *vectors;
static struct arena *arena;

static void setup(void)
{
    vectors = vectors_load("sigv4.json");
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    json_object_put(vectors);
}

static struct sigv4 signer(const char *host, struct json_object *entry)
{
    return (struct sigv4){
        .url = arena_printf(arena, "https://%s", host),
        .region = test_text(entry, "region"),
        .service = test_text(entry, "service"),
        .access_key_id = test_text(vectors, "access_key_id"),
        .secret_access_key = test_text(vectors, "secret_access_key"),
    };
}

static void add_header(struct request *request, const char *name, const char *value)
{
    ck_assert_uint_lt(request->header_count, REQUEST_MAX_HEADERS);
    request->headers[request->header_count++] = (struct header){name, value};
}

/* A line that begins with white space goes on with the value before it. */
static const char *header_value(const char **rest)
{
    size_t size = 0;
    do
        size += strcspn(*rest + size, "\n") + 1;
    while ((*rest)[size] == ' ');
    const char *value = arena_strndup(arena, *rest, size - 1);
    *rest += size;
    return value;
}

/* Reads the suite's "METHOD target HTTP/1.1", headers, blank line, body. Returns the host. */
static const char *read_request(const char *text, struct request *request)
{
    const char *space = strchr(text, ' '), *end = strstr(text, " HTTP/1.1\n"), *host = "";
    ck_assert(space != NULL && end != NULL && space < end);
    *request = (struct request){
        .method = arena_strndup(arena, text, (size_t)(space - text)),
        .path = arena_strndup(arena, space + 1, (size_t)(end - space - 1)),
    };
    const char *line = end + strlen(" HTTP/1.1\n");
    while (*line != '\0' && *line != '\n') {
        size_t size = strcspn(line, ":");
        char *name = arena_strndup(arena, line, size);
        for (char *c = name; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        line += size + 1;
        const char *value = header_value(&line);
        if (strcmp(name, "host") == 0)
            host = value;
        else
            add_header(request, name, value);
    }
    request->body = *line == '\n' ? line + 1 : "";
    request->body_size = strlen(request->body);
    return host;
}

START_TEST(test_suite)
{
    struct json_object *suite = test_at(vectors, "suite");
    size_t count = json_object_array_length(suite);
    ck_assert_uint_eq(count, 38);
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(suite, i);
        struct request request;
        const char *host = read_request(test_text(entry, "request"), &request);
        struct sigv4 sigv4 = signer(host, entry);
        sigv4.path_as_is = !json_get_bool(entry, "normalize_path", true);
        if (!json_get_bool(entry, "omit_session_token", false))
            sigv4.session_token = json_get_text(entry, "session_token");
        if (json_get_bool(entry, "sign_body", false)) {
            unsigned char digest[SHA256_SIZE];
            char hex[2 * SHA256_SIZE + 1];
            digest_sha256(request.body, request.body_size, digest);
            hex_encode(digest, sizeof digest, hex);
            add_header(&request, "x-amz-content-sha256", arena_strdup(arena, hex));
        }
        ck_assert(aws_sign(&sigv4, SUITE_MS, arena, &request));
        ck_assert_str_eq(test_header(&request, "x-amz-date"), "20150830T123600Z");
        ck_assert_pstr_eq(test_header(&request, "x-amz-security-token"), sigv4.session_token);
        ck_assert_msg(strcmp(test_header(&request, "authorization"), test_text(entry, "authorization")) == 0,
                      "%s: %s", test_text(entry, "name"), test_header(&request, "authorization"));
    }
}
END_TEST

START_TEST(test_services)
{
    struct json_object *local = test_at(vectors, "local");
    ck_assert_uint_eq(json_object_array_length(local), 2);
    for (size_t i = 0; i < json_object_array_length(local); i++) {
        struct json_object *entry = json_object_array_get_idx(local, i);
        struct sigv4 sigv4 = signer(test_text(entry, "host"), entry);
        struct request request = {
            .method = test_text(entry, "method"),
            .path = test_text(entry, "path"),
            .body = test_text(entry, "body"),
            .body_size = strlen(test_text(entry, "body")),
        };
        add_header(&request, "content-type", test_text(entry, "content_type"));
        ck_assert(aws_sign(&sigv4, SUITE_MS, arena, &request));
        ck_assert_str_eq(test_header(&request, "authorization"), test_text(entry, "authorization"));
    }
}
END_TEST

START_TEST(test_iam_example)
{
    struct json_object *entry = test_at(vectors, "iam_listusers");
    struct sigv4 sigv4 = signer("iam.amazonaws.com", entry);
    struct request request = {.method = "GET", .path = "/?Version=2010-05-08&Action=ListUsers"};
    add_header(&request, "content-type", "application/x-www-form-urlencoded; charset=utf-8");
    ck_assert(aws_sign(&sigv4, SUITE_MS, arena, &request));
    const char *signature = strstr(test_header(&request, "authorization"), "Signature=");
    ck_assert_str_eq(signature + strlen("Signature="), test_text(entry, "signature"));
}
END_TEST

static const char *authorization(struct json_object *entry, struct arena *memory)
{
    struct buf body;
    buf_init(&body, 65536);
    const char *text = test_text(entry, "body");
    ck_assert(base64_decode(&body, text, strlen(text)));
    struct sigv4 sigv4 = {
        .url = test_text(entry, "url"),
        .region = test_text(entry, "region"),
        .service = test_text(entry, "service"),
        .access_key_id = test_text(entry, "access_key_id"),
        .secret_access_key = test_text(entry, "secret_access_key"),
        .session_token = json_get_text(entry, "session_token"),
    };
    struct request request = {
        .method = test_text(entry, "method"),
        .path = test_text(entry, "path"),
        .body = buf_string(&body),
        .body_size = body.size,
    };
    struct json_object_iter header;
    json_object_object_foreachC(json_get(entry, "headers"), header)
        add_header(&request, header.key, json_object_get_string(header.val));
    ck_assert(aws_sign(&sigv4, json_get_int(entry, "now_ms", 0), memory, &request));
    buf_free(&body);
    return test_header(&request, "authorization");
}

START_TEST(test_cases)
{
    test_answer_cases(authorization);
}
END_TEST

static const char *signature_of(const char *url, const char *path)
{
    struct sigv4 sigv4 = signer("", json_object_array_get_idx(test_at(vectors, "suite"), 0));
    sigv4.url = url;
    struct request request = {.method = "GET", .path = path};
    ck_assert(aws_sign(&sigv4, SUITE_MS, arena, &request));
    return test_header(&request, "authorization");
}

/* Requests that a server cannot tell apart have one signature. */
START_TEST(test_same)
{
    static const struct {
        const char *url, *path, *other_url, *other_path;
        bool same;
    } rows[] = {
        {"https://a.example", "/", "https://a.example:443", "/", true},
        {"https://a.example", "/", "https://a.example:8443", "/", false},
        {"https://a.example:80", "/", "https://a.example", "/", false},
        {"http://a.example:80", "/", "http://a.example", "/", true},
        {"https://a.example", "/?a=1&b=2", "https://a.example", "/?b=2&a=1", true},
        {"https://a.example", "/?a=1&a=2", "https://a.example", "/?a=2&a=1", true},
        {"https://a.example", "/?a=%7E%3a", "https://a.example", "/?a=~:", true},
        {"https://a.example", "/?a", "https://a.example", "/?a=", true},
        {"https://a.example", "/?a=1&&", "https://a.example", "/?a=1", true},
        {"https://a.example", "/?a=1%", "https://a.example", "/?a=1%25", true},
        {"https://a.example", "/?a=b=c", "https://a.example", "/?a=b%3Dc", true},
        {"https://a.example", "/?a=1", "https://a.example", "/?a=2", false},
        {"https://a.example", "/a/./b/../c", "https://a.example", "/a/c", true},
        {"https://a.example", "/a/..", "https://a.example", "/", true},
        {"https://a.example", "/../..", "https://a.example", "/", true},
        {"https://a.example", "/a/", "https://a.example", "/a", false},
        {"https://a.example", "/a%20b", "https://a.example", "/a b", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *one = signature_of(rows[i].url, rows[i].path);
        const char *other = signature_of(rows[i].other_url, rows[i].other_path);
        ck_assert_msg((strcmp(one, other) == 0) == rows[i].same, "row %zu", i);
    }
}
END_TEST

START_TEST(test_limits)
{
    struct sigv4 sigv4 = signer("a.example", json_object_array_get_idx(test_at(vectors, "suite"), 0));
    struct request request = {.method = "GET", .path = "/"};
    for (int i = 0; i < REQUEST_MAX_HEADERS - 3; i++)
        add_header(&request, "x-a", "1");
    sigv4.session_token = "t";
    ck_assert(aws_sign(&sigv4, SUITE_MS, arena, &request));
    ck_assert_uint_eq(request.header_count, REQUEST_MAX_HEADERS);
    ck_assert(!aws_sign(&sigv4, SUITE_MS, arena, &request));

    char *path = arena_alloc(arena, 70001);
    memset(path, 'a', 70000);
    path[0] = '/';
    request = (struct request){.method = "GET", .path = path};
    ck_assert(!aws_sign(&sigv4, SUITE_MS, arena, &request));
    path[1] = '?';
    request = (struct request){.method = "GET", .path = path};
    ck_assert(!aws_sign(&sigv4, SUITE_MS, arena, &request));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sigv4");
    TCase *cases = tcase_create("sigv4");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_suite);
    tcase_add_test(cases, test_services);
    tcase_add_test(cases, test_iam_example);
    tcase_add_test(cases, test_same);
    tcase_add_test(cases, test_limits);
    suite_add_tcase(suite, cases);
    suite_add(suite, test_cases);
    return suite_run(suite);
}
