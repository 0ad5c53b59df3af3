/* The sandbox's reading of Signature Version 4: published requests, ours, and ours with one octet changed. */
#include "support/suite.h"

#include <ctype.h>
#include <stdlib.h>

#include "formats/sigv4.h"
#include "sandbox/vendors/aws.c" /* the sandbox is a program, no library */
#include "sandbox/wire/http.c"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static const int64_t now_ms = 1440938160000; /* 2015-08-30T12:36:00Z */

static struct arena *arena;
static struct exchange *x;

static void setup(void)
{
    arena = arena_new();
    x = arena_alloc(arena, sizeof *x);
}

static void teardown(void)
{
    buf_free(&x->body);
    arena_free(arena);
}

static void begin(const char *method, const char *path, const void *body, size_t size)
{
    buf_free(&x->body);
    *x = (struct exchange){.method = method, .path = path};
    buf_init(&x->body, 65536);
    buf_append(&x->body, body, size);
}

static void add_header(const char *name, const char *value)
{
    x->headers[x->header_count++] = (struct field){name, value};
}

/* "METHOD path HTTP/1.1", headers, blank line, body. */
static void read_request(const char *text)
{
    char method[16], path[256];
    int size = 0;
    ck_assert_int_eq(sscanf(text, "%15s %255s HTTP/1.1\n%n", method, path, &size), 2);
    const char *line = text + size, *end = strstr(text, "\n\n");
    const char *body = end ? end + 2 : "";
    begin(arena_strdup(arena, method), arena_strdup(arena, path), body, strlen(body));
    while (*line != '\0' && *line != '\n') {
        size_t name_size = strcspn(line, ":"), line_size = strcspn(line, "\n");
        char *name = arena_strndup(arena, line, name_size);
        for (char *c = name; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        add_header(name, arena_strndup(arena, line + name_size + 1, line_size - name_size - 1));
        line += line_size + (line[line_size] == '\n');
    }
}

/* Those of Amazon's own suite whose path, query and headers are as plain as what the sandbox takes. */
START_TEST(test_published)
{
    static const char *const names[] = {"get-vanilla", "post-vanilla", "post-header-key-sort",
                                        "post-header-value-case", "post-x-www-form-urlencoded"};
    struct json_object *vectors = vectors_load("sigv4.json"), *suite = test_at(vectors, "suite");
    size_t found = 0;
    for (size_t i = 0; i < json_object_array_length(suite); i++) {
        struct json_object *entry = json_object_array_get_idx(suite, i);
        bool wanted = false;
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            wanted = wanted || strcmp(names[n], test_text(entry, "name")) == 0;
        if (!wanted)
            continue;
        struct given given;
        read_request(test_text(entry, "request"));
        const char *sha = strstr(test_text(entry, "canonical_request"), "x-amz-content-sha256:");
        if (sha != NULL)
            add_header("x-amz-content-sha256", arena_strndup(arena, strchr(sha, ':') + 1, HEX_SIZE));
        add_header("x-amz-date", "20150830T123600Z");
        ck_assert(parse(test_text(entry, "authorization"), &given));
        ck_assert_msg(names_are_good(x, given.names), "%s", test_text(entry, "name"));
        ck_assert_msg(signature_is_good(x, &given, "20150830T123600Z", SECRET), "%s",
                      test_text(entry, "name"));
        found++;
    }
    ck_assert_uint_eq(found, sizeof names / sizeof *names);
    json_object_put(vectors);
}
END_TEST

static void sign_ours(void)
{
    static const char body[] = "{\"Content\":{\"Raw\":{\"Data\":\"QQ==\"}}}";
    static const struct sigv4_header headers[] = {{"content-type", "application/json"}};
    const struct sigv4 sigv4 = {.url = "https://127.0.0.1:4711",
                                .region = AWS_REGION,
                                .service = "ses",
                                .access_key_id = AWS_KEY,
                                .secret_access_key = SECRET};
    const struct sigv4_request request = {.method = "POST",
                                          .path = "/v2/email/outbound-emails",
                                          .headers = headers,
                                          .header_count = 1,
                                          .body = body,
                                          .body_size = strlen(body)};
    struct sigv4_header added[SIGV4_ADDED];
    begin(request.method, request.path, body, strlen(body));
    add_header(headers[0].name, headers[0].value);
    add_header("host", "127.0.0.1:4711");
    size_t count = sigv4_sign(&sigv4, &request, now_ms, arena, added);
    for (size_t i = 0; i < count; i++)
        add_header(added[i].name, added[i].value);
}

static const char *fault_of(void)
{
    const struct aws_fault *fault = aws_signature_fault(x, "ses", SECRET, now_ms);
    return fault ? fault->code : NULL;
}

/* Each octet of the text replaced by another one in turn. */
static void expect_each_counts(const char **text)
{
    const char *good = *text;
    for (size_t i = 0; good[i] != '\0'; i++) {
        char *bad = arena_strdup(arena, good);
        bad[i] = bad[i] == 'a' ? 'b' : 'a';
        *text = bad;
        ck_assert_msg(fault_of() != NULL, "%s", bad);
    }
    *text = good;
}

START_TEST(test_every_octet_counts)
{
    sign_ours();
    ck_assert_ptr_null(fault_of());
    expect_each_counts(&x->method);
    expect_each_counts(&x->path);
    for (size_t i = 0; i < x->header_count; i++)
        expect_each_counts(&x->headers[i].value);
    for (size_t i = 0; i < x->body.size; i++) {
        x->body.data[i] ^= 1;
        ck_assert_str_eq(fault_of(), "SignatureDoesNotMatch");
        x->body.data[i] ^= 1;
    }
    ck_assert_ptr_null(fault_of());
}
END_TEST

START_TEST(test_what_must_be_signed)
{
    sign_ours();
    add_header("accept", "*/*"); /* need not be */
    ck_assert_ptr_null(fault_of());
    add_header("x-amz-security-token", "t");
    ck_assert_str_eq(fault_of(), "IncompleteSignature");
}
END_TEST

START_TEST(test_time_and_scope)
{
    sign_ours();
    ck_assert_ptr_null(aws_signature_fault(x, "ses", SECRET, now_ms + 1000 * SKEW_S));
    ck_assert_ptr_nonnull(aws_signature_fault(x, "ses", SECRET, now_ms + 1000 * SKEW_S + 1000));
    ck_assert_ptr_nonnull(aws_signature_fault(x, "ses", SECRET, now_ms - 1000 * SKEW_S - 1000));
    ck_assert_ptr_nonnull(aws_signature_fault(x, "sns", SECRET, now_ms));
    ck_assert_ptr_nonnull(aws_signature_fault(x, "ses", SECRET "x", now_ms));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox_aws");
    TCase *tests = tcase_create("signature");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_published);
    tcase_add_test(tests, test_every_octet_counts);
    tcase_add_test(tests, test_what_must_be_signed);
    tcase_add_test(tests, test_time_and_scope);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
