#include "support/suite.h"

#include <stdio.h>
#include <string.h>

#include "providers/push/fcm.h"
#include "support/test_adapter.h"
#include "support/vectors.h"

#define PROJECT "example-project"
#define DEVICE                                                                                               \
    "fcm-token:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ-"                                          \
    "hQMRKRrZuJAEcl7B338qju59zJMjw2DELjzEvxwYv7"

static struct json_object *vectors;
static char service[8192];
static void *settings;
static struct arena *arena;

/* The service account's JSON, with one member replaced, or removed when value is NULL. */
static const char *service_with(const char *name, const char *value)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "project_id", json_object_new_string(PROJECT));
    json_object_object_add(object, "client_email",
                           json_object_new_string("svc@example-project.iam.gserviceaccount.com"));
    json_object_object_add(object, "private_key_id",
                           json_object_new_string("0123456789abcdef0123456789abcdef01234567"));
    json_object_object_add(object, "token_uri",
                           json_object_new_string("https://oauth2.googleapis.com/token"));
    json_object_object_add(object, "private_key",
                           json_object_new_string(test_text(vectors, "rfc7515/1/private_key_pkcs8_pem")));
    if (name != NULL && value != NULL)
        json_object_object_add(object, name, json_object_new_string(value));
    else if (name != NULL)
        json_object_object_del(object, name);
    snprintf(service, sizeof service, "%s", json_object_to_json_string(object));
    json_object_put(object);
    return service;
}

static void setup(void)
{
    vectors = vectors_load("jose.json");
    settings = test_settings_of(&fcm_adapter, "{}", service_with(NULL, NULL));
    arena = arena_new();
}

static void teardown(void)
{
    arena_free(arena);
    fcm_adapter.settings_free(settings);
    json_object_put(vectors);
}

/* Its payload lives until the next one. */
static struct message message_of(const char *payload)
{
    return test_message(DEVICE, payload);
}

static struct json_object *built(const struct message *message)
{
    struct request request;
    struct verdict verdict = {.reason = ""};
    bool ok = fcm_adapter.build(settings, message, "ya29.token", TEST_NOW_MS, arena, &request, &verdict);
    ck_assert_msg(ok, "%s", verdict.reason);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/v1/projects/" PROJECT "/messages:send");
    ck_assert_str_eq(test_header(&request, "authorization"), "Bearer ya29.token");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/json");
    ck_assert_uint_eq(request.body_size, strlen(request.body));
    return test_json(request.body);
}

START_TEST(test_build)
{
    struct message message =
        message_of("{\"title\":\"T\\n1\",\"subtitle\":\"S\",\"body\":\"안녕\",\"badge\":3,\"sound\":\"ping\","
                   "\"image\":\"https://x.example/i.png\",\"data\":{\"order\":17,\"deep\":{\"a\":[1,\"/\"]},"
                   "\"text\":\"x\",\"none\":null,\"yes\":true}}");
    struct json_object *body = built(&message);
    ck_assert_int_eq(json_object_object_length(body), 1);
    ck_assert_str_eq(test_text(body, "message/token"), DEVICE);
    ck_assert_str_eq(test_text(body, "message/notification/title"), "T\n1");
    ck_assert_str_eq(test_text(body, "message/notification/body"), "안녕");
    ck_assert_str_eq(test_text(body, "message/notification/image"), "https://x.example/i.png");
    ck_assert_int_eq(json_object_object_length(test_at(body, "message/notification")), 3);
    ck_assert_str_eq(test_text(body, "message/data/order"), "17");
    ck_assert_str_eq(test_text(body, "message/data/deep"), "{\"a\":[1,\"/\"]}");
    ck_assert_str_eq(test_text(body, "message/data/text"), "x");
    ck_assert_str_eq(test_text(body, "message/data/none"), "null");
    ck_assert_str_eq(test_text(body, "message/data/yes"), "true");
    ck_assert_str_eq(test_text(body, "message/data/outbox_id"), TEST_UUID);
    ck_assert_str_eq(test_text(body, "message/android/priority"), "HIGH");
    ck_assert_str_eq(test_text(body, "message/android/ttl"), "2419200s");
    ck_assert_str_eq(test_text(body, "message/android/notification/tag"), TEST_UUID);
    ck_assert_str_eq(test_text(body, "message/android/notification/sound"), "ping");
    ck_assert_ptr_null(test_at(body, "message/android/collapse_key"));
    json_object_put(body);
}
END_TEST

