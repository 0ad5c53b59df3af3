/* Helpers of the adapters' tests. A failure here ends the test (ck_abort). */
#ifndef PGOUTBOX_TESTS_TEST_ADAPTER_H
#define PGOUTBOX_TESTS_TEST_ADAPTER_H

#include "core/json.h"
#include "providers/adapter.h"

#define TEST_UUID "6f1d2c3a-0b4e-4d5f-8a9b-0c1d2e3f4a5b"
/* 2023-11-14T22:13:20Z */
#define TEST_NOW_MS INT64_C(1700000000000)
/* Spans for inquiries: a known moment, and ten minutes as after a crash. */
#define TEST_SENT       (&(const struct sent_span){TEST_NOW_MS, TEST_NOW_MS})
#define TEST_SENT_10MIN (&(const struct sent_span){TEST_NOW_MS, TEST_NOW_MS + 600000})

/* Parses JSON that the test wrote or an adapter built. Free with json_object_put. */
struct json_object *test_json(const char *text);

/* Follows member names (and [index] of arrays as digits) separated by '/'; NULL when there is none. */
struct json_object *test_at(struct json_object *value, const char *path);
/* The text there; "(none)" when there is none. */
const char *test_text(struct json_object *value, const char *path);

/* Settings, or NULL and err. */
void *test_settings_new(const struct adapter *adapter, const char *json,
                        const char *const secrets[ADAPTER_MAX_SECRETS], struct error *err);
/* Settings that the adapter must accept. */
void *test_settings_of(const struct adapter *adapter, const char *json, const char *secret);
/* The error of settings that must be refused. */
const char *test_settings_error(const struct adapter *adapter, const char *json, const char *secret);

/* Writes what answer says to each case of the JSON list that PGOUTBOX_CASES names, a line each, to that name
 * and
 * ".answers"; without the variable nothing. See tests/interop/signatures.sh. */
void test_answer_cases(const char *(*answer)(struct json_object *entry, struct arena *arena));

/* A first attempt of message TEST_UUID, created at TEST_NOW_MS. What an element of payload.attachments has as
 * "data" is what was read of its file. The payload lives until the next call. */
struct message test_message(const char *recipient, const char *payload);

/* The request of a message at TEST_NOW_MS, which the adapter must not refuse. */
struct request test_built(const struct adapter *adapter, const void *settings, const struct message *message,
                          struct arena *arena);

/* An answer with a body; its headers are empty. */
struct response test_answer(int status, const char *body);

/* A request header's value; NULL when it is absent. */
const char *test_header(const struct request *request, const char *name);

#endif
