/* The sandbox's browser against RFC 8291's example, whose keys it could never derive itself. */
#include "support/suite.h"

#include <string.h>

#include "crypto/base64.h"
#include "sandbox/vendors/web_open.c" /* the sandbox is a program, no library */
#include "support/test_adapter.h"
#include "support/vectors.h"

static struct json_object *vectors;
static struct web_receiver receiver;

static struct buf decode(struct json_object *object, const char *path)
{
    struct buf octets;
    buf_init(&octets, 2 * WEB_BODY_MAX);
    const char *text = test_text(object, path);
    ck_assert_msg(base64_decode(&octets, text, strlen(text)), "%s: %s", path, text);
    return octets;
}

static void copy(const char *path, unsigned char *out, size_t size)
{
    struct buf octets = decode(vectors, path);
    ck_assert_uint_eq(octets.size, size);
    memcpy(out, octets.data, size);
    buf_free(&octets);
}

static void setup(void)
{
    vectors = vectors_load("webpush_rfc8291.json");
    copy("inputs/ua_private", receiver.secret, WEB_SECRET);
    copy("inputs/ua_public", receiver.point, WEB_POINT);
    copy("inputs/auth_secret", receiver.auth, WEB_AUTH);
}

static void teardown(void)
{
    json_object_put(vectors);
}

static void expect_text(struct json_object *object, const char *body_path, const char *text_path)
{
    struct buf body = decode(object, body_path), wanted = decode(object, text_path), text;
    buf_init(&text, WEB_BODY_MAX);
    const char *fault = web_open(&receiver, body.data, body.size, &text);
    ck_assert_msg(fault == NULL, "%s", fault);
    ck_assert_uint_eq(text.size, wanted.size);
    ck_assert(memcmp(buf_string(&text), buf_string(&wanted), text.size) == 0);
    buf_free(&text);
    buf_free(&wanted);
    buf_free(&body);
}

START_TEST(test_opens_the_vectors)
{
    expect_text(vectors, "expected/body", "inputs/plaintext_b64url");
    expect_text(test_at(vectors, "extra/0"), "body", "plaintext_b64url");
    expect_text(test_at(vectors, "extra/1"), "body", "plaintext_b64url");
}
END_TEST

START_TEST(test_public_point)
{
    unsigned char point[WEB_POINT];
    ck_assert(multiply(receiver.secret, NULL, point));
    ck_assert(memcmp(point, receiver.point, WEB_POINT) == 0);
}
END_TEST

static void expect_fault(const struct buf *body, size_t size, const char *wanted)
{
    struct buf text;
    buf_init(&text, WEB_BODY_MAX);
    const char *fault = web_open(&receiver, body->data, size, &text);
    ck_assert_msg(fault != NULL && strcmp(fault, wanted) == 0, "of %zu octets: %s", size, fault);
    ck_assert_uint_eq(text.size, 0);
    buf_free(&text);
}

/* Every octet of the body matters. */
START_TEST(test_refuses_what_is_altered)
{
    struct buf body = decode(vectors, "expected/body");
    for (size_t i = 0; i < body.size; i++) {
        const char *wanted = "web: does not decrypt";
        if (i >= RECORD_SIZE_AT && i < KEY_SIZE_AT)
            continue;
        if (i >= KEY_SIZE_AT && i < HEADER + WEB_POINT)
            wanted = "web: key id is no point";
        body.data[i] = (char)(body.data[i] ^ 0x10);
        expect_fault(&body, body.size, wanted);
        body.data[i] = (char)(body.data[i] ^ 0x10);
    }
    for (size_t size = 0; size < body.size; size++)
        expect_fault(&body, size,
                     size < HEADER + WEB_POINT + TAG + 1 ? "web: body is too short"
                                                         : "web: does not decrypt");
    buf_free(&body);
}
END_TEST

START_TEST(test_refuses_a_record_size)
{
    static const unsigned sizes[] = {0, 17, 58}; /* the record has 58 octets */
    struct buf body = decode(vectors, "expected/body");
    ck_assert_uint_eq(body.size, HEADER + WEB_POINT + 58);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(body.data + RECORD_SIZE_AT, (const char[]){0, 0, 0, (char)sizes[i]}, 4);
        expect_fault(&body, body.size, "web: bad record size");
    }
    struct buf text;
    buf_init(&text, WEB_BODY_MAX);
    body.data[KEY_SIZE_AT - 1] = 59;
    ck_assert_ptr_null(web_open(&receiver, body.data, body.size, &text));
    buf_free(&text);
    buf_free(&body);
}
END_TEST

START_TEST(test_keys_stay)
{
    struct web_receiver first, again, other, elsewhere;
    ck_assert(web_open_receiver("secret", "ann", &first));
    ck_assert(web_open_receiver("secret", "ann", &again));
    ck_assert(web_open_receiver("secret", "bob", &other));
    ck_assert(web_open_receiver("another", "ann", &elsewhere));
    ck_assert(memcmp(&first, &again, sizeof first) == 0);
    ck_assert(memcmp(first.point, other.point, WEB_POINT) != 0);
    ck_assert(memcmp(first.auth, other.auth, WEB_AUTH) != 0);
    ck_assert(memcmp(first.point, elsewhere.point, WEB_POINT) != 0);
    ck_assert(memcmp(first.auth, elsewhere.auth, WEB_AUTH) != 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox_web");
    TCase *tests = tcase_create("sandbox_web");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_opens_the_vectors);
    tcase_add_test(tests, test_public_point);
    tcase_add_test(tests, test_refuses_what_is_altered);
    tcase_add_test(tests, test_refuses_a_record_size);
    tcase_add_test(tests, test_keys_stay);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