START_TEST(test_build_options)
{
    static const struct {
        const char *payload;
        int64_t expires_ms;
        const char *path, *value;
    } rows[] = {
        {"{\"body\":\"b\",\"ttl\":60}", 0, "message/android/ttl", "60s"},
        {"{\"body\":\"b\",\"ttl\":60}", TEST_NOW_MS + 30999, "message/android/ttl", "30s"},
        {"{\"body\":\"b\"}", TEST_NOW_MS + 90000, "message/android/ttl", "90s"},
        {"{\"body\":\"b\"}", TEST_NOW_MS - 1, "message/android/ttl", "0s"},
        {"{\"body\":\"b\",\"ttl\":99999999}", 0, "message/android/ttl", "2419200s"},
        {"{\"body\":\"b\",\"priority\":\"normal\"}", 0, "message/android/priority", "NORMAL"},
        {"{\"body\":\"b\",\"collapse_id\":\"o-1\"}", 0, "message/android/notification/tag", "o-1"},
        {"{\"data\":{\"a\":\"1\"}}", 0, "message/notification", NULL},
        {"{\"data\":{\"a\":\"1\"}}", 0, "message/android/notification", NULL},
        {"{\"data\":{\"a\":\"1\"}}", 0, "message/data/outbox_id", TEST_UUID},
        {"{\"message\":{\"data\":{\"a\":\"1\"},\"apns\":{\"k\":1}}}", 0, "message/data/a", "1"},
        {"{\"message\":{\"android\":{\"ttl\":\"5s\"}}}", 0, "message/android/ttl", "5s"},
        {"{\"message\":{\"android\":{\"ttl\":\"5s\"}}}", 0, "message/data/outbox_id", TEST_UUID},
        {"{\"message\":{}}", 0, "message/token", DEVICE},
        {"{\"message\":{\"data\":null}}", 0, "message/data/outbox_id", TEST_UUID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = message_of(rows[i].payload);
        message.expires_ms = rows[i].expires_ms;
        struct json_object *body = built(&message);
        if (rows[i].value == NULL)
            ck_assert_msg(test_at(body, rows[i].path) == NULL, "row %zu", i);
        else
            ck_assert_msg(strcmp(test_text(body, rows[i].path), rows[i].value) == 0, "row %zu: %s", i,
                          test_text(body, rows[i].path));
        json_object_put(body);
    }
}
END_TEST

static void check_rejected(const struct message *message, const char *reason)
{
    struct request request;
    struct verdict verdict = {.kind = VERDICT_SENT};
    ck_assert_msg(!fcm_adapter.build(settings, message, "t", TEST_NOW_MS, arena, &request, &verdict),
                  "accepted: %s", reason);
    ck_assert_str_eq(verdict_name(verdict.kind), "rejected");
    ck_assert_msg(strstr(verdict.reason, reason) != NULL, "%s", verdict.reason);
}

START_TEST(test_build_rejected)
{
    static const struct {
        const char *payload, *reason;
    } rows[] = {
        {"{}", "payload: has none of"},
        {"{\"title\":{}}", "payload.title: must be a string"},
        {"{\"body\":\"x\",\"data\":\"y\"}", "payload.data: must be an object"},
        {"{\"data\":{\"from\":\"x\"}}", "payload.data.from: the name is reserved"},
        {"{\"data\":{\"message_type\":\"x\"}}", "payload.data.message_type: the name is reserved"},
        {"{\"data\":{\"google.x\":\"x\"}}", "payload.data.google.x: the name is reserved"},
        {"{\"data\":{\"gcm.notification.x\":\"x\"}}", "payload.data.gcm.notification.x: the name is"},
        {"{\"data\":{\"outbox_id\":\"x\"}}", "payload.data.outbox_id: the name is reserved"},
        {"{\"message\":{\"data\":{\"from\":\"x\"}}}", "payload.data.from: the name is reserved"},
        {"{\"message\":{\"data\":[]}}", "payload.message.data: must be an object"},
        {"{\"message\":{\"token\":\"x\"}}", "payload.message.token: the recipient is"},
        {"{\"message\":{\"topic\":\"x\"}}", "payload.message.topic: the recipient is"},
        {"{\"message\":{\"condition\":\"x\"}}", "payload.message.condition: the recipient is"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = message_of(rows[i].payload);
        check_rejected(&message, rows[i].reason);
    }
    static const char *const tokens[] = {"", "a b", "a\r\nb", "한글", "\x7f"};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        struct message message = message_of("{\"body\":\"x\"}");
        message.recipient = tokens[i];
        check_rejected(&message, "recipient: is not a registration token");
    }
    char payload[70000];
    snprintf(payload, sizeof payload, "{\"message\":{\"notification\":{\"body\":\"%0*d\"}}}", 66000, 0);
    struct message message = message_of(payload);
    check_rejected(&message, "payload: has at least 65536 octets");

    struct request request;
    struct verdict verdict;
    message = message_of("{\"body\":\"x\"}");
    ck_assert(!fcm_adapter.build(settings, &message, NULL, TEST_NOW_MS, arena, &request, &verdict));
    ck_assert_int_eq(verdict.kind, VERDICT_REFRESH);
}
END_TEST

#define FCM_ERROR(code, status, error_code)                                                                  \
    "{\"error\":{\"code\":" #code ",\"message\":\"m\",\"status\":\"" status                                  \
    "\",\"details\":[{\"@type\":\"type.googleapis.com/"                                                      \
    "google.firebase.fcm.v1.FcmError\",\"errorCode\":\"" error_code "\"}]}}"
#define RPC_ERROR(code, status, message)                                                                     \
    "{\"error\":{\"code\":" #code ",\"message\":\"" message "\",\"status\":\"" status "\"}}"
#define QUOTA_ERROR(subject)                                                                                 \
    "{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":["             \
    "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"subject\":\"" subject     \
    "\",\"description\":\"d\"}]},{\"@type\":\"type.googleapis.com/google.firebase.fcm.v1.FcmError\","        \
    "\"errorCode\":\"QUOTA_EXCEEDED\"}]}}"
#define FIELD_ERROR(field)                                                                                   \
    "{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\",\"details\":["               \
    "{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":\"x\"},"       \
    "{\"field\":\"" field "\"}]}]}}"

START_TEST(test_judge)
{
    static const struct {
        int status;
        const char *body, *verdict;
        int64_t wait_ms;
        const char *retry_after;
    } rows[] = {
        {400, FIELD_ERROR("message.token"), "address_gone", 0, NULL},
        {400, FIELD_ERROR("message.android.ttl"), "rejected", 0, NULL},
        {400,
         RPC_ERROR(400, "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"),
         "address_gone", 0, NULL},
        {400, RPC_ERROR(400, "INVALID_ARGUMENT", "Invalid data payload key: from"), "rejected", 0, NULL},
        {400, FCM_ERROR(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), "rejected", 0, NULL},
        {401, RPC_ERROR(401, "UNAUTHENTICATED", "m"), "refresh", 0, NULL},
        {401, FCM_ERROR(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), "stopped", 0, NULL},
        {403, FCM_ERROR(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), "address_gone", 0, NULL},
        {403, RPC_ERROR(403, "PERMISSION_DENIED", "m"), "stopped", 0, NULL},
        {404, FCM_ERROR(404, "NOT_FOUND", "UNREGISTERED"), "address_gone", 0, NULL},
        {404, RPC_ERROR(404, "NOT_FOUND", "m"), "stopped", 0, NULL},
        {429, FCM_ERROR(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), "throttled", 60000, NULL},
        {429, FCM_ERROR(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), "throttled", 2000, "2"},
        {429, RPC_ERROR(429, "RESOURCE_EXHAUSTED", "m"), "throttled", 60000, NULL},
        {429, QUOTA_ERROR("project:1"), "throttled", 60000, NULL},
        {429, QUOTA_ERROR("device"), "retry", 60000, NULL},
        {429, QUOTA_ERROR("Topics message rate"), "retry", 5000, "5"},
        {500, FCM_ERROR(500, "INTERNAL", "INTERNAL"), "retry", 0, NULL},
        {500, RPC_ERROR(500, "INTERNAL", "m"), "retry", 0, NULL},
        {503, FCM_ERROR(503, "UNAVAILABLE", "UNAVAILABLE"), "retry", 0, NULL},
        {503, FCM_ERROR(503, "UNAVAILABLE", "UNAVAILABLE"), "retry", 1000, "1"},
        {503, FCM_ERROR(503, "UNAVAILABLE", "UNAVAILABLE"), "retry", 60000, "Tue, 14 Nov 2023 22:14:20 GMT"},
        {500, FCM_ERROR(500, "UNKNOWN", "UNSPECIFIED_ERROR"), "retry", 0, NULL},
        {400, FCM_ERROR(400, "UNKNOWN", "UNSPECIFIED_ERROR"), "retry", 0, NULL},
        {502, "<html>bad gateway</html>", "retry", 0, NULL},
        {504, "<html>", "retry", 0, NULL},
        {503, "", "retry", 3000, "3"},
        /* the HTTP status alone */
        {401, "", "refresh", 0, NULL},
        {403, "<html>", "stopped", 0, NULL},
        {404, "<html>", "stopped", 0, NULL},
        {429, "", "throttled", 60000, NULL},
        {400, "garbage", "rejected", 0, NULL},
        {418, "{}", "rejected", 0, NULL},
        {302, "", "stopped", 0, NULL},
        {400, "{\"error\":{\"details\":[1,{\"@type\":5},null]}}", "rejected", 0, NULL},
        {400, "{\"error\":\"text\"}", "rejected", 0, NULL},
        /* success that cannot be understood */
        {200, "", "in_doubt", 0, NULL},
        {200, "<html>", "in_doubt", 0, NULL},
        {200, "{}", "in_doubt", 0, NULL},
        {200, "{\"name\":5}", "in_doubt", 0, NULL},
        {200, "{\"name\":\"\"}", "in_doubt", 0, NULL},
        {204, "", "in_doubt", 0, NULL},
    };
    struct message message = message_of("{\"body\":\"x\"}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        if (rows[i].retry_after != NULL)
            response.headers[response.header_count++] = (struct header){"retry-after", rows[i].retry_after};
        struct verdict verdict = adapter_judge(&fcm_adapter, settings, &message, &response, TEST_NOW_MS);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s, not %s",
                      rows[i].status, rows[i].body, verdict_name(verdict.kind), rows[i].verdict);
        ck_assert_msg(verdict.not_before_ms == (rows[i].wait_ms > 0 ? TEST_NOW_MS + rows[i].wait_ms : 0),
                      "%d %s: %lld", rows[i].status, rows[i].body, (long long)verdict.not_before_ms);
        ck_assert(verdict.reason[0] != '\0' && !verdict.renew);
    }
}
END_TEST

START_TEST(test_judge_sent)
{
    struct message message = message_of("{\"body\":\"x\"}");
    struct response response = test_answer(200, "{\"name\":\"projects/p/messages/0:1500415314455276\"}\n");
    struct verdict verdict = adapter_judge(&fcm_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.kind, VERDICT_SENT);
    ck_assert_str_eq(verdict.provider_id, "projects/p/messages/0:1500415314455276");
    response.body_truncated = true;
    verdict = adapter_judge(&fcm_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_int_eq(verdict.kind, VERDICT_IN_DOUBT);
}
END_TEST

START_TEST(test_reason_hides_token)
{
    struct message message = message_of("{\"body\":\"x\"}");
    struct response response = test_answer(
        400, RPC_ERROR(400, "INVALID_ARGUMENT", "token '" DEVICE "' of\\r\\nkim@example.com is bad"));
    struct verdict verdict = adapter_judge(&fcm_adapter, settings, &message, &response, TEST_NOW_MS);
    ck_assert_str_eq(verdict.reason, "HTTP 400 INVALID_ARGUMENT: token [hidden] of [hidden] is bad");
}
END_TEST

START_TEST(test_grant_build)
{
    struct endpoint_options options = {.url = "https://fcm.googleapis.com", .http2 = true};
    struct request request;
    struct error err;
    ck_assert(fcm_adapter.credential_build(settings, TEST_NOW_MS + 999, arena, &options, &request, &err));
    ck_assert_str_eq(options.url, "https://oauth2.googleapis.com");
    ck_assert(!options.http2);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.path, "/token");
    ck_assert_str_eq(test_header(&request, "content-type"), "application/x-www-form-urlencoded");
    ck_assert_str_eq(request.body, test_text(vectors, "local_fcm_assertion/form_body"));
    ck_assert_uint_eq(request.body_size, strlen(request.body));
}
END_TEST

START_TEST(test_grant_judge)
{
    static const struct {
        int status;
        const char *body, *verdict;
        int64_t life_s;
    } rows[] = {
        {200, "{\"access_token\":\"ya29.a\",\"token_type\":\"Bearer\",\"expires_in\":3599}", "sent", 3299},
        {200, "{\"access_token\":\"ya29.a\"}", "sent", 3300},
        {200, "{\"access_token\":\"ya29.a\",\"expires_in\":100}", "sent", 50},
        {200, "{\"access_token\":\"ya29.a\",\"expires_in\":-5}", "sent", 3300},
        {200, "{\"access_token\":\"a\\r\\nx: y\",\"expires_in\":3599}", "retry", 0},
        {200, "{\"access_token\":\"\"}", "retry", 0},
        {200, "{}", "retry", 0},
        {200, "<html>", "retry", 0},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}", "stopped", 0},
        {401, "{\"error\":\"invalid_client\"}", "stopped", 0},
        {403, "", "stopped", 0},
        {404, "<html>", "stopped", 0},
        {302, "", "stopped", 0},
        {429, "", "retry", 0},
        {500, "<html>", "retry", 0},
        {503, "", "retry", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct response response = test_answer(rows[i].status, rows[i].body);
        struct credential credential = {0};
        struct verdict verdict = fcm_adapter.credential_judge(settings, &response, TEST_NOW_MS, &credential);
        ck_assert_msg(strcmp(verdict_name(verdict.kind), rows[i].verdict) == 0, "%d %s: %s", rows[i].status,
                      rows[i].body, verdict_name(verdict.kind));
        if (verdict.kind == VERDICT_SENT) {
            ck_assert_str_eq(credential.token, "ya29.a");
            ck_assert_int_eq(credential.expires_ms, TEST_NOW_MS + rows[i].life_s * 1000);
        } else {
            ck_assert_ptr_null(credential.token);
        }
        mem_free(credential.token);
    }
    struct credential none = {0};
    struct response lost = {.state = SEND_IN_DOUBT, .fault = FAULT_TIMEOUT, .body = ""};
    ck_assert_int_eq(fcm_adapter.credential_judge(settings, &lost, TEST_NOW_MS, &none).kind, VERDICT_RETRY);
    lost = (struct response){.state = SEND_UNSENT, .fault = FAULT_CONNECT, .body = ""};
    ck_assert_int_eq(fcm_adapter.credential_judge(settings, &lost, TEST_NOW_MS, &none).kind, VERDICT_RETRY);
    lost = (struct response){.state = SEND_UNSENT, .fault = FAULT_TLS, .body = ""};
    ck_assert_int_eq(fcm_adapter.credential_judge(settings, &lost, TEST_NOW_MS, &none).kind, VERDICT_RETRY);
}
END_TEST

START_TEST(test_settings)
{
    static const struct {
        const char *name, *value, *error;
    } rows[] = {
        {"project_id", NULL, "project_id must be a project id"},
        {"project_id", "a/b", "project_id must be a project id"},
        {"client_email", NULL, "client_email is missing"},
        {"private_key", NULL, "private_key is missing"},
        {"private_key", "x", "private_key: must be a PEM private key"},
        {"token_uri", NULL, "token_uri must be https://host/path"},
        {"token_uri", "http://oauth2.googleapis.com/token", "token_uri must be https://host/path"},
        {"token_uri", "https://oauth2.googleapis.com", "token_uri must be https://host/path"},
        {"token_uri", "https://host/a\r\nb", "token_uri must be https://host/path"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = test_settings_error(&fcm_adapter, "{}", service_with(rows[i].name, rows[i].value));
        ck_assert_msg(strstr(text, "secret service_account: ") == text, "%s", text);
        ck_assert_msg(strstr(text, rows[i].error) != NULL, "%s: %s", rows[i].name, text);
    }
    ck_assert_str_eq(test_settings_error(&fcm_adapter, "{}", "not json"),
                     "secret service_account: must be the JSON file of a service account");
    ck_assert_str_eq(test_settings_error(&fcm_adapter, "{}", "[]"),
                     "secret service_account: must be the JSON file of a service account");
    ck_assert(strstr(test_settings_error(&fcm_adapter, "{\"url\":\"fcm\"}", service_with(NULL, NULL)),
                     "settings.url: must be https://") != NULL);
    /* The key id is optional. */
    fcm_adapter.settings_free(test_settings_of(&fcm_adapter, "{}", service_with("private_key_id", NULL)));

    struct endpoint_options options = {0};
    fcm_adapter.endpoint(settings, &options);
    ck_assert_str_eq(options.url, "https://fcm.googleapis.com");
    ck_assert(options.http2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fcm");
    TCase *tests = tcase_create("fcm");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_build);
    tcase_add_test(tests, test_build_options);
    tcase_add_test(tests, test_build_rejected);
    tcase_add_test(tests, test_judge);
    tcase_add_test(tests, test_judge_sent);
    tcase_add_test(tests, test_reason_hides_token);
    tcase_add_test(tests, test_grant_build);
    tcase_add_test(tests, test_grant_judge);
    tcase_add_test(tests, test_settings);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
